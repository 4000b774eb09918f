---@meta modserver

-- modserver.lua - what a Lua servlet can call, for editors (lua-language-server).
--
-- Nothing loads this file: the server gives `self` its methods.  Name it in
-- your .luarc.json: { "workspace.library": ["api/lua"] }
--
-- A servlet is a file that returns a table (or defines these as globals):
--
--     ---@type Servlet
--     return {
--       run = function(self) self:rwrite("hi") end
--     }
--
-- Strings are octets both ways, what is missing is nil.  Functions that may
-- fail return nil, a message and errno, as those of io do.  `self` is good
-- for its own request only: one that was kept raises an error.  print and
-- io.write go to the error log; os.exit is an error of that request.  An
-- error that run does not catch is answered with 500, and its traceback is
-- in the error log.

---What a servlet file returns.
---@class Servlet
---@field run fun(self: Request): ... answers one request; or as a WSAPI application: status, headers, iterator
---@field init? fun(self: Request) once per process, before its first run
---@field cleanup? fun() before its process exits in an orderly way

---One request and the response being made for it.  It is a WSAPI environment
---as well: a variable that is missing there is "".  Fields that are assigned
---to it last until the request is over.
---@class Request
---@field REQUEST_METHOD string
---@field SCRIPT_NAME string
---@field PATH_INFO string what get_path_info() is, but "/" for the route itself
---@field QUERY_STRING string
---@field REQUEST_URI string the request target as it came
---@field REQUEST_SCHEME string
---@field CONTENT_TYPE string
---@field CONTENT_LENGTH string
---@field SERVER_ADDR string
---@field SERVER_NAME string
---@field SERVER_PORT string
---@field SERVER_PROTOCOL string
---@field SERVER_SOFTWARE string
---@field GATEWAY_INTERFACE string
---@field REMOTE_ADDR string
---@field REMOTE_HOST string
---@field REMOTE_PORT string
---@field HTTPS string "on" or ""
---@field APP_PATH string the directory of the servlet's file
---@field SCRIPT_FILENAME string the servlet's file
---@field UNIQUE_ID string
---@field HTTP_HOST string and every other header field as HTTP_NAME
---@field input { read: (fun(self, length?: integer): string?), rewind: fun(self), length: integer }
---@field error { write: fun(self, ...: string|number) }
---@field [string] any
local Request = {}

-- ------------------------------------------------------------------- request

---The method as the client sent it: "GET", "POST", ...
---@return string
function Request:get_method() end

---First query argument of that name, decoded; "" if it has no value, nil if there is none.
---@param name string
---@return string?
function Request:get_arg(name) end

---First header field of that name (any case).
---@param name string
---@return string?
function Request:get_header(name) end

---The path, percent-decoded, dot segments resolved.
---@return string
function Request:get_path() end

---What lies below a prefix route, decoded: "/b/c" for the route /a/* asked for
---/a/b/c, "/" for /a/, "" for /a and for every exact route.
---@return string
function Request:get_path_info() end

---The route's own part of the path: "/a" in the example above.
---@return string
function Request:get_script_name() end

---The route as the configuration names it.
---@return string
function Request:get_route() end

---The query as the client sent it, without "?"; "" if there is none.
---@return string
function Request:get_query() end

---The request target as it came.
---@return string
function Request:get_target() end

---"HTTP/1.1" or "HTTP/1.0".
---@return string
function Request:get_protocol() end

---"http", or "https" where a trusted proxy says so.
---@return string
function Request:get_scheme() end

---The client's address without a port; "unix" for a unix socket.
---@return string
function Request:get_remote_addr() end

---0 where there is none.
---@return integer
function Request:get_remote_port() end

---The name the client addressed.
---@return string
function Request:get_server_name() end

---The port the client addressed.
---@return integer
function Request:get_server_port() end

---First cookie of that name, as it came.
---@param name string
---@return string?
function Request:get_cookie(name) end

---First field of that name of an urlencoded or multipart/form-data body, decoded.
---@param name string
---@return string?
function Request:get_form(name) end

---Octets of the request body; 0 if there is none.
---@return integer
function Request:get_content_length() end

---A name for this request, unique while the server runs; the error log has it
---in every line about it.
---@return string
function Request:get_request_id() end

---The next octets of the body, length at most (all that is left without it);
---nil at its end.
---@param length? integer
---@return string? octets
---@return string? message
---@return integer? errno
function Request:rread(length) end

---The same, by the name it once had.
---@deprecated
---@param length? integer
---@return string? octets
function Request:read_body(length) end

---Goes back to the body's first octet.
---@return true?
---@return string? message
---@return integer? errno
function Request:rrewind() end

---All header fields in order, repeated ones too.  Without visit an iterator:
---`for name, value in self:each_header() do`.  With it, visit is called for
---each until it answers something other than nil, false and 0; that is the
---result, else 0.
---@overload fun(self: Request): fun(): string, string
---@param visit fun(name: string, value: string): any
---@return any
function Request:each_header(visit) end

---Query arguments, as each_header.
---@overload fun(self: Request): fun(): string, string
---@param visit fun(name: string, value: string): any
---@return any
function Request:each_arg(visit) end

---Form fields, as each_header.
---@overload fun(self: Request): fun(): string, string
---@param visit fun(name: string, value: string): any
---@return any
function Request:each_form(visit) end

---Cookies, as each_header.
---@overload fun(self: Request): fun(): string, string
---@param visit fun(name: string, value: string): any
---@return any
function Request:each_cookie(visit) end

---A file uploaded in a multipart/form-data body.
---@class Upload
---@field field string name of the form's field
---@field file_name string as the client sent it: never use it as a path
---@field type string media type
---@field size integer octets
---@field file file* open for reading; it may outlive the request
---@field fd integer the server's descriptor, valid until run returns

---First upload of that field.
---@param field string
---@return Upload?
function Request:get_upload(field) end

---All uploads, as each_header.
---@overload fun(self: Request): fun(): Upload
---@param visit fun(upload: Upload): any
---@return any
function Request:each_upload(visit) end

-- ------------------------------------------------------------------ response

---Without effect once the head has been sent.  200 unless set.
---@param status integer
function Request:set_status(status) end

---Sets a header field, replacing all of that name; nil removes it.  A name or
---a value that could not be sent as it is (CR, LF, NUL) is refused and logged.
---@param name string
---@param value string|number|nil
function Request:set_header(name, value) end

---Adds a header field: for a second Set-Cookie.
---@param name string
---@param value string|number
function Request:add_header(name, value) end

---Appends to the response body.  Returns the number of octets taken, 0 when
---the client has gone.
---@param ... string|number
---@return integer
function Request:rwrite(...) end

---rwrite of string.format(format, ...).
---@param format string
---@param ... any
---@return integer
function Request:rprintf(format, ...) end

---Sends what has been written so far, the head first if need be.
function Request:rflush() end

---Appends a part of an open file (or descriptor) without reading it into Lua;
---to its end if length is -1.
---@param file file*|integer
---@param offset? integer 0 if left out
---@param length? integer -1 if left out
---@return true?
---@return string? message
---@return integer? errno
function Request:rsendfile(file, offset, length) end

---Whether the response's head has been sent.
---@return boolean
function Request:is_sent() end

---Whether the client is still there, as far as the kernel knows.
---@return boolean
function Request:is_connected() end

-- -------------------------------------------------------------------- server

---A line in the error log, with the request's id and route: text as it is, or
---string.format(text, ...) if there is more.
---@param text string
---@param ... any
function Request:rlog(text, ...) end

---A loaded servlet.
---@class Route
---@field route string as configured: "/hello", "/shop/*"
---@field language string the module's name: "so", "lua", "python", ...
---@field description string of the configuration, or ""
---@field file string as configured

---All routes in the configuration's order, as each_header.
---@overload fun(self: Request): fun(): Route
---@param visit fun(route: Route): any
---@return any
function Request:each_route(visit) end
