// A servlet without run and without Handle; or one whose init panics.
package main

import (
	"os"

	_ "modserver"
)

func init() {
	if os.Getenv("BROKEN") == "panic" {
		panic("this init panics")
	}
}

func main() {}
