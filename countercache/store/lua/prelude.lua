-- What every script begins with. Times are microseconds since the epoch by the server's clock, which a double holds
-- exactly until the year 2255; they are kept as text without an exponent.

local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function text(number)
  return string.format('%.0f', number)
end

-- The id that is written in the lock; '' where the key holds something else; nil where there is no key.
local function written(lock)
  local kind = redis.call('TYPE', lock).ok
  if kind == 'none' then return nil end
  local id = kind == 'hash' and redis.call('HGET', lock, 'id')
  return id and string.match(id, '^[%w-]+$') or ''
end

-- The time to live of a lock in ms: a lease, but never beyond the deadline. Not above 0: the deadline has passed.
local function time_to_live(lease, deadline, now)
  return math.min(lease, math.floor((deadline - now) / 1000))
end

-- For how many µs at least the server's clock was set back since the lock was last renewed. A time to live is never
-- longer than the lease that it was granted for, and no lock is acquired in the future: unless the clock has moved.
local function set_back(lock, now)
  local fields = redis.call('HMGET', lock, 'acquired', 'lease')
  local lease = tonumber(fields[2])
  local longer = lease and (redis.call('PTTL', lock) - lease) * 1000 or 0
  return math.max(0, (tonumber(fields[1]) or 0) - now, longer)
end

-- Who holds the lock now, as `asking` sees it. At its deadline a lock has ended, even if somebody took its time to live
-- away. After the clock was set back it has ended for everybody but its holder, who renews it while nobody else has it.
local function holder(lock, now, asking)
  local id = written(lock)
  if id and id ~= '' then
    local deadline = tonumber(redis.call('HGET', lock, 'deadline'))
    if deadline and now >= deadline then return nil end
    if id ~= asking and set_back(lock, now) > 0 then return nil end
  end
  return id
end

-- Extends my lock by a lease; returns its time to live and its deadline, which moves with a clock that was set back.
local function extend(lock, lease, now)
  local fields = redis.call('HMGET', lock, 'acquired', 'deadline')
  local back = set_back(lock, now)
  -- Where that would end the lock, it was not the clock: another program has given it a longer time to live.
  if tonumber(fields[2]) - back <= now then back = 0 end
  local deadline = tonumber(fields[2]) - back
  local ttl = time_to_live(lease, deadline, now)
  if ttl > 0 then
    redis.call('PEXPIRE', lock, ttl) -- before what a full memory may refuse
    local acquired = (tonumber(fields[1]) or now) - back
    redis.call('HSET', lock, 'acquired', text(acquired), 'deadline', text(deadline), 'lease', lease)
  end
  return ttl, text(deadline)
end

-- Why a lock is no longer mine: 'cleared' by an operator, 'taken' by another run, or 'missing'.
local function loss(held, cleared)
  if redis.call('EXISTS', cleared) == 1 then return 'cleared' end
  return held and 'taken' or 'missing'
end

-- The events that this script has put into the log, as XRANGE would show them: for the caller's own log.
local logged = {}

-- One line of the log that `countercache events` shows, as a flat list of names and values, several counters being one
-- text of lines. The last of ARGV is how many events are kept.
--
-- What only tells must not stop what counts: a log that cannot be written to (another program has made its key, a right
-- is missing) is no reason to fail. The event then has no place in the log: ''.
local function put(events, fields)
  local place = redis.pcall('XADD', events, 'MAXLEN', '~', ARGV[#ARGV], '*', unpack(fields))
  table.insert(logged, {type(place) == 'string' and place or '', fields})
end

local function event(events, level, category, action, fields)
  put(events, {'level', level, 'category', category, 'action', action, unpack(fields)})
end
