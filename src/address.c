/* address.c - see address.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "address.h"

/* As inet_ntop() writes it, but that calls sprintf(), for each new connection; and
 * each new worker would touch some pages for it. */
static void
put_ipv4(const uint8_t octets[4], char *at)
{
	for (int i = 0; i < 4; i++) {
		unsigned n = octets[i];

		if (n >= 100)
			*at++ = (char)('0' + n / 100);
		if (n >= 10)
			*at++ = (char)('0' + n / 10 % 10);
		*at++ = (char)('0' + n % 10);
		*at++ = i < 3 ? '.' : '\0';
	}
}

uint16_t
address_text(const struct sockaddr *address, char text[ADDRESS_TEXT_MAX])
{
	const union address *a = (const union address *)(const void *)address;

	switch (address->sa_family) {
	case AF_INET:
		put_ipv4((const uint8_t *)&a->in.sin_addr, text);
		return ntohs(a->in.sin_port);
	case AF_INET6:
		if (IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
			put_ipv4(&a->in6.sin6_addr.s6_addr[12], text);
		else
			inet_ntop(AF_INET6, &a->in6.sin6_addr, text, ADDRESS_TEXT_MAX);
		return ntohs(a->in6.sin6_port);
	default:
		memcpy(text, "unix", sizeof("unix"));
		return 0;
	}
}

socklen_t
address_make(const struct config_listen *l, union address *a)
{
	memset(a, 0, sizeof(*a));
	errno = EINVAL;
	switch (l->family) {
	case LISTEN_INET:
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons(l->port);
		return inet_pton(AF_INET, l->host, &a->in.sin_addr) == 1 ? sizeof(a->in) : 0;
	case LISTEN_INET6:
		a->in6.sin6_family = AF_INET6;
		a->in6.sin6_port = htons(l->port);
		return inet_pton(AF_INET6, l->host, &a->in6.sin6_addr) == 1 ? sizeof(a->in6) : 0;
	case LISTEN_UNIX:
		a->un.sun_family = AF_UNIX;
		if (strlen(l->host) >= sizeof(a->un.sun_path)) {
			errno = ENAMETOOLONG;
			return 0;
		}
		memcpy(a->un.sun_path, l->host, strlen(l->host) + 1);
		return sizeof(a->un);
	}
	return 0;
}

bool
address_same(const struct config_listen *a, const struct config_listen *b)
{
	union address x, y;
	socklen_t length = address_make(a, &x);

	return length != 0 && length == address_make(b, &y) && memcmp(&x, &y, length) == 0;
}

static bool
is_wildcard(const struct config_listen *l)
{
	union address a;

	if (address_make(l, &a) == 0)
		return false;
	return l->family == LISTEN_INET ? a.in.sin_addr.s_addr == htonl(INADDR_ANY) :
	    l->family == LISTEN_INET6 && IN6_IS_ADDR_UNSPECIFIED(&a.in6.sin6_addr);
}

bool
address_overlaps(const struct config_listen *a, const struct config_listen *b)
{
	return address_same(a, b) || (a->family == b->family && a->port == b->port &&
	    (is_wildcard(a) || is_wildcard(b)));
}
