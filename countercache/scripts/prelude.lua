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

-- Who holds the lock now. At its deadline a lock has ended, even if somebody took its time to live away.
local function holder(lock, now)
  local id = written(lock)
  if id and id ~= '' then
    local deadline = tonumber(redis.call('HGET', lock, 'deadline'))
    if deadline and now >= deadline then return nil end
  end
  return id
end

-- The time to live of a lock in ms: a lease, but never beyond the deadline. Not above 0: the deadline has passed.
local function time_to_live(lease, deadline, now)
  return math.min(lease, math.floor((deadline - now) / 1000))
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
local function put(events, fields)
  table.insert(logged, {redis.call('XADD', events, 'MAXLEN', '~', ARGV[#ARGV], '*', unpack(fields)), fields})
end

local function event(events, level, category, action, fields)
  put(events, {'level', level, 'category', category, 'action', action, unpack(fields)})
end
