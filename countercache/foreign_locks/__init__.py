"""Locks that web frameworks keep in the same Redis: told apart, shown, cleared on an explicit word."""
