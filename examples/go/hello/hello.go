// The shortest servlet in Go.
//
//	curl localhost:8080/examples/go/hello.go.so
package main

import "C"

import (
	"unsafe"

	api "modserver"
)

//export run
func run(s unsafe.Pointer) int {
	api.Rwrite(s, "Hello, world!\n")
	return 0
}

func main() {} // never called: the server is the program
