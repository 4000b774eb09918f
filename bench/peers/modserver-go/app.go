// The same handlers as in ../go, inside modserver.
package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"modserver"
)

func hello(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	io.WriteString(w, "Hello, world!\n")
}

func sleep(w http.ResponseWriter, r *http.Request) {
	ms, _ := strconv.Atoi(r.URL.Query().Get("ms"))
	time.Sleep(time.Duration(ms) * time.Millisecond)
	hello(w, r)
}

func upload(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, err.Error(), 400)
		return
	}
	fmt.Fprintf(w, "%d\n", n)
}

func init() {
	http.HandleFunc("/hello", hello)
	http.HandleFunc("/bench/sleep", sleep)
	http.HandleFunc("/bench/upload", upload)
	modserver.Handle(http.DefaultServeMux)
}

func main() {}
