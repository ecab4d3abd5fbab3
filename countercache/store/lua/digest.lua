-- What is in a key that is none of ours, for the scripts that look at one.

local SIZES = {string = 'STRLEN', hash = 'HLEN', list = 'LLEN', set = 'SCARD', zset = 'ZCARD', stream = 'XLEN'}

-- The bytes of a text, or how many items there are; -1 for a type that a module has made.
local function size_of(key, kind)
  return SIZES[kind] and redis.call(SIZES[kind], key) or -1
end

local READS = {
  string = {'GETRANGE', 0, -1}, hash = {'HGETALL'}, list = {'LRANGE', 0, -1}, set = {'SMEMBERS'},
  zset = {'ZRANGE', 0, -1, 'WITHSCORES'}
}
local LIMITS = {string = 67108864, hash = 10000, list = 10000, set = 10000, zset = 10000}

-- One word for all that is in a key, which no other content has: its type, size and SHA1; '' where that cannot be told.
local function digest(key, kind, size)
  local read = READS[kind]
  if not read or size > LIMITS[kind] then return '' end
  local content = redis.call(read[1], key, unpack(read, 2))
  if kind == 'string' then content = {content} end
  local items = {}
  local step = kind == 'hash' and 2 or 1
  for at = 1, #content, step do
    local item = #content[at] .. ':' .. content[at]
    if step == 2 then item = item .. #content[at + 1] .. ':' .. content[at + 1] end
    table.insert(items, item)
  end
  if kind == 'hash' or kind == 'set' then table.sort(items) end -- they come in no order of their own
  return kind .. ' ' .. size .. ' ' .. redis.sha1hex(table.concat(items))
end
