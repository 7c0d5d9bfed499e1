/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Large pieces of memory, each for the longest message, that are used again and again. Their pages
 * come with their first use, so what short messages cost is little.
 */
#ifndef FSB_STREAM_MEMORY_H
#define FSB_STREAM_MEMORY_H

#include <pthread.h>
#include <stddef.h>

/** @keep: so many free ones at most; further ones go back to the system. */
struct memory_pool {
	pthread_mutex_t lock;
	void *free; /* a list through their first words */
	unsigned int nfree;
	unsigned int keep;
	size_t size;
};

/** A pool of pieces of @size bytes each. Return: 0 or a negative errno. */
int memory_init(struct memory_pool *pool, size_t size, unsigned int keep);

/** A piece, aligned to pages. Return: it, or NULL. */
void *memory_take(struct memory_pool *pool);

/** Give a piece back. NULL is nothing. */
void memory_give(struct memory_pool *pool, void *memory);

/** Free those that were given back: all of them. */
void memory_clear(struct memory_pool *pool);

#endif
