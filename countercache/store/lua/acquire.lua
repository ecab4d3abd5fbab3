-- Takes the lock, unless another run holds it. The same id again (its reply was lost) gets the same fence and deadline.
--
-- KEYS 1 lock, 2 fence, 3 began, 4 events
-- ARGV 1 id, 2 lease in ms, 3 budget in ms, 4 lock's name, 5 who, 6 counters (JSON), 7… the owner's fields and values,
--      last: how many events are kept
-- result {'granted', fence, time to live in ms, deadline in µs, events}
--     or {'held', time to live in ms, {the lock's fields and values}, now in µs}

local id, lease, budget = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local now = now_us()

local held = holder(KEYS[1], now, id)
if held == id then
  local ttl, deadline = extend(KEYS[1], lease, now)
  return {'granted', redis.call('HGET', KEYS[1], 'fence'), ttl, deadline, logged}
elseif held then
  local fields = held ~= '' and redis.call('HGETALL', KEYS[1]) or {}
  return {'held', redis.call('PTTL', KEYS[1]), fields, text(now)}
end

-- By the clock, so that it grows on after a FLUSHALL; by the last one, so that it grows when the clock is set back.
local fence = text(math.max((tonumber(redis.call('GET', KEYS[2])) or 0) + 1, now))
local deadline = now + budget * 1000
local ttl = time_to_live(lease, deadline, now)

-- In this order no missing right and no full memory can leave a lock without a time to live: what is most likely to be
-- refused comes before the lock, and PEXPIRE is tried (there is no key yet) before there is anything to expire.
redis.call('SET', KEYS[2], fence)
event(KEYS[4], 'debug', 'lock', 'acquired', {'lock', ARGV[4], 'run', id, 'by', ARGV[5]})
redis.call('DEL', KEYS[1])
redis.call('PEXPIRE', KEYS[1], ttl)
redis.call('HSET', KEYS[1], 'id', id, 'fence', fence, 'counters', ARGV[6], 'acquired', text(now),
  'deadline', text(deadline), 'lease', lease, 'phase', 'starting', 'done', 0, unpack(ARGV, 7, #ARGV - 1))
redis.call('PEXPIRE', KEYS[1], ttl)
local counters = cjson.decode(ARGV[6])
for _, counter in ipairs(counters) do
  redis.call('HSET', KEYS[3], counter, fence)
end
local what = string.format(#counters == 1 and '%d counter' or '%d counters', #counters)
event(KEYS[4], 'info', 'run', 'started', {'lock', ARGV[4], 'run', id, 'by', ARGV[5], 'message', what})
return {'granted', fence, ttl, text(deadline), logged}
