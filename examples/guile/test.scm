;;; test.scm - calls every procedure there is and shows what it answers.
;;;
;;;     curl -F field=1 -F file=@/etc/hostname -b color=red \
;;;         'localhost:8080/examples/guile/test.scm?arg=a%20b'

(use-modules (ice-9 binary-ports)
             (rnrs bytevectors)
             (modserver))

(define runs 0)
(define greeting #f)

;; Once per process, before its first run.
(define (init s)
  (set! greeting (string-append "init was called for " (get-path s))))

;; Procedures that answer something and need no argument.
(define questions
  `((get-method ,get-method) (get-path ,get-path) (get-path-info ,get-path-info)
    (get-script-name ,get-script-name) (get-route ,get-route) (get-query ,get-query)
    (get-target ,get-target) (get-protocol ,get-protocol) (get-scheme ,get-scheme)
    (get-remote-addr ,get-remote-addr) (get-remote-port ,get-remote-port)
    (get-server-name ,get-server-name) (get-server-port ,get-server-port)
    (get-content-length ,get-content-length) (get-request-id ,get-request-id)
    (is-connected ,is-connected) (is-sent ,is-sent)))

(define (show s name value)
  (rwrite s name ": " value "\n"))

(define-syntax-rule (for-each-of (name procedure) list body ...)
  (for-each (lambda (entry)
              (let ((name (car entry)) (procedure (cadr entry)))
                body ...))
            list))

(define (show-request s)
  (for-each-of (name question) questions
    (show s name (question s)))
  (for-each-of (name look-up) `((get-arg ,get-arg) (get-header ,get-header)
                                (get-cookie ,get-cookie) (get-form ,get-form))
    (for-each (lambda (key)
                (rprintf s "~a ~a: ~a\n" name key (look-up s key)))
              '("arg" "field" "color" "User-Agent" "missing")))
  ;; With a procedure: called for each until it answers something true.
  (for-each-of (name each) `((each-arg ,each-arg) (each-header ,each-header)
                             (each-cookie ,each-cookie) (each-form ,each-form))
    (show s name
          (each s (lambda (key value)
                    (rprintf s "~a ~a: ~a\n" name key value)
                    (and (string=? value "stop") 'stopped)))))
  ;; Without one: a list of pairs.
  (show s "headers" (length (each-header s)))
  (for-each (lambda (route)
              (rprintf s "each-route ~a: ~a\n"
                       (route-route route) (route-language route)))
            (each-route s)))

(define (show-body s)
  (for-each (lambda (upload)
              (rprintf s "each-upload ~a: ~a ~a ~d\n" (upload-field upload)
                       (upload-file-name upload) (upload-type upload)
                       (upload-size upload)))
            (each-upload s))
  (let ((upload (get-upload s "file")))
    (when upload
      (rwrite s "get-upload file: " (get-bytevector-all (upload-port upload))
              "\nrsendfile: ")
      (rsendfile s (upload-port upload))
      (rwrite s "\n")))
  (show s "get-upload missing" (get-upload s "missing"))
  (let ((octets (rread s 4)))
    (if (eof-object? octets)
        (show s "rread" octets)
        (rwrite s "rread: " octets "\n")))
  (rrewind s)
  (let ((octets (rread s)))
    (show s "rread all" (if (eof-object? octets) 0 (bytevector-length octets))))
  (show s "rread end" (rread s 4)))

(define (run s)
  (set! runs (+ runs 1))
  (set-status s 201)
  (set-header s "Content-Type" "text/plain; charset=UTF-8")
  (set-header s "X-Replaced" "first")
  (set-header s 'X-Replaced "second")
  (set-header s "X-Removed" "value")
  (set-header s "X-Removed" #f)
  (add-header s "Set-Cookie" "one=1")
  (add-header s "Set-Cookie" "two=2")
  (rwrite s greeting "\nruns: " runs "\n")
  (show-request s)
  (show-body s)
  (rwrite s "octets: " #vu8(0 1 254 255) " ä\n")
  (write '(a "list") (response-port s))
  (rwrite s "\n")
  (rlog s "test.scm was run with ~a" (get-query s))
  (rflush s)
  (show s "is-sent after rflush" (is-sent s)))

;; Before the process exits.
(define (cleanup)
  (display "test.scm: cleanup was called\n"))
