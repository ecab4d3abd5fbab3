"""The demo: real figures in an SQLite database shaped as a web stack's."""
