package modserver

// #include "bridge.h"
import "C"

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// A file of so many octets and more is sent by rsendfile; a shorter one is
// cheaper to copy.
const sendfileMin = 64 << 10

// http.DetectContentType looks at so many octets.
const sniffLength = 512

var errOver = errors.New("modserver: the response is over: the handler has returned")

// response is the http.ResponseWriter.  What is written is collected in the
// exchange's C memory, which goes to the server when it is full, flushed, or
// the handler has returned.
type response struct {
	x        *exchange
	header   http.Header
	status   int   // 0: WriteHeader has not been called
	declared int64 // Content-Length, or -1
	written  int64
	typed    bool // there is a Content-Type, or there shall be none
	encoded  bool // Content-Encoding: its octets say nothing of the type
	head     bool // HEAD
	bodiless bool // by its status
	buffer   []byte
	length   int // of buffer
	gone     bool
}

func (w *response) begin(x *exchange) {
	w.x = x
	w.header = make(http.Header, 4)
	w.declared = -1
	x.c.untyped = 1
	w.buffer = unsafe.Slice((*byte)(unsafe.Pointer(x.c.body)), C.EXCHANGE_BODY)
}

func (w *response) Header() http.Header { return w.header }

// log is a line of the error log, in the words of net/http.
func (w *response) log(format string, args ...any) {
	Servlet{w.x.c.s}.Log("http: "+format, args...)
}

// WriteHeader fixes the status and the header fields as they are now.
func (w *response) WriteHeader(status int) {
	w.x.mu.Lock()
	defer w.x.mu.Unlock()
	w.writeHeader(status)
}

func (w *response) writeHeader(status int) {
	if status < 100 || status > 599 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	}
	if w.x.over || status < 200 && w.status == 0 {
		return // 1xx: the server has nothing to send before the response
	}
	if w.status != 0 {
		w.log("superfluous response.WriteHeader call from %s", caller())
		return
	}
	w.status = status
	w.bodiless = status == http.StatusNoContent || status == http.StatusNotModified
	w.x.c.status = C.int(status)
	w.packHeader()
}

// caller is who called the ResponseWriter: the first frame beyond this package.
func caller() string {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "modserver.") || !more {
			return fmt.Sprintf("%s (%s:%d)", f.Function, path.Base(f.File), f.Line)
		}
	}
}

// packHeader gives the fields to C, sorted as net/http sends them.
func (w *response) packHeader() {
	var few [16]string
	keys := few[:0]
	for key := range w.header {
		keys = append(keys, key)
	}
	if len(keys) > 1 {
		sort.Strings(keys)
	}
	for _, key := range keys {
		values := w.header[key]
		switch key {
		case "Content-Type":
			w.typed = true
		case "Content-Encoding":
			w.encoded = len(values) > 0 && values[0] != ""
		case "Content-Length":
			if !w.declare(values) {
				continue
			}
		case "Connection":
			if !hasToken(values, "close") {
				continue // keep-alive, or names of fields for a proxy
			}
			values = []string{"close"}
		case "Transfer-Encoding", "Trailer":
			continue // the server frames
		}
		if strings.HasPrefix(key, http.TrailerPrefix) {
			continue
		}
		for _, value := range values {
			w.pack(key, value)
		}
	}
}

// declare says whether there is a Content-Length to be sent.
func (w *response) declare(values []string) bool {
	if len(values) == 0 {
		return false
	}
	if n, err := strconv.ParseInt(values[0], 10, 64); err == nil && n >= 0 {
		w.declared = n
		return true
	}
	w.log("invalid Content-Length of %q", values[0])
	w.header.Del("Content-Length")
	return false
}

var lineEnds = strings.NewReplacer("\n", " ", "\r", " ")

func (w *response) pack(key, value string) {
	value = strings.Trim(lineEnds.Replace(value), " \t")
	if strings.IndexByte(key, 0) >= 0 || strings.IndexByte(value, 0) >= 0 {
		w.log("header %q is refused: there is a NUL in it", key)
		return
	}
	c, size := w.x.c, len(key)+len(value)+2
	if key == "Content-Type" {
		c.untyped = 0
	}
	if int(c.head_length)+size > int(c.head_room) && C.modserver_go_head_room(c, C.size_t(size)) != 0 {
		panic("out of memory for a header field")
	}
	to := unsafe.Slice((*byte)(unsafe.Pointer(c.head)), c.head_room)[c.head_length:]
	n := copy(to, key)
	to[n] = 0
	n += 1 + copy(to[n+1:], value)
	to[n] = 0
	c.head_length += C.size_t(size)
}

// settle prepares what is collected for the server; the first time it finds
// out the body's type from its beginning.
func (w *response) settle() {
	c := w.x.c
	if c.begun == 0 && !w.typed && !w.bodiless && w.length > 0 && !w.encoded {
		w.typed = true
		n := w.length
		if n > sniffLength {
			n = sniffLength
		}
		w.pack("Content-Type", http.DetectContentType(w.buffer[:n]))
	}
	c.body_length = C.size_t(w.length)
	w.length = 0
}

// send gives what is collected to the server.
func (w *response) send(flush C.int) error {
	w.settle()
	if w.gone || C.modserver_go_send(w.x.c, flush) != 0 {
		w.gone = true
		return syscall.EPIPE
	}
	return nil
}

// room checks whether n octets more may be written.
func (w *response) room(n int64) error {
	if w.x.over {
		return errOver
	}
	if w.status == 0 {
		w.writeHeader(http.StatusOK)
	}
	if w.bodiless {
		return http.ErrBodyNotAllowed
	}
	w.written += n
	if w.declared >= 0 && w.written > w.declared {
		return http.ErrContentLength
	}
	return nil
}

func (w *response) Write(p []byte) (int, error) {
	w.x.mu.Lock()
	defer w.x.mu.Unlock()
	if err := w.room(int64(len(p))); err != nil {
		return 0, err
	}
	n := copy(w.buffer[w.length:], p)
	w.length += n
	if n == len(p) {
		return n, nil
	}
	if err := w.send(0); err != nil {
		return 0, err
	}
	rest := p[n:]
	if len(rest) < len(w.buffer) {
		w.length = copy(w.buffer, rest)
		return len(p), nil
	}
	m, err := Servlet{w.x.c.s}.Write(rest)
	w.gone = w.gone || err != nil
	return n + m, err
}

func (w *response) WriteString(text string) (int, error) { return w.Write(octets(text)) }

// Flush sends what has been written so far: http.Flusher.
func (w *response) Flush() {
	w.x.mu.Lock()
	defer w.x.mu.Unlock()
	if w.x.over {
		return
	}
	if w.status == 0 {
		w.writeHeader(http.StatusOK)
	}
	w.send(1)
}

// CloseNotify is for those who do not use the request's context yet.
func (w *response) CloseNotify() <-chan bool {
	gone := make(chan bool, 1)
	done := w.x.context.Done()
	go func() {
		<-done
		gone <- true
	}()
	return gone
}

// ReadFrom copies a reader to the response, a long file without copying it
// through this process: io.ReaderFrom.
func (w *response) ReadFrom(from io.Reader) (int64, error) {
	n, sent, err := w.sendFile(from)
	if sent || err != nil {
		return n, err
	}
	m, err := io.Copy(writerOnly{w}, from)
	return n + m, err
}

type writerOnly struct{ io.Writer }

// sendFile sends the file behind from if that pays; sent is false where it
// does not.  n octets, for the type, may have been copied already.
func (w *response) sendFile(from io.Reader) (n int64, sent bool, err error) {
	limited, _ := from.(*io.LimitedReader)
	if limited != nil {
		from = limited.R
	}
	file, ok := from.(*os.File)
	if !ok {
		return 0, false, nil
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0, false, nil
	}
	at, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, false, nil
	}
	length := info.Size() - at
	if limited != nil && limited.N < length {
		length = limited.N
	}
	if length < sendfileMin {
		return 0, false, nil
	}
	n, err = io.CopyN(writerOnly{w}, file, sniffLength)
	if err == nil {
		err = w.sendFD(file, at+n, length-n)
	}
	if err != nil {
		return n, true, err
	}
	if limited != nil {
		limited.N -= length
	}
	_, err = file.Seek(at+length, io.SeekStart)
	return length, true, err
}

func (w *response) sendFD(file *os.File, at, length int64) error {
	w.x.mu.Lock()
	defer w.x.mu.Unlock()
	if err := w.room(length); err != nil {
		return err
	}
	if err := w.send(0); err != nil {
		return err
	}
	return Servlet{w.x.c.s}.SendFile(file, at, length)
}

// finish completes the response when the handler has returned; C gives what
// is left to the server.
func (w *response) finish() {
	w.x.mu.Lock()
	defer w.x.mu.Unlock()
	if w.status == 0 {
		w.writeHeader(http.StatusOK)
	}
	w.settle()
}

// refuse answers what net/http does not let through to a handler.
func (w *response) refuse(status int) {
	w.header.Set("Content-Type", "text/plain; charset=utf-8")
	w.header.Set("Connection", "close")
	w.WriteHeader(status)
	io.WriteString(w, strconv.Itoa(status)+" "+http.StatusText(status))
	w.finish()
}
