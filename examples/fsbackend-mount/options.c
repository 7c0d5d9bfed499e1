// SPDX-License-Identifier: BSD-3-Clause
/* The command line of fsbackend-mount: what it has besides the tree's settings and the mount's. */
#include <errno.h>
#include <sys/mount.h>

#include "../common/messages.h"
#include "../common/values.h"
#include "options.h"

static int set_threads(void *target, const char *value)
{
	struct options *o = target;
	unsigned long number;
	int err = parse_number(value, 256, &number);

	if (!err)
		o->device.threads = (unsigned int)number;
	return err;
}

static int set_io(void *target, const char *value)
{
	struct options *o = target;
	static const char *const words[] = {
		[FSB_IO_AUTO] = "auto", [FSB_IO_CLASSIC] = "classic", [FSB_IO_URING] = "uring", NULL
	};
	unsigned int index;
	int err = parse_word(value, words, &index);

	if (!err)
		o->device.io = index;
	return err;
}

static int set_spin(void *target, const char *value)
{
	struct options *o = target;
	unsigned long number;
	int err = parse_number(value, 1000, &number);

	if (!err)
		o->device.spin_us = (unsigned int)number;
	return err;
}

static int set_passthrough(void *target, const char *value)
{
	struct options *o = target;
	static const char *const words[] = { [FSB_BACKING_AUTO] = "auto",
					     [FSB_BACKING_ON] = "on",
					     [FSB_BACKING_OFF] = "off",
					     NULL };
	unsigned int index;
	int err = parse_word(value, words, &index);

	if (!err)
		o->tree.passthrough.backing = index;
	return err;
}

static int set_debug(void *target, const char *value)
{
	struct options *o = target;
	(void)value;
	o->debug = o->command.foreground = true;
	return 0;
}

static int set_stats(void *target, const char *value)
{
	struct options *o = target;
	o->stats = true;
	o->stats_file = value;
	return value && !*value ? -EINVAL : 0;
}

static const struct setting settings[] = {
	{ "threads", VALUE, "1..256", "threads that serve (default: one for each core, at least 2)",
	  set_threads },
	{ "io", VALUE, "auto|classic|uring",
	  "how requests come: by io_uring where the kernel offers it (default), or not, or only so",
	  set_io },
	{ "spin", VALUE, "US",
	  "microseconds to look for the next request before sleeping, while that pays (default 50)",
	  set_spin },
	{ "passthrough", VALUE, "auto|on|off",
	  "whether the kernel reads and writes files by itself: where it pays (default), or "
	  "wherever "
	  "it can, or nowhere",
	  set_passthrough },
	{ "debug", NONE, NULL, "print each request and its reply; stays in the foreground",
	  set_debug },
	{ "stats", OPTIONAL, "FILE",
	  "print counts and latencies at the end and on SIGUSR1, to stderr or FILE", set_stats },
};

static const char usage[] =
	"Usage: fsbackend-mount [OPTION]... SOURCE MOUNTPOINT\n"
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
	"\n";

static void set_defaults(struct options *o)
{
	*o = (struct options){ 0 };
	tree_options_init(&o->tree);
	mount_options_init(&o->mount);
	fsb_device_config_init(&o->device);
	o->command = (struct command){
		.program = "fsbackend-mount",
		.usage = usage,
		.tables = { { tree_settings, ntree_settings, &o->tree },
			    { mount_settings, nmount_settings, &o->mount },
			    { settings, sizeof(settings) / sizeof(settings[0]), o } },
		.mount = &o->mount.mount,
	};
}

/* What follows from several settings. */
static void resolve(struct options *o)
{
	struct fsb_mount_config *mount = &o->mount.mount;

	tree_options_resolve(&o->tree);
	mount_options_resolve(&o->mount, o->source);
	mount->default_permissions = tree_options_kernel_judges(&o->tree);
	/* Nobody asks the server who may open a device. */
	if (!mount->default_permissions)
		mount->flags |= MS_NODEV;
	mount->mountpoint = o->mountpoint;
	if (o->tree.passthrough.read_only)
		mount->flags |= MS_RDONLY;
	o->tree.passthrough.read_only = (mount->flags & MS_RDONLY) != 0;
	o->tree.server.stats = o->stats;

	struct fsb_log log = messages_log(o->debug ? FSB_LOG_DEBUG : FSB_LOG_WARNING);
	o->tree.passthrough.log = o->tree.server.log = o->device.log = mount->log = log;
}

enum parsed options_parse(struct options *o, int argc, char *argv[])
{
	set_defaults(o);
	enum parsed parsed = command_parse(&o->command, argc, argv);
	if (parsed != PARSED)
		return parsed;
	if (argc - optind != 2) {
		complain("expected SOURCE and MOUNTPOINT; --help explains");
		return PARSED_WRONG;
	}
	o->source = argv[optind];
	o->mountpoint = argv[optind + 1];
	resolve(o);
	return PARSED;
}
