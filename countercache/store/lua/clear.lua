-- Deletes a lock on an operator's word, if it is still the one that was listed.
--
-- KEYS 1 lock, 2 cleared (by which its holder knows), 3 began, 4 events
-- ARGV 1 id that was listed, 2 lock's name, 3 who clears, 4 what the log says of it, 5 what is recorded of its
--      counters, 6 how many events are kept
-- result 'cleared', or why not: 'taken' by another run meanwhile, 'missing' (it ended by itself)

local id = written(KEYS[1])
if not id then return 'missing' end
if id ~= ARGV[1] then return 'taken' end

local fields = id ~= '' and redis.call('HMGET', KEYS[1], 'fence', 'counters') or {}
redis.call('DEL', KEYS[1])
if id ~= '' then redis.call('SET', KEYS[2], ARGV[3], 'PX', 86400000) end
local known, counters = pcall(cjson.decode, fields[2] or '[]')
for _, counter in ipairs(known and counters or {}) do
  if redis.call('HGET', KEYS[3], counter) == fields[1] then
    redis.call('HSET', KEYS[3], counter, fields[1] .. ' ' .. ARGV[5])
  end
end
event(KEYS[4], 'warning', 'lock', 'cleared', {'lock', ARGV[2], 'run', id, 'by', ARGV[3], 'message', ARGV[4]})
return 'cleared'
