"""A run, in the guard process: the supervisor of the workers, the job of each database, and the outcome."""
