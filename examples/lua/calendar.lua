-- calendar.lua - a month, as a page one can leaf through.
--
--	curl 'localhost:8080/examples/lua/calendar.lua?month=2026-02'

local style = [[
:root{color-scheme:light dark}
body{font:1.1rem/1.5 system-ui,sans-serif;margin:3rem auto;max-width:30rem;padding:0 1rem}
nav{align-items:baseline;display:flex;justify-content:space-between}
h1{font-size:1.4rem;margin:0}
a{color:light-dark(#0b57d0,#8ab4f8);padding:.2rem .6rem}
table{border-collapse:collapse;margin-top:1rem;table-layout:fixed;width:100%}
th,td{padding:.5rem 0;text-align:center}
th{font-weight:normal;opacity:.65}
.today{background:light-dark(#0b57d0,#8ab4f8);border-radius:.5rem;color:light-dark(#fff,#111)}
]]

-- Year and month of "2026-02"; of today if it is anything else.
local function parse(text)
  local year, month = tostring(text):match("^(%d%d%d%d)%-(%d%d)$")
  year, month = tonumber(year), tonumber(month)
  if year and year >= 1900 and year <= 2999 and month >= 1 and month <= 12 then
    return year, month
  end
  local now = os.date("*t")
  return now.year, now.month
end

local function link(year, month, text, label)
  local t = os.date("*t", os.time { year = year, month = month, day = 1, hour = 12 })
  return ('<a href="?month=%04d-%02d" aria-label="%s">%s</a>'):format(t.year, t.month, label, text)
end

-- The cells of the month as they stand below Monday to Sunday: "" or a day.
local function cells(year, month)
  local first = os.date("*t", os.time { year = year, month = month, day = 1, hour = 12 })
  local last = os.date("*t", os.time { year = year, month = month + 1, day = 0, hour = 12 })
  local list = {}
  for _ = 1, (first.wday - 2) % 7 do list[#list + 1] = "" end
  for day = 1, last.day do list[#list + 1] = day end
  while #list % 7 ~= 0 do list[#list + 1] = "" end
  return list
end

return {
  run = function(self)
    local year, month = parse(self:get_arg("month"))
    local title = os.date("%B %Y", os.time { year = year, month = month, day = 1, hour = 12 })
    local today = os.date("%Y-%m-%d")

    self:rprintf('<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n'
      .. '<meta name="viewport" content="width=device-width">\n'
      .. "<title>%s</title>\n<style>%s</style>\n", title, style)
    self:rwrite("<nav>", link(year, month - 1, "&larr;", "previous month"), "<h1>", title, "</h1>",
      link(year, month + 1, "&rarr;", "next month"), "</nav>\n<table>\n<tr>")
    for name in ("Mo Tu We Th Fr Sa Su"):gmatch("%a+") do
      self:rwrite("<th>", name)
    end
    for i, day in ipairs(cells(year, month)) do
      local is_today = day ~= "" and today == ("%04d-%02d-%02d"):format(year, month, day)
      self:rwrite(i % 7 == 1 and "\n<tr>" or "", is_today and '<td class="today">' or "<td>", day)
    end
    self:rwrite("\n</table>\n")
  end
}
