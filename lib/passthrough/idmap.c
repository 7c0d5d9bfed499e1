// SPDX-License-Identifier: BSD-3-Clause
/* Ranges of ids between the client's numbering and the host's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "idmap.h"

/* (uint32_t)-1 means "no id" in every system call, so that no range may reach it. */
#define NO_ID UINT32_MAX

static bool fits(uint32_t first, uint32_t count)
{
	return count > 0 && (uint64_t)first + count <= NO_ID;
}

static bool overlap(uint32_t a, uint32_t na, uint32_t b, uint32_t nb)
{
	return a < (uint64_t)b + nb && b < (uint64_t)a + na;
}

/* Each id has one counterpart at most, in both directions. */
static bool is_valid(const struct fsb_id_range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct fsb_id_range *r = &ranges[i];
		if (!fits(r->client, r->count) || !fits(r->host, r->count))
			return false;
		for (size_t j = 0; j < i; j++) {
			const struct fsb_id_range *other = &ranges[j];
			if (overlap(r->client, r->count, other->client, other->count) ||
			    overlap(r->host, r->count, other->host, other->count))
				return false;
		}
	}
	return true;
}

int idmap_init(struct idmap *map, const struct fsb_id_range *ranges, size_t count)
{
	*map = (struct idmap){ 0 };
	if (count == 0)
		return 0;
	if (!is_valid(ranges, count))
		return -EINVAL;
	map->ranges = calloc(count, sizeof(*ranges));
	if (!map->ranges)
		return -ENOMEM;
	memcpy(map->ranges, ranges, count * sizeof(*ranges));
	map->count = count;
	return 0;
}

void idmap_clear(struct idmap *map)
{
	free(map->ranges);
	*map = (struct idmap){ 0 };
}

int idmap_to_host(const struct idmap *map, uint32_t client, uint32_t *host)
{
	*host = client;
	if (idmap_identity(map) || client == NO_ID)
		return 0;
	for (size_t i = 0; i < map->count; i++) {
		const struct fsb_id_range *r = &map->ranges[i];
		if (client >= r->client && client - r->client < r->count) {
			*host = r->host + (client - r->client);
			return 0;
		}
	}
	return -EOVERFLOW;
}

bool idmap_find_client(const struct idmap *map, uint32_t host, uint32_t *client)
{
	*client = host;
	if (idmap_identity(map) || host == NO_ID)
		return true;
	for (size_t i = 0; i < map->count; i++) {
		const struct fsb_id_range *r = &map->ranges[i];
		if (host >= r->host && host - r->host < r->count) {
			*client = r->client + (host - r->host);
			return true;
		}
	}
	return false;
}

uint32_t idmap_to_client(const struct idmap *map, uint32_t host)
{
	uint32_t client;

	return idmap_find_client(map, host, &client) ? client : IDMAP_OVERFLOW;
}

bool idmap_is_host_root(const struct idmap *map, uint32_t client)
{
	uint32_t host;

	return idmap_to_host(map, client, &host) == 0 && host == 0;
}
