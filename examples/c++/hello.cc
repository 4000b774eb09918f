/*
 * hello.cc - a servlet in C++.
 *
 * run is extern "C", and no exception leaves it: the server is C and knows
 * nothing of them.
 *
 *	curl 'localhost:8080/examples/c++/hello.so?name=Ada'
 */
#include <exception>
#include <string>

#include "modserver.h"

static std::string
escaped(const char *text)
{
	std::string out;

	for (; *text != '\0'; text++)
		switch (*text) {
		case '&': out += "&amp;"; break;
		case '<': out += "&lt;"; break;
		case '>': out += "&gt;"; break;
		default: out += *text;
		}
	return out;
}

extern "C" int
run(servlet *s)
try {
	const char *name = get_arg(s, "name");
	const std::string text = "Hello, " + escaped(name ? name : "world") + ", from C++!\n";

	rwrite(s, text.data(), text.size());
	return 0;
} catch (const std::exception &e) {
	rlog(s, "%s", e.what());
	return -1;
}
