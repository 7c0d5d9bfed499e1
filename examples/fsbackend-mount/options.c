// SPDX-License-Identifier: BSD-3-Clause
/*
 * The command line of fsbackend-mount: one table of settings for long options, for the -o list, and
 * for --help.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "messages.h"
#include "options.h"

/* ---- Values ---- */

static int parse_number(const char *text, unsigned long most, unsigned long *number)
{
	char *rest;

	errno = 0;
	*number = strtoul(text, &rest, 10);
	return *text < '0' || *text > '9' || *rest || errno || *number > most ? -EINVAL : 0;
}

/* Bytes, with k or m behind for KiB and MiB. */
static int parse_size(const char *text, uint32_t *size)
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

static int parse_seconds(const char *text, uint64_t *ns)
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
static int parse_word(const char *text, const char *const words[], unsigned int *index)
{
	for (*index = 0; words[*index]; ++*index)
		if (!strcmp(text, words[*index]))
			return 0;
	return -EINVAL;
}

/* CLIENT:HOST:COUNT */
static int parse_range(const char *text, struct fsb_id_range *range)
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

/* ---- Settings ---- */

static int set_permissions(struct options *o, const char *value)
{
	static const char *const words[] = {
		[FSB_PERMISSIONS_CLIENT] = "client", [FSB_PERMISSIONS_SERVER] = "server", NULL
	};
	unsigned int index;
	int err = parse_word(value, words, &index);

	if (!err)
		o->tree.permissions = index;
	return err;
}

static int set_unknown_groups(struct options *o, const char *value)
{
	static const char *const words[] = { [FSB_UNKNOWN_GROUPS_REFUSE] = "refuse",
					     [FSB_UNKNOWN_GROUPS_PRIMARY] = "primary",
					     NULL };
	unsigned int index;
	int err = parse_word(value, words, &index);

	if (!err)
		o->tree.unknown_groups = index;
	return err;
}

static int set_cache(struct options *o, const char *value)
{
	static const char *const words[] = { [FSB_CACHE_AUTO] = "auto",
					     [FSB_CACHE_NONE] = "none",
					     [FSB_CACHE_ALWAYS] = "always",
					     NULL };
	unsigned int index;
	int err = parse_word(value, words, &index);

	if (!err)
		o->tree.cache = index;
	return err;
}

static int set_locks(struct options *o, const char *value)
{
	static const char *const words[] = {
		[FSB_LOCKS_LOCAL] = "local", [FSB_LOCKS_HOST] = "host", NULL
	};
	unsigned int index;
	int err = parse_word(value, words, &index);

	if (!err)
		o->tree.locks = index;
	return err;
}

static int set_writeback(struct options *o, const char *value)
{
	(void)value;
	o->tree.writeback = true;
	return 0;
}

static int set_attr_timeout(struct options *o, const char *value)
{
	return parse_seconds(value, &o->tree.attr_timeout_ns);
}

static int set_entry_timeout(struct options *o, const char *value)
{
	return parse_seconds(value, &o->tree.entry_timeout_ns);
}

static int set_negative_timeout(struct options *o, const char *value)
{
	return parse_seconds(value, &o->tree.negative_timeout_ns);
}

static int set_read_only(struct options *o, const char *value)
{
	(void)value;
	return fsb_mount_config_option(&o->mount, "ro");
}

static int set_threads(struct options *o, const char *value)
{
	unsigned long number;
	int err = parse_number(value, 256, &number);

	if (!err)
		o->device.threads = (unsigned int)number;
	return err;
}

static int set_io(struct options *o, const char *value)
{
	static const char *const words[] = { [FSB_IO_AUTO] = "auto", [FSB_IO_CLASSIC] = "classic",
					     [FSB_IO_URING] = "uring", NULL };
	unsigned int index;
	int err = parse_word(value, words, &index);

	if (!err)
		o->device.io = index;
	return err;
}

static int set_spin(struct options *o, const char *value)
{
	unsigned long number;
	int err = parse_number(value, 1000, &number);

	if (!err)
		o->device.spin_us = (unsigned int)number;
	return err;
}

static int set_max_fds(struct options *o, const char *value)
{
	unsigned long number;
	int err = parse_number(value, 1ul << 30, &number);

	if (!err)
		o->tree.max_fds = (unsigned int)number;
	return err;
}

static int set_max_write(struct options *o, const char *value)
{
	return parse_size(value, &o->server.max_write);
}

static int set_map_uid(struct options *o, const char *value)
{
	if (o->tree.nuid_map == MAX_ID_RANGES)
		return -EINVAL;
	return parse_range(value, &o->uid_map[o->tree.nuid_map++]);
}

static int set_map_gid(struct options *o, const char *value)
{
	if (o->tree.ngid_map == MAX_ID_RANGES)
		return -EINVAL;
	return parse_range(value, &o->gid_map[o->tree.ngid_map++]);
}

static int set_no_xattr(struct options *o, const char *value)
{
	(void)value;
	o->tree.xattr = o->tree.posix_acl = false;
	return 0;
}

static int set_no_posix_acl(struct options *o, const char *value)
{
	(void)value;
	o->tree.posix_acl = false;
	return 0;
}

static int set_no_client_checks(struct options *o, const char *value)
{
	(void)value;
	o->tree.client_checks = false;
	return 0;
}

static int set_no_open(struct options *o, const char *value)
{
	(void)value;
	o->tree.no_open = true;
	return 0;
}

static int set_no_opendir(struct options *o, const char *value)
{
	(void)value;
	o->tree.no_opendir = true;
	return 0;
}

static int set_direct_io(struct options *o, const char *value)
{
	(void)value;
	o->tree.direct_io = true;
	return 0;
}

static int set_no_submounts(struct options *o, const char *value)
{
	(void)value;
	o->tree.announce_submounts = false;
	return 0;
}

static int set_remap(struct options *o, const char *value)
{
	(void)value;
	o->server.remap_opcode = true;
	return 0;
}

static int set_fsname(struct options *o, const char *value)
{
	o->mount.source = value;
	return *value ? 0 : -EINVAL;
}

static int set_allow_other(struct options *o, const char *value)
{
	(void)value;
	o->allow_other = true;
	return 0;
}

static int set_no_allow_other(struct options *o, const char *value)
{
	(void)value;
	o->allow_other = false;
	return 0;
}

static int set_debug(struct options *o, const char *value)
{
	(void)value;
	o->debug = o->foreground = true;
	return 0;
}

static int set_stats(struct options *o, const char *value)
{
	o->stats = true;
	o->stats_file = value;
	return value && !*value ? -EINVAL : 0;
}

/* What a setting takes: nothing, a value, or either. The numbers are getopt_long's. */
enum argument { NONE = no_argument, VALUE = required_argument, OPTIONAL = optional_argument };

struct setting {
	const char *name;
	enum argument argument;
	const char *value; /* how the value is called in --help */
	const char *help;
	int (*set)(struct options *options, const char *value);
};

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
	{ "read-only", NONE, NULL, "nothing can be changed; the same as -o ro", set_read_only },
	{ "threads", VALUE, "1..256", "threads that serve (default: one for each core, at least 2)",
	  set_threads },
	{ "io", VALUE, "auto|classic|uring",
	  "how requests come: by io_uring where the kernel offers it (default), or not, or only so", set_io },
	{ "spin", VALUE, "US", "microseconds to look for the next request before sleeping, while that pays (default 50)",
	  set_spin },
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
	{ "fsname", VALUE, "NAME", "what df and findmnt show as source (default SOURCE)",
	  set_fsname },
	{ "allow-other", NONE, NULL, "all users may use the mount (default as root)",
	  set_allow_other },
	{ "no-allow-other", NONE, NULL, "only the user who mounts may", set_no_allow_other },
	{ "debug", NONE, NULL, "print each request and its reply; stays in the foreground",
	  set_debug },
	{ "stats", OPTIONAL, "FILE",
	  "print counts and latencies at the end and on SIGUSR1, to stderr or FILE", set_stats },
};

enum { NSETTINGS = sizeof(settings) / sizeof(settings[0]) };

/*
 * Options for mount(8) itself, which it may leave in the list. Those that end in '=' or '-' are
 * beginnings.
 */
static const char *const foreign_options[] = {
	"defaults", "auto",    "noauto",   "user",  "nouser",   "users",   "owner", "group",
	"nofail",   "_netdev", "comment=", "user=", "uhelper=", "helper=", "x-",    "X-",
};

static bool is_foreign(const char *option)
{
	for (size_t i = 0; i < sizeof(foreign_options) / sizeof(foreign_options[0]); i++) {
		const char *name = foreign_options[i];
		size_t length = strlen(name);
		bool beginning = name[length - 1] == '=' || name[length - 1] == '-';
		if (beginning ? !strncmp(option, name, length) : !strcmp(option, name))
			return true;
	}
	return false;
}

static enum parsed apply(struct options *o, const struct setting *setting, const char *value)
{
	if (setting->argument == VALUE && !value) {
		complain("option %s needs a value: %s", setting->name, setting->value);
		return PARSED_WRONG;
	}
	if (setting->argument == NONE && value) {
		complain("option %s takes no value", setting->name);
		return PARSED_WRONG;
	}
	if (setting->set(o, value) < 0) {
		complain("option %s cannot be '%s'; it takes %s", setting->name, value,
			 setting->value);
		return PARSED_WRONG;
	}
	return PARSED;
}

/* Names are equal if they differ in '_' and '-' only. */
static bool same_name(const char *option, size_t length, const char *name)
{
	if (strlen(name) != length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (option[i] != name[i] && !(option[i] == '_' && name[i] == '-'))
			return false;
	return true;
}

/* One option of the -o list: ours, the kernel's, or mount(8)'s. */
static enum parsed apply_listed(struct options *o, char *option)
{
	const char *value = strchr(option, '=');
	size_t length = value ? (size_t)(value - option) : strlen(option);

	for (size_t i = 0; i < NSETTINGS; i++)
		if (same_name(option, length, settings[i].name))
			return apply(o, &settings[i], value ? value + 1 : NULL);

	int err = fsb_mount_config_option(&o->mount, option);
	if (!err || is_foreign(option) || (err == -ENOENT && o->sloppy))
		return PARSED;
	if (!strcmp(option, "remount"))
		complain("to change a mount, the kernel alone is asked: mount -i -o remount,...");
	else
		complain(err == -ENOENT ? "unknown option '%s'; --help lists them"
					: "bad value in option '%s'",
			 option);
	return PARSED_WRONG;
}

/* Cut the next option off a list. "\," is a comma of the option, "\\" a backslash. */
static char *next_option(char **list)
{
	char *option = *list, *to = option, *from = option;

	if (!option)
		return NULL;
	for (; *from && *from != ','; from++) {
		if (*from == '\\' && (from[1] == ',' || from[1] == '\\'))
			from++;
		*to++ = *from;
	}
	*list = *from ? from + 1 : NULL;
	*to = '\0';
	return option;
}

static enum parsed apply_list(struct options *o, const char *text)
{
	struct option_list *copy = malloc(sizeof(*copy) + strlen(text) + 1);
	char *option;

	if (!copy) {
		complain("%s", strerror(ENOMEM));
		return PARSED_WRONG;
	}
	copy->next = o->lists;
	o->lists = copy;
	char *list = strcpy(copy->text, text);
	while ((option = next_option(&list)))
		if (*option && apply_listed(o, option) != PARSED)
			return PARSED_WRONG;
	return PARSED;
}

/* ---- The command line ---- */

static void print_help(void)
{
	printf("Usage: fsbackend-mount [OPTION]... SOURCE MOUNTPOINT\n"
	       "       mount -t fuse.fsbackend SOURCE MOUNTPOINT [-o OPTION[,OPTION]...]\n"
	       "\n"
	       "Serve the directory SOURCE at MOUNTPOINT, from the background once it answers. To "
	       "end it, umount MOUNTPOINT.\n"
	       "MOUNTPOINT may be /dev/fd/N, an inherited /dev/fuse descriptor that is mounted "
	       "already.\n"
	       "\n"
	       "  -f, --foreground             stay in the foreground; SIGINT, SIGTERM and SIGHUP "
	       "unmount\n"
	       "  -o OPTION[,OPTION]...        any option below, without the dashes "
	       "(attr_timeout=2), and those of mount(8):\n"
	       "                               ro nosuid nodev noexec noatime sync ... "
	       "max_read=BYTES\n"
	       "  -h, --help                   show this text\n"
	       "  -V, --version                show the version\n"
	       "\n");
	for (const struct setting *s = settings; s < settings + NSETTINGS; s++) {
		char name[64];
		if (s->argument == NONE)
			snprintf(name, sizeof(name), "%s", s->name);
		else
			snprintf(name, sizeof(name), s->argument == VALUE ? "%s=%s" : "%s[=%s]",
				 s->name, s->value);
		printf("  --%-29s %s\n", name, s->help);
	}
}

enum { LONG_FIRST = 256 };

static void fill_long_options(struct option *rows)
{
	for (size_t i = 0; i < NSETTINGS; i++)
		rows[i] = (struct option){ settings[i].name, (int)settings[i].argument, NULL,
					   LONG_FIRST + (int)i };
	rows[NSETTINGS] = (struct option){ "foreground", no_argument, NULL, 'f' };
	rows[NSETTINGS + 1] = (struct option){ "help", no_argument, NULL, 'h' };
	rows[NSETTINGS + 2] = (struct option){ "version", no_argument, NULL, 'V' };
	rows[NSETTINGS + 3] = (struct option){ NULL, 0, NULL, 0 };
}

static void set_defaults(struct options *o)
{
	*o = (struct options){ .allow_other = -1 };
	fsb_passthrough_config_init(&o->tree);
	fsb_server_config_init(&o->server);
	fsb_device_config_init(&o->device);
	fsb_mount_config_init(&o->mount);
	o->mount.source = NULL;
}

/* What follows from several settings. */
static enum parsed resolve(struct options *o)
{
	bool by_client = o->tree.permissions == FSB_PERMISSIONS_CLIENT;

	/*
	 * Without ACLs the kernel would check by the mode bits alone, and refuse what an ACL
	 * grants.
	 */
	o->tree.client_checks = o->tree.client_checks && o->tree.posix_acl;
	o->mount.default_permissions = by_client || o->tree.client_checks;
	/* Nobody asks the server who may open a device. */
	if (!o->mount.default_permissions)
		o->mount.flags |= MS_NODEV;
	if (o->allow_other < 0)
		o->allow_other = o->mount.allow_other || geteuid() == 0;
	o->mount.allow_other = o->allow_other;
	o->mount.mountpoint = o->mountpoint;
	if (!o->mount.source)
		o->mount.source = o->source;
	o->tree.read_only = (o->mount.flags & MS_RDONLY) != 0;
	o->tree.uid_map = o->uid_map;
	o->tree.gid_map = o->gid_map;
	o->server.stats = o->stats;

	struct fsb_log log = messages_log(o->debug ? FSB_LOG_DEBUG : FSB_LOG_WARNING);
	o->tree.log = o->server.log = o->device.log = o->mount.log = log;
	return PARSED;
}

static enum parsed parse_short(struct options *o, int option, const char *argument)
{
	switch (option) {
	case 'o':
		return apply_list(o, argument);
	case 'f':
		/* mount(8) means by it that nothing shall be mounted. */
		*(o->helper ? &o->fake : &o->foreground) = true;
		return PARSED;
	case 'h':
		print_help();
		return PARSED_DONE;
	case 'V':
		printf("fsbackend-mount %s\n", fsb_version());
		return PARSED_DONE;
	case 's':
		o->sloppy = true;
		return PARSED;
	case 'n':
	case 'v':
	case 'N':
	case 't':
		return PARSED; /* of mount(8): no mtab, verbose, namespace, type */
	default:
		return PARSED_WRONG;
	}
}

/* getopt_long() found no such option, or one that is written in a wrong way. */
static enum parsed explain_option(int found, char *argv[])
{
	if (optopt >= LONG_FIRST)
		complain(found == ':' ? "option %s needs a value: %s" : "option %s takes no value",
			 settings[optopt - LONG_FIRST].name, settings[optopt - LONG_FIRST].value);
	else if (optopt)
		complain(found == ':' ? "option -%c needs a value"
				      : "unknown option -%c; --help lists them",
			 optopt);
	else
		complain("unknown option %s; --help lists them", argv[optind - 1]);
	return PARSED_WRONG;
}

static bool called_by_mount(const char *program)
{
	const char *slash = strrchr(program, '/');

	return !strncmp(slash ? slash + 1 : program, "mount.", strlen("mount."));
}

enum parsed options_parse(struct options *o, int argc, char *argv[])
{
	struct option rows[NSETTINGS + 4];
	enum parsed parsed = PARSED;
	int option;

	set_defaults(o);
	fill_long_options(rows);
	o->helper = called_by_mount(argv[0]);
	opterr = 0;
	while ((option = getopt_long(argc, argv, o->helper ? ":o:fhVsnvN:t:" : ":o:fhV", rows,
				     NULL)) >= 0) {
		if (option == '?' || option == ':')
			parsed = explain_option(option, argv);
		else if (option >= LONG_FIRST)
			parsed = apply(o, &settings[option - LONG_FIRST], optarg);
		else
			parsed = parse_short(o, option, optarg);
		if (parsed != PARSED)
			return parsed;
	}
	if (argc - optind != 2) {
		complain("expected SOURCE and MOUNTPOINT; --help explains");
		return PARSED_WRONG;
	}
	o->source = argv[optind];
	o->mountpoint = argv[optind + 1];
	return resolve(o);
}
