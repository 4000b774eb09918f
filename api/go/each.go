package modserver

// #include "bridge.h"
import "C"

import (
	"io"
	"mime/multipart"
	"syscall"
	"unsafe"
)

// Pair is a name and its value.
type Pair struct {
	Name, Value string
}

// RouteInfo is a loaded servlet, for index pages.
type RouteInfo struct {
	Route       string // as configured: "/hello", "/shop/*"
	Language    string // the module's name: "so", "go", "lua"
	Description string // of load_servlet, or ""
	File        string // as configured
}

// unpack makes one string of all the texts and slices them off it.
func unpack(p *C.struct_packed) []string {
	text := C.GoStringN(p.text, C.int(p.length))
	texts := make([]string, p.count)
	for i, size := range unsafe.Slice(p.sizes, p.count) {
		texts[i], text = text[:size], text[size:]
	}
	return texts
}

func (s Servlet) pairs(kind C.enum_packed_kind) []Pair {
	texts := unpack(C.modserver_go_pack(s.s, kind))
	pairs := make([]Pair, len(texts)/2)
	for i := range pairs {
		pairs[i] = Pair{texts[2*i], texts[2*i+1]}
	}
	return pairs
}

// Headers are all header fields in order, repeated ones too.
func (s Servlet) Headers() []Pair { return s.pairs(C.PACK_HEADERS) }

// Args are all query arguments in order.
func (s Servlet) Args() []Pair { return s.pairs(C.PACK_ARGS) }

// FormFields are all form fields in order, without uploaded files.
func (s Servlet) FormFields() []Pair { return s.pairs(C.PACK_FORM) }

// Cookies are all cookies in order.
func (s Servlet) Cookies() []Pair { return s.pairs(C.PACK_COOKIES) }

// Routes are all routes of the configuration.
func (s Servlet) Routes() []RouteInfo {
	texts := unpack(C.modserver_go_pack(s.s, C.PACK_ROUTES))
	routes := make([]RouteInfo, len(texts)/4)
	for i := range routes {
		t := texts[4*i:]
		routes[i] = RouteInfo{t[0], t[1], t[2], t[3]}
	}
	return routes
}

// Upload is a file of a multipart body.  Its content is gone when run returns.
type Upload struct {
	Field    string // name of the form's field
	FileName string // as the client sent it: never use it as a path
	Type     string // "application/octet-stream" if the client gave none
	Size     int64
	fd       int
}

func newUpload(u *C.struct_upload) *Upload {
	return &Upload{C.GoString(u.field), C.GoString(u.file_name), C.GoString(u._type),
		int64(u.size), int(u.fd)}
}

// LookupUpload is the first upload of that field, or nil.
func (s Servlet) LookupUpload(field string) *Upload {
	n := cstring(field)
	if n == nil {
		return nil
	}
	if u := C.get_upload(s.s, n); u != nil {
		return newUpload(u)
	}
	return nil
}

// Uploads are all uploads in order.
func (s Servlet) Uploads() []*Upload {
	count := C.modserver_go_uploads(s.s, nil, 0)
	if count == 0 {
		return nil
	}
	at := make([]*C.struct_upload, count)
	C.modserver_go_uploads(s.s, &at[0], count)
	uploads := make([]*Upload, count)
	for i := range uploads {
		uploads[i] = newUpload(at[i])
	}
	return uploads
}

// Open is the upload's content, from its beginning.
func (u *Upload) Open() multipart.File {
	return uploadFile{io.NewSectionReader(descriptor(u.fd), 0, u.Size)}
}

// FD is the descriptor that the content can be read from, as SendUpload does;
// it is the server's.
func (u *Upload) FD() int { return u.fd }

// SendUpload appends an upload to the response.
func (s Servlet) SendUpload(u *Upload) error { return s.sendFD(u.fd, 0, u.Size) }

type uploadFile struct{ *io.SectionReader }

// Close does nothing: the server closes uploads.
func (uploadFile) Close() error { return nil }

type descriptor int

func (fd descriptor) ReadAt(p []byte, offset int64) (int, error) {
	for done := 0; ; {
		n, err := syscall.Pread(int(fd), p[done:], offset+int64(done))
		if err == syscall.EINTR {
			continue
		}
		if n > 0 {
			done += n
		}
		if done == len(p) {
			return done, nil
		}
		if err == nil && n == 0 {
			err = io.EOF
		}
		if err != nil {
			return done, err
		}
	}
}
