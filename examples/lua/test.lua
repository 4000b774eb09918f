-- test.lua - calls every function there is and shows what it answers.
--
--	curl -F field=1 -F file=@/etc/hostname -b color=red \
--	    'localhost:8080/examples/lua/test.lua?arg=a%20b'

local servlet = {}
local runs, greeting = 0, nil

-- Once per process, before its first run.
function servlet.init(self)
  greeting = "init was called for " .. self:get_path()
end

-- Functions that answer something and need no argument.
local questions = {
  "get_method", "get_path", "get_path_info", "get_script_name", "get_route", "get_query",
  "get_target", "get_protocol", "get_scheme", "get_remote_addr", "get_remote_port",
  "get_server_name", "get_server_port", "get_content_length", "get_request_id",
  "is_connected", "is_sent",
}

local function show_request(self)
  for _, name in ipairs(questions) do
    self:rprintf("%s: %s\n", name, tostring(self[name](self)))
  end
  for _, name in ipairs { "get_arg", "get_header", "get_cookie", "get_form" } do
    for _, key in ipairs { "arg", "field", "color", "User-Agent", "missing" } do
      self:rprintf("%s %s: %s\n", name, key, tostring(self[name](self, key)))
    end
  end
  -- With a function: called for each until it answers something true.
  for _, name in ipairs { "each_arg", "each_header", "each_cookie", "each_form" } do
    local answer = self[name](self, function(key, value)
      self:rprintf("%s %s: %s\n", name, key, value)
      return value == "stop" and "stopped"
    end)
    self:rprintf("%s: %s\n", name, tostring(answer))
  end
  -- Without one: an iterator.
  local count = 0
  for _ in self:each_header() do count = count + 1 end
  self:rprintf("headers: %d\n", count)
  for route in self:each_route() do
    self:rprintf("each_route %s: %s\n", route.route, route.language)
  end
end

local function show_body(self)
  for upload in self:each_upload() do
    self:rprintf("each_upload %s: %s %s %d\n", upload.field, upload.file_name, upload.type, upload.size)
  end
  local upload = self:get_upload("file")
  if upload then
    self:rwrite("get_upload file: ", upload.file:read("a"), "\n", "rsendfile: ")
    assert(self:rsendfile(upload.file))
    self:rwrite("\n")
  end
  self:rwrite("get_upload missing: ", tostring(self:get_upload("missing")), "\n")
  self:rprintf("rread: %s\n", tostring(self:rread(4)))
  self:rrewind()
  self:rprintf("rread all: %d\n", #(self:rread() or ""))
  self:rprintf("rread end: %s\n", tostring(self:rread(4)))
end

function servlet.run(self)
  runs = runs + 1
  self:set_status(201)
  self:set_header("Content-Type", "text/plain; charset=UTF-8")
  self:set_header("X-Replaced", "first")
  self:set_header("X-Replaced", "second")
  self:set_header("X-Removed", "value")
  self:set_header("X-Removed", nil)
  self:add_header("Set-Cookie", "one=1")
  self:add_header("Set-Cookie", "two=2")
  self:rwrite(greeting, "\n", "runs: ", runs, "\n")
  show_request(self)
  show_body(self)
  self:rwrite("octets: \0\1\254\255 ä\n")
  self:rlog("test.lua was run with %s", self:get_query())
  self:rflush()
  self:rprintf("is_sent after rflush: %s\n", tostring(self:is_sent()))
end

-- Before the process exits.
function servlet.cleanup()
  print("test.lua: cleanup was called")
end

return servlet
