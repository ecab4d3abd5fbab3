-- Reads cells: one reply of text for many hashes, which the client parses many times faster than their fields one by one.
--
-- KEYS the cells
-- result a JSON array, in the order of KEYS, of objects {field: value}; empty for a cell that is not stored

local cells = {}
for position, key in ipairs(KEYS) do
  local pairs_of = redis.call('HGETALL', key)
  local cell = {}
  for index = 1, #pairs_of, 2 do cell[pairs_of[index]] = pairs_of[index + 1] end
  cells[position] = cell
end
return cjson.encode(cells)
