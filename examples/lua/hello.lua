-- hello.lua - the shortest servlet in Lua.
--
--	curl localhost:8080/examples/lua/hello.lua

return {
  run = function(self)
    self:rwrite("Hello, world!\n")
  end
}
