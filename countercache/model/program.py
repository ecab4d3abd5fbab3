"""The name of the program. Imports nothing, so that help and version load nothing for it."""

PROGRAM = "countercache"
