package modserver

// #include "bridge.h"
import "C"

import (
	"io"
	"unsafe"
)

// Method is "GET", "POST", ... as the client sent it.
func (s Servlet) Method() string { return C.GoString(C.get_method(s.s)) }

// LookupArg is the first query argument of that name, decoded, and whether
// there is one.
func (s Servlet) LookupArg(name string) (string, bool) {
	if n := cstring(name); n != nil {
		return found(C.get_arg(s.s, n))
	}
	return "", false
}

// Arg is the first query argument of that name, or "".
func (s Servlet) Arg(name string) string { return first(s.LookupArg(name)) }

// LookupHeader is the first header field of that name (any case), and whether
// there is one.
func (s Servlet) LookupHeader(name string) (string, bool) {
	if n := cstring(name); n != nil {
		return found(C.get_header(s.s, n))
	}
	return "", false
}

// Header is the first header field of that name, or "".
func (s Servlet) Header(name string) string { return first(s.LookupHeader(name)) }

// LookupCookie is the first cookie of that name as it came, and whether there
// is one.
func (s Servlet) LookupCookie(name string) (string, bool) {
	if n := cstring(name); n != nil {
		return found(C.get_cookie(s.s, n))
	}
	return "", false
}

// Cookie is the first cookie of that name, or "".
func (s Servlet) Cookie(name string) string { return first(s.LookupCookie(name)) }

// LookupForm is the first field of that name of an urlencoded or multipart
// body, decoded, and whether there is one.
func (s Servlet) LookupForm(name string) (string, bool) {
	if n := cstring(name); n != nil {
		return found(C.get_form(s.s, n))
	}
	return "", false
}

// Form is the first form field of that name, or "".
func (s Servlet) Form(name string) string { return first(s.LookupForm(name)) }

func first(value string, _ bool) string { return value }

// Path is the decoded path: ScriptName, the route's own part, and PathInfo,
// what lies below it.
func (s Servlet) Path() string { return C.GoString(C.get_path(s.s)) }

// PathInfo is what lies below a prefix route, decoded.
func (s Servlet) PathInfo() string { return C.GoString(C.get_path_info(s.s)) }

// ScriptName is the route's own part of the path.
func (s Servlet) ScriptName() string { return C.GoString(C.get_script_name(s.s)) }

// Route is the route as the configuration names it.
func (s Servlet) Route() string { return C.GoString(C.get_route(s.s)) }

// Query is the query as it came, without "?".
func (s Servlet) Query() string { return C.GoString(C.get_query(s.s)) }

// Target is the request target as it came.
func (s Servlet) Target() string { return C.GoString(C.get_target(s.s)) }

// Protocol is "HTTP/1.1" or "HTTP/1.0".
func (s Servlet) Protocol() string { return C.GoString(C.get_protocol(s.s)) }

// Scheme is "http", or "https" where a trusted proxy says so.
func (s Servlet) Scheme() string { return C.GoString(C.get_scheme(s.s)) }

// RemoteAddr is the client's address without its port, "unix" for a unix socket.
func (s Servlet) RemoteAddr() string { return C.GoString(C.get_remote_addr(s.s)) }

// RemotePort is the client's port, 0 where there is none.
func (s Servlet) RemotePort() int { return int(C.get_remote_port(s.s)) }

// ServerName is the name that the client addressed.
func (s Servlet) ServerName() string { return C.GoString(C.get_server_name(s.s)) }

// ServerPort is the port that the client addressed.
func (s Servlet) ServerPort() int { return int(C.get_server_port(s.s)) }

// RequestID names this request in every line that the error log has about it.
func (s Servlet) RequestID() string { return C.GoString(C.get_request_id(s.s)) }

// ContentLength is the number of octets of the request's body.
func (s Servlet) ContentLength() int64 { return int64(C.get_content_length(s.s)) }

// Read reads the request's body: io.Reader.
func (s Servlet) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := C.rread(s.s, unsafe.Pointer(&p[0]), C.size_t(len(p)))
	if n > 0 {
		return int(n), nil
	}
	if n == 0 {
		return 0, io.EOF
	}
	return 0, err
}

// Rewind goes back to the first octet of the body.
func (s Servlet) Rewind() error {
	if n, err := C.rrewind(s.s); n != 0 {
		return err
	}
	return nil
}
