// A net/http server: /hello, /bench/sleep?ms=N, /bench/upload, /files/.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"
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

func main() {
	http.HandleFunc("/hello", hello)
	http.HandleFunc("/bench/sleep", sleep)
	http.HandleFunc("/bench/upload", upload)
	http.Handle("/files/", http.StripPrefix("/files/", http.FileServer(http.Dir(os.Args[2]))))
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}
