"""`countercache doctor`: examines everything that can be wrong, and changes nothing.

`host` examines the configuration and the environment that cron has, `schedule` whether runs come often enough,
`redis_server` the server, `stored_data` locks, cells and plain keys, and `worker.diagnosis` the databases, in worker
processes. What cannot be examined is a finding too, and the rest is examined all the same.
"""
