/*
 * form.c - an HTML form with text and files, and what arrives of it.
 *
 * Uploads lie in temporary files that vanish when run returns.  Read them
 * from upload->fd; never use the client's file name as a path.
 *
 *	curl -F name=Ada -F 'file=@/etc/hostname' localhost:8080/examples/c/form.so
 *	curl -d 'name=Ada&text=a%26b' localhost:8080/examples/c/form.so
 */
#include "html.h"

static int
show_field(void *context, const char *name, const char *value)
{
	servlet *s = context;

	rprintf(s, "<tr><td>");
	html_escape(s, name);
	rprintf(s, "<td><pre>");
	html_escape(s, value);
	rprintf(s, "</pre>\n");
	return 0;
}

static int
show_upload(void *context, const struct upload *upload)
{
	servlet *s = context;

	rprintf(s, "<tr><td>");
	html_escape(s, upload->field);
	rprintf(s, "<td>");
	html_escape(s, upload->file_name);
	rprintf(s, "<td>");
	html_escape(s, upload->type);
	rprintf(s, "<td>%lld\n", upload->size);
	return 0;
}

int
run(servlet *s)
{
	html_page(s, "Form", "pre{margin:0}");
	rprintf(s, "<h1>Form</h1>\n");
	if (strcmp(get_method(s), "POST") == 0) {
		rprintf(s, "<h2>Fields</h2>\n<table>\n<tr><th>name<th>value\n");
		each_form(s, show_field, s);
		rprintf(s, "</table>\n<h2>Files</h2>\n"
		    "<table>\n<tr><th>field<th>file name<th>type<th>octets\n");
		each_upload(s, show_upload, s);
		rprintf(s, "</table>\n");
	}
	rprintf(s, "<form method=\"post\" enctype=\"multipart/form-data\">\n"
	    "<label>Name <input name=\"name\" autocomplete=\"name\"></label>\n"
	    "<label>Text <textarea name=\"text\" rows=\"4\"></textarea></label>\n"
	    "<label>Files <input type=\"file\" name=\"file\" multiple></label>\n"
	    "<button>Send</button>\n</form>\n");
	return 0;
}
