"""A run, from the guard's side: the supervisor of the worker processes, the job of a database, the outcome."""
