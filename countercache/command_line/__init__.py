"""How a function becomes a command: shared options, their values, and the commands beside `cli`."""
