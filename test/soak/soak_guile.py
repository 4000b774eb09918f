#!/usr/bin/python3
"""Scheme: exceptions caught and uncaught, threads, the collector, processes
that the servlet forks, and continuations."""

import sys

from soak import soak_text

SERVLET = """
(use-modules (ice-9 control) (ice-9 match) (ice-9 threads) (modserver))

(define (number s) (string->number (get-arg s "n")))

(define (generate n)
  (let next ((k (lambda () (% (begin (for-each abort (list n (* 2 n) (* 3 n))) 0)
                              (lambda (k value) (cons value k)))))
             (sum 0))
    (match (k)
      ((value . k) (next (lambda () (% (k) (lambda (k value) (cons value k)))) (+ sum value)))
      (_ sum))))

(define (garbage n) (let loop ((i 0)) (if (< i n) (begin (make-string 100) (loop (+ i 1))) n)))

(define (run s)
  (match (get-path-info s)
    ("/sum" (rwrite s (generate (number s))))
    ("/error" (rwrite s "half an answer") (error "uncaught" s))
    ("/throw" (throw 'an-error-of-mine (number s)))
    ("/caught" (rwrite s (catch #t (lambda () (car (number s))) (lambda (key . rest) key))))
    ("/garbage" (rwrite s (garbage 2000)))
    ("/collect" (gc) (rwrite s (if (< (assq-ref (gc-stats) 'heap-size) 100000000) "small" "it grows")))
    ("/threads" (rwrite s (map join-thread
      (map (lambda (i) (call-with-new-thread (lambda () (garbage 500)))) (iota 3)))))
    ("/fork" (let ((pid (primitive-fork)))
      (if (= pid 0) (exit 3) (rwrite s (status:exit-val (cdr (waitpid pid)))))))))
"""


def ask(i):
    if i % 1000 == 0:
        return "/collect", 200, rb"^small$"
    if i % 500 == 1:
        return "/fork", 200, rb"^3$"
    if i % 50 == 3:
        return "/threads", 200, rb"^\(500 500 500\)$"
    if i % 20 == 4:
        return "/error", 500, rb"^500"
    if i % 20 == 5:
        return "/throw", 500, rb"^500"
    if i % 20 == 6:
        return "/garbage", 200, rb"^2000$"
    if i % 4 == 3:
        return "/caught?n=%d" % i, 200, rb"^wrong-type-arg$"
    return "/sum?n=%d" % i, 200, rb"^%d$" % (6 * i)


if __name__ == "__main__":
    sys.exit(soak_text("guile", "scm", SERVLET, ask))
