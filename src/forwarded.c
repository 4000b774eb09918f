/* forwarded.c - see forwarded.h. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "address.h"
#include "forwarded.h"
#include "octet.h"

/* Between the elements of lists, from the right. */
struct cursor {
	const struct forwarded_list *list;
	size_t field;		/* the next one to the left is field - 1 */
	const char *begin, *end;	/* what is left of the present one */
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* The next element to the left, without surrounding space; empty ones are
 * none.  False: there is no more. */
static bool
cursor_previous(struct cursor *c, struct forwarded_value *element)
{
	const char *at, *end;

	for (;;) {
		if (c->end == c->begin) {
			if (c->field == 0)
				return false;
			c->begin = c->list->values[--c->field].at;
			c->end = c->begin + c->list->values[c->field].length;
		}
		end = c->end;
		for (at = end; at > c->begin && at[-1] != ','; at--)
			continue;
		c->end = at > c->begin ? at - 1 : at;
		while (at < end && is_space(*at))
			at++;
		while (end > at && is_space(end[-1]))
			end--;
		if (at < end) {
			element->at = at;
			element->length = (size_t)(end - at);
			return true;
		}
	}
}

/* As in the server's own addresses: one that IPv6 maps from IPv4 is IPv4's. */
static bool
parse_address(const char *text, struct forwarded_client *out)
{
	union address a = { .any = { .sa_family = AF_INET } };

	if (inet_pton(AF_INET, text, &a.in.sin_addr) != 1) {
		a.any.sa_family = AF_INET6;
		if (inet_pton(AF_INET6, text, &a.in6.sin6_addr) != 1)
			return false;
	}
	(void)address_text(&a.any, out->address);
	return true;
}

/* "192.0.2.7", "192.0.2.7:80", "2001:db8::7", "[2001:db8::7]", "[2001:db8::7]:80". */
static bool
parse_element(const struct forwarded_value *element, struct forwarded_client *out)
{
	char text[ADDRESS_TEXT_MAX + 8], *host = text, *port = NULL;
	long number = 0;

	if (element->length >= sizeof(text))
		return false;
	memcpy(text, element->at, element->length);
	text[element->length] = '\0';
	if (text[0] == '[') {
		port = strchr(++host, ']');
		if (port == NULL)
			return false;
		*port++ = '\0';
		if (*port != '\0' && *port != ':')
			return false;
	} else if (strchr(text, ':') != NULL && strchr(text, ':') == strrchr(text, ':')) {
		port = strchr(text, ':');
	}
	if (port != NULL && *port == ':') {
		*port++ = '\0';
		for (; *port >= '0' && *port <= '9' && number <= 65535; port++)
			number = number * 10 + (*port - '0');
		if (*port != '\0' || number > 65535)
			return false;
	}
	if (!parse_address(host, out))
		return false;
	out->port = (uint16_t)number;
	return true;
}

static bool
network_has(const struct config_network *n, const unsigned char *address)
{
	unsigned whole = n->prefix / 8, rest = n->prefix % 8;

	return memcmp(n->address, address, whole) == 0 &&
	    (rest == 0 || (n->address[whole] ^ address[whole]) >> (8 - rest) == 0);
}

bool
forwarded_trusts(const struct config_network *networks, size_t count, const char *address)
{
	enum listen_family family = LISTEN_UNIX;
	unsigned char octets[16] = { 0 };
	size_t i;

	if (inet_pton(AF_INET, address, octets) == 1)
		family = LISTEN_INET;
	else if (inet_pton(AF_INET6, address, octets) == 1)
		family = LISTEN_INET6;
	else if (strcmp(address, "unix") != 0)
		return false;
	for (i = 0; i < count; i++)
		if (networks[i].family == family && network_has(&networks[i], octets))
			return true;
	return false;
}

void
forwarded_find(const struct config_network *networks, size_t count,
    const struct forwarded_list *addresses, const struct forwarded_list *schemes,
    struct forwarded_client *client)
{
	struct cursor address = { addresses, addresses->count, NULL, NULL };
	struct cursor scheme = { schemes, schemes->count, NULL, NULL };
	struct forwarded_value element, said = { "", 0 };
	struct forwarded_client next = { "", 0, false };

	while (forwarded_trusts(networks, count, client->address)) {
		/* The scheme of each hop stands as far from the right as its address;
		 * most proxies write one for all. */
		(void)cursor_previous(&scheme, &said);
		if (!cursor_previous(&address, &element) || !parse_element(&element, &next))
			break;
		memcpy(client->address, next.address, sizeof(client->address));
		client->port = next.port;
	}
	client->https = said.length == 5 && octets_alike(said.at, "https", 5);
}
