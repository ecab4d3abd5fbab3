"""The installed command, as people and scripts meet it."""
