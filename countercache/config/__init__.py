"""The configuration: finds the file, reads it, adds the environment, converts and validates it."""
