-- config_values.lua - what a word is given: showing it, checking it, and what was
-- meant by a name that is none.  Pure functions, for config.lua.

-- Not as methods: while a configuration runs, its texts have bounded ones.
local match, find, gsub = string.match, string.find, string.gsub

local function show(value)
  if type(value) == "string" then return gsub(string.format("%q", value), "\\\n", "\\n") .. "" end
  if type(value) == "number" or type(value) == "boolean" then return tostring(value) end
  return value == nil and "nothing" or "a " .. type(value)
end

-- Edit distance, a swap of neighbours counting once.
local function distance(a, b)
  local before, last, row = {}, {}, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    row = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j) and 0 or 1
      row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + same)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    before, last = last, row
  end
  return last[#b]
end

local function nearest(word, known)
  local best, least = nil, 3
  if #word > 40 then return nil end
  for _, candidate in ipairs(known) do
    local d = distance(word:lower(), candidate)
    if d < least and d < #candidate then best, least = candidate, d end
  end
  return best
end

local function sorted_keys(t)
  local keys = {}
  for k in pairs(t) do if type(k) == "string" then keys[#keys + 1] = k end end
  table.sort(keys)
  return keys
end

local function unknown(what, word, known)
  local near = nearest(word, known)
  if near then
    return string.format("unknown %s `%s`, did you mean `%s`?", what, word, near)
  end
  return string.format("unknown %s `%s`, expected one of: %s", what, word, table.concat(known, ", "))
end

-- Each of these takes a value and answers what the program needs, or nil and what
-- it expected.

local function seconds(value)
  if type(value) ~= "number" or value ~= value or value < 0 or value > 31536000 then
    return nil, "seconds, 0 to 31536000"
  end
  return value
end

local function positive_seconds(value)
  if seconds(value) and value > 0 then return value end
  return nil, "seconds, more than 0"
end

local function count(least, most)
  return function(value)
    local whole = type(value) == "number" and math.tointeger(value)
    if whole and whole >= least and whole <= most then return whole end
    return nil, string.format("a whole number, %d to %d", least, most)
  end
end

local units = { [""] = 1, K = 1024, M = 1024 ^ 2, G = 1024 ^ 3 }

local function size(least, most)
  return function(value)
    local number, unit = value, ""
    if type(value) == "string" and #value <= 20 then
      number, unit = match(value, "^(%d+)([KMG]?)$")
      number = tonumber(number)
    end
    local octets = type(number) == "number" and math.tointeger(number * units[unit])
    if octets and octets >= least and octets <= most then return octets end
    return nil, string.format('a size such as 4096, "32K" or "64M", %d to %d octets', least, most)
  end
end

local function text(value)
  if type(value) == "string" and value ~= "" and not find(value, "\0", 1, true) then return value end
  return nil, "a text"
end

local function boolean(value)
  if type(value) == "boolean" then return value end
  return nil, "true or false"
end

local function anything(value)
  local kind = type(value)
  if kind == "string" or kind == "number" or kind == "boolean" then return value end
  return nil, "a text, a number, true, false or a table of these"
end

return {
  show = show, nearest = nearest, sorted_keys = sorted_keys, unknown = unknown,
  seconds = seconds, positive_seconds = positive_seconds, count = count, size = size,
  text = text, boolean = boolean, anything = anything,
}
