/*
 * hello.d - a servlet in D.
 *
 * What is used of modserver.h is declared here.  init starts D's runtime, in
 * each worker; no exception leaves run.
 *
 *	curl 'localhost:8080/examples/d/hello.so?name=Ada'
 */
module hello;

import core.runtime : Runtime;
import std.array : replace;
import std.string : fromStringz, toStringz;

struct Servlet;

extern (C)
{
    const(char)* get_arg(Servlet* s, const(char)* name);
    size_t rwrite(Servlet* s, const(char)* buffer, size_t length);
    void rlog(Servlet* s, const(char)* format, ...);
}

string escaped(const(char)[] text)
{
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").idup;
}

extern (C) int init(Servlet* s)
{
    return Runtime.initialize() ? 0 : -1;
}

extern (C) int run(Servlet* s)
{
    try
    {
        const name = get_arg(s, "name");
        const text = "Hello, " ~ (name is null ? "world" : escaped(fromStringz(name))) ~ ", from D!\n";
        rwrite(s, text.ptr, text.length);
        return 0;
    }
    catch (Exception e)
    {
        rlog(s, "%s", toStringz(e.msg));
        return -1;
    }
}

extern (C) void cleanup()
{
    Runtime.terminate();
}
