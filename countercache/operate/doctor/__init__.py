"""`countercache doctor`: everything that can be wrong, looked at; nothing is changed.

`host` looks at the configuration and at what cron has, `redis_server` at Redis, `stored_data` at locks, cells and plain
keys, `worker.diagnosis` (in a worker process, as any work on a database) at the databases. What cannot be looked at is
said so, and never keeps the rest from being looked at.
"""
