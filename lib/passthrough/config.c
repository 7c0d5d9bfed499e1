// SPDX-License-Identifier: BSD-3-Clause
/* The configuration of a passthrough: defaults, what makes sense, and what follows from what. */
#include <errno.h>
#include <sys/resource.h>

#include "../sized.h"
#include "config.h"

#define SECOND 1000000000ull

void fsb_passthrough_config_defaults(struct fsb_passthrough_config *config, size_t size)
{
	const struct fsb_passthrough_config defaults = {
		.source_fd = -1,
		.entry_timeout_ns = FSB_TIMEOUT_DEFAULT,
		.attr_timeout_ns = FSB_TIMEOUT_DEFAULT,
		.negative_timeout_ns = FSB_TIMEOUT_DEFAULT,
		.xattr = true,
		.posix_acl = true,
		.client_checks = true,
		.announce_submounts = true,
		.state_fd = -1,
	};

	sized_fill(config, size, &defaults, sizeof(defaults));
}

static int refuse(const struct fsb_passthrough_config *config, const char *why)
{
	log_write(&config->log, FSB_LOG_ERROR, "passthrough: %s", why);
	return -EINVAL;
}

static bool set(uint64_t timeout_ns)
{
	return timeout_ns != FSB_TIMEOUT_DEFAULT && timeout_ns != 0;
}

int config_check(const struct fsb_passthrough_config *config)
{
	if (!config->source && config->source_fd < 0)
		return refuse(config, "no source: set source or source_fd");
	if (config->cache > FSB_CACHE_ALWAYS)
		return refuse(config, "unknown cache policy");
	if (config->permissions > FSB_PERMISSIONS_SERVER)
		return refuse(config, "unknown permissions mode");
	if (config->unknown_groups > FSB_UNKNOWN_GROUPS_PRIMARY)
		return refuse(config, "unknown policy for unknown groups");
	if (config->locks > FSB_LOCKS_HOST)
		return refuse(config, "unknown place for locks");
	if (config->writeback && config->cache == FSB_CACHE_NONE)
		return refuse(config, "writeback needs a cache: not with FSB_CACHE_NONE");
	if (config->first_id >> 56)
		return refuse(config, "first_id has more than 56 bits");
	if (config->backing > FSB_BACKING_OFF)
		return refuse(config, "unknown use of backing files");
	if (config->backing == FSB_BACKING_ON && (config->writeback || config->no_open))
		return refuse(config, "the client uses only what it opens, and what it does not write back: not with writeback or no_open");
	if (config->backing == FSB_BACKING_ON && config->state_fd >= 0)
		return refuse(config, "the client's own use of files ends with this process: not with a state file");
	if (config->permissions == FSB_PERMISSIONS_SERVER && (config->no_open || config->no_opendir))
		return refuse(config, "no_open and no_opendir leave permissions to the client: not with FSB_PERMISSIONS_SERVER");
	if (config->no_open && config->locks == FSB_LOCKS_HOST)
		return refuse(config, "no_open hides the end of a file's use, at which its locks go: not with FSB_LOCKS_HOST");
	if (config->permissions == FSB_PERMISSIONS_SERVER &&
	    (set(config->entry_timeout_ns) || set(config->negative_timeout_ns)))
		return refuse(config, "cached names bypass the search permission: no entry timeouts with FSB_PERMISSIONS_SERVER");
	if ((config->nuid_map > 0 && !config->uid_map) || (config->ngid_map > 0 && !config->gid_map))
		return refuse(config, "an id map without ranges");
	return 0;
}

static uint64_t default_timeout(const struct fsb_passthrough_config *config)
{
	switch (config->cache) {
	case FSB_CACHE_NONE:
		return 0;
	case FSB_CACHE_ALWAYS:
		return 24 * 3600 * SECOND;
	case FSB_CACHE_AUTO:
		break;
	}
	return SECOND;
}

static void resolve(uint64_t *timeout_ns, uint64_t fallback)
{
	if (*timeout_ns == FSB_TIMEOUT_DEFAULT)
		*timeout_ns = fallback;
}

void config_resolve(struct fsb_passthrough_config *config)
{
	/* In server mode every walk over a name is to be judged, so no name is cached; nor is what the client checks by. */
	bool server = config->permissions == FSB_PERMISSIONS_SERVER;
	uint64_t names = server ? 0 : default_timeout(config);

	resolve(&config->entry_timeout_ns, names);
	resolve(&config->attr_timeout_ns, server && config->client_checks ? 0 : default_timeout(config));
	/* That a name does not exist yet is the first thing that a change on the host makes wrong. */
	resolve(&config->negative_timeout_ns, config->cache == FSB_CACHE_ALWAYS ? names : 0);

	struct rlimit limit;
	if (config->max_fds == 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0)
		config->max_fds = limit.rlim_cur / 4 > INT32_MAX ? INT32_MAX : (unsigned int)(limit.rlim_cur / 4);
	config->posix_acl = config->posix_acl && config->xattr;
}
