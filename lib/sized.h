/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Structs that callers fill, and that grow at the end: the caller's header may be older than the library, or newer. Each begins with
 * its size as the caller knows it.
 */
#ifndef FSB_LIB_SIZED_H
#define FSB_LIB_SIZED_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/** Give the caller's struct of @size bytes the defaults, which are @known bytes long, as far as it has room. */
static inline void sized_fill(void *config, size_t size, const void *defaults, size_t known)
{
	memset(config, 0, size);
	memcpy(config, defaults, size < known ? size : known);
	memcpy(config, &size, sizeof(size));
}

/**
 * Take the caller's struct over into @own, which holds the defaults and is @known bytes long.
 *
 * @first: how long the struct was in the first release
 *
 * Return: 0; -EINVAL for a shorter one, and for a longer one that asks for something of which nothing is known here.
 */
static inline int sized_take(void *own, size_t known, const void *config, size_t first)
{
	size_t size;

	memcpy(&size, config, sizeof(size));
	if (size < first)
		return -EINVAL;
	for (size_t i = known; i < size; i++)
		if (((const char *)config)[i] != 0)
			return -EINVAL;
	memcpy(own, config, size < known ? size : known);
	memcpy(own, &known, sizeof(known));
	return 0;
}

#endif
