"""The process that reads one database: `protocol` with the guard, `tasks`, and how they are done."""
