"""Everything that is stored in Redis: keys, leases, cells and the event log; the Lua scripts are in `lua/`."""
