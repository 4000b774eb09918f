// The shortest servlet in Go: run, without net/http.
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

func main() {}
