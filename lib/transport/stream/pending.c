// SPDX-License-Identifier: BSD-3-Clause
/* Unanswered requests by id: open addressing, without tombstones. */
#include <errno.h>
#include <stdlib.h>

#include "pending.h"

int pending_init(struct pending_table *table, size_t most)
{
	size_t size = 8;

	while (size < 2 * most + 2)
		size *= 2;
	*table = (struct pending_table){ .rows = calloc(size, sizeof(*table->rows)),
					 .mask = size - 1,
					 .most = most };
	return table->rows ? 0 : -ENOMEM;
}

void pending_clear(struct pending_table *table)
{
	free(table->rows);
	*table = (struct pending_table){ 0 };
}

static size_t place_of(const struct pending_table *table, uint64_t unique)
{
	return (size_t)(unique * 0x9e3779b97f4a7c15u >> 32) & table->mask;
}

static struct pending *look(struct pending_table *table, uint64_t unique)
{
	size_t i = place_of(table, unique);

	while (table->rows[i].unique && table->rows[i].unique != unique)
		i = (i + 1) & table->mask;
	return &table->rows[i];
}

struct pending *pending_add(struct pending_table *table, uint64_t unique)
{
	struct pending *row = look(table, unique);

	if (unique == 0 || row->unique || table->count == table->most)
		return NULL;
	row->unique = unique;
	row->frame = NULL;
	table->count++;
	return row;
}

struct pending *pending_find(struct pending_table *table, uint64_t unique)
{
	struct pending *row = look(table, unique);

	return row->unique ? row : NULL;
}

/* Whoever stands behind the gap, and would not be found across it, moves into it. */
void pending_remove(struct pending_table *table, struct pending *row)
{
	size_t gap = (size_t)(row - table->rows);

	table->count--;
	for (size_t i = (gap + 1) & table->mask; table->rows[i].unique; i = (i + 1) & table->mask) {
		size_t home = place_of(table, table->rows[i].unique);
		if (((i - home) & table->mask) < ((i - gap) & table->mask))
			continue;
		table->rows[gap] = table->rows[i];
		gap = i;
	}
	table->rows[gap].unique = 0;
}

struct pending *pending_any(struct pending_table *table)
{
	for (size_t i = 0; table->count > 0 && i <= table->mask; i++)
		if (table->rows[i].unique)
			return &table->rows[i];
	return NULL;
}
