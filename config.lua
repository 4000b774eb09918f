-- config.lua - the vocabulary of modserver's configuration files.
--
-- This file is part of the program: it is built into it and read at every
-- start.  What a word means to the one who writes a configuration is in
-- modserver.conf(5); here is what the program makes of it: plain data, or a
-- list of mistakes, all of them at once.
--
-- It opens nothing.  What it must know of the world it asks `host`:
--   host.read(path)      the text of a file, or nil and why not
--   host.exists(path)    whether a file is there
--   host.user(name)      user id and group id of a user, or nil
--   host.group(name)     group id of a group, or nil
--   host.env(name)       an environment variable, or nil
--   host.methods()       the names of all methods that are known
--   host.load(text, n, environment)   a chunk of file number n, or nil and why not
--   host.line()          file number and line of the configuration that runs
--   host.last_line()     the same of what ran last
--   host.address(text)   "inet", "inet6" or nil: a numeric address
--
-- Beside it are src/config_values.lua, which checks what a word is given, and
-- src/config_files.lua, which runs the files.

local host, main_path, values, files = ...
local show, nearest, unknown, sorted_keys = values.show, values.nearest, values.unknown, values.sorted_keys
local seconds, count, size, text, boolean = values.seconds, values.count, values.size, values.text, values.boolean
local mistake, here, absolute = files.mistake, files.here, files.absolute

-- Not as methods: while a configuration runs, its texts have bounded ones.
local match, find, gmatch = string.match, string.find, string.gmatch

local data = {
  listens = {}, metrics = {}, trusted_proxies = {}, modules = {}, servlets = {}, files = files.paths,
  workers = { min = 1, max = 256, idle_timeout = 5, max_requests = 0, patience = 0.001 },
  timeouts = { head = 10, body = 30, keepalive = 60, write = 30, queue = 10, request = 0, drain = 30 },
  limits = { head = 32 * 1024, body = 64 * 1024 * 1024, headers = 100 },
  access_extended = false, reload = false, debug = false,
}

---------------------------------------------------- values of these words

-- "GET" or { "GET", "POST" } as an Allow field has them; HEAD goes with GET.
local function methods(value)
  local list, known, named = {}, host.methods(), {}
  for _, name in ipairs(known) do known[name] = true end
  for _, name in ipairs(type(value) == "table" and value or { value }) do
    if not known[name] then
      return nil, string.format('"GET", { "GET", "POST" } and the like; %s is none of: %s', show(name),
        table.concat(known, ", "))
    end
    for _, each in ipairs(name == "GET" and { "GET", "HEAD" } or { name }) do
      if not named[each] then list[#list + 1] = each end
      named[each] = true
    end
  end
  if #list == 0 then return nil, 'one method at least, such as "GET"' end
  return table.concat(list, ", ")
end

-- A table of named fields: known ones are checked, others are a mistake, or,
-- where `open`, the module's own business, unless they look like a slip.
local function fields(word, given, known, into, open)
  local own = {}
  local function add(name, value)
    local keys = type(value) == "table" and sorted_keys(value) or {}
    if type(value) == "table" and #value + #keys > 0 and not find(name, ".", 1, true) then
      for _, each in ipairs(value) do add(name, each) end
      for _, key in ipairs(keys) do add(name .. "." .. key, value[key]) end
      return
    end
    local taken, expected = values.anything(value)
    if taken == nil then
      mistake(string.format("%s: %s is %s, expected %s", word, name, show(value), expected))
    else
      own[#own + 1] = { name = name, value = tostring(taken) }
    end
  end
  for _, name in ipairs(sorted_keys(given)) do
    local check = known[name]
    if check == nil and open and not nearest(name, sorted_keys(known)) then
      add(name, given[name])
    elseif check == nil then
      mistake(string.format("%s: %s", word, unknown("field", name, sorted_keys(known))))
    else
      local value, expected = check(given[name])
      if value == nil then
        mistake(string.format("%s: %s is %s, expected %s", word, name, show(given[name]), expected))
      else
        into[name] = value
      end
    end
  end
  return own
end

-- The directory of a file that will be made, if it is not there.
local function missing_directory(path)
  local directory = match(path, "^(.+)/[^/]*$")
  return directory and not host.exists(directory) and directory or nil
end

------------------------------------------------------------------- words

local words = {}

local function whole_number(digits)
  return digits and #digits <= 5 and tonumber(digits) or nil
end

-- "0.0.0.0:8080", "[::1]:8080", "::1:8080", "*:8080", ":8080", "8080", "unix:/path"
local function address(written)
  local path = match(written, "^unix:(.*)$")
  if path then
    path = path ~= "" and absolute(path)
    if not path then return nil, "the path of a unix socket is missing" end
    if #path > 107 then return nil, "the path of a unix socket has 107 octets at most" end
    local directory = missing_directory(path)
    if directory then return nil, "there is no directory " .. directory end
    return { family = "unix", host = path, port = 0 }
  end
  local name, digits = match(written, "^%[(.*)%]:(%d+)$")
  if not name then name, digits = match(written, "^(.*):(%d+)$") end
  if not name then name, digits = "", match(written, "^(%d+)$") end
  local port = whole_number(digits)
  if not port or port < 1 or port > 65535 then
    return nil, 'expected ADDRESS:PORT such as "0.0.0.0:8080" or "[::1]:8080", or "unix:/PATH"; a port is 1 to 65535'
  end
  if name == "" or name == "*" then name = "0.0.0.0" end
  if name == "localhost" then name = "127.0.0.1" end
  local family = host.address(name)
  if not family then return nil, show(name) .. " is no numeric address" end
  return { family = family, host = name, port = port }
end

-- An address to listen at, or nil, which has been told.
local function listener(word, given, backlog)
  if math.type(given) == "integer" then given = tostring(given) end
  if type(given) ~= "string" or #given > 1000 then
    return mistake(string.format('%s: %s is no address, expected one such as "0.0.0.0:8080"', word, show(given)))
  end
  local listen, why = address(given)
  if not listen then return mistake(string.format("%s %s: %s", word, show(given), why)) end
  local place = here()
  listen.text, listen.backlog, listen.proxy_protocol = given, backlog, false
  listen.file, listen.line = place.file, place.line
  return listen
end

-- One of these that has the same address, or nil.
local function same_address(listens, listen)
  for _, other in ipairs(listens) do
    if other.host == listen.host and other.port == listen.port then return other end
  end
end

function words.listen(given)
  local options = { backlog = 1024, proxy_protocol = false }
  if type(given) == "table" then
    fields("listen", given, { backlog = count(1, 65535), proxy_protocol = boolean }, options)
    given = given[1]
  end
  local listen = listener("listen", given, options.backlog)
  if not listen then return end
  local other = same_address(data.listens, listen)
  if other then
    return mistake(string.format("listen %s: already at %s:%d", show(given), other.file, other.line))
  end
  listen.proxy_protocol = options.proxy_protocol
  table.insert(data.listens, listen)
end

function words.metrics(given)
  data.metrics = { given ~= "off" and listener("metrics", given, 1024) or nil }
end

-- "192.0.2.7", "10.0.0.0/8", "2001:db8::/32", "unix"
local function network(written)
  if written == "unix" then return { family = "unix", prefix = 0 } end
  if type(written) ~= "string" or #written > 100 then return nil end
  local name, digits = match(written, "^(.-)/(%d+)$")
  local family = host.address(name or written)
  local bits = family == "inet" and 32 or 128
  local prefix = name and whole_number(digits) or not name and bits
  if not family or not prefix or prefix > bits then return nil end
  return { family = family, address = name or written, prefix = prefix }
end

function words.trusted_proxies(given)
  if type(given) ~= "table" then given = { given } end
  for _, key in ipairs(sorted_keys(given)) do
    mistake(string.format("trusted_proxies: %s: expected no names, as in trusted_proxies { \"10.0.0.0/8\" }", key))
  end
  if next(given) == nil then mistake("trusted_proxies: expected an address, a network or \"unix\"") end
  for _, written in ipairs(given) do
    local taken = network(written)
    if taken then
      table.insert(data.trusted_proxies, taken)
    else
      mistake(string.format('trusted_proxies: %s, expected an address such as "127.0.0.1", a network such as ' ..
        '"10.0.0.0/8", or "unix"', show(written)))
    end
  end
end

function words.user(name, group)
  if not text(name) or (group ~= nil and not text(group)) then
    return mistake('user: expected a user\'s name, and perhaps a group\'s: user ("www-data", "www-data")')
  end
  local uid, gid = host.user(name)
  if not uid then return mistake(string.format("user: there is no user %s", show(name))) end
  if group then
    gid = host.group(group)
    if not gid then return mistake(string.format("user: there is no group %s", show(group))) end
  end
  data.user = { name = name, group = group, uid = uid, gid = gid }
end

-- "module.lua", "lua" and "module/lua.so" are the same module.
local function module_name(written)
  local name = match(written, "^module/(.*)$") or match(written, "^module%.(.*)$") or written
  name = match(name, "^(.*)%.so$") or name
  return match(name, "^[%w_%-]+$") and name or nil
end

local function extension_list(value)
  local list = {}
  for _, extension in ipairs(type(value) == "table" and value or { value }) do
    if type(extension) ~= "string" or not match(extension, "^%.?[%w_+%-%.]+$") then return nil end
    list[#list + 1] = match(extension, "^%.?(.*)$")
  end
  return #list > 0 and list or nil
end

local function add_module(given)
  local written, extensions = given[1], extension_list(given[2])
  local name = type(written) == "string" and #written < 200 and module_name(written)
  if not name then
    return mistake("load_module: " .. show(written) .. ' is no module\'s name, expected one such as "module.lua"')
  end
  if not extensions then
    return mistake(string.format('load_module %s: expected the file extensions it serves, such as "lua" or {"lua", "luac"}',
      show(written)))
  end
  local place = here()
  local module = { name = name, extensions = extensions, optional = false, file = place.file, line = place.line,
    directory = files.directory() }
  module.options = fields("load_module", given, { optional = boolean }, module, true)
  for _, other in ipairs(data.modules) do
    for _, mine in ipairs(extensions) do
      for _, theirs in ipairs(other.extensions) do
        if mine == theirs then
          mistake(string.format("load_module %s: extension %s is served by %s already (%s:%d)",
            show(written), show(mine), other.name, other.file, other.line))
        end
      end
    end
  end
  table.insert(data.modules, module)
end

function words.load_module(given, extensions)
  add_module(type(given) == "table" and given or { given, extensions })
end

-- What is wrong with a route, or nil.
local function route_error(route)
  if type(route) ~= "string" or route:sub(1, 1) ~= "/" then return 'a route begins with "/"' end
  if #route > 1000 then return "a route has 1000 octets at most" end
  local path = match(route, "^(.*)/%*$") or route
  if find(path, "*", 1, true) then return '"*" stands only at the end, after "/"' end
  if find(path, "//", 1, true) then return 'a route has no "//"' end
  if find(path, "[%c%?#%%\x7f]") then return "a route has no query, control or percent-encoded characters" end
  for segment in gmatch(path, "[^/]+") do
    if segment == "." or segment == ".." then return 'a route has no "." or ".." segments' end
  end
end

local function add_servlet(given)
  local written, route = given[1], given[2]
  if not text(written) then
    return mistake("load_servlet: " .. show(written) .. " is no file, expected one such as \"hello.so\"")
  end
  local called = match(written, "^(.*)%(%)$") or written    -- "pkg.module:factory()"
  local is_name = #written < 1000 and match(called, "^[%a_][%w_%.]*:[%a_][%w_%.]*$")
  if route == nil then
    if is_name or find("/" .. written, "/../", 1, true) or written:sub(1, 1) == "/" then
      return mistake(string.format('load_servlet %s: it needs a route, as in load_servlet (%s, "/name")',
        show(written), show(written)))
    end
    route = "/" .. (match(written, "^%./(.*)$") or written)
  end
  local wrong = route_error(route)
  if wrong then
    return mistake(string.format("load_servlet %s: route %s: %s", show(written), show(route), wrong))
  end
  local place = here()
  local servlet = {
    text = written, route = route, description = "", optional = false, timeout = false,
    file = place.file, line = place.line, is_name = is_name ~= nil,
    path = is_name and written or absolute(written),
    directory = files.directory(),
  }
  servlet.options = fields("load_servlet", given, { timeout = seconds, optional = boolean, methods = methods,
    description = function(v) if type(v) == "string" then return v end return nil, "a text" end }, servlet, true)
  table.insert(data.servlets, servlet)
end

function words.load_servlet(given, route)
  add_servlet(type(given) == "table" and given or { given, route })
end

local function switch(word, value)
  if value == "on" or value == true then return true end
  if value == "off" or value == false then return false end
  mistake(string.format('%s: %s, expected "on" or "off"', word, show(value)))
end

for _, word in ipairs { "reload", "debug" } do
  words[word] = function(value) data[word] = switch(word, value) or false end
end

local known_fields = {
  workers = {
    min = count(0, 10000), max = count(1, 10000), idle_timeout = values.positive_seconds,
    max_requests = count(0, 1 << 53), patience = function(value)
      if seconds(value) and value >= 0.0001 and value <= 10 then return value end
      return nil, "seconds, 0.0001 to 10"
    end,
  },
  timeouts = {
    head = seconds, body = seconds, keepalive = seconds, write = seconds,
    queue = seconds, request = seconds, drain = seconds,
  },
  limits = { head = size(256, 1 << 20), body = size(0, 1 << 50), headers = count(1, 10000) },
}

for word, known in pairs(known_fields) do
  words[word] = function(given)
    data[word].place = here()
    if type(given) ~= "table" then
      return mistake(string.format("%s: expected named fields, as in %s { %s = ... }", word, word, sorted_keys(known)[1]))
    end
    if #given > 0 then
      mistake(string.format("%s: %s has no name, expected one of: %s", word, show(given[1]),
        table.concat(sorted_keys(known), ", ")))
    end
    fields(word, given, known, data[word])
  end
end

-- A file that will be written.
local function writable(word, path)
  local place = here()
  path = absolute(path)
  local directory = missing_directory(path)
  if directory then mistake(string.format("%s %s: there is no directory %s", word, show(path), directory)) end
  return { path = path, file = place.file, line = place.line }
end

-- What other servers take for something else than a file is none here either.
local no_files = { off = true, on = true, stderr = true, stdout = true, syslog = true }

local function log_path(word, path, nothing, expected)
  if not text(path) or path ~= nothing and no_files[path] then
    return mistake(string.format("%s: %s, expected %s", word, show(path), expected))
  end
  data[word] = path ~= nothing and writable(word, path) or nil
end

local function access_format(value)
  if value == "combined" or value == "extended" then return value end
  return nil, '"combined" or "extended"'
end

function words.access_log(given)
  local options = { format = "combined" }
  if type(given) == "table" then
    fields("access_log", given, { format = access_format }, options)
    given = given[1]
  end
  log_path("access_log", given, "off", 'a path, such as "access.log" or "/dev/stdout", or "off"')
  data.access_extended = options.format == "extended"
end

function words.error_log(path)
  log_path("error_log", path, "stderr", 'a path, such as "error.log", or "stderr"')
end

function words.pidfile(path)
  if not text(path) then return mistake("pidfile: expected a path") end
  data.pidfile = writable("pidfile", path)
end

function words.load_config(given)
  if not text(given) then return mistake("load_config: expected a file") end
  files.include(given)
end

-- More than a word takes is a mistake, not something to ignore.
local arity = { user = 2, load_module = 2, load_servlet = 2 }
local unnamed = { listen = 1, access_log = 1 }

local function exactly(word, meaning)
  return function(...)
    local first = ...
    local most = type(first) == "table" and 1 or arity[word] or 1
    local named = type(first) == "table" and #first > (unnamed[word] or 2) and
      word ~= "trusted_proxies" and not known_fields[word]
    if select("#", ...) > most or named then
      return mistake(string.format("%s: more values than it takes", word))
    end
    return meaning(...)
  end
end

------------------------------------------------------------------- whole

-- The module that serves a file: the longest extension that fits.
local function serving_module(servlet)
  local best, longest = nil, 0
  for index, module in ipairs(data.modules) do
    for _, extension in ipairs(module.extensions) do
      local fits = servlet.is_name and extension == "py" or
        servlet.path:sub(-#extension - 1) == "." .. extension
      if fits and #extension > longest then best, longest = index, #extension end
    end
  end
  return best
end

local function check_whole()
  local routes = {}
  if #data.listens == 0 then
    table.insert(data.listens, { family = "inet", host = "0.0.0.0", port = 8080, text = "0.0.0.0:8080",
      backlog = 1024, proxy_protocol = false, file = main_path, line = 0 })
  end
  for _, metrics in ipairs(data.metrics) do
    local listen = same_address(data.listens, metrics)
    if listen then
      mistake(string.format("metrics %s: %s there", show(metrics.text), listen.line == 0 and
        "without a listen the server itself is" or string.format("%s:%d listens", listen.file, listen.line)), metrics)
    end
  end
  for _, servlet in ipairs(data.servlets) do
    local what = string.format("load_servlet %s: ", show(servlet.text))
    servlet.module = serving_module(servlet)
    if not servlet.module then
      local extension = servlet.is_name and "py" or match(servlet.path, "%.([^./]+)$")
      mistake(what .. (extension and string.format('no module serves ".%s", expected a load_module with it', extension) or
        "a file without an extension, which would say what module serves it"), servlet)
    elseif not servlet.is_name and not servlet.optional and not data.modules[servlet.module].optional and
      not host.exists(servlet.path) then
      mistake(what .. "there is no such file (" .. servlet.path .. ")", servlet)
      table.insert(data.files, servlet.path)
    end
    local other = routes[servlet.route]
    if other then
      mistake(string.format("%sroute %s is taken by %s (%s:%d)", what, show(servlet.route), show(other.text),
        other.file, other.line), servlet)
    end
    routes[servlet.route] = servlet
    if not servlet.timeout then servlet.timeout = data.timeouts.request end
  end
  if data.workers.min > data.workers.max then
    mistake(string.format("workers: min is %d, more than max, which is %d", data.workers.min, data.workers.max),
      data.workers.place)
  end
end

for word, meaning in pairs(words) do words[word] = exactly(word, meaning) end
files.run(words, host.main, main_path)
check_whole()
return data, files.mistakes
