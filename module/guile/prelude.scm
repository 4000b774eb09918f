;;; prelude.scm - what the Guile module is easier said in Scheme.
;;;
;;; It is built into the module and run when Guile starts, after api.c has
;;; defined its procedures in (modserver).  What both export a servlet may use,
;;; and api/guile/modserver.scm documents it.

(define-module (modserver)
  #:use-module (ice-9 binary-ports)
  #:use-module (ice-9 exceptions)
  #:use-module (ice-9 format)
  #:use-module (srfi srfi-1)
  #:use-module (srfi srfi-9)
  #:use-module (system base compile)
  #:use-module (system repl debug)
  #:use-module (system vm frame)
  #:use-module (system vm loader)
  #:use-module (system vm vm)
  #:export (upload-field upload-file-name upload-type upload-size upload-port
            route-route route-language route-description route-file
            rprintf rlog response-port))

;;; ------------------------------------------------------------------ errors

;; How deep a servlet may recurse, in words of eight octets: else a mistake
;; takes all memory there is.
(define stack-words-max (* 4 1024 1024))

(define frames-max 40)
(define columns 120)

(define (innermost-frames stack)
  (let loop ((frame (stack-ref stack 0))
             (left (min frames-max (stack-length stack)))
             (frames '()))
    (if (> left 0)
        (loop (frame-previous frame) (- left 1) (cons frame frames))
        (list->vector (reverse frames)))))

;; #f where the frames would be Guile's and ours.
(define has-frames (make-parameter #t))

;; The exception, and where in the servlet it was raised: this is called there.
(define (describe exception)
  (let ((kind (exception-kind exception))
        (stack (and (has-frames)
                    (make-stack #t raise-exception failure-tag))))
    (call-with-output-string
     (lambda (port)
       (if (eq? kind 'quit)
           (display "exit was called in a servlet\n" port)
           (print-exception port #f kind (exception-args exception)))
       (when stack
         (print-frames (innermost-frames stack) port #:width columns))))))

(define failure-tag (make-prompt-tag "servlet"))

;; A process that a servlet has forked may end as it likes.
(define (end-copy arguments)
  (let ((status (if (null? arguments) 0 (car arguments))))
    (flush-all-ports)
    (primitive-_exit (cond ((integer? status) status) (status 0) (else 1)))))

;; Calls thunk; #f, or what the log is to say of the exception that it raised.
(define (guarded thunk)
  (with-exception-handler
   (lambda (exception)
     (when (and (eq? (exception-kind exception) 'quit) (is-copy))
       (end-copy (exception-args exception)))
     (abort-to-prompt failure-tag
       (or (false-if-exception (describe exception))
           "an exception that cannot be described")))
   (lambda ()
     (call-with-stack-overflow-handler stack-words-max
       (lambda ()
         (call-with-prompt failure-tag
           (lambda () (thunk) #f)
           (lambda (continuation text) text)))
       (lambda () (error "stack overflow"))))))

;;; ----------------------------------------------------------------- loading

(define root (resolve-module '() #f #:ensure #f))
(define common-path %load-path)

;; By directory of servlets: the modules at the top of the tree of names that
;; were found there, so that (helper) may be another one elsewhere.
(define homes (make-hash-table))

(define (names-of-root)
  (hash-map->list (lambda (name module) name) (module-submodules root)))

(define (lies-in? directory name)
  (let ((path (string-append directory "/" (symbol->string name))))
    (or (file-exists? path) (file-exists? (string-append path ".scm")))))

(define (enter-home directory)
  (set! %load-path (cons directory common-path))
  (for-each (lambda (entry)
              (hashq-set! (module-submodules root) (car entry) (cdr entry)))
            (hash-ref homes directory '())))

(define (leave-home directory before autoloaded)
  (for-each
   (lambda (name)
     (let ((module (hashq-ref (module-submodules root) name)))
       (hash-set! homes directory
                  (alist-cons name module (hash-ref homes directory '())))
       (hashq-remove! (module-submodules root) name)))
   (filter (lambda (name) (lies-in? directory name))
           (lset-difference eq? (names-of-root) before)))
  ;; Guile asks this first, and would never look for another (helper).
  (set! (@@ (guile) autoloads-done) autoloaded))

(define (call-at-home directory thunk)
  (let ((before (names-of-root))
        (autoloaded (list-copy (@@ (guile) autoloads-done))))
    (dynamic-wind
      (lambda () (enter-home directory))
      thunk
      (lambda () (leave-home directory before autoloaded)))))

;; The program of a servlet: run, init and cleanup, #f for what there is not.
(define (compile-and-run file)
  (let ((code (parameterize ((has-frames #f))
                (call-with-input-file file
                  (lambda (port)
                    (set-port-encoding! port (or (file-encoding port) "UTF-8"))
                    (read-and-compile port #:env (current-module)
                                      #:to 'bytecode))))))
    ((load-thunk-from-memory code))
    (parameterize ((has-frames #f))
      (map (lambda (name)
             (let ((value (module-ref (current-module) name #f)))
               (unless (or (procedure? value) (not value))
                 (error (format #f "~a is no procedure:" name) value))
               (when (and (eq? name 'run) (not value))
                 (error "it defines no procedure (run s)"))
               value))
           '(run init cleanup)))))

;; Every servlet has (modserver), imported or not, and its names as they stand
;; in modserver.h: get_arg for get-arg.
(define interface (resolve-interface '(modserver)))

(define c-names
  (let ((module (make-module))
        (underscore (lambda (c) (if (char=? c #\-) #\_ c))))
    (module-for-each
     (lambda (name variable)
       (let ((text (symbol->string name)))
         (module-add! module (string->symbol (string-map underscore text))
                      variable)))
     interface)
    module))

;; The program, or what the log is to say.
(define (load-servlet file)
  (let* ((program #f)
         (failure
          (guarded
           (lambda ()
             (call-at-home (dirname file)
               (lambda ()
                 (save-module-excursion
                  (lambda ()
                    (set-current-module (make-fresh-user-module))
                    (module-use-interfaces! (current-module)
                                            (list interface c-names))
                    (set! program (compile-and-run file))))))))))
    (cond
     ((not failure) program)
     ((string-contains failure file) failure)
     (else (string-append file ": " failure)))))

;; The files that have been imported from the servlets' own directories.
(define (imported-files)
  (define (file-of module directory)
    (let ((name (module-filename module)))
      (and name (search-path (list directory) name))))
  (define (below module directory)
    (append (or (and=> (file-of module directory) list) '())
            (append-map (lambda (inner) (below inner directory))
                        (hash-map->list (lambda (name inner) inner)
                                        (module-submodules module)))))
  (append-map (lambda (home)
                (append-map (lambda (entry) (below (cdr entry) (car home)))
                            (cdr home)))
              (hash-map->list cons homes)))

;;; ----------------------------------------------------------------- running

(define-record-type <upload>
  (make-upload field file-name type size port)
  upload?
  (field upload-field)
  (file-name upload-file-name)
  (type upload-type)
  (size upload-size)
  (port upload-port))

(define-record-type <route>
  (make-route route language description file)
  route?
  (route route-route)
  (language route-language)
  (description route-description)
  (file route-file))

(define uploads '())

(define (new-route route language description file)
  (make-route route language description file))

(define (new-upload field file-name type size descriptor)
  (let ((upload (make-upload field file-name type size
                             (fdopen descriptor "rb"))))
    (set! uploads (cons upload uploads))
    upload))

;; Calls run or init; #f, or what the log is to say.
(define (call-servlet procedure s)
  (let ((failure (guarded (lambda () (procedure s)))))
    (unless (null? uploads)
      (for-each (lambda (upload) (close-port (upload-port upload))) uploads)
      (set! uploads '()))
    failure))

(define (call-cleanup procedure)
  (guarded procedure))

;; Workers must not all draw the same numbers.
(define (after-fork)
  (set! *random-state* (random-state-from-platform)))

;;; --------------------------------------------------------------- (modserver)

(define (rprintf s message . arguments)
  (rwrite s (apply format #f message arguments)))

(define (rlog s message . arguments)
  (log-line s (if (null? arguments)
                  message
                  (apply format #f message arguments))))

(define (response-port s)
  (let ((port (make-custom-binary-output-port
               "response"
               (lambda (octets start count)
                 (rwrite-part s octets start count)
                 count)
               #f #f #f)))
    (set-port-encoding! port "UTF-8")
    (setvbuf port 'none)
    port))

;; What is displayed without a port goes to the error log, warnings at once.
(setvbuf (current-error-port) 'line)
(set-current-output-port
 (make-soft-port
  (vector (lambda (char) (log-output (string char)))
          log-output
          (lambda () #t)
          #f #f)
  "w0"))
(fluid-set! %default-port-encoding "UTF-8")
