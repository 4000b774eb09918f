"""What a Python servlet can call.

The module is built into the server (``from modserver import *``); this file
is for editors and type checkers: put its directory on MYPYPATH, or on your
editor's stub path.

A servlet is a file that defines ``run(s)``, and if it likes ``init(s)`` and
``cleanup()``::

    from modserver import *

    def run(s):
        rwrite(s, "hi")         # or: s.rwrite("hi")

Every function is a method of ``s`` as well.  Text is ``str``: UTF-8, with
surrogateescape for octets that are not.  Bodies are ``bytes``.  What is
missing is ``None``.  What fails raises ``OSError``.

``s`` is good for its own request, in the thread that runs the servlet; else
``RuntimeError``.  Standard output goes to the error log.  An exception that
``run`` does not catch, ``SystemExit`` too, is answered with 500 and its
traceback is in the error log.  Each process runs one request at a time, and
was forked after the servlet's file was loaded: connections to databases and
threads belong into ``init``, which is called once in each process.

A file that defines no ``run`` but a callable named ``application`` or ``app`` is a
WSGI application (PEP 3333), and needs none of this.
"""

from collections.abc import Callable, Mapping
from io import BufferedReader
from typing import Any, NamedTuple, Protocol, final, overload

class _HasFileno(Protocol):
    def fileno(self) -> int: ...

_Visit = Callable[[str, str], Any]
_Pairs = list[tuple[str, str]]

@final
class Upload:
    """A file uploaded in a multipart/form-data body."""

    @property
    def field(self) -> str:
        """Name of the form's field."""
    @property
    def file_name(self) -> str:
        """As the client sent it: never use it as a path."""
    @property
    def type(self) -> str:
        """Media type of the part, application/octet-stream if it has none."""
    @property
    def size(self) -> int:
        """Octets."""
    @property
    def fd(self) -> int:
        """The server's descriptor; valid until run returns."""
    @property
    def file(self) -> BufferedReader:
        """A file that reads the upload; it may outlive the request."""
    def read(self, size: int = -1, /) -> bytes:
        """file.read(size)"""

class Route(NamedTuple):
    """A servlet that this server has loaded."""

    route: str
    """As configured: '/hello', '/shop/*'."""
    language: str
    """The module's name: 'so', 'lua', 'python', ..."""
    description: str
    """Of the configuration, or ''."""
    file: str
    """As configured."""

@final
class Servlet:
    """One request and the response being made for it."""

    def get_method(self) -> str: ...
    def get_arg(self, name: str, /) -> str | None: ...
    def get_header(self, name: str, /) -> str | None: ...
    def get_path(self) -> str: ...
    def get_path_info(self) -> str: ...
    def get_script_name(self) -> str: ...
    def get_route(self) -> str: ...
    def get_query(self) -> str: ...
    def get_target(self) -> str: ...
    def get_protocol(self) -> str: ...
    def get_scheme(self) -> str: ...
    def get_remote_addr(self) -> str: ...
    def get_remote_port(self) -> int: ...
    def get_server_name(self) -> str: ...
    def get_server_port(self) -> int: ...
    def get_cookie(self, name: str, /) -> str | None: ...
    def get_form(self, name: str, /) -> str | None: ...
    def get_content_length(self) -> int: ...
    def get_request_id(self) -> str: ...
    def rread(self, length: int = -1, /) -> bytes: ...
    def rrewind(self) -> None: ...
    @overload
    def each_header(self, visit: None = None, /) -> _Pairs: ...
    @overload
    def each_header(self, visit: _Visit, /) -> Any: ...
    @overload
    def each_arg(self, visit: None = None, /) -> _Pairs: ...
    @overload
    def each_arg(self, visit: _Visit, /) -> Any: ...
    @overload
    def each_form(self, visit: None = None, /) -> _Pairs: ...
    @overload
    def each_form(self, visit: _Visit, /) -> Any: ...
    @overload
    def each_cookie(self, visit: None = None, /) -> _Pairs: ...
    @overload
    def each_cookie(self, visit: _Visit, /) -> Any: ...
    @overload
    def each_upload(self, visit: None = None, /) -> list[Upload]: ...
    @overload
    def each_upload(self, visit: Callable[[Upload], Any], /) -> Any: ...
    @overload
    def each_route(self, visit: None = None, /) -> list[Route]: ...
    @overload
    def each_route(self, visit: Callable[[Route], Any], /) -> Any: ...
    def get_upload(self, field: str, /) -> Upload | None: ...
    def set_status(self, status: int, /) -> None: ...
    def set_header(self, name: str, value: str | None, /) -> None: ...
    def add_header(self, name: str, value: str, /) -> None: ...
    def rwrite(self, buffer: str | bytes | bytearray | memoryview, /) -> int: ...
    def rprintf(self, format: str, /, *args: Any) -> int: ...
    def rflush(self) -> None: ...
    def rsendfile(self, file: int | _HasFileno, offset: int = 0, length: int = -1) -> None: ...
    def rlog(self, format: str, /, *args: Any) -> None: ...
    def is_sent(self) -> bool: ...
    def is_connected(self) -> bool: ...

# ------------------------------------------------------------------- request

def get_method(s: Servlet, /) -> str:
    """The method as the client sent it: 'GET', 'POST', ..."""

def get_arg(s: Servlet, name: str, /) -> str | None:
    """First query argument of that name, decoded; '' if it has no value."""

def get_header(s: Servlet, name: str, /) -> str | None:
    """First header field of that name, any case."""

def get_path(s: Servlet, /) -> str:
    """The path, percent-decoded, dot segments resolved."""

def get_path_info(s: Servlet, /) -> str:
    """What lies below a prefix route, decoded: '/b/c' for the route /a/* asked
    for /a/b/c, '/' for /a/, '' for /a and for every exact route."""

def get_script_name(s: Servlet, /) -> str:
    """The route's own part of the path: '/a' in the example above."""

def get_route(s: Servlet, /) -> str:
    """The route as the configuration names it."""

def get_query(s: Servlet, /) -> str:
    """The query as the client sent it, without '?'; '' if there is none."""

def get_target(s: Servlet, /) -> str:
    """The request target as it came."""

def get_protocol(s: Servlet, /) -> str:
    """'HTTP/1.1' or 'HTTP/1.0'."""

def get_scheme(s: Servlet, /) -> str:
    """'http', or 'https' where a trusted proxy says so."""

def get_remote_addr(s: Servlet, /) -> str:
    """The client's address without a port; 'unix' for a unix socket."""

def get_remote_port(s: Servlet, /) -> int:
    """The client's port, 0 where there is none."""

def get_server_name(s: Servlet, /) -> str:
    """The name the client addressed."""

def get_server_port(s: Servlet, /) -> int:
    """The port the client addressed."""

def get_cookie(s: Servlet, name: str, /) -> str | None:
    """First cookie of that name, as it came."""

def get_form(s: Servlet, name: str, /) -> str | None:
    """First field of that name of an urlencoded or multipart body, decoded."""

def get_content_length(s: Servlet, /) -> int:
    """Octets of the request body; 0 if there is none."""

def get_request_id(s: Servlet, /) -> str:
    """A name for this request; the error log has it in every line about it."""

def rread(s: Servlet, length: int = -1, /) -> bytes:
    """The next octets of the body, length at most, all that is left if it is
    negative; b'' at the end."""

def rrewind(s: Servlet, /) -> None:
    """Goes back to the body's first octet."""

@overload
def each_header(s: Servlet, visit: None = None, /) -> _Pairs:
    """All header fields in order, repeated ones too."""

@overload
def each_header(s: Servlet, visit: _Visit, /) -> Any:
    """Calls visit(name, value) for each until it answers something true, and
    returns that, else 0."""

@overload
def each_arg(s: Servlet, visit: None = None, /) -> _Pairs:
    """As each_header, of the query arguments."""

@overload
def each_arg(s: Servlet, visit: _Visit, /) -> Any: ...
@overload
def each_form(s: Servlet, visit: None = None, /) -> _Pairs:
    """As each_header, of the form's fields."""

@overload
def each_form(s: Servlet, visit: _Visit, /) -> Any: ...
@overload
def each_cookie(s: Servlet, visit: None = None, /) -> _Pairs:
    """As each_header, of the cookies."""

@overload
def each_cookie(s: Servlet, visit: _Visit, /) -> Any: ...
@overload
def each_upload(s: Servlet, visit: None = None, /) -> list[Upload]:
    """All uploaded files; visit(upload) as in each_header."""

@overload
def each_upload(s: Servlet, visit: Callable[[Upload], Any], /) -> Any: ...
@overload
def each_route(s: Servlet, visit: None = None, /) -> list[Route]:
    """All routes of this server; visit(route) as in each_header."""

@overload
def each_route(s: Servlet, visit: Callable[[Route], Any], /) -> Any: ...
def get_upload(s: Servlet, field: str, /) -> Upload | None:
    """The first uploaded file of that form field."""

# ------------------------------------------------------------------ response

def set_status(s: Servlet, status: int, /) -> None:
    """200 unless set; without effect once the head has been sent."""

def set_header(s: Servlet, name: str, value: str | None, /) -> None:
    """Sets a header field, replacing all of that name; None removes it.  What
    could not be sent as it is (CR, LF, NUL) is refused and logged."""

def add_header(s: Servlet, name: str, value: str, /) -> None:
    """Adds a header field: for a second Set-Cookie."""

def rwrite(s: Servlet, buffer: str | bytes | bytearray | memoryview, /) -> int:
    """Appends to the response body: str as UTF-8, or anything bytes-like.
    Returns the number of octets taken, 0 when the client has gone."""

def rprintf(s: Servlet, format: str, /, *args: Any | Mapping[str, Any]) -> int:
    """rwrite of format % args."""

def rflush(s: Servlet, /) -> None:
    """Sends what has been written so far, the head first if need be."""

def rsendfile(s: Servlet, file: int | _HasFileno, offset: int = 0, length: int = -1) -> None:
    """Appends a part of an open file (or descriptor) without reading it into
    Python; to its end if length is -1."""

def is_sent(s: Servlet, /) -> bool:
    """Whether the response's head has been sent."""

def is_connected(s: Servlet, /) -> bool:
    """Whether the client is still there, as far as the kernel knows."""

def rlog(s: Servlet, format: str, /, *args: Any) -> None:
    """A line in the error log, with the request's id and route: format as it
    is, or format % args if there are any."""
