/*
 * wsgi.c - applications of PEP 3333: not yet.
 */
#include "program.h"

int
wsgi_open(void)
{
	return 0;
}

int
wsgi_run(PyObject *application, servlet *s)
{
	(void)application;
	(void)s;
	PyErr_SetString(PyExc_NotImplementedError, "WSGI applications are not served yet");
	return -1;
}
