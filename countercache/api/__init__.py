"""What a Python program calls; `countercache.__all__` says which names are public."""
