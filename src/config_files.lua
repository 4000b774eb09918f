-- config_files.lua - runs configuration files, with the words that they are given
-- and little else in scope, and collects their mistakes.  For config.lua, which
-- says what host and the words are.

local host, values = ...
local show, unknown, sorted_keys = values.show, values.unknown, values.sorted_keys

-- Not as methods: while a configuration runs, its texts have bounded ones.
local match, find, gsub, gmatch = string.match, string.find, string.gsub, string.gmatch

local files, paths, mistakes = {}, {}, {}       -- files[n] = { path, directory, name }

---------------------------------------------------------------- mistakes

local function here()
  local number, line = host.line()
  return { file = number and files[number].name or files[1].name, line = line or 0 }
end

-- A mistake is one line: what it quotes from a file may hold line ends, NUL and
-- what a terminal would obey.
local function mistake(text, place)
  place = place or here()
  if #mistakes < 100 then
    local where = place.line > 0 and place.file .. ":" .. place.line or place.file
    mistakes[#mistakes + 1] = gsub(gsub(where .. ": " .. text, "[\t\n\r]", " "), "%c", "?")
  end
end

------------------------------------------------------------------- paths

-- That of the file that runs.
local function directory()
  return files[host.line() or 1].directory
end

-- A path is relative to the directory of the file that names it.
local function absolute(path)
  if path:sub(1, 1) == "/" then return path end
  return directory() == "/" and "/" .. path or directory() .. "/" .. path
end

----------------------------------------------------------------- sandbox

local builtins = {
  string = {}, table = table, math = math, ipairs = ipairs, pairs = pairs,
  tostring = tostring, tonumber = tonumber,
}

function builtins.env(name)
  if type(name) ~= "string" then return mistake("env: expected a variable's name") end
  return host.env(name)
end

-- Patterns can take for ever, and nothing interrupts them: bound the octets, the
-- repetitions, and how often the ones may be tried at the others.
local function bounded(original)
  return function(subject, pattern, ...)
    if type(subject) == "string" and type(pattern) == "string" then
      local _, repeats = gsub(pattern, "[%*%+%-%?]", "")
      if #subject > 1000 or repeats > 3 or (#subject) ^ (repeats + 1) > 1e8 then
        error("a pattern with more than three repetitions, or for more than 1000 octets "
          .. "(400 with two repetitions, 100 with three)", 2)
      end
    end
    return original(subject, pattern, ...)
  end
end

local plain_string = {}
for name, f in pairs(string) do plain_string[name] = f end
for name, f in pairs(plain_string) do
  local searches = name == "find" or name == "match" or name == "gmatch" or name == "gsub"
  builtins.string[name] = searches and bounded(f) or f
end
builtins.string.dump = nil

-- What stands for a word that does not exist, so that the run goes on and
-- finds the other mistakes.
local ignored = setmetatable({}, {})
for _, event in ipairs { "__call", "__index", "__concat", "__add", "__sub", "__mul", "__div", "__unm" } do
  getmetatable(ignored)[event] = function() return ignored end
end
getmetatable(ignored).__metatable = false

-- What a configuration has in scope.
local function scope(words)
  local word_names = sorted_keys(words)
  word_names[#word_names + 1] = "env"
  table.sort(word_names)
  return setmetatable({}, {
    __metatable = false,
    __index = function(_, name)
      local value = words[name] or builtins[name]
      if value == nil then
        mistake(unknown("word", tostring(name), word_names))
        return ignored
      end
      return value
    end,
    -- A misspelt word with "=" would otherwise be ignored.
    __newindex = function(_, name)
      name = tostring(name)
      if words[name] or builtins[name] then
        return mistake(string.format("`%s` is a word of the configuration: it is written without `=`", name))
      end
      mistake(unknown("word", name, word_names) .. " (a variable of your own is `local " .. name .. " = ...`)")
    end,
  })
end

------------------------------------------------------------------- files

local environment, depth

local function source_line(content, wanted)
  local number = 1
  for line in gmatch(content, "([^\n]*)\n?") do
    if number == wanted then return #line < 200 and match(line, "^%s*(.-)%s*$") or nil end
    number = number + 1
  end
end

local function run_file(path, name, place)
  paths[#paths + 1] = path
  local content, why = host.read(path)
  if not content then
    return mistake(string.format("cannot read %s: %s", name, why), place or { file = name, line = 0 })
  end
  local number = #files + 1
  files[number] = { path = path, name = name, directory = match(path, "^(.*)/[^/]*$") }
  if files[number].directory == "" then files[number].directory = "/" end
  local chunk, problem = host.load(content, number, environment)
  local fine = chunk ~= nil
  if chunk then fine, problem = host.call(chunk) end
  if not fine then
    -- "NUMBER:LINE: what": the number is the file's.
    local at, line, what = match(tostring(problem), "^(%d+):(%d+): (.*)$")
    if at then
      at, line = tonumber(at), tonumber(line)
      -- What Lua says of syntax is terse: show the line too.
      local written = chunk == nil and source_line(content, line)
      if written then what = what .. ", in `" .. written .. "`" end
      if written and match(written, "^[%a_]+%s+[%w_.]+$") then
        what = what .. "; a text is in quotes, a number in parentheses"
      elseif written and (find(written, "^#") or find(written, "^//")) then
        what = what .. "; a comment begins with --"
      end
      mistake(what, { file = files[at].name, line = line })
    else
      at, line = host.last_line()
      mistake(tostring(problem), { file = at and files[at].name or name, line = line or 0 })
    end
  end
end

-- load_config: the file that a file names.
local function include(given)
  local path = absolute(given)
  for _, file in ipairs(files) do
    if file.path == path then return mistake(string.format("load_config %s: it is loaded already", show(given))) end
  end
  if depth >= 16 then return mistake("load_config: files include each other too deeply") end
  local includer = files[host.line() or 1].name
  local name = given
  if given:sub(1, 1) ~= "/" and find(includer, "/", 1, true) then
    name = match(includer, "^(.*)/[^/]*$") .. "/" .. given
  end
  depth = depth + 1
  run_file(path, name, here())
  depth = depth - 1
end

-- Runs the file at path, which is called name in what is said about it.
local function run(words, path, name)
  environment, depth = scope(words), 0
  -- Methods of texts (("x"):upper()) are those of the sandbox too.
  host.string_methods(builtins.string)
  run_file(path, name)
  host.string_methods(plain_string)
end

return {
  run = run, include = include, paths = paths, mistakes = mistakes,
  mistake = mistake, here = here, directory = directory, absolute = absolute,
}
