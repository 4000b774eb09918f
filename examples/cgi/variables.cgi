#!/bin/sh
# variables.cgi - all that a CGI program is told (RFC 3875, 4.1).
#
#	curl 'localhost:8080/examples/cgi/variables.cgi/below?name=value'
#
# What the client sent must be escaped before it is part of a page.
escape() {
	sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g'
}

cat <<END
Content-Type: text/html; charset=UTF-8

<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Variables</title>
<style>body{font-family:system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
pre{white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.5}</style>
<h1>Variables</h1>
<p>Add a path or a query to the address.</p>
<pre>
END
env | sort | escape
echo '</pre>'
