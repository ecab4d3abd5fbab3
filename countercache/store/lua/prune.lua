-- Removes cells that are no longer configured, with the plain keys that they published, and records of attempts; each
-- only if it is still as it was listed. In a dry run it tells what it would remove.
--
-- KEYS 1 index, 2 began
-- ARGV 1 the document (JSON):
--   cells     [{key, member, fence, value, publish: [key, …]}, …] each with its fence and value as listed, '' for none
--   attempts  [[counter, record], …]
--   json      whether the plain keys hold JSON
--   dry       whether this is a dry run
-- result {{the position of a cell that was removed, {its plain keys that were}}, …}, {counters whose record was}}

local document = cjson.decode(ARGV[1])

local function remove(command, ...)
  if not document.dry then redis.call(command, ...) end
end

-- Whether a plain key still holds what the cell published: if not, somebody else writes there.
local function still(key, value)
  if value == '' or redis.call('TYPE', key).ok ~= 'string' then return false end
  local text = redis.call('GET', key)
  if not document.json then return text == value end
  local known, object = pcall(cjson.decode, text)
  return known and type(object) == 'table' and object.value == value
end

local removed, forgotten = {}, {}
for position, cell in ipairs(document.cells) do
  if (redis.call('HGET', cell.key, 'fence') or '') == cell.fence then
    local plain = {}
    for _, key in ipairs(cell.publish) do
      if still(key, cell.value) then
        remove('DEL', key)
        table.insert(plain, key)
      end
    end
    remove('DEL', cell.key)
    remove('SREM', KEYS[1], cell.member)
    table.insert(removed, {position, plain})
  end
end
for _, attempt in ipairs(document.attempts) do
  if redis.call('HGET', KEYS[2], attempt[1]) == attempt[2] then
    remove('HDEL', KEYS[2], attempt[1])
    table.insert(forgotten, attempt[1])
  end
end
return {removed, forgotten}
