/*
 * mod_bench.c - /hello, /bench/sleep?ms=N and /bench/upload for Apache.
 */
#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <apr_strings.h>

static int
upload(request_rec *r)
{
	static char buffer[65536];	/* thrown away, so threads may share it */
	apr_off_t total = 0;
	long n;

	if (ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK) != OK)
		return HTTP_BAD_REQUEST;
	if (ap_should_client_block(r)) {
		while ((n = ap_get_client_block(r, buffer, sizeof(buffer))) > 0)
			total += n;
		if (n < 0)
			return HTTP_BAD_REQUEST;
	}
	ap_rprintf(r, "%" APR_OFF_T_FMT "\n", total);
	return OK;
}

static int
handle(request_rec *r)
{
	if (strcmp(r->handler, "bench") != 0)
		return DECLINED;
	ap_set_content_type(r, "text/html; charset=UTF-8");
	if (strcmp(r->uri, "/bench/upload") == 0)
		return upload(r);
	if (r->args != NULL && strncmp(r->args, "ms=", 3) == 0)
		apr_sleep(atol(r->args + 3) * 1000);
	ap_rputs("Hello, world!\n", r);
	return OK;
}

static void
register_hooks(apr_pool_t *pool)
{
	(void)pool;
	ap_hook_handler(handle, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA bench_module = {
	STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
