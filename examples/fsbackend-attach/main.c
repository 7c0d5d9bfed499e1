// SPDX-License-Identifier: BSD-3-Clause
/*
 * fsbackend-attach: mount what fsbackend-serve serves.
 *
 * The server is dialled before anything is mounted; at the end the mount goes before the session
 * stops, so that what the kernel still holds can be written.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fsbackend/fsbackend.h>

#include "../common/messages.h"
#include "../common/mountpoint.h"
#include "../common/process.h"
#include "dial.h"
#include "options.h"

struct program {
	struct options *options;
	struct dialler dialler;
	struct mountpoint mountpoint;
	struct fsb_proc_groups *groups;
	struct fsb_stream_forward *forward;
	struct signal_watcher *watcher;
};

static void on_signal(void *opaque, bool end)
{
	struct program *p = opaque;

	if (!end)
		return;
	mountpoint_unmount(&p->mountpoint, true, fsb_stream_forward_is_connected(p->forward));
	fsb_stream_forward_stop(p->forward);
}

static const char *describe(int err)
{
	switch (err) {
	case -EPIPE:
	case -EBADMSG:
	case -ECONNRESET:
		return "the server hung up";
	case -EPERM:
		return "the server refuses us";
	case -EAGAIN:
		return "the server has too many clients";
	case -ETIMEDOUT:
		return "the server does not answer";
	case -EPROTO:
		return "this is no server of ours: it does not speak the stream protocol";
	case -EPROTONOSUPPORT:
		return "the server speaks another version of the protocol, or has another byte "
		       "order";
	default:
		return strerror(-err);
	}
}

static int find_groups(struct program *p)
{
	if (p->options->no_groups)
		return 0;
	int err = fsb_proc_groups_new(&p->groups);
	if (err) {
		complain("callers' groups cannot be read from /proc: %s (--no-groups does without)",
			 strerror(-err));
		return err;
	}
	p->options->forward.groups = fsb_proc_groups_get;
	p->options->forward.groups_opaque = p->groups;
	return 0;
}

static int connect_to_server(struct program *p)
{
	struct fsb_stream_forward_config *config = &p->options->forward;

	dialler_init(&p->dialler, p->options);
	config->dial = dialler_dial;
	config->opaque = &p->dialler;
	int err = fsb_stream_forward_connect(config, &p->forward);
	if (err)
		complain("cannot connect to %s: %s", p->options->server, describe(err));
	return err;
}

/* As the server wants it. What was said on the command line can only be stricter. */
static void heed_advice(struct program *p)
{
	struct fsb_mount_config *mount = &p->options->mount.mount;
	uint32_t advice = fsb_stream_forward_advice(p->forward);

	if (advice & FSB_STREAM_CLIENT_JUDGES)
		mount->default_permissions = true;
	/* Nobody asks the server who may open a device. */
	if (!mount->default_permissions)
		mount->flags |= MS_NODEV;
	if (advice & FSB_STREAM_READ_ONLY)
		mount->flags |= MS_RDONLY;
}

static int mount_and_start(struct program *p)
{
	int fd;
	int err = mountpoint_mount(&p->mountpoint, &p->options->mount.mount, &fd);

	if (err)
		return err;
	err = fsb_stream_forward_start(p->forward, fd);
	/* The session has its own; with another one open, the mount would outlive it. */
	close(fd);
	if (!err)
		err = signals_watch(on_signal, p, &p->watcher);
	if (err)
		return err;
	err = fsb_stream_forward_wait_ready(p->forward);
	if (err == -EPROTO)
		complain("%s: the kernel and the server found no common protocol",
			 p->options->mountpoint);
	else if (err)
		complain("%s: the session ended before it began: %s", p->options->mountpoint,
			 strerror(-err));
	return err;
}

static int begin(struct program *p)
{
	int err = mountpoint_find(&p->mountpoint, p->options->mountpoint);

	if (!err)
		err = find_groups(p);
	if (!err)
		err = connect_to_server(p);
	if (err)
		return err;
	/* Until here there are no threads, and a signal ends the program. */
	signals_block();
	heed_advice(p);
	if (p->options->command.fake)
		return 0;
	err = mount_and_start(p);
	if (err && !errors_said())
		complain("cannot mount %s at %s: %s", p->options->server, p->options->mountpoint,
			 strerror(-err));
	return err;
}

static int serve(struct program *p)
{
	int err = fsb_stream_forward_wait(p->forward);

	if (err)
		complain("%s: the session ended: %s", p->options->mountpoint, strerror(-err));
	return err;
}

static void finish(struct program *p)
{
	signals_unwatch(p->watcher);
	/* Still there when nobody unmounted it: it failed, or was aborted. */
	mountpoint_unmount(&p->mountpoint, false, false);
	fsb_stream_forward_free(p->forward);
	dialler_clear(&p->dialler);
	fsb_proc_groups_free(p->groups);
	mountpoint_clear(&p->mountpoint);
}

static int run(void *opaque)
{
	struct program program = { .options = opaque, .mountpoint.foreign = -1 };

	int err = begin(&program);
	if (!err)
		err = process_works(false);
	if (!err && !program.options->command.fake)
		err = serve(&program);
	finish(&program);
	return err ? EXIT_FAILED : 0;
}

int main(int argc, char *argv[])
{
	static struct options options;

	process_prepare();
	messages_begin("fsbackend-attach");
	switch (options_parse(&options, argc, argv)) {
	case PARSED_DONE:
		return 0;
	case PARSED_WRONG:
		return EXIT_USAGE;
	case PARSED:
		break;
	}
	return options.command.foreground ? run(&options) : process_background(run, &options);
}
