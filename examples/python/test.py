"""Calls every function there is and shows what it answers.

    curl -F field=1 -F file=@/etc/hostname -b color=red \\
        'localhost:8080/examples/python/test.py?arg=a%20b'
"""

from modserver import *

runs = 0
greeting = None

# Functions that answer something and need no argument.
QUESTIONS = [
    get_method, get_path, get_path_info, get_script_name, get_route, get_query,
    get_target, get_protocol, get_scheme, get_remote_addr, get_remote_port,
    get_server_name, get_server_port, get_content_length, get_request_id,
    is_connected, is_sent,
]


def init(s):
    """Once per process, before its first run."""
    global greeting
    greeting = "init was called for " + get_path(s)


def show_request(s):
    for question in QUESTIONS:
        rprintf(s, "%s: %s\n", question.__name__, question(s))
    for get in get_arg, get_header, get_cookie, get_form:
        for key in "arg", "field", "color", "User-Agent", "missing":
            rprintf(s, "%s %s: %s\n", get.__name__, key, get(s, key))

    # With a function: called for each until it answers something true.
    for each in each_arg, each_header, each_cookie, each_form:
        def visit(key, value):
            rprintf(s, "%s %s: %s\n", each.__name__, key, value)
            return value == "stop" and "stopped"

        rprintf(s, "%s: %s\n", each.__name__, each(s, visit))

    # Without one: a list.
    rprintf(s, "headers: %d\n", len(each_header(s)))
    for route in each_route(s):
        rprintf(s, "each_route %s: %s\n", route.route, route.language)


def show_body(s):
    for upload in each_upload(s):
        rprintf(s, "each_upload %s: %s %s %d\n", upload.field, upload.file_name,
                upload.type, upload.size)
    upload = get_upload(s, "file")
    if upload:
        rwrite(s, b"get_upload file: " + upload.read() + b"\n")
        rwrite(s, "rsendfile: ")
        rsendfile(s, upload.file)
        rwrite(s, "\n")
    rprintf(s, "get_upload missing: %s\n", get_upload(s, "missing"))
    rwrite(s, b"rread: " + rread(s, 4) + b"\n")
    rrewind(s)
    rprintf(s, "rread all: %d\n", len(rread(s)))
    rprintf(s, "rread end: %s\n", rread(s, 4))


def run(s):
    global runs
    runs += 1
    set_status(s, 201)
    set_header(s, "Content-Type", "text/plain; charset=UTF-8")
    set_header(s, "X-Replaced", "first")
    set_header(s, "X-Replaced", "second")
    set_header(s, "X-Removed", "value")
    set_header(s, "X-Removed", None)
    add_header(s, "Set-Cookie", "one=1")
    add_header(s, "Set-Cookie", "two=2")
    rprintf(s, "%s\nruns: %d\n", greeting, runs)
    show_request(s)
    show_body(s)
    rwrite(s, b"octets: \0\1\xfe\xff " + "ä\n".encode())
    rlog(s, "test.py was run with %s", get_query(s))
    s.rflush()      # each function is a method of s as well
    rprintf(s, "is_sent after rflush: %s\n", is_sent(s))


def cleanup():
    """Before the process exits."""
    print("test.py: cleanup was called")
