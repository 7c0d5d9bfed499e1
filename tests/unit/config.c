// SPDX-License-Identifier: BSD-3-Clause
/* The configuration of a passthrough: defaults, what is refused and why, what follows from what. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "passthrough/config.h"

TestSuite(config, .timeout = 30);

static char logged[512];

static void remember(void *opaque, enum fsb_log_level level, const char *message)
{
	cr_expect_eq(opaque, logged);
	cr_expect_eq(level, FSB_LOG_ERROR);
	snprintf(logged, sizeof(logged), "%s", message);
}

static struct fsb_passthrough_config usable(void)
{
	struct fsb_passthrough_config config;

	fsb_passthrough_config_init(&config);
	config.source = "/tmp";
	config.log = (struct fsb_log){ remember, logged, FSB_LOG_ERROR };
	logged[0] = '\0';
	return config;
}

static void works(const struct fsb_passthrough_config *config)
{
	struct fsb_filesystem *fs = NULL;

	cr_assert_eq(fsb_passthrough_new(config, &fs), 0, "%s", logged);
	fsb_passthrough_free(fs);
}

static void is_refused(const struct fsb_passthrough_config *config, int err, const char *names)
{
	struct fsb_filesystem *fs = NULL;

	cr_assert_eq(fsb_passthrough_new(config, &fs), err);
	cr_assert_null(fs);
	cr_assert_not_null(strstr(logged, names), "the log says: %s", logged);
}

Test(config, defaults_are_the_documented_ones)
{
	struct fsb_passthrough_config config;

	memset(&config, 0xff, sizeof(config));
	fsb_passthrough_config_init(&config);
	cr_expect_eq(config.size, sizeof(config));
	cr_expect_null(config.source);
	cr_expect_eq(config.source_fd, -1);
	cr_expect_eq(config.cache, FSB_CACHE_AUTO);
	cr_expect_eq(config.entry_timeout_ns, FSB_TIMEOUT_DEFAULT);
	cr_expect_eq(config.permissions, FSB_PERMISSIONS_CLIENT);
	cr_expect_eq(config.unknown_groups, FSB_UNKNOWN_GROUPS_REFUSE);
	cr_expect_eq(config.locks, FSB_LOCKS_LOCAL);
	cr_expect_eq(config.backing, FSB_BACKING_AUTO);
	cr_expect(config.xattr);
	cr_expect(config.posix_acl);
	cr_expect(config.announce_submounts);
	cr_expect_not(config.writeback);
	cr_expect_not(config.read_only);
	cr_expect_not(config.no_open);
	cr_expect_not(config.no_opendir);
	cr_expect_not(config.direct_io);
	cr_expect_eq(config.max_fds, 0);
	cr_expect_eq(config.nuid_map, 0);
	cr_expect_null(config.log.write);
}

Test(config, a_source_by_name_or_by_descriptor_is_enough)
{
	struct fsb_passthrough_config config = usable();

	works(&config);
	config.source = NULL;
	config.source_fd = open("/tmp", O_PATH | O_DIRECTORY);
	works(&config);
	cr_expect_eq(fcntl(config.source_fd, F_GETFD), 0, "the descriptor is the caller's still");
	close(config.source_fd);
}

Test(config, a_source_must_be_a_directory_that_is_there)
{
	struct fsb_passthrough_config config = usable();

	config.source = NULL;
	is_refused(&config, -EINVAL, "source");
	config.source = "/nonexistent/directory";
	is_refused(&config, -ENOENT, "/nonexistent/directory");
	config.source = "/proc/self/status";
	is_refused(&config, -ENOTDIR, "/proc/self/status");
	config.source = NULL;
	config.source_fd = 12345;
	is_refused(&config, -EBADF, "descriptor");
	config.source_fd = open("/proc/self/status", O_RDONLY);
	is_refused(&config, -ENOTDIR, "descriptor");
	close(config.source_fd);
}

Test(config, a_wrong_size_is_refused_without_a_word)
{
	struct fsb_passthrough_config config = usable();

	config.size--;
	is_refused(&config, -EINVAL, "");
	cr_expect_str_empty(logged);
	config.size = 0;
	is_refused(&config, -EINVAL, "");
}

Test(config, a_newer_program_may_know_more_but_not_ask_for_it)
{
	struct {
		struct fsb_passthrough_config known;
		uint64_t later;
	} config = { .known = usable() };

	fsb_passthrough_config_defaults(&config.known, sizeof(config));
	cr_expect_eq(config.known.size, sizeof(config));
	cr_expect_eq(config.later, 0);
	config.known.source = "/tmp";
	works(&config.known);
	config.later = 1;
	config.known.log = usable().log;
	is_refused(&config.known, -EINVAL, "");
}

Test(config, defaults_stay_within_an_older_programs_struct)
{
	struct {
		struct fsb_passthrough_config known;
		char guard[16];
	} config;
	size_t older = sizeof(config.known) - sizeof(config.known.log);

	memset(&config, 0x5a, sizeof(config));
	fsb_passthrough_config_defaults(&config.known, older);
	cr_expect_eq(config.known.size, older);
	for (size_t i = older; i < sizeof(config); i++)
		cr_expect_eq(((unsigned char *)&config)[i], 0x5a);
}

Test(config, unknown_values_are_refused)
{
	struct fsb_passthrough_config config = usable();

	config.cache = (enum fsb_cache)3;
	is_refused(&config, -EINVAL, "cache");
	config = usable();
	config.permissions = (enum fsb_permissions)2;
	is_refused(&config, -EINVAL, "permissions");
	config = usable();
	config.unknown_groups = (enum fsb_unknown_groups)2;
	is_refused(&config, -EINVAL, "groups");
	config = usable();
	config.locks = (enum fsb_locks)2;
	is_refused(&config, -EINVAL, "locks");
	config = usable();
	config.cache = (enum fsb_cache) - 1;
	is_refused(&config, -EINVAL, "cache");
	config = usable();
	config.backing = (enum fsb_backing_use)3;
	is_refused(&config, -EINVAL, "backing");
}

Test(config, contradictions_are_refused)
{
	struct fsb_passthrough_config config = usable();

	config.writeback = true;
	works(&config);
	config.cache = FSB_CACHE_NONE;
	is_refused(&config, -EINVAL, "writeback");

	config = usable();
	config.backing = FSB_BACKING_ON;
	works(&config);
	config.writeback = true;
	is_refused(&config, -EINVAL, "writeback");
	config.writeback = false;
	config.no_open = true;
	is_refused(&config, -EINVAL, "no_open");

	config = usable();
	config.no_open = config.no_opendir = true;
	works(&config);
	config.permissions = FSB_PERMISSIONS_SERVER;
	is_refused(&config, -EINVAL, "no_open");
	config.no_open = false;
	is_refused(&config, -EINVAL, "no_opendir");

	config = usable();
	config.locks = FSB_LOCKS_HOST;
	works(&config);
	config.no_opendir = true;
	works(&config);
	config.no_open = true;
	is_refused(&config, -EINVAL, "no_open");

	config = usable();
	config.permissions = FSB_PERMISSIONS_SERVER;
	config.attr_timeout_ns = 5;
	works(&config);
	config.entry_timeout_ns = 5;
	is_refused(&config, -EINVAL, "timeout");
	config.entry_timeout_ns = 0;
	config.negative_timeout_ns = 5;
	is_refused(&config, -EINVAL, "timeout");
}

Test(config, id_maps_are_checked_and_copied)
{
	struct fsb_passthrough_config config = usable();
	struct fsb_id_range ranges[] = { { 0, 1000, 10 }, { 5, 3000, 10 } };

	config.nuid_map = 1;
	is_refused(&config, -EINVAL, "map");
	config.uid_map = ranges;
	works(&config);
	config.nuid_map = 2;
	is_refused(&config, -EINVAL, "map");
	config = usable();
	config.gid_map = ranges;
	config.ngid_map = 2;
	is_refused(&config, -EINVAL, "map");
	config.ngid_map = 1;
	works(&config);
}

Test(config, timeouts_follow_the_cache_policy)
{
	struct fsb_passthrough_config config = usable();

	config_resolve(&config);
	cr_expect_eq(config.entry_timeout_ns, 1000000000);
	cr_expect_eq(config.attr_timeout_ns, 1000000000);
	cr_expect_eq(config.negative_timeout_ns, 0);

	config = usable();
	config.cache = FSB_CACHE_NONE;
	config_resolve(&config);
	cr_expect_eq(config.entry_timeout_ns, 0);
	cr_expect_eq(config.attr_timeout_ns, 0);

	config = usable();
	config.cache = FSB_CACHE_ALWAYS;
	config_resolve(&config);
	cr_expect_eq(config.entry_timeout_ns, 86400000000000);
	cr_expect_eq(config.attr_timeout_ns, 86400000000000);
	cr_expect_eq(config.negative_timeout_ns, 86400000000000);

	config = usable();
	config.permissions = FSB_PERMISSIONS_SERVER;
	config_resolve(&config);
	cr_expect_eq(config.entry_timeout_ns, 0);

	config = usable();
	config.cache = FSB_CACHE_NONE;
	config.entry_timeout_ns = 7;
	config_resolve(&config);
	cr_expect_eq(config.entry_timeout_ns, 7, "what was asked for stays");
}

Test(config, the_fd_budget_is_a_quarter_of_the_soft_limit)
{
	struct fsb_passthrough_config config = usable();
	struct rlimit limit = { .rlim_cur = 400, .rlim_max = 400 };

	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	config_resolve(&config);
	cr_expect_eq(config.max_fds, 100);
	config.max_fds = 7;
	config_resolve(&config);
	cr_expect_eq(config.max_fds, 7);
}

Test(config, acls_need_xattrs)
{
	struct fsb_passthrough_config config = usable();

	config.xattr = false;
	config_resolve(&config);
	cr_expect_not(config.posix_acl);
}

Test(config, freeing_nothing_is_nothing)
{
	fsb_passthrough_free(NULL);
}
