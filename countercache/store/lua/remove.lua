-- Deletes a lock of the web stack on an operator's word, if what is in it is still what was listed.
--
-- KEYS 1 the lock, 2 events
-- ARGV 1 the digest that was listed, 2 the key as it is shown, 3 who deletes, 4 what is recorded about it,
--      5 how many events are kept
-- result 'cleared', or why not: 'changed' meanwhile, 'missing' (it ended by itself)

local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then return 'missing' end
if digest(KEYS[1], kind, size_of(KEYS[1], kind)) ~= ARGV[1] then return 'changed' end

redis.call('DEL', KEYS[1])
event(KEYS[2], 'warning', 'lock', 'cleared', {'lock', ARGV[2], 'by', ARGV[3], 'message', ARGV[4]})
return 'cleared'
