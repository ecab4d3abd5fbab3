"""The configuration: found, read, filled from the environment, converted, validated."""
