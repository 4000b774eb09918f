package modserver

// #include "bridge.h"
import "C"

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

// SetStatus sets the status, 200 to 599.
func (s Servlet) SetStatus(status int) { C.set_status(s.s, C.int(status)) }

// SetHeader sets a header field and replaces all of that name.
func (s Servlet) SetHeader(name, value string) {
	if n, v := s.field(name, value); v != nil {
		C.set_header(s.s, n, v)
	}
}

// AddHeader appends a header field: a second Set-Cookie.
func (s Servlet) AddHeader(name, value string) {
	if n, v := s.field(name, value); v != nil {
		C.add_header(s.s, n, v)
	}
}

// RemoveHeader removes all header fields of that name.
func (s Servlet) RemoveHeader(name string) {
	if n := cstring(name); n != nil {
		C.set_header(s.s, n, nil)
	}
}

// field is name and value for C, or nil where they would end early there.
func (s Servlet) field(name, value string) (*C.char, *C.char) {
	n, v := cstring(name), cstring(value)
	if n == nil || v == nil {
		s.Log("header %q is refused: there is a NUL in it", name)
		return nil, nil
	}
	return n, v
}

// Write appends to the response's body: io.Writer.
func (s Servlet) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n := int(C.rwrite(s.s, (*C.char)(unsafe.Pointer(&p[0])), C.size_t(len(p))))
	if n < len(p) {
		return n, syscall.EPIPE
	}
	return n, nil
}

// WriteString is Write of a string: io.StringWriter.
func (s Servlet) WriteString(text string) (int, error) { return s.Write(octets(text)) }

// octets is text as a slice that nobody may change.
func octets(text string) []byte {
	if text == "" {
		return nil
	}
	header := (*[2]uintptr)(unsafe.Pointer(&text))
	return unsafe.Slice((*byte)(unsafe.Pointer(header[0])), len(text))
}

// Flush sends what has been written so far.
func (s Servlet) Flush() { C.rflush(s.s) }

// SendFile appends length octets of a file from offset, without copying them
// through the servlet; -1 means to its end.
func (s Servlet) SendFile(file *os.File, offset, length int64) error {
	return s.sendFD(int(file.Fd()), offset, length)
}

func (s Servlet) sendFD(fd int, offset, length int64) error {
	if n, err := C.rsendfile(s.s, C.int(fd), C.longlong(offset), C.longlong(length)); n != 0 {
		return err
	}
	return nil
}

// IsSent says whether status and header fields have been sent.
func (s Servlet) IsSent() bool { return C.is_sent(s.s) != 0 }

// IsConnected says whether the client is still there.
func (s Servlet) IsConnected() bool { return C.is_connected(s.s) != 0 }

// Log writes a line with the request's id to the error log.
func (s Servlet) Log(format string, args ...any) {
	C.modserver_go_log(s.s, visible(fmt.Sprintf(format, args...)))
}
