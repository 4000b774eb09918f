#!/usr/bin/python3
"""Lua: coroutines, the collector, errors caught and uncaught, errors in
coroutines, and a WSAPI iterator, each in a state that lives as long as its
worker."""

import sys

from soak import soak_text

SERVLET = """
local function sum(n)
  local step = coroutine.wrap(function()
    for i = 1, 3 do coroutine.yield(i * n) end
  end)
  return step() + step() + step()
end

local runs = {
  ["/sum"] = function(self) self:rwrite(sum(tonumber(self:get_arg("n")))) end,
  ["/error"] = function(self)
    self:rwrite("half an answer")
    error({ "no text" })
  end,
  ["/deep"] = function()
    coroutine.wrap(function() error("within the coroutine") end)()
  end,
  ["/caught"] = function(self)
    local fine, why = pcall(coroutine.wrap(function() error("caught", 0) end))
    self:rwrite(tostring(fine), " ", why)
  end,
  -- One that never ends is left to the collector.
  ["/garbage"] = function(self)
    local abandoned = coroutine.create(function() while true do coroutine.yield() end end)
    coroutine.resume(abandoned)
    local all = {}
    for i = 1, 2000 do all[i] = { i } end
    collectgarbage("step")
    self:rwrite(#all)
  end,
  ["/collect"] = function(self)
    collectgarbage()
    self:rwrite(collectgarbage("count") < 4096 and "small" or "it grows")
  end,
}

return { run = function(self)
  local path = self:get_path_info()
  if path == "/wsapi" then
    return 200, { ["Content-Type"] = "text/plain" }, coroutine.wrap(function()
      for i = 1, 5 do coroutine.yield(tostring(i)) end
    end)
  end
  return runs[path](self)
end }
"""


def ask(i):
    if i % 1000 == 0:
        return "/collect", 200, rb"^small$"
    if i % 20 == 0:
        return "/garbage", 200, rb"^2000$"
    if i % 20 == 1:
        return "/error", 500, rb"^500"
    if i % 20 == 2:
        return "/deep", 500, rb"^500"
    if i % 4 == 3:
        return "/caught", 200, rb"^false caught$"
    if i % 5 == 0:
        return "/wsapi", 200, rb"^12345$"
    return "/sum?n=%d" % i, 200, rb"^%d$" % (6 * i)


if __name__ == "__main__":
    sys.exit(soak_text("lua", "lua", SERVLET, ask))
