-- Stores how cells ended, values and failures, if the lock is still mine; each cell only where my fence is newer.
--
-- Failures are taken without the lock too, where the attempt that they end still stands: nobody has begun the counter
-- since, or cleared it. For a lock ends at its deadline, and that it was the deadline must be told after it.
--
-- KEYS 1 lock, 2 cleared, 3 began, 4 index, 5 events
-- ARGV 1 id, 2 fence, 3 lock's name, 4 who, 5 the document (JSON):
--   cells    [{key, member, counter, fields: [name, value, …] of the value, absent: [name, …] of what it does not
--              have, fresh: µs it stays fresh, publish: [[key, value, time to live in ms or 0], …],
--              outdated: [plain key that it publishes no more, …],
--              hold: {share: by which it may differ from the stored value, value, display, advice: what to do}}
--           | {key, member, counter, label, reason, error, counts: whether it is the counter's own failure}]
--   drop     [[key, member, [plain key, …]], …] placeholders that real cells replace, and cells of groups and periods
--              that the database no longer has
--   done     [counter, …] that have ended with these cells
--   failed   [[category, action, message, [counter, …]], …] for the log, as far as they are stored here
--   remarks  [[action, message, [counter, …]], …] likewise, of those that succeeded
--   breaker  {failures: in a row from which on a next attempt is put off, waits: [µs, …] for the first such, the next…}
--      6 how many events are kept
-- result {'written', {members refused because a newer run wrote them}, events, {{member, why it was held back}, …}}
--     or {'cleared' | 'taken' | 'missing'}

local id, fence = ARGV[1], ARGV[2]
local now = now_us()
local held = holder(KEYS[1], now, id)
local document = cjson.decode(ARGV[5])

-- 'older': to be written; 'mine': written by a first try whose reply was lost; 'newer': not to be touched.
local function standing(key)
  local stored = redis.call('HMGET', key, 'fence', 'run')
  local last = tonumber(stored[1]) or 0
  if last < tonumber(fence) then return 'older' end
  return last == tonumber(fence) and stored[2] == id and 'mine' or 'newer'
end

local refused = {}
if held ~= id then
  local failures = {}
  for _, cell in ipairs(document.cells) do
    if not cell.reason then return {loss(held, KEYS[2])} end
    local stands = redis.call('HGET', KEYS[3], cell.counter) == fence or standing(cell.key) == 'mine'
    table.insert(stands and failures or refused, stands and cell or cell.member)
  end
  if #failures == 0 then return {loss(held, KEYS[2])} end
  document.cells, document.drop = failures, {}
end

-- Why a value is not stored in place of the one that is there: it moved by more than it may. In doubles, which is near
-- enough for a bound.
local function held_back(cell)
  if not cell.hold then return nil end
  local before, after = tonumber(redis.call('HGET', cell.key, 'value') or ''), tonumber(cell.hold.value)
  if not before or not after or before == 0 then return nil end
  local moved = (after - before) / math.abs(before)
  if math.abs(moved) <= tonumber(cell.hold.share) then return nil end
  local display, label = unpack(redis.call('HMGET', cell.key, 'display', 'label'))
  local from, to = display or '', cell.hold.display
  if label and label ~= cell.hold.label then from, to = from .. ' (' .. label .. ')', to .. ' (' .. cell.hold.label .. ')' end
  return string.format('changed by %+.1f %%, from %s to %s; %s', moved * 100, from, to, cell.hold.advice)
end

local function store_value(cell)
  -- First what a full memory may refuse: a server that has let a script change something refuses it nothing any more.
  redis.call('HSET', cell.key, 'run', id, 'fence', fence, 'computed_at', text(now), unpack(cell.fields))
  redis.call('HDEL', cell.key, unpack(cell.absent))
  if cell.fresh then redis.call('HSET', cell.key, 'fresh_until', text(now + cell.fresh)) end
  for _, published in ipairs(cell.publish) do
    local key, value, ttl = unpack(published)
    if ttl > 0 then redis.call('SET', key, value, 'PX', ttl) else redis.call('SET', key, value) end
  end
  if #cell.outdated > 0 then redis.call('DEL', unpack(cell.outdated)) end
end

-- µs until the next attempt after so many failures in a row; nil: it is not put off.
local function wait_after(failures)
  local breaker = document.breaker
  local beyond = breaker and failures - breaker.failures + 1 or 0
  if beyond > 0 then return breaker.waits[math.min(beyond, #breaker.waits)] end
end

-- Returns the failures in a row and the wait until the next attempt, where it is put off.
local function store_failure(cell)
  redis.call('HSET', cell.key, 'run', id, 'fence', fence,
    'reason', cell.reason, 'error', cell.error, 'failed_at', text(now))
  if cell.hold then
    local later = {fields = cell.fields, absent = cell.absent, fresh = cell.fresh, publish = cell.publish,
      outdated = cell.outdated, at = text(now)}
    redis.call('HSET', cell.key, 'held', cjson.encode(later))
  else
    redis.call('HDEL', cell.key, 'held')
  end
  if redis.call('HEXISTS', cell.key, 'value') == 0 then redis.call('HSET', cell.key, 'label', cell.label) end
  if not cell.counts then return end
  local failures = redis.call('HINCRBY', cell.key, 'failures', 1)
  local wait = wait_after(failures)
  if wait then
    redis.call('HSET', cell.key, 'next_attempt', text(now + wait))
    return {failures, wait}
  end
  redis.call('HDEL', cell.key, 'next_attempt')
end

-- What became of each counter here. Its breaker opens when all its cells are put off, and closes when one succeeds.
local order, failed, succeeded, put_off, closed, withheld = {}, {}, {}, {}, {}, {}
for _, cell in ipairs(document.cells) do
  local last = standing(cell.key)
  local why = not cell.reason and last == 'older' and held_back(cell)
  if why then cell.reason, cell.error, cell.counts = 'held', why, false end
  if why or (last == 'mine' and not cell.reason and redis.call('HGET', cell.key, 'reason') == 'held') then
    table.insert(withheld, {cell.member, why or redis.call('HGET', cell.key, 'error'), cell.counter})
  end
  if last == 'newer' then
    table.insert(refused, cell.member)
  elseif last == 'older' then
    local counter = cell.counter
    if not failed[counter] and not succeeded[counter] then table.insert(order, counter) end
    if cell.reason then
      local wait = store_failure(cell)
      if not failed[counter] or not wait then put_off[counter] = wait end
      failed[counter] = true
    else
      if redis.call('HEXISTS', cell.key, 'next_attempt') == 1 then closed[counter] = true end
      store_value(cell)
      succeeded[counter] = true
    end
    redis.call('SADD', KEYS[4], cell.member)
  end
end
for _, cell in ipairs(document.drop) do
  local key, member, published = unpack(cell)
  if standing(key) ~= 'newer' then
    redis.call('DEL', key, unpack(published))
    redis.call('SREM', KEYS[4], member)
  end
end
for _, counter in ipairs(document.done) do
  if redis.call('HGET', KEYS[3], counter) == fence then redis.call('HDEL', KEYS[3], counter) end
end

-- One event for all those of `counters` that are in `of`, if there are any.
local function tell(level, category, action, message, counters, of)
  local hit = {}
  for _, counter in ipairs(counters) do
    if of[counter] then table.insert(hit, counter) end
  end
  if #hit > 0 then
    event(KEYS[5], level, category, action, {'counter', table.concat(hit, '\n'), 'run', id, 'lock', ARGV[3],
      'by', ARGV[4], 'message', message})
  end
end

for _, told in ipairs(document.failed) do tell('error', told[1], told[2], told[3], told[4], failed) end
for _, each in ipairs(withheld) do
  if failed[each[3]] then tell('warning', 'counter', 'held', each[2], {each[3]}, failed) end
end
for _, told in ipairs(document.remarks) do tell('warning', 'counter', told[1], told[2], told[3], succeeded) end
local waits = {}
for _, counter in ipairs(order) do
  local wait = not succeeded[counter] and put_off[counter]
  if wait then
    local message = string.format('%d failures in a row; not tried again for %.0f s', wait[1], wait[2] / 1000000)
    waits[message] = waits[message] or {}
    table.insert(waits[message], counter)
  end
end
for message, counters in pairs(waits) do tell('warning', 'breaker', 'opened', message, counters, failed) end
tell('info', 'breaker', 'closed', 'it succeeded again', order, closed)
return {'written', refused, logged, withheld}
