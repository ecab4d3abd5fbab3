"""Values, without I/O: what a cell, a lock, a run, an event and a result are, and how they are written."""
