// What test_63_go.py asks of a plain servlet: /servlet/WHAT.
package main

/*
#include <stddef.h>
static void crash(void) { *(volatile int *)NULL = 1; }
*/
import "C"

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"
	"unsafe"

	api "modserver"
)

var count int

// In C, called from Go.
func crashInC() { C.crash() }

func octets(s unsafe.Pointer) {
	io.Copy(api.At(s), api.At(s))
}

// deep has a stack of its own growing while signals arrive.
func deep(n int) int {
	var room [64]int
	if n == 0 {
		return room[0]
	}
	return deep(n-1) + room[n%64]
}

// busy uses what a runtime is made of: goroutines, channels, the collector.
func busy(s unsafe.Pointer) {
	results := make(chan int)
	var all sync.WaitGroup
	for i := 0; i < 20; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			garbage := make([][]byte, 0, 64)
			for j := 0; j < 64; j++ {
				garbage = append(garbage, make([]byte, 1024))
			}
			time.Sleep(time.Millisecond)
			results <- i + len(garbage) + deep(200)
		}(i)
	}
	go func() { all.Wait(); close(results) }()
	sum := 0
	for n := range results {
		sum += n
	}
	runtime.GC()
	api.Rprintf(s, "%d", sum)
}

//export run
func run(s unsafe.Pointer) int {
	switch what := strings.TrimPrefix(api.Get_path_info(s), "/"); what {
	case "pid":
		api.Rprintf(s, "%d", os.Getpid())
	case "count":
		count++
		api.Rprintf(s, "%d", count)
	case "stack":
		api.Rwrite(s, string(debug.Stack()))
	case "octets":
		octets(s)
	case "busy":
		busy(s)
	case "sleep":
		time.Sleep(time.Second)
		api.Rwrite(s, "slept")
	case "print":
		fmt.Println("printed to stdout")
		fmt.Fprintln(os.Stderr, "printed to stderr")
	case "environment":
		api.Rprintf(s, "%s %d", os.Getenv("GREETING"), len(os.Args))
	case "exec":
		out, err := exec.Command("printf", "from a process").Output()
		api.Rprintf(s, "%s %v", out, err)
	case "fail":
		return 3
	case "late":
		api.Rwrite(s, "x")
		api.Rflush(s)
		return 1
	case "panic":
		panic("this servlet panics")
	case "goroutine":
		go panic("this goroutine panics")
		time.Sleep(time.Minute)
	case "nil":
		var p *int
		*p = 1
	case "crash":
		crashInC()
	case "exit":
		os.Exit(3)
	default:
		api.Set_status(s, 404)
		api.Rwrite(s, "no "+what)
	}
	return 0
}

func init() {
	api.OnCleanup(func() { fmt.Println("servlet.go: OnCleanup was called") })
}

func main() {}
