/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranges of ids between the client's numbering and the host's. Without ranges both are the same. */
#ifndef FSB_PASSTHROUGH_IDMAP_H
#define FSB_PASSTHROUGH_IDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fsbackend/passthrough.h>

/** What a host id is shown as that has no place in the client's numbering: "nobody". */
#define IDMAP_OVERFLOW 65534u

struct idmap {
	struct fsb_id_range *ranges;
	size_t count;
};

/** Copy the ranges. Return: 0; -EINVAL for empty, overflowing or overlapping ones; -ENOMEM. */
int idmap_init(struct idmap *map, const struct fsb_id_range *ranges, size_t count);
void idmap_clear(struct idmap *map);
/** -1 stays -1. Return: 0, or -EOVERFLOW when @client is in no range. */
int idmap_to_host(const struct idmap *map, uint32_t client, uint32_t *host);
/** -1 stays -1. Return: whether @host is in a range. */
bool idmap_find_client(const struct idmap *map, uint32_t host, uint32_t *client);
/** The same, with IDMAP_OVERFLOW for one that is in no range. */
uint32_t idmap_to_client(const struct idmap *map, uint32_t host);
/** Whether the client's user is root on the host. */
bool idmap_is_host_root(const struct idmap *map, uint32_t client);

static inline bool idmap_identity(const struct idmap *map)
{
	return map->count == 0;
}

#endif
