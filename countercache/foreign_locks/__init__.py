"""Locks that web frameworks keep in the same Redis: recognised, listed, and cleared on explicit request."""
