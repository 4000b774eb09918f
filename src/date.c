/*
 * date.c - dates as HTTP writes them.  Knows no locale and no time zone.
 */
#include "date.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "octet.h"

#define DAY 86400
/* 9999-12-31 23:59:59: a year has four digits. */
#define DATE_MAX INT64_C(253402300799)

static const char date_days[7][10] = {
	"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"
};
static const char date_months[12][4] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
};

/* Days from 1970-01-01 to a date of the Gregorian calendar.  Years begin in
 * March here, so that a leap day is a year's last. */
static int64_t
date_to_days(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t m = (month + 9) % 12;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;
}

static bool
date_is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static void
date_put(char *out, int value, int digits)
{
	while (digits-- > 0) {
		out[digits] = (char)('0' + value % 10);
		value /= 10;
	}
}

void
date_format(time_t t, char out[DATE_LENGTH + 1])
{
	static const char form[DATE_LENGTH + 1] = "Sun, 00 Jan 0000 00:00:00 GMT";
	int64_t seconds = t < 0 ? 0 : t > DATE_MAX ? DATE_MAX : (int64_t)t;
	int64_t days = seconds / DAY;
	int second = (int)(seconds % DAY);
	int year, month, day;

	/* Four centuries have 146097 days: an estimate that is never too low. */
	year = (int)(1970 + days * 400 / 146097 + 1);
	while (date_to_days(year, 1, 1) > days)
		year--;
	for (month = 12; date_to_days(year, month, 1) > days; month--)
		;
	day = (int)(days - date_to_days(year, month, 1)) + 1;

	memcpy(out, form, sizeof(form));
	memcpy(out, date_days[(days + 4) % 7], 3);
	date_put(out + 5, day, 2);
	memcpy(out + 8, date_months[month - 1], 3);
	date_put(out + 12, year, 4);
	date_put(out + 17, second / 3600, 2);
	date_put(out + 20, second / 60 % 60, 2);
	date_put(out + 23, second % 60, 2);
}

/* --------------------------------------------------------------- parsing */

/* Each of these moves *p behind what it has read, or returns false. */

static bool
date_text(const char **p, const char *text)
{
	size_t n = strlen(text);

	if (strncmp(*p, text, n) != 0)
		return false;
	*p += n;
	return true;
}

static bool
date_number(const char **p, int digits, int *value)
{
	*value = 0;
	for (; digits > 0; digits--, (*p)++) {
		if (!octet_is_digit((unsigned char)**p))
			return false;
		*value = *value * 10 + (**p - '0');
	}
	return true;
}

static bool
date_month(const char **p, int *month)
{
	for (*month = 1; *month <= 12; (*month)++)
		if (date_text(p, date_months[*month - 1]))
			return true;
	return false;
}

static bool
date_clock(const char **p, int *second)
{
	int h, m, s;

	if (!date_number(p, 2, &h) || !date_text(p, ":") || !date_number(p, 2, &m) ||
	    !date_text(p, ":") || !date_number(p, 2, &s) || h > 23 || m > 59 || s > 60)
		return false;	/* 60: a leap second */
	*second = h * 3600 + m * 60 + s;
	return true;
}

/* "06 Nov 1994 08:49:37 GMT" */
static bool
date_parse_fixdate(const char *p, int *year, int *month, int *day, int *second)
{
	return date_number(&p, 2, day) && date_text(&p, " ") && date_month(&p, month) &&
	    date_text(&p, " ") && date_number(&p, 4, year) && date_text(&p, " ") &&
	    date_clock(&p, second) && date_text(&p, " GMT") && *p == '\0';
}

/* "06-Nov-94 08:49:37 GMT".  Two digits are 1970 to 2069. */
static bool
date_parse_rfc850(const char *p, int *year, int *month, int *day, int *second)
{
	if (!date_number(&p, 2, day) || !date_text(&p, "-") || !date_month(&p, month) ||
	    !date_text(&p, "-") || !date_number(&p, 2, year) || !date_text(&p, " ") ||
	    !date_clock(&p, second) || !date_text(&p, " GMT") || *p != '\0')
		return false;
	*year += *year < 70 ? 2000 : 1900;
	return true;
}

/* "Nov  6 08:49:37 1994" */
static bool
date_parse_asctime(const char *p, int *year, int *month, int *day, int *second)
{
	return date_month(&p, month) && date_text(&p, " ") &&
	    (date_text(&p, " ") ? date_number(&p, 1, day) : date_number(&p, 2, day)) &&
	    date_text(&p, " ") && date_clock(&p, second) && date_text(&p, " ") &&
	    date_number(&p, 4, year) && *p == '\0';
}

time_t
date_parse(const char *text)
{
	static const int month_days[12] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year = 0, month = 1, day = 0, second = 0;
	bool found = false;

	for (int weekday = 0; weekday < 7 && !found; weekday++) {
		const char *name = date_days[weekday];
		size_t n = strlen(name);

		if (strncmp(text, name, n) == 0 && strncmp(text + n, ", ", 2) == 0)
			found = date_parse_rfc850(text + n + 2, &year, &month, &day, &second);
		else if (strncmp(text, name, 3) != 0)
			continue;
		else if (strncmp(text + 3, ", ", 2) == 0)
			found = date_parse_fixdate(text + 5, &year, &month, &day, &second);
		else if (text[3] == ' ')
			found = date_parse_asctime(text + 4, &year, &month, &day, &second);
	}
	if (!found || year < 1970 || day < 1 || day > month_days[month - 1] ||
	    (month == 2 && day == 29 && !date_is_leap(year)))
		return (time_t)-1;
	return (time_t)(date_to_days(year, month, day) * DAY + second);
}
