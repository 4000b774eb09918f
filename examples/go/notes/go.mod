// chi as Debian has it: apt-get install golang-github-go-chi-chi-dev.  With a
// network, leave out the last line and say `go mod tidy`.
module notes

go 1.19

require (
	github.com/go-chi/chi/v5 v5.0.7
	modserver v0.0.0
)

replace modserver => ../../../api/go

replace github.com/go-chi/chi/v5 => /usr/share/gocode/src/github.com/go-chi/chi
