/*
 * proxy.c - the PROXY protocol header, as HAProxy's proxy-protocol.txt has it.
 *
 * Strict: it says who the client is, so a header that could be read in two
 * ways is refused.
 */
#include "proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#include "octet.h"

#define V1_MAX 107	/* octets, CRLF included */
#define V2_HEAD 16	/* signature, version and command, family, length */
#define V2_UNIX_PATH 108

static const char v1_signature[] = "PROXY ";
static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";

/* The next word up to a space or the end; NULL when it is empty or too long. */
static char *
proxy_word(const char **text, const char *end, char *word, size_t size)
{
	const char *stop = memchr(*text, ' ', (size_t)(end - *text));
	size_t n = (size_t)((stop != NULL ? stop : end) - *text);

	if (n == 0 || n >= size || memchr(*text, '\0', n) != NULL)
		return NULL;
	memcpy(word, *text, n);
	word[n] = '\0';
	*text += n;
	return word;
}

static bool
proxy_space(const char **text, const char *end)
{
	if (*text == end || **text != ' ')
		return false;
	(*text)++;
	return true;
}

static bool
proxy_v1_address(const char **text, const char *end, int family,
    struct sockaddr_storage *out)
{
	char word[INET6_ADDRSTRLEN];
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	if (!proxy_space(text, end) || proxy_word(text, end, word, sizeof(word)) == NULL)
		return false;
	out->ss_family = (sa_family_t)family;
	return inet_pton(family, word, family == AF_INET ?
	    (void *)&in->sin_addr : (void *)&in6->sin6_addr) == 1;
}

/* 0 to 65535 without leading zeros. */
static bool
proxy_v1_port(const char **text, const char *end, struct sockaddr_storage *out)
{
	char word[6];
	unsigned port = 0;

	if (!proxy_space(text, end) || proxy_word(text, end, word, sizeof(word)) == NULL ||
	    (word[0] == '0' && word[1] != '\0'))
		return false;
	for (const char *p = word; *p != '\0'; p++) {
		if (!octet_is_digit((unsigned char)*p))
			return false;
		port = port * 10 + (unsigned)(*p - '0');
	}
	if (port > 65535)
		return false;
	/* The port lies at the same place in both. */
	((struct sockaddr_in *)out)->sin_port = htons((uint16_t)port);
	return true;
}

/* "PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\n" */
static long
proxy_v1(const char *data, size_t length, struct proxy_header *out)
{
	const char *lf = memchr(data, '\n', length < V1_MAX ? length : V1_MAX);
	const char *end, *text = data + sizeof(v1_signature) - 1;
	char word[8];
	int family;

	if (lf == NULL)
		return length < V1_MAX ? 0 : -1;
	end = lf - 1;
	if (end < text || *end != '\r' || proxy_word(&text, end, word, sizeof(word)) == NULL)
		return -1;
	if (strcmp(word, "UNKNOWN") == 0)	/* the rest is to be ignored */
		return lf + 1 - data;
	if (strcmp(word, "TCP4") == 0)
		family = AF_INET;
	else if (strcmp(word, "TCP6") == 0)
		family = AF_INET6;
	else
		return -1;
	if (!proxy_v1_address(&text, end, family, &out->source) ||
	    !proxy_v1_address(&text, end, family, &out->destination) ||
	    !proxy_v1_port(&text, end, &out->source) ||
	    !proxy_v1_port(&text, end, &out->destination) || text != end)
		return -1;
	out->known = 1;
	return lf + 1 - data;
}

static void
proxy_v2_inet(const char *data, struct sockaddr_storage *out, size_t address, size_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;

	in->sin_family = AF_INET;
	memcpy(&in->sin_addr, data + address, 4);
	memcpy(&in->sin_port, data + port, 2);
}

static void
proxy_v2_inet6(const char *data, struct sockaddr_storage *out, size_t address, size_t port)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	in6->sin6_family = AF_INET6;
	memcpy(&in6->sin6_addr, data + address, 16);
	memcpy(&in6->sin6_port, data + port, 2);
}

static void
proxy_v2_unix(const char *data, struct sockaddr_storage *out)
{
	struct sockaddr_un *un = (struct sockaddr_un *)out;
	size_t n = sizeof(un->sun_path) - 1;

	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, data, n < V2_UNIX_PATH ? n : V2_UNIX_PATH);
}

static long
proxy_v2(const char *data, size_t length, struct proxy_header *out)
{
	const unsigned char *head = (const unsigned char *)data;
	size_t n;

	/* Refuse as soon as it shows, but look at nothing that is not there. */
	if (length > 12 && head[12] != 0x20 && head[12] != 0x21)
		return -1;	/* version 2, LOCAL or PROXY */
	if (length > 13 && ((head[13] >> 4) > 3 || (head[13] & 15) > 2))
		return -1;
	if (length < V2_HEAD)
		return 0;
	n = (size_t)head[14] << 8 | head[15];
	if (n > PROXY_HEADER_MAX - V2_HEAD)
		return -1;
	if (length < V2_HEAD + n)
		return 0;
	length = V2_HEAD + n;
	if (head[12] == 0x20)	/* LOCAL: the balancer itself, a health check */
		return (long)length;
	data += V2_HEAD;
	switch (head[13] >> 4) {
	case 1:
		if (n < 12)
			return -1;
		proxy_v2_inet(data, &out->source, 0, 8);
		proxy_v2_inet(data, &out->destination, 4, 10);
		break;
	case 2:
		if (n < 36)
			return -1;
		proxy_v2_inet6(data, &out->source, 0, 32);
		proxy_v2_inet6(data, &out->destination, 16, 34);
		break;
	case 3:
		if (n < 2 * V2_UNIX_PATH)
			return -1;
		proxy_v2_unix(data, &out->source);
		proxy_v2_unix(data + V2_UNIX_PATH, &out->destination);
		break;
	default:		/* UNSPEC */
		return (long)length;
	}
	out->known = 1;	/* what follows the addresses (TLVs) is of no interest */
	return (long)length;
}

long
proxy_parse(const char *data, size_t length, struct proxy_header *out)
{
	const size_t v1 = sizeof(v1_signature) - 1, v2 = sizeof(v2_signature) - 1;
	long n;

	memset(out, 0, sizeof(*out));
	if (memcmp(data, v1_signature, length < v1 ? length : v1) == 0)
		n = length < v1 ? 0 : proxy_v1(data, length, out);
	else if (memcmp(data, v2_signature, length < v2 ? length : v2) == 0)
		n = length < v2 ? 0 : proxy_v2(data, length, out);
	else
		n = -1;
	if (n <= 0)
		memset(out, 0, sizeof(*out));
	return n;
}
