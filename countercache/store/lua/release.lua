-- Deletes the lock if it is still mine, and records in any case how the run ended.
--
-- KEYS 1 lock, 2 events
-- ARGV 1 id, 2 lock's name, 3 who, 4… the event of the run's end, names and values (or nothing),
--      last: how many events are kept
-- result {1, or 0 where the lock was no longer mine, events}

-- Deleting comes first: a server whose memory is full refuses a script nothing any more that has changed something.
local mine = written(KEYS[1]) == ARGV[1]
if mine then redis.call('DEL', KEYS[1]) end
if #ARGV > 4 then put(KEYS[2], {unpack(ARGV, 4, #ARGV - 1)}) end
if mine then event(KEYS[2], 'debug', 'lock', 'released', {'lock', ARGV[2], 'run', ARGV[1], 'by', ARGV[3]}) end
return {mine and 1 or 0, logged}
