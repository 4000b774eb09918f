// Notes to remember: a net/http application with the chi router, below
// whatever prefix it is mounted at.  They lie in a directory, a file each, so
// that all processes see them.
//
//	curl -L -d text=milk localhost:8080/notes
//	NOTES=/var/lib/notes ./modserver config.conf
package main

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/go-chi/chi/v5"
	"modserver"
)

const (
	textMax  = 1000
	notesMax = 200
)

var directory = os.Getenv("NOTES")

type note struct {
	ID, Text string
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Notes</title>
<style>
:root{color-scheme:light dark}
body{font:1rem/1.6 system-ui,sans-serif;max-width:38rem;margin:3rem auto;padding:0 1rem}
li{display:flex;gap:1rem;justify-content:space-between;align-items:baseline;padding:.3rem 0}
form{display:flex;gap:.5rem;margin:0}input[name=text]{flex:1}
input,button{font:inherit;padding:.2rem .6rem}ul{padding:0}
</style>
<h1>Notes</h1>
<form method="post" action="{{.Base}}">
<input name="text" required maxlength="1000" autofocus aria-label="Note"><button>Keep</button>
</form>
<ul>
{{range .Notes}}<li><span>{{.Text}}</span>
<form method="post" action="{{$.Base}}/{{.ID}}/delete"><button>Done</button></form>
{{end}}</ul>
`))

func load() ([]note, error) {
	files, err := os.ReadDir(directory)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var notes []note
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(directory, f.Name()))
		if err == nil {
			notes = append(notes, note{strings.TrimPrefix(f.Name(), "note-"), string(text)})
		}
	}
	sort.Slice(notes, func(i, j int) bool { return notes[i].Text < notes[j].Text })
	return notes, nil
}

func keep(text string) error {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(directory, "note-")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

func show(w http.ResponseWriter, r *http.Request) {
	notes, err := load()
	if err != nil {
		fail(w, r, err)
		return
	}
	page.Execute(w, map[string]any{"Base": base(r), "Notes": notes})
}

func add(w http.ResponseWriter, r *http.Request) {
	notes, err := load()
	text := strings.TrimSpace(r.FormValue("text"))
	switch {
	case err != nil:
	case text == "" || len(text) > textMax:
		http.Error(w, fmt.Sprintf("a note has 1 to %d octets", textMax), http.StatusBadRequest)
		return
	case len(notes) >= notesMax:
		http.Error(w, "there are too many notes", http.StatusConflict)
		return
	default:
		err = keep(text)
	}
	if err != nil {
		fail(w, r, err)
		return
	}
	http.Redirect(w, r, base(r), http.StatusSeeOther)
}

func remove(w http.ResponseWriter, r *http.Request) {
	// The router lets digits through only.
	err := os.Remove(filepath.Join(directory, "note-"+chi.URLParam(r, "id")))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		fail(w, r, err)
		return
	}
	http.Redirect(w, r, base(r), http.StatusSeeOther)
}

// fail logs what happened, with the request's id, and does not tell the client.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	if s, ok := modserver.From(r); ok {
		s.Log("notes: %v", err)
	}
	http.Error(w, "the notes are not available", http.StatusInternalServerError)
}

// base is where this application is mounted: "/notes" for the route /notes/*.
func base(r *http.Request) string {
	if s, ok := modserver.From(r); ok {
		return s.ScriptName()
	}
	return ""
}

// below strips the mount point, whatever it is, so that the routes need not
// know it.
func below(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.StripPrefix(base(r), h).ServeHTTP(w, r)
	})
}

func init() {
	if directory == "" {
		directory = filepath.Join(os.TempDir(), fmt.Sprintf("modserver-notes-%d", os.Getuid()))
	}
	routes := chi.NewRouter()
	routes.Get("/", show)
	routes.Post("/", add)
	routes.Post("/{id:[0-9]+}/delete", remove)
	modserver.Handle(below(routes))
}

func main() {}
