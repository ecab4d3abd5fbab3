"""How fast countercache is: `make bench`, or `python -m bench PART…` for some parts of it.

All times are compared with others of the same run, on the same machine, the order alternating; see `measure`.
"""
