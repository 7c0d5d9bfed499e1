// SPDX-License-Identifier: BSD-3-Clause
/* Options of a served directory. */
#include <errno.h>

#include "tree_options.h"
#include "values.h"

static int set_permissions(void *target, const char *value)
{
	struct tree_options *o = target;
	static const char *const words[] = {
		[FSB_PERMISSIONS_CLIENT] = "client", [FSB_PERMISSIONS_SERVER] = "server", NULL
	};
	unsigned int index;
	int err = parse_word(value, words, &index);

	if (!err)
		o->passthrough.permissions = index;
	return err;
}

static int set_unknown_groups(void *target, const char *value)
{
	struct tree_options *o = target;
	static const char *const words[] = { [FSB_UNKNOWN_GROUPS_REFUSE] = "refuse",
					     [FSB_UNKNOWN_GROUPS_PRIMARY] = "primary",
					     NULL };
	unsigned int index;
	int err = parse_word(value, words, &index);

	if (!err)
		o->passthrough.unknown_groups = index;
	return err;
}

static int set_cache(void *target, const char *value)
{
	struct tree_options *o = target;
	static const char *const words[] = { [FSB_CACHE_AUTO] = "auto",
					     [FSB_CACHE_NONE] = "none",
					     [FSB_CACHE_ALWAYS] = "always",
					     NULL };
	unsigned int index;
	int err = parse_word(value, words, &index);

	if (!err)
		o->passthrough.cache = index;
	return err;
}

static int set_locks(void *target, const char *value)
{
	struct tree_options *o = target;
	static const char *const words[] = {
		[FSB_LOCKS_LOCAL] = "local", [FSB_LOCKS_HOST] = "host", NULL
	};
	unsigned int index;
	int err = parse_word(value, words, &index);

	if (!err)
		o->passthrough.locks = index;
	return err;
}

static int set_writeback(void *target, const char *value)
{
	struct tree_options *o = target;
	(void)value;
	o->passthrough.writeback = true;
	return 0;
}

static int set_attr_timeout(void *target, const char *value)
{
	struct tree_options *o = target;
	return parse_seconds(value, &o->passthrough.attr_timeout_ns);
}

static int set_entry_timeout(void *target, const char *value)
{
	struct tree_options *o = target;
	return parse_seconds(value, &o->passthrough.entry_timeout_ns);
}

static int set_negative_timeout(void *target, const char *value)
{
	struct tree_options *o = target;
	return parse_seconds(value, &o->passthrough.negative_timeout_ns);
}

static int set_max_fds(void *target, const char *value)
{
	struct tree_options *o = target;
	unsigned long number;
	int err = parse_number(value, 1ul << 30, &number);

	if (!err)
		o->passthrough.max_fds = (unsigned int)number;
	return err;
}

static int set_max_write(void *target, const char *value)
{
	struct tree_options *o = target;
	return parse_size(value, &o->server.max_write);
}

static int set_map_uid(void *target, const char *value)
{
	struct tree_options *o = target;
	if (o->passthrough.nuid_map == MAX_ID_RANGES)
		return -EINVAL;
	return parse_range(value, &o->uid_map[o->passthrough.nuid_map++]);
}

static int set_map_gid(void *target, const char *value)
{
	struct tree_options *o = target;
	if (o->passthrough.ngid_map == MAX_ID_RANGES)
		return -EINVAL;
	return parse_range(value, &o->gid_map[o->passthrough.ngid_map++]);
}

static int set_no_xattr(void *target, const char *value)
{
	struct tree_options *o = target;
	(void)value;
	o->passthrough.xattr = o->passthrough.posix_acl = false;
	return 0;
}

static int set_no_posix_acl(void *target, const char *value)
{
	struct tree_options *o = target;
	(void)value;
	o->passthrough.posix_acl = false;
	return 0;
}

static int set_no_client_checks(void *target, const char *value)
{
	struct tree_options *o = target;
	(void)value;
	o->passthrough.client_checks = false;
	return 0;
}

static int set_no_open(void *target, const char *value)
{
	struct tree_options *o = target;
	(void)value;
	o->passthrough.no_open = true;
	return 0;
}

static int set_no_opendir(void *target, const char *value)
{
	struct tree_options *o = target;
	(void)value;
	o->passthrough.no_opendir = true;
	return 0;
}

static int set_direct_io(void *target, const char *value)
{
	struct tree_options *o = target;
	(void)value;
	o->passthrough.direct_io = true;
	return 0;
}

static int set_no_submounts(void *target, const char *value)
{
	struct tree_options *o = target;
	(void)value;
	o->passthrough.announce_submounts = false;
	return 0;
}

static int set_remap(void *target, const char *value)
{
	struct tree_options *o = target;
	(void)value;
	o->server.remap_opcode = true;
	return 0;
}

static int set_read_only(void *target, const char *value)
{
	struct tree_options *o = target;
	(void)value;
	o->passthrough.read_only = true;
	return 0;
}

static const struct setting settings[] = {
	{ "permissions", VALUE, "client|server",
	  "who judges: the kernel (default), or the server as the caller with all groups",
	  set_permissions },
	{ "unknown-groups", VALUE, "refuse|primary",
	  "with permissions=server: a caller whose groups cannot be told (default refuse)",
	  set_unknown_groups },
	{ "no-client-checks", NONE, NULL,
	  "with permissions=server: the kernel does not check as well: faster, but FIFOs open to "
	  "all, and no devices",
	  set_no_client_checks },
	{ "cache", VALUE, "none|auto|always", "how much the kernel may keep (default auto)",
	  set_cache },
	{ "writeback", NONE, NULL, "the kernel collects writes: faster, seen late by the host",
	  set_writeback },
	{ "attr-timeout", VALUE, "SECONDS", "how long attributes are believed (decimals allowed)",
	  set_attr_timeout },
	{ "entry-timeout", VALUE, "SECONDS", "how long names are believed", set_entry_timeout },
	{ "negative-timeout", VALUE, "SECONDS", "how long it is believed that a name is not there",
	  set_negative_timeout },
	{ "locks", VALUE, "local|host",
	  "where locks are kept: in this kernel (default), or on the served files", set_locks },
	{ "read-only", NONE, NULL, "nothing can be changed", set_read_only },
	{ "max-fds", VALUE, "NUMBER",
	  "descriptors held for inodes (default: a quarter of the limit)", set_max_fds },
	{ "max-write", VALUE, "BYTES", "most bytes of one write, 4k to 1m (default 1m)",
	  set_max_write },
	{ "map-uid", VALUE, "CLIENT:HOST:COUNT", "a range of user ids; may be repeated",
	  set_map_uid },
	{ "map-gid", VALUE, "CLIENT:HOST:COUNT", "a range of group ids; may be repeated",
	  set_map_gid },
	{ "no-xattr", NONE, NULL, "no extended attributes", set_no_xattr },
	{ "no-posix-acl", NONE, NULL, "no POSIX ACLs", set_no_posix_acl },
	{ "no-open", NONE, NULL, "files are not opened on the host: fewer round trips",
	  set_no_open },
	{ "no-opendir", NONE, NULL, "nor are directories", set_no_opendir },
	{ "direct-io", NONE, NULL, "O_DIRECT goes through to the host's files", set_direct_io },
	{ "no-submounts", NONE, NULL, "mounts inside of the source are not shown as mounts",
	  set_no_submounts },
	{ "remap", NONE, NULL, "take opcode 54 as FICLONERANGE (kernels that are known to send it)",
	  set_remap },
};

const struct setting *const tree_settings = settings;
const size_t ntree_settings = sizeof(settings) / sizeof(settings[0]);

void tree_options_init(struct tree_options *o)
{
	*o = (struct tree_options){ 0 };
	fsb_passthrough_config_init(&o->passthrough);
	fsb_server_config_init(&o->server);
}

void tree_options_resolve(struct tree_options *o)
{
	/*
	 * Without ACLs the kernel would check by the mode bits alone, and refuse what an ACL
	 * grants.
	 */
	o->passthrough.client_checks = o->passthrough.client_checks && o->passthrough.posix_acl;
	o->passthrough.uid_map = o->uid_map;
	o->passthrough.gid_map = o->gid_map;
}

bool tree_options_kernel_judges(const struct tree_options *o)
{
	return o->passthrough.permissions == FSB_PERMISSIONS_CLIENT || o->passthrough.client_checks;
}
