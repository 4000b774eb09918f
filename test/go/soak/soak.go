// A net/http handler for a million requests: goroutines, garbage, sleep, panics.
package main

import (
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"modserver"
)

var requests int

// sum answers 6 * n, which goroutines have added up over a channel.
func sum(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.FormValue("n"))
	results := make(chan int)
	for i := 1; i <= 3; i++ {
		go func(i int) {
			garbage := make([]byte, 10000)
			garbage[i] = byte(i)
			results <- n * int(garbage[i])
		}(i)
	}
	total := 0
	for i := 1; i <= 3; i++ {
		total += <-results
	}
	if requests++; requests%100 == 0 {
		runtime.GC()
	}
	fmt.Fprint(w, total)
}

func sleep(w http.ResponseWriter, r *http.Request) {
	ms, _ := strconv.Atoi(r.FormValue("ms"))
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
		fmt.Fprint(w, "slept")
	case <-r.Context().Done():
	}
}

func init() {
	http.HandleFunc("/sum", sum)
	http.HandleFunc("/sleep", sleep)
	http.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("a panic of the soak") })
	modserver.Handle(nil)
}

func main() {}
