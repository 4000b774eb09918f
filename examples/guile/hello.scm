;;; hello.scm - the shortest servlet in Scheme (Guile).
;;;
;;;     curl localhost:8080/examples/guile/hello.scm

(use-modules (modserver))

(define (run s)
  (rwrite s "Hello, world!\n"))
