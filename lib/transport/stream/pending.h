/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests that were sent and not answered, by their unique ids. */
#ifndef FSB_STREAM_PENDING_H
#define FSB_STREAM_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct retained;

/**
 * @unique: 0 for none
 * @number: of the frame that it was sent in last
 * @frame:  that frame, held, if it may be sent once more; or NULL
 * @sets:   group_notes.defined when it was sent
 */
struct pending {
	uint64_t unique;
	uint32_t opcode;
	uint32_t number;
	struct retained *frame;
	uint64_t sets;
};

/** An open hash table. @mask: of its size, which is a power of two above twice @most. */
struct pending_table {
	struct pending *rows;
	size_t mask;
	size_t count;
	size_t most;
};

/** For at most @most requests. Return: 0 or -ENOMEM. */
int pending_init(struct pending_table *table, size_t most);
void pending_clear(struct pending_table *table);

/** Enter a request. Return: its row, for the caller to fill, or NULL when it is full or has it. */
struct pending *pending_add(struct pending_table *table, uint64_t unique);

/** The row of a request, or NULL. */
struct pending *pending_find(struct pending_table *table, uint64_t unique);

/** Take a row out. Others may move. */
void pending_remove(struct pending_table *table, struct pending *row);

/** Any row, or NULL when there is none. */
struct pending *pending_any(struct pending_table *table);

#endif
