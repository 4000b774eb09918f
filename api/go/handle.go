package modserver

// #include "bridge.h"
import "C"

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
)

// What modserverServe answers: 0, or these.
const (
	failed = -1 // 500 if nothing has been sent, else the connection is cut
	cut    = -2 // cut in any case
)

var handler http.Handler

// Handle has h answer every request; nil is http.DefaultServeMux.  Call it
// once, in an init.  The servlet exports no run then.
//
// h sees the request as from net/http's own server, with the full path in
// r.URL.Path also below a prefix route.  The differences: the body is complete
// before h is called, so r.ContentLength is never -1; trailers and 1xx
// responses are not sent, and a connection cannot be hijacked.  A panic is
// logged with its stack and answered with 500 if nothing has been sent;
// http.ErrAbortHandler cuts the connection without a word.  Goroutines that h
// starts may use the request and the response until h returns.
func Handle(h http.Handler) {
	if handler != nil {
		panic("modserver.Handle was called twice")
	}
	if h == nil {
		h = http.DefaultServeMux
	}
	handler = h
}

// From is the servlet behind a request of Handle, for Log or RequestID; ok is
// false where net/http itself serves.  It is for the goroutine that the
// handler was called in.
func From(r *http.Request) (s Servlet, ok bool) {
	x, ok := r.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		return Servlet{}, false
	}
	return Servlet{x.c.s}, true
}

type exchangeKey struct{}

// exchange is one request of Handle: everything that lives as long as it.
type exchange struct {
	mu      sync.Mutex // held around C calls, for goroutines of the handler
	c       *C.struct_exchange
	over    bool // the handler has returned: c is another request's
	context requestContext
	body    body
	w       response
}

//export modserverServe
func modserverServe(c *C.struct_exchange) (result C.int) {
	x := &exchange{c: c}
	returned := false // recover cannot tell: it answers nil for panic(nil)
	defer func() {
		if e := recover(); !returned {
			result = x.panicked(e)
		}
		x.end()
	}()
	x.context.x = x
	x.w.begin(x)
	r, err := x.request()
	if err != nil {
		x.w.refuse(http.StatusBadRequest)
	} else {
		x.w.head = r.Method == http.MethodHead
		handler.ServeHTTP(&x.w, r)
		x.w.finish()
	}
	returned = true
	return 0
}

func (x *exchange) panicked(e any) C.int {
	if e == http.ErrAbortHandler {
		return cut
	}
	Servlet{x.c.s}.Log("panic: %v\n%s", e, strings.TrimSpace(string(debug.Stack())))
	return failed
}

// end makes x harmless for goroutines that still have it.
func (x *exchange) end() {
	x.mu.Lock()
	x.over = true
	x.mu.Unlock()
	x.context.end()
}

// request makes the http.Request.  The texts are slices of one string.
func (x *exchange) request() (*http.Request, error) {
	texts := unpack(&x.c.request)
	r := &http.Request{
		Method:        texts[0],
		RequestURI:    texts[1],
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    int(x.c.minor),
		Header:        make(http.Header, len(texts)/2),
		ContentLength: int64(x.c.content_length),
		Body:          http.NoBody,
		RemoteAddr:    remoteAddr(texts[2], int(x.c.port)),
	}
	if r.ProtoMinor == 0 {
		r.Proto = "HTTP/1.0"
	}
	if r.ContentLength > 0 {
		x.body = body{x: x, left: r.ContentLength}
		r.Body = &x.body
	}
	setHeader(r, texts[3:])
	err := setURL(r)
	return r.WithContext(&x.context), err
}

func remoteAddr(address string, port int) string {
	if address == "unix" {
		return "@" // as net/http says of a client without a name
	}
	return net.JoinHostPort(address, strconv.Itoa(port))
}

// setHeader fills r.Header and what follows from it, as net/http does.  The
// body has been decoded: its length is known, however it was framed.
func setHeader(r *http.Request, fields []string) {
	values := make([]string, len(fields)/2) // one allocation for all of them
	for i := range values {
		key, value := textproto.CanonicalMIMEHeaderKey(fields[2*i]), fields[2*i+1]
		switch key {
		case "Host":
			r.Host = value
			continue
		case "Transfer-Encoding":
			r.Header["Content-Length"] = []string{strconv.FormatInt(r.ContentLength, 10)}
			continue
		}
		values[i] = value
		if before := r.Header[key]; before != nil {
			r.Header[key] = append(before, value)
		} else {
			r.Header[key] = values[i : i+1 : i+1]
		}
	}
	if r.Header.Get("Pragma") == "no-cache" && r.Header["Cache-Control"] == nil {
		r.Header["Cache-Control"] = []string{"no-cache"}
	}
	if connection := r.Header["Connection"]; connection != nil {
		r.Close = hasToken(connection, "close")
	}
	if r.ProtoMinor == 0 && !hasToken(r.Header["Connection"], "keep-alive") {
		r.Close = true
	}
}

func hasToken(values []string, token string) bool {
	for _, value := range values {
		for _, t := range strings.Split(value, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// setURL parses the target: a path, "*", an absolute URI, or host:port of CONNECT.
func setURL(r *http.Request) (err error) {
	target := r.RequestURI
	authority := r.Method == http.MethodConnect && !strings.HasPrefix(target, "/")
	if authority {
		target = "http://" + target
	}
	if r.URL, err = url.ParseRequestURI(target); err != nil {
		return fmt.Errorf("target: %w", err)
	}
	if authority {
		r.URL.Scheme = ""
	}
	if r.URL.Host != "" {
		r.Host = r.URL.Host
	}
	return nil
}

// body is the request's body.
type body struct {
	x      *exchange
	left   int64
	closed bool
}

func (b *body) Read(p []byte) (n int, err error) {
	b.x.mu.Lock()
	defer b.x.mu.Unlock()
	if b.x.over || b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.left > 0 {
		n, err = Servlet{b.x.c.s}.Read(p)
		b.left -= int64(n)
	}
	if err == nil && b.left == 0 {
		err = io.EOF
	}
	return n, err
}

func (b *body) Close() error {
	b.x.mu.Lock()
	b.closed = true
	b.x.mu.Unlock()
	return nil
}
