// Calls every function there is and shows what it answers.
//
//	curl -F field=1 -F file=@/etc/hostname -b color=red \
//	    'localhost:8080/examples/go/test.go.so?arg=a%20b'
package main

import "C"

import (
	"fmt"
	"io"
	"unsafe"

	. "modserver"
)

var (
	runs     int
	greeting string
)

// Go's own init, which registers the servlet's: once per process, before its
// first run.
func init() {
	OnInit(func(s unsafe.Pointer) int {
		greeting = "init was called for " + Get_path(s)
		return 0
	})
}

// Functions that answer something and need no argument.
func showRequest(s unsafe.Pointer) {
	Rprintf(s, "get_method: %s\n", Get_method(s))
	Rprintf(s, "get_path: %s\n", Get_path(s))
	Rprintf(s, "get_path_info: %s\n", Get_path_info(s))
	Rprintf(s, "get_script_name: %s\n", Get_script_name(s))
	Rprintf(s, "get_route: %s\n", Get_route(s))
	Rprintf(s, "get_query: %s\n", Get_query(s))
	Rprintf(s, "get_target: %s\n", Get_target(s))
	Rprintf(s, "get_protocol: %s\n", Get_protocol(s))
	Rprintf(s, "get_scheme: %s\n", Get_scheme(s))
	Rprintf(s, "get_remote_addr: %s\n", Get_remote_addr(s))
	Rprintf(s, "get_remote_port: %d\n", Get_remote_port(s))
	Rprintf(s, "get_server_name: %s\n", Get_server_name(s))
	Rprintf(s, "get_server_port: %d\n", Get_server_port(s))
	Rprintf(s, "get_content_length: %d\n", Get_content_length(s))
	Rprintf(s, "get_request_id: %s\n", Get_request_id(s))
	Rprintf(s, "is_connected: %v\n", Is_connected(s))
	Rprintf(s, "is_sent: %v\n", Is_sent(s))
}

// Those that look something up: "" for a missing one, and whether there is one.
func showValues(s unsafe.Pointer) {
	type lookup func(unsafe.Pointer, string) (string, bool)
	type get func(unsafe.Pointer, string) string
	for _, f := range []struct {
		name   string
		get    get
		lookup lookup
	}{
		{"arg", Get_arg, Lookup_arg}, {"header", Get_header, Lookup_header},
		{"cookie", Get_cookie, Lookup_cookie}, {"form", Get_form, Lookup_form},
	} {
		for _, key := range []string{"arg", "field", "color", "User-Agent", "missing", "n\x00ul"} {
			Rprintf(s, "get_%s %s: %s\n", f.name, key, f.get(s, key))
			value, ok := f.lookup(s, key)
			Rprintf(s, "lookup_%s %s: %q %v\n", f.name, key, value, ok)
		}
	}
}

func showEach(s unsafe.Pointer) {
	visit := func(name string) Visit {
		return func(key, value string) int {
			Rprintf(s, "%s %s: %s\n", name, key, value)
			if value == "stop" {
				return 7
			}
			return 0
		}
	}
	Rprintf(s, "each_arg: %d\n", Each_arg(s, visit("each_arg")))
	Rprintf(s, "each_header: %d\n", Each_header(s, visit("each_header")))
	Rprintf(s, "each_cookie: %d\n", Each_cookie(s, visit("each_cookie")))
	Rprintf(s, "each_form: %d\n", Each_form(s, visit("each_form")))
	Each_route(s, func(r RouteInfo) int {
		Rprintf(s, "each_route %s: %s\n", r.Route, r.Language)
		return 0
	})
}

func showBody(s unsafe.Pointer) {
	Each_upload(s, func(u *Upload) int {
		Rprintf(s, "each_upload %s: %s %s %d\n", u.Field, u.FileName, u.Type, u.Size)
		return 0
	})
	if u := Get_upload(s, "file"); u != nil {
		content, err := io.ReadAll(u.Open())
		Rprintf(s, "get_upload file: %s\n", content)
		Rwrite(s, "rsendfile: ")
		if err == nil {
			err = Rsendfile(s, u.FD(), 0, u.Size)
		}
		Rwrite(s, "\n")
		if err != nil {
			Rlog(s, "the upload: %v", err)
		}
	}
	Rprintf(s, "get_upload missing: %v\n", Get_upload(s, "missing"))
	piece := make([]byte, 4)
	n, _ := Rread(s, piece)
	Rprintf(s, "rread: %s\n", piece[:n])
	Rrewind(s)
	all, _ := io.ReadAll(At(s))
	Rprintf(s, "rread all: %d\n", len(all))
	_, err := Rread(s, piece)
	Rprintf(s, "rread end: %v\n", err)
}

// The same as methods, which is how Go likes it: s is an io.Reader of the
// request's body and an io.Writer of the response's.
func showMethods(s Servlet) {
	name, ok := s.LookupArg("arg")
	fmt.Fprintf(s, "headers: %d\n", len(s.Headers()))
	fmt.Fprintf(s, "methods: %s %s %s %v %d %d %d %d\n", s.Method(), s.Path(), name, ok,
		len(s.Args()), len(s.Cookies()), len(s.FormFields()), len(s.Uploads()))
}

//export run
func run(s unsafe.Pointer) int {
	runs++
	Set_status(s, 201)
	Set_header(s, "Content-Type", "text/plain; charset=UTF-8")
	Set_header(s, "X-Replaced", "first")
	Set_header(s, "X-Replaced", "second")
	Set_header(s, "X-Removed", "value")
	Remove_header(s, "X-Removed")
	Set_header(s, "X-Nul", "a\x00b") // refused, and logged
	Add_header(s, "Set-Cookie", "one=1")
	Add_header(s, "Set-Cookie", "two=2")
	Rprintf(s, "%s\nruns: %d\n", greeting, runs)
	showRequest(s)
	showValues(s)
	showEach(s)
	showBody(s)
	showMethods(At(s))
	Rwrite(s, "octets: \x00\x01\xfe\xff ä\n")
	Rlog(s, "test.go was run with %s", Get_query(s))
	Rflush(s)
	Rprintf(s, "is_sent after rflush: %v\n", Is_sent(s))
	return 0
}

// Before the process exits; a function registered with OnCleanup is the same.
//
//export cleanup
func cleanup() {
	fmt.Println("test.go: cleanup was called")
}

func main() {}
