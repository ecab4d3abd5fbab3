"""What all tests share: real servers from wheels (`tests/postgres.py`, `tests/valkey.py`)."""

pytest_plugins = ["tests.postgres", "tests.valkey"]
