;;; modserver.scm - what a Scheme servlet can call, for readers and compilers.
;;;
;;; The server has a module (modserver) of its own and never loads this one.
;;; With it `guild compile -L api/guile -W2 hello.scm` knows the names, and so
;;; does an editor.
;;;
;;; A servlet is a file that defines
;;;
;;;     (use-modules (modserver))   optional: for the compiler, a servlet has it anyway
;;;     (define (run s) ...)        answers one request
;;;     (define (init s) ...)       optional: once per process, before its first run
;;;     (define (cleanup) ...)      optional: before its process exits in an orderly way
;;;
;;; in a module of its own.  It is compiled when it is loaded.  What they answer
;;; is ignored; an exception is the failure: 500, and its backtrace is in the
;;; error log.  So is (exit), except in a process that the servlet has forked.
;;; What is displayed without a port goes to the error log, and so does what
;;; programs print that `system` starts (`system*` drops it: the port is no file).
;;;
;;; The procedures are those of modserver.h with hyphens (or as they stand there,
;;; get_arg), and man 3 modserver says more of each.  Names may be symbols.  Text is UTF-8 (an octet that is
;;; none becomes "?"), a body is a bytevector.  What is missing is #f.  What
;;; fails raises a system-error.  `s` is good for its own request only, and for
;;; the thread that runs the servlet: else it is an error.

(define-module (modserver)
  #:export (get-method get-path get-path-info get-script-name get-route
            get-query get-target get-protocol get-scheme
            get-remote-addr get-remote-port get-server-name get-server-port
            get-arg get-header get-cookie get-form get-upload get-request-id
            each-arg each-header each-cookie each-form each-upload each-route
            get-content-length rread rrewind
            set-status set-header add-header
            rwrite rprintf response-port rflush rsendfile is-sent is-connected
            rlog
            upload-field upload-file-name upload-type upload-size upload-port
            route-route route-language route-description route-file))

(define-syntax-rule (declare (name . arguments) documentation)
  (define* (name . arguments)
    documentation
    (error "only modserver can do this:" 'name)))

;;; ----------------------------------------------------------------- request

(declare (get-method s)
  "The method as the client sent it: \"GET\", \"POST\", ...")

(declare (get-path s)
  "The path, percent-decoded, dot segments resolved.  It begins with \"/\".")

(declare (get-path-info s)
  "What lies below a prefix route, decoded: \"/b/c\" for /a/* asked for /a/b/c.")

(declare (get-script-name s)
  "The route's own part of the path: \"/a\" for /a/*, \"\" for /*.")

(declare (get-route s)
  "The route as the configuration names it: \"/a/*\".")

(declare (get-query s)
  "The query as it came, without \"?\"; \"\" if there is none.")

(declare (get-target s)
  "The request target as it came: \"/a%20b?x=1\".")

(declare (get-protocol s)
  "\"HTTP/1.1\" or \"HTTP/1.0\".")

(declare (get-scheme s)
  "\"http\", or \"https\" where a trusted proxy says so.")

(declare (get-remote-addr s)
  "The client's address, \"unix\" for a unix socket.")

(declare (get-remote-port s)
  "The client's port, 0 where there is none.")

(declare (get-server-name s)
  "The name that the client addressed.")

(declare (get-server-port s)
  "The port that the client addressed.")

(declare (get-arg s name)
  "First query argument of that name, decoded; \"\" if it has no value.")

(declare (get-header s name)
  "First header field of that name, in any case.")

(declare (get-cookie s name)
  "First cookie of that name, as it came.")

(declare (get-form s name)
  "First field of that name of an urlencoded or multipart body.")

(declare (get-upload s name)
  "First uploaded file of that field: an upload.")

(declare (get-request-id s)
  "A name for this request; every line in the log about it has it.")

(declare (each-arg s #:optional visit)
  "All query arguments in order, a list of (name . value).  With a procedure
(visit name value): calls it for each until it answers something true, and
returns that, else #f.")

(declare (each-header s #:optional visit)
  "All header fields, repeated ones too; as each-arg.")

(declare (each-cookie s #:optional visit)
  "All cookies; as each-arg.")

(declare (each-form s #:optional visit)
  "All fields of a form; as each-arg.")

(declare (each-upload s #:optional visit)
  "All uploaded files, a list of uploads; as each-arg with (visit upload).")

(declare (each-route s #:optional visit)
  "All routes of the server, in the configuration's order; as each-upload.")

(declare (get-content-length s)
  "Octets of the body; 0 if there is none.")

(declare (rread s #:optional count)
  "The next octets of the body, count at most, else all: a bytevector; the
end-of-file object at the end.")

(declare (rrewind s)
  "Goes back to the body's first octet.")

(declare (upload-field upload) "Name of the form's field.")
(declare (upload-file-name upload) "As the client sent it: never use it as a path.")
(declare (upload-type upload) "The part's Content-Type.")
(declare (upload-size upload) "In octets.")
(declare (upload-port upload) "A binary input port, closed when run returns.")

(declare (route-route route) "As configured: \"/shop/*\".")
(declare (route-language route) "The module's name: \"guile\".")
(declare (route-description route) "Of load_servlet, or \"\".")
(declare (route-file route) "As configured.")

;;; ---------------------------------------------------------------- response

(declare (set-status s status)
  "200 to 599; 200 unless it is set.")

(declare (set-header s name value)
  "Sets a field, a string or a number, replacing all of that name; #f removes.")

(declare (add-header s name value)
  "The same, keeping those that are there: for a second Set-Cookie.")

(declare (rwrite s . parts)
  "Appends to the body: strings, bytevectors, anything else as display shows it.
Returns the number of octets taken, which is less when the client has gone.")

(declare (rprintf s message . arguments)
  "rwrite of (format #f message arguments ...), that of (ice-9 format).")

(declare (response-port s)
  "An output port, text or binary, of what is appended to the body; unbuffered.")

(declare (rflush s)
  "Sends what has been written so far.")

(declare (rsendfile s file #:optional (offset 0) (length -1))
  "Appends a part of a file, given as a port or a descriptor, without copying it;
-1 means to its end.")

(declare (is-sent s)
  "Whether the response's head has been sent.")

(declare (is-connected s)
  "Whether the client is still there.")

(declare (rlog s message . arguments)
  "A line in the error log; with arguments, message is a format.")
