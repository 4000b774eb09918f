// The same application with three routers, at / and below /below: as a servlet
// by Handle, and as a server of its own that the answers are compared with.
//
//	frameworks.server ADDRESS
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi"
	"github.com/gorilla/mux"
	"modserver"
)

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), 500)
		return
	}
	fmt.Fprintf(w, "%s %d %x", r.Method, len(body), sha256.Sum256(body))
}

func upload(w http.ResponseWriter, r *http.Request) {
	file, head, err := r.FormFile("file")
	if err != nil {
		http.Error(w, err.Error(), 400)
		return
	}
	defer file.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, file)
	fmt.Fprintf(w, "%s %s %d %d %x %v", r.FormValue("field"), head.Filename, head.Size, n, sum.Sum(nil), err)
}

func cookies(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: "one", Value: "1"})
	http.SetCookie(w, &http.Cookie{Name: "two", Value: "2", Path: "/"})
	for _, c := range r.Cookies() {
		fmt.Fprintf(w, "%s=%s;", c.Name, c.Value)
	}
}

// stream sends a piece, and the next one when the file that it names is there.
func stream(w http.ResponseWriter, r *http.Request) {
	directory := os.Getenv("STREAM")
	for _, piece := range []string{"one", "two", "three"} {
		io.WriteString(w, piece)
		w.(http.Flusher).Flush()
		for r.Context().Err() == nil {
			if _, err := os.Stat(directory + "/" + piece); err == nil {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

func request(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "%s|%s|%s|%s|%s|%d %d|%v|%v|%v\n", r.URL.Path, r.URL.RawPath, r.URL.RawQuery,
		r.Host, r.Proto, r.ProtoMajor, r.ProtoMinor, r.TLS == nil, r.Close, r.TransferEncoding)
	fmt.Fprintf(w, "%s|%q|%q\n", r.RequestURI, r.URL.String(), r.FormValue("a"))
	names := []string{}
	for name := range r.Header {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(w, "%s: %q\n", name, r.Header[name])
	}
}

func page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", `"v1"`)
	http.ServeContent(w, r, "page.html", time.Unix(1e9, 0), strings.NewReader("<p>a page of some length"))
}

func moved(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, strings.TrimSuffix(r.URL.Path, "moved")+"page?a=1", http.StatusFound)
}

func file(w http.ResponseWriter, r *http.Request) {
	http.ServeFile(w, r, os.Getenv("FILE"))
}

// left says in the log when the client has left.
func left(w http.ResponseWriter, r *http.Request) {
	w.(http.Flusher).Flush()
	<-r.Context().Done()
	log.Printf("the client has left: %v", r.Context().Err())
}

// odd does what is wrong in one way or another, by ?what=.
func odd(w http.ResponseWriter, r *http.Request) {
	switch r.FormValue("what") {
	case "nothing":
	case "status":
		w.WriteHeader(201)
	case "twice":
		w.WriteHeader(202)
		w.WriteHeader(203)
		io.WriteString(w, "twice")
	case "bodiless":
		w.WriteHeader(204)
		_, err := io.WriteString(w, "x")
		log.Printf("bodiless: %v", err)
	case "length":
		w.Header().Set("Content-Length", "5")
		_, err := io.WriteString(w, "123456")
		log.Printf("length: %v", err)
	case "sniff":
		w.Write([]byte("\x89PNG\x0D\x0A\x1A\x0A"))
	case "untyped":
		w.Header()["Content-Type"] = nil
		io.WriteString(w, "untyped")
	case "typed late":
		w.WriteHeader(200)
		w.Header().Set("Content-Type", "text/plain")
	case "no length":
		w.Header().Set("Content-Length", "x")
		io.WriteString(w, "no length")
	case "address":
		fmt.Fprint(w, r.Context().Value(http.LocalAddrContextKey).(net.Addr))
	case "fields":
		w.Header().Set("X-Line", "a\r\nX-Evil: 1")
		w.Header()["X-Many"] = []string{"1", "", "2"}
		io.WriteString(w, "fields")
		w.Header().Set("X-Late", "1")
	case "nul":
		w.Header().Set("X-Nul", "a\x00b")
		io.WriteString(w, "nul")
	case "large":
		for i := 0; i < 100; i++ {
			w.Write(make([]byte, 10007))
		}
		w.Write(make([]byte, 1<<20))
	case "code":
		w.WriteHeader(99)
	case "panic":
		panic("this handler panics")
	case "late":
		io.WriteString(w, "x")
		w.(http.Flusher).Flush()
		panic("this handler panics late")
	case "nil":
		panic(nil)
	case "abort":
		io.WriteString(w, "never sent")
		panic(http.ErrAbortHandler)
	case "goroutine":
		done := make(chan bool)
		go func() {
			n, err := io.Copy(w, r.Body)
			log.Printf("goroutine: %d %v", n, err)
			done <- true
		}()
		<-done
	case "kept":
		go func() {
			<-r.Context().Done()
			_, err := io.WriteString(w, "too late")
			_, again := r.Body.Read(make([]byte, 1))
			log.Printf("kept: %v, %v", err, again)
		}()
	}
}

// gone is a handler of gin's own Stream, which needs a http.CloseNotifier.
func gone(c *gin.Context) {
	n := 0
	c.Stream(func(w io.Writer) bool {
		n++
		fmt.Fprintf(w, "%d,", n)
		return n < 3
	})
}

var handlers = map[string]http.HandlerFunc{
	"/echo": echo, "/upload": upload, "/cookies": cookies, "/stream": stream, "/page": page,
	"/moved": moved, "/file": file, "/left": left, "/odd": odd,
}

func withChi() http.Handler {
	routes := func(r chi.Router) {
		for path, h := range handlers {
			r.Handle(path, h)
		}
		r.HandleFunc("/request", request)
		r.HandleFunc("/request/*", request)
		r.Get("/param/{name}", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "chi %s", chi.URLParam(r, "name"))
		})
	}
	root := chi.NewRouter()
	root.Group(routes)
	root.Route("/below", routes)
	return root
}

func withMux() http.Handler {
	root := mux.NewRouter()
	for _, r := range []*mux.Router{root.PathPrefix("/below").Subrouter(), root} {
		for path, h := range handlers {
			r.Handle(path, h)
		}
		r.PathPrefix("/request").HandlerFunc(request)
		r.HandleFunc("/param/{name}", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "mux %s", mux.Vars(r)["name"])
		})
	}
	return root
}

func withGin() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	root := gin.New()
	for _, r := range []*gin.RouterGroup{&root.RouterGroup, root.Group("/below")} {
		for path, h := range handlers {
			r.Any(path, gin.WrapF(h))
		}
		r.Any("/request", gin.WrapF(request))
		r.Any("/request/*rest", gin.WrapF(request))
		r.GET("/gone", gone)
		r.GET("/param/:name", func(c *gin.Context) { c.String(200, "gin %s", c.Param("name")) })
	}
	return root
}

// app has the router that the request names.
func app() http.Handler {
	routers := map[string]http.Handler{"chi": withChi(), "mux": withMux(), "gin": withGin()}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := routers[r.Header.Get("X-Router")]; h != nil {
			h.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})
}

func init() { modserver.Handle(app()) }

func main() { log.Fatal(http.ListenAndServe(os.Args[1], app())) }
