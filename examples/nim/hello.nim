## hello.nim - a servlet in Nim.
##
## What is used of modserver.h is imported here.  init starts Nim's runtime, in
## each worker; no exception leaves run.
##
##     curl 'localhost:8080/examples/nim/hello.so?name=Ada'

import std/strutils

type Servlet {.importc: "servlet", header: "modserver.h", incompleteStruct.} = object

proc getArg(s: ptr Servlet, name: cstring): cstring {.importc: "(char *)get_arg", header: "modserver.h".}
proc rwrite(s: ptr Servlet, buffer: cstring, length: csize_t): csize_t {.importc, header: "modserver.h".}
proc rlog(s: ptr Servlet, format: cstring) {.importc, header: "modserver.h", varargs.}
proc nimMain() {.importc: "NimMain".}

proc escaped(text: string): string =
  text.multiReplace(("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))

proc init(s: ptr Servlet): cint {.exportc, dynlib, cdecl.} =
  nimMain()

proc run(s: ptr Servlet): cint {.exportc, dynlib, cdecl.} =
  try:
    let name = getArg(s, "name")
    let text = "Hello, " & (if name == nil: "world" else: escaped($name)) & ", from Nim!\n"
    discard rwrite(s, text.cstring, text.len.csize_t)
  except CatchableError as e:
    rlog(s, "%s", e.msg.cstring)
    result = -1
