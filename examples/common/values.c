// SPDX-License-Identifier: BSD-3-Clause
/* Values of options: text to number, and the like. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "values.h"

int parse_number(const char *text, unsigned long most, unsigned long *number)
{
	char *rest;

	errno = 0;
	*number = strtoul(text, &rest, 10);
	return *text < '0' || *text > '9' || *rest || errno || *number > most ? -EINVAL : 0;
}

/* Bytes, with k or m behind for KiB and MiB. */
int parse_size(const char *text, uint32_t *size)
{
	char *rest;

	errno = 0;
	unsigned long long value = strtoull(text, &rest, 10);
	if (*text < '0' || *text > '9' || errno || value > UINT32_MAX)
		return -EINVAL;
	if (*rest == 'k' || *rest == 'K')
		value <<= 10, rest++;
	else if (*rest == 'm' || *rest == 'M')
		value <<= 20, rest++;
	if (*rest || value > UINT32_MAX)
		return -EINVAL;
	*size = (uint32_t)value;
	return 0;
}

int parse_seconds(const char *text, uint64_t *ns)
{
	char *rest;
	double seconds = strtod(text, &rest);

	/* No more than some thirty years: it has to fit in nanoseconds. */
	if (rest == text || *rest || !(seconds >= 0 && seconds <= 1e9))
		return -EINVAL;
	*ns = (uint64_t)(seconds * 1e9 + 0.5);
	return 0;
}

/* One of some words: gives its index. */
int parse_word(const char *text, const char *const words[], unsigned int *index)
{
	for (*index = 0; words[*index]; ++*index)
		if (!strcmp(text, words[*index]))
			return 0;
	return -EINVAL;
}

/* CLIENT:HOST:COUNT */
int parse_range(const char *text, struct fsb_id_range *range)
{
	uint32_t *numbers[] = { &range->client, &range->host, &range->count };

	for (int i = 0; i < 3; i++) {
		char *rest;
		errno = 0;
		unsigned long value = strtoul(text, &rest, 10);
		if (*text < '0' || *text > '9' || errno || value > UINT32_MAX ||
		    *rest != (i < 2 ? ':' : '\0'))
			return -EINVAL;
		*numbers[i] = (uint32_t)value;
		text = rest + 1;
	}
	return 0;
}
