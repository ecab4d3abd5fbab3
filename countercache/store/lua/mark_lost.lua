-- Records why a run that has not ended its counters will not end them any more. What was recorded first stays.
--
-- KEYS 1 began, 2 events
-- ARGV 1 id, 2 fence, 3 counters (JSON), 4 reason and message, 5 lock's name, 6 who, 7 how many events are kept
-- result {how many counters were marked, events}

-- A server whose memory is full refuses nothing to a script that has changed something: this changes nothing, but counts.
redis.call('HDEL', KEYS[1], '')

local marked = 0
for _, counter in ipairs(cjson.decode(ARGV[3])) do
  if redis.call('HGET', KEYS[1], counter) == ARGV[2] then
    redis.call('HSET', KEYS[1], counter, ARGV[2] .. ' ' .. ARGV[4])
    marked = marked + 1
  end
end
if marked > 0 and ARGV[4] == 'lock lost' then
  event(KEYS[2], 'error', 'lock', 'lost', {'lock', ARGV[5], 'run', ARGV[1], 'by', ARGV[6], 'message', ARGV[4]})
end
return {marked, logged}
