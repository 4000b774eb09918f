package modserver

// The functions of modserver.h under their own names.

import (
	"fmt"
	"unsafe"
)

func Get_method(s unsafe.Pointer) string        { return At(s).Method() }
func Get_path(s unsafe.Pointer) string          { return At(s).Path() }
func Get_path_info(s unsafe.Pointer) string     { return At(s).PathInfo() }
func Get_script_name(s unsafe.Pointer) string   { return At(s).ScriptName() }
func Get_route(s unsafe.Pointer) string         { return At(s).Route() }
func Get_query(s unsafe.Pointer) string         { return At(s).Query() }
func Get_target(s unsafe.Pointer) string        { return At(s).Target() }
func Get_protocol(s unsafe.Pointer) string      { return At(s).Protocol() }
func Get_scheme(s unsafe.Pointer) string        { return At(s).Scheme() }
func Get_remote_addr(s unsafe.Pointer) string   { return At(s).RemoteAddr() }
func Get_remote_port(s unsafe.Pointer) int      { return At(s).RemotePort() }
func Get_server_name(s unsafe.Pointer) string   { return At(s).ServerName() }
func Get_server_port(s unsafe.Pointer) int      { return At(s).ServerPort() }
func Get_request_id(s unsafe.Pointer) string    { return At(s).RequestID() }
func Get_content_length(s unsafe.Pointer) int64 { return At(s).ContentLength() }

// Get_arg is the first query argument of that name, or ""; Lookup_arg also
// says whether there is one.  So do the others.
func Get_arg(s unsafe.Pointer, name string) string            { return At(s).Arg(name) }
func Lookup_arg(s unsafe.Pointer, name string) (string, bool) { return At(s).LookupArg(name) }

func Get_header(s unsafe.Pointer, name string) string            { return At(s).Header(name) }
func Lookup_header(s unsafe.Pointer, name string) (string, bool) { return At(s).LookupHeader(name) }

func Get_cookie(s unsafe.Pointer, name string) string            { return At(s).Cookie(name) }
func Lookup_cookie(s unsafe.Pointer, name string) (string, bool) { return At(s).LookupCookie(name) }

func Get_form(s unsafe.Pointer, name string) string            { return At(s).Form(name) }
func Lookup_form(s unsafe.Pointer, name string) (string, bool) { return At(s).LookupForm(name) }

// Get_upload is the first uploaded file of that field, or nil.
func Get_upload(s unsafe.Pointer, field string) *Upload { return At(s).LookupUpload(field) }

// Rread reads the next octets of the body; io.EOF at its end.
func Rread(s unsafe.Pointer, p []byte) (int, error) { return At(s).Read(p) }

// Rrewind goes back to the body's first octet.
func Rrewind(s unsafe.Pointer) error { return At(s).Rewind() }

// Visit is called by Each_arg and the like; anything but 0 stops the walk.
type Visit func(name, value string) int

func each(pairs []Pair, visit Visit) int {
	for _, p := range pairs {
		if answer := visit(p.Name, p.Value); answer != 0 {
			return answer
		}
	}
	return 0
}

// Each_header visits every header field in order, repeated ones too, stops at
// and returns the first answer that is not 0, else 0.  So do the others.
func Each_header(s unsafe.Pointer, visit Visit) int { return each(At(s).Headers(), visit) }
func Each_arg(s unsafe.Pointer, visit Visit) int    { return each(At(s).Args(), visit) }
func Each_form(s unsafe.Pointer, visit Visit) int   { return each(At(s).FormFields(), visit) }
func Each_cookie(s unsafe.Pointer, visit Visit) int { return each(At(s).Cookies(), visit) }

// Each_upload visits every uploaded file.
func Each_upload(s unsafe.Pointer, visit func(*Upload) int) int {
	for _, u := range At(s).Uploads() {
		if answer := visit(u); answer != 0 {
			return answer
		}
	}
	return 0
}

// Each_route visits every route of the configuration.
func Each_route(s unsafe.Pointer, visit func(RouteInfo) int) int {
	for _, r := range At(s).Routes() {
		if answer := visit(r); answer != 0 {
			return answer
		}
	}
	return 0
}

func Set_status(s unsafe.Pointer, status int) { At(s).SetStatus(status) }

// Set_header sets a header field and replaces all of that name.
func Set_header(s unsafe.Pointer, name, value string) { At(s).SetHeader(name, value) }

// Add_header appends a header field: a second Set-Cookie.
func Add_header(s unsafe.Pointer, name, value string) { At(s).AddHeader(name, value) }

// Remove_header removes all header fields of that name, as set_header does in
// C when its value is NULL.
func Remove_header(s unsafe.Pointer, name string) { At(s).RemoveHeader(name) }

// Rwrite appends to the response; it returns the number of octets taken, all
// of them, or 0 when the client has gone.
func Rwrite(s unsafe.Pointer, text string) int {
	n, _ := At(s).WriteString(text)
	return n
}

// Rprintf is Rwrite of formatted text; -1 when the client has gone.
func Rprintf(s unsafe.Pointer, format string, args ...any) int {
	n, err := fmt.Fprintf(At(s), format, args...)
	if err != nil {
		return -1
	}
	return n
}

// Rflush sends what has been written so far.
func Rflush(s unsafe.Pointer) { At(s).Flush() }

// Rsendfile appends length octets of an open file from offset; -1 means to
// its end.
func Rsendfile(s unsafe.Pointer, fd int, offset, length int64) error {
	return At(s).sendFD(fd, offset, length)
}

func Is_sent(s unsafe.Pointer) bool      { return At(s).IsSent() }
func Is_connected(s unsafe.Pointer) bool { return At(s).IsConnected() }

// Rlog writes a line with the request's id to the error log.
func Rlog(s unsafe.Pointer, format string, args ...any) { At(s).Log(format, args...) }
