-- Stores a value that was held back, on an operator's word, if it is still the one that was listed.
--
-- KEYS 1 cell, 2 events
-- ARGV 1 fence that was listed, 2 counter, 3 who accepts, 4 what is recorded about it, 5 the cell's definition in the
--      configuration, 6 how many events are kept
-- result 'accepted', 'changed' where a run has written the cell since, or 'redefined' where the configuration has
--      changed since it was computed

local stored = redis.call('HMGET', KEYS[1], 'fence', 'reason', 'held')
if stored[1] ~= ARGV[1] or stored[2] ~= 'held' or not stored[3] then return 'changed' end

local held = cjson.decode(stored[3])
for index = 1, #held.fields, 2 do
  if held.fields[index] == 'definition' and held.fields[index + 1] ~= ARGV[5] then return 'redefined' end
end
redis.call('HSET', KEYS[1], 'computed_at', held.at, unpack(held.fields))
redis.call('HDEL', KEYS[1], 'held', unpack(held.absent))
if held.fresh then redis.call('HSET', KEYS[1], 'fresh_until', text(tonumber(held.at) + held.fresh)) end
for _, published in ipairs(held.publish) do
  local key, value, ttl = unpack(published)
  if ttl > 0 then redis.call('SET', key, value, 'PX', ttl) else redis.call('SET', key, value) end
end
if held.outdated and #held.outdated > 0 then redis.call('DEL', unpack(held.outdated)) end
event(KEYS[2], 'info', 'counter', 'accepted', {'counter', ARGV[2], 'by', ARGV[3], 'message', ARGV[4]})
return 'accepted'
