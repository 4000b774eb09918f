#!/bin/sh
# hello.cgi - any program can answer: a header, an empty line, a body.
#
#	curl localhost:8080/examples/cgi/hello.cgi
echo 'Content-Type: text/plain; charset=UTF-8'
echo
echo "Hello, $REMOTE_ADDR!"
