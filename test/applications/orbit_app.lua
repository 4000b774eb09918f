-- What test_66_wsapi.py asks of Orbit, whichever connector runs it.  Orbit is
-- written for Lua 5.1.  Its pages and htmlify need that version's setfenv;
-- the rest needs this name only:
unpack = unpack or table.unpack

local orbit = require "orbit"
local app = orbit.new()
app.dispatch_table.head = app.dispatch_table.get

app:dispatch_get(function(web) return "index of " .. web.prefix end, "/")

app:dispatch_get(function(web)
  return "Hello, " .. (web.GET.name or "world") .. "!"
end, "/hello")

app:dispatch_get(function(web, rest)
  web:content_type("text/plain")
  return table.concat({ rest, web.script_name, web.path_info }, "\n")
end, "/path/(.+)")

app:dispatch_post(function(web)
  web:content_type("application/octet-stream")
  return web.POST.post_data
end, "/echo")

app:dispatch_post(function(web)
  local file = web.POST.file
  return table.concat({ web.POST.field, file.name, file.size, #file.contents, file["content-type"] }, "|")
end, "/upload")

app:dispatch_get(function(web)
  web:set_cookie("one", "1")
  web:set_cookie("two", { value = "2", path = "/", httponly = true })
  return web.cookies.old
end, "/cookies")

app:dispatch_get(function(web) return web:redirect(web:link("/hello", { name = "a b" })) end, "/redirect")

app:dispatch_get(function(web)
  web.headers.ETag = '"v1"'
  if web.vars.HTTP_IF_NONE_MATCH == '"v1"' then
    web.status = "304 Not Modified"
    return ""
  end
  return "tagged"
end, "/etag")

app:dispatch_get(function() error("broken on purpose") end, "/error")

-- The next piece is made when the file of the turn is there.
app:dispatch_wsapi(function(env)
  local turn, n = env.QUERY_STRING, 0
  return 200, { ["Content-Type"] = "text/plain" }, function()
    n = n + 1
    while n > 1 and n < 4 and not io.open(turn .. n - 1) do end
    return n < 4 and "piece " .. n .. "\n" or nil
  end
end, "/stream")

return { run = function(env)
  if env.PATH_INFO == "/fail" then error("broken outside of Orbit") end
  return app.run(env)
end }
