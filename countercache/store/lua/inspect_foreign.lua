-- Looks at keys that may be locks of the web stack. Reads no more of them than is shown, and changes nothing.
--
-- KEYS the keys
-- ARGV 1 how many bytes of a text, 2 how many fields of a hash are wanted, 3 'digest' where one is wanted
-- result for each {} where there is no such key, or
--   {type, time to live in ms (-1: none), seconds since it was used (-1: hidden), size, {text} or {field, value, …}, digest}

local bytes, fields = tonumber(ARGV[1]), tonumber(ARGV[2])

local function parts_of(key, kind, size)
  local parts = {}
  if kind == 'string' then
    parts[1] = redis.call('GETRANGE', key, 0, bytes - 1)
  elseif kind == 'hash' and size <= fields then
    for _, field in ipairs(redis.call('HKEYS', key)) do
      local short = redis.call('HSTRLEN', key, field) <= bytes
      table.insert(parts, string.sub(field, 1, bytes))
      table.insert(parts, short and redis.call('HGET', key, field) or '')
    end
  end
  return parts
end

local function inspect(key)
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then return {} end
  -- Before anything is read: on a server before 7.2 reading counts as using.
  local idle = redis.pcall('OBJECT', 'IDLETIME', key)
  local size = size_of(key, kind)
  local seen = ARGV[3] == 'digest' and digest(key, kind, size) or ''
  return {kind, redis.call('PTTL', key), tonumber(idle) or -1, size, parts_of(key, kind, size), seen}
end

local found = {}
for position, key in ipairs(KEYS) do found[position] = inspect(key) end
return found
