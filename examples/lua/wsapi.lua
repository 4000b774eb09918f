-- wsapi.lua - a WSAPI application: it returns status, headers and an iterator.
--
--	curl 'localhost:8080/examples/lua/wsapi.lua?name=Ada'

local function run(env)
  local headers = { ["Content-Type"] = "text/plain; charset=UTF-8" }

  local function body()
    coroutine.yield("This is " .. env.SERVER_SOFTWARE .. ".\n")
    coroutine.yield("You asked for " .. env.SCRIPT_NAME .. env.PATH_INFO)
    coroutine.yield(" with the query \"" .. env.QUERY_STRING .. "\".\n")
  end

  return 200, headers, coroutine.wrap(body)
end

return { run = run }
