// Package modserver is what a servlet in Go can call.
//
// A servlet is a main package, built as a shared library:
//
//	package main
//
//	import "C"
//	import (
//		"unsafe"
//
//		api "modserver"
//	)
//
//	//export run
//	func run(s unsafe.Pointer) int {
//		api.Rwrite(s, "Hello, world!\n")
//		return 0
//	}
//
//	func main() {}
//
// or one that hands everything to a http.Handler:
//
//	func init() { modserver.Handle(http.HandlerFunc(hello)) }
//
//	func main() {}
//
// Its go.mod needs no network:
//
//	require modserver v0.0.0
//	replace modserver => /usr/local/share/modserver/api/go
//
//	go build -buildmode=c-shared -o hello.go.so
//
// Every function of modserver.h is there twice: under its own name with a
// capital (Get_arg), taking the pointer that run was called with, and as a
// method of Servlet (Arg), which is an io.Reader of the request's body and an
// io.Writer of the response's.  modserver.h and modserver(3) say what each
// one means.  Strings that come from the request are copies and live on.
//
// A Servlet is good until run returns, and for one goroutine at a time.
// Each process runs one request at a time: other requests are answered by
// other processes, and package variables are those of a process.  What is
// printed goes to the error log.  os.Exit and log.Fatal end the process and
// with it every connection that it holds, unanswered: they make a system call
// of Go's own, and nobody comes between.  Return an error instead.
//
// A panic in run that is not recovered ends the process by signal 6; that
// costs this request, and the error log has the goroutine's stack.  In a
// handler of Handle a panic is answered with 500.
package modserver

/*
#cgo CFLAGS: -I${SRCDIR}/../.. -I${SRCDIR}/../../../../include -O2 -Wall
#cgo linux LDFLAGS: -Wl,--unresolved-symbols=ignore-all
#cgo darwin LDFLAGS: -Wl,-undefined,dynamic_lookup
#include <stdlib.h>
#include "bridge.h"
*/
import "C"

import (
	"strings"
	"unsafe"
)

// Servlet is a request and the response that is being made for it.
type Servlet struct {
	s *C.servlet
}

// At is the servlet that run and init are called with.
func At(s unsafe.Pointer) Servlet {
	return Servlet{(*C.servlet)(s)}
}

// cstring is text with a NUL behind it, or nil if there is one in it: there
// is nothing of such a name.
func cstring(text string) *C.char {
	if strings.IndexByte(text, 0) >= 0 {
		return nil
	}
	b := make([]byte, len(text)+1)
	copy(b, text)
	return (*C.char)(unsafe.Pointer(&b[0]))
}

// found is the string at p and whether there is one.
func found(p *C.char) (string, bool) {
	return C.GoString(p), p != nil
}

// visible is text without its NULs, for where C ends at one.
func visible(text string) *C.char {
	return cstring(strings.ReplaceAll(text, "\x00", `\0`))
}

var (
	initialise func(unsafe.Pointer) int
	cleanUp    func()
)

// OnInit has f called once in each process before its first run, with the
// servlet of that request; anything but 0 is a failure.  (Go itself has an
// init already, so that a servlet cannot export one.)
func OnInit(f func(s unsafe.Pointer) int) { initialise = f }

// OnCleanup has f called before a process that has served exits in an
// orderly way.  A servlet may also export cleanup.
func OnCleanup(f func()) { cleanUp = f }

//export modserverInit
func modserverInit(s *C.servlet) C.int {
	if initialise == nil {
		return 0
	}
	return C.int(initialise(unsafe.Pointer(s)))
}

//export modserverCleanup
func modserverCleanup() {
	if cleanUp != nil {
		cleanUp()
	}
}

// modserverInside runs the server's loop in a call from Go, so that the
// requests that it answers are calls back.
//
//export modserverInside
func modserverInside(work *C.modserver_go_work, argument unsafe.Pointer) {
	C.modserver_go_call(work, argument)
}

// modserverReady is called by the server when it has loaded the library; Go
// lets the call through when every init has returned.
//
//export modserverReady
func modserverReady() C.int {
	if handler == nil {
		return 0
	}
	return 1
}
