;;; derivative.scm - differentiates an expression in x: an example of SXML, which
;;; escapes by itself.
;;;
;;;     curl -G localhost:8080/examples/guile/derivative.scm \
;;;         --data-urlencode 'of=(* x (sin x))'

(use-modules (ice-9 exceptions)
             (ice-9 match)
             (sxml simple)
             (modserver))

(define (sum a b)
  (match (list a b)
    ((0 b) b)
    ((a 0) a)
    (((? number?) (? number?)) (+ a b))
    (_ `(+ ,a ,b))))

(define (product a b)
  (match (list a b)
    ((or (0 _) (_ 0)) 0)
    ((1 b) b)
    ((a 1) a)
    (((? number?) (? number?)) (* a b))
    (_ `(* ,a ,b))))

(define (derive e)
  (match e
    ((? number?) 0)
    ('x 1)
    (('+ a b) (sum (derive a) (derive b)))
    (('- a b) (sum (derive a) (product -1 (derive b))))
    (('* a b) (sum (product (derive a) b) (product a (derive b))))
    (('/ a b) `(/ ,(sum (product (derive a) b) (product -1 (product a (derive b))))
                  (expt ,b 2)))
    (('expt a (? number? n)) (product (product n `(expt ,a ,(- n 1))) (derive a)))
    (('exp a) (product e (derive a)))
    (('log a) `(/ ,(derive a) ,a))
    (('sin a) (product `(cos ,a) (derive a)))
    (('cos a) (product (product -1 `(sin ,a)) (derive a)))
    (_ (error "no expression in x of + - * / expt exp log sin cos:" e))))

(define (answer text)
  (with-exception-handler
   (lambda (exception)
     (call-with-output-string
      (lambda (port)
        (print-exception port #f (exception-kind exception)
                         (exception-args exception)))))
   (lambda ()
     (object->string (derive (call-with-input-string text read))))
   #:unwind? #t))

(define (page text)
  `(html (@ (lang "en"))
     (head (meta (@ (charset "UTF-8")))
           (meta (@ (name "viewport") (content "width=device-width")))
           (title "Derivative"))
     (body (h1 "Derivative")
           (form (input (@ (name "of") (size "40") (value ,text)))
                 (button "Differentiate"))
           (pre ,(answer text)))))

(define (run s)
  (let ((port (response-port s)))
    (display "<!DOCTYPE html>\n" port)
    (sxml->xml (page (or (get-arg s "of") "(* x (sin x))")) port)))
