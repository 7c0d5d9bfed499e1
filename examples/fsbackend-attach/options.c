// SPDX-License-Identifier: BSD-3-Clause
/* The command line of fsbackend-attach: what it has besides the mount's settings. */
#include <errno.h>
#include <string.h>

#include "../common/messages.h"
#include "../common/values.h"
#include "options.h"

enum { EXEC_HELLO_S = 120 };

static int set_exec(void *target, const char *value)
{
	struct options *o = target;

	o->exec = value;
	return *value ? 0 : -EINVAL;
}

static int set_reconnect(void *target, const char *value)
{
	struct options *o = target;
	unsigned long seconds;

	o->forward.reconnect = true;
	if (!value)
		return 0;
	int err = parse_number(value, 86400, &seconds);
	if (!err)
		o->forward.hold_s = (unsigned int)seconds;
	return err;
}

static int set_connections(void *target, const char *value)
{
	struct options *o = target;
	unsigned long number;

	if (parse_number(value, 16, &number) || number == 0)
		return -EINVAL;
	o->forward.connections = (unsigned int)number;
	return 0;
}

static int set_spin(void *target, const char *value)
{
	struct options *o = target;
	unsigned long number;
	int err = parse_number(value, 1000, &number);

	if (!err)
		o->forward.spin_us = (unsigned int)number;
	return err;
}

static int set_no_groups(void *target, const char *value)
{
	struct options *o = target;

	(void)value;
	o->no_groups = true;
	return 0;
}

static const struct setting settings[] = {
	{ "exec", VALUE, "COMMAND",
	  "talk to a command's standard input and output instead of SERVER, through a shell; for "
	  "'ssh HOST fsbackend-serve --stdio DIRECTORY'",
	  set_exec },
	{ "reconnect", OPTIONAL, "SECONDS",
	  "dial again when the connection is lost; requests wait for so long (default 60)",
	  set_reconnect },
	{ "connections", VALUE, "1..16",
	  "connections to the server, each with a thread (default 1)", set_connections },
	{ "spin", VALUE, "US",
	  "microseconds to look for the next message before sleeping, while that pays (default 50)",
	  set_spin },
	{ "no-groups", NONE, NULL,
	  "do not look up the callers' supplementary groups: they are unknown to the server",
	  set_no_groups },
};

static const char usage[] =
	"Usage: fsbackend-attach [OPTION]... SERVER MOUNTPOINT\n"
	"       fsbackend-attach [OPTION]... --exec COMMAND MOUNTPOINT\n"
	"       mount -t fuse.fsbackend-attach SERVER MOUNTPOINT [-o OPTION[,OPTION]...]\n"
	"\n"
	"Mount what fsbackend-serve serves at SERVER, which is unix:PATH, vsock:CID:PORT, or fd:N, "
	"an inherited connection.\n"
	"It goes to the background once the mount answers. To end it, umount MOUNTPOINT.\n"
	"MOUNTPOINT may be /dev/fd/N, an inherited /dev/fuse descriptor that is mounted already.\n"
	"\n"
	"  -f, --foreground             stay in the foreground; SIGINT, SIGTERM and SIGHUP "
	"unmount\n"
	"  -o OPTION[,OPTION]...        any option below, without the dashes, and those of "
	"mount(8):\n"
	"                               ro nosuid nodev noexec noatime sync ... max_read=BYTES\n"
	"  -h, --help                   show this text\n"
	"  -V, --version                show the version\n"
	"\n";

static void set_defaults(struct options *o)
{
	*o = (struct options){ 0 };
	mount_options_init(&o->mount);
	fsb_stream_forward_config_init(&o->forward);
	o->command = (struct command){
		.program = "fsbackend-attach",
		.usage = usage,
		.tables = { { settings, sizeof(settings) / sizeof(settings[0]), o },
			    { mount_settings, nmount_settings, &o->mount } },
		.mount = &o->mount.mount,
	};
}

static enum parsed take_arguments(struct options *o, int argc, char *argv[])
{
	int expected = o->exec ? 1 : 2;

	/* mount(8) always names a source. */
	if (o->command.helper)
		expected = 2;
	if (argc - optind != expected) {
		complain(o->exec ? "expected MOUNTPOINT; --help explains"
				 : "expected SERVER and MOUNTPOINT; --help explains");
		return PARSED_WRONG;
	}
	o->mountpoint = argv[argc - 1];
	if (o->exec) {
		o->server = o->exec;
		return PARSED;
	}
	o->server = argv[optind];
	if (address_parse(o->server, &o->address) ||
	    (o->address.kind == ADDRESS_VSOCK && o->address.cid == UINT32_MAX)) {
		complain("%s is no server: it is unix:PATH, vsock:CID:PORT or fd:N", o->server);
		return PARSED_WRONG;
	}
	return PARSED;
}

enum parsed options_parse(struct options *o, int argc, char *argv[])
{
	set_defaults(o);
	enum parsed parsed = command_parse(&o->command, argc, argv);
	if (parsed != PARSED)
		return parsed;
	parsed = take_arguments(o, argc, argv);
	if (parsed != PARSED)
		return parsed;
	if (!o->exec && o->address.kind == ADDRESS_FD &&
	    (o->forward.reconnect || o->forward.connections > 1)) {
		complain("an inherited connection cannot be dialled again, and is only one");
		return PARSED_WRONG;
	}
	/* Somebody may have to be asked for a password. */
	if (o->exec)
		o->forward.hello_s = EXEC_HELLO_S;
	o->mount.mount.subtype = "fsbackend-attach";
	mount_options_resolve(&o->mount, o->server);
	o->mount.mount.log = o->forward.log = messages_log(FSB_LOG_WARNING);
	return PARSED;
}
