"""Everything in Redis: the client and its keys, leases, cells, the event log; the scripts are in `lua/`."""
