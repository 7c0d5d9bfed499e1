// SPDX-License-Identifier: BSD-3-Clause
/*
 * One served directory. The order matters: the source is opened before anything is mounted (the
 * mount point may be the source itself), and at the end the mount goes before the session stops, so
 * that what the kernel still holds can be written.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/messages.h"
#include "../common/trace.h"
#include "session.h"
#include "stats.h"

/* ---- The two paths ---- */

static int open_source(struct session *s)
{
	s->source = open(s->options->source, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->source >= 0)
		return 0;
	int err = -errno;
	complain("cannot open the source directory %s: %s", s->options->source, strerror(-err));
	return err;
}

/*
 * Whether the mount point lies deeper inside of the source, so that requests can lead the server to
 * its own mount. Asked before it is mounted. (On the source itself it hides nothing from the
 * server, which holds the directory below.)
 */
static bool lies_inside(const struct session *s)
{
	struct stat source, at, up = { .st_dev = 0 };
	int fd = open(s->mountpoint.path, O_PATH | O_CLOEXEC);
	bool inside = false, top = fd < 0 || fstat(s->source, &source) < 0 || fstat(fd, &at) < 0;

	while (!top && !inside) {
		int parent = openat(fd, "..", O_PATH | O_CLOEXEC);
		close(fd);
		fd = parent;
		top = fd < 0 || fstat(fd, &up) < 0 ||
		      (up.st_dev == at.st_dev && up.st_ino == at.st_ino);
		inside = !top && up.st_dev == source.st_dev && up.st_ino == source.st_ino;
		at = up;
	}
	if (fd >= 0)
		close(fd);
	return inside;
}

static int mount_it(struct session *s, int *fd)
{
	bool foreign = s->mountpoint.foreign >= 0;
	bool inside = !foreign && lies_inside(s);
	int err = mountpoint_mount(&s->mountpoint, &s->options->mount.mount, fd);

	if (!err && inside)
		fsb_passthrough_avoid(s->tree, s->mountpoint.device);
	return err;
}

/* ---- Signals ---- */

static void on_signal(void *opaque, bool end)
{
	struct session *s = opaque;

	if (end) {
		mountpoint_unmount(&s->mountpoint, true, s->options->tree.passthrough.writeback);
		fsb_device_stop(s->device);
	} else if (s->stats) {
		stats_print(s->server, s->stats);
	}
}

/* ---- The session ---- */

static int make_tree(struct session *s)
{
	s->options->tree.passthrough.source_fd = s->source;
	int err = fsb_passthrough_new(&s->options->tree.passthrough, &s->tree);
	if (err)
		return err;

	err = fsb_proc_groups_new(&s->groups);
	/* In client mode they are seldom needed, and not for judging. */
	if (err && s->options->tree.passthrough.permissions == FSB_PERMISSIONS_CLIENT)
		return 0;
	if (err) {
		complain("permissions=server needs /proc, to read the callers' groups: %s",
			 strerror(-err));
		return err;
	}
	s->options->tree.server.groups = fsb_proc_groups_get;
	s->options->tree.server.groups_opaque = s->groups;
	s->options->tree.server.groups_on_demand = true;
	return 0;
}

static int make_server(struct session *s)
{
	s->options->tree.server.filesystem = s->tree;
	if (s->options->debug)
		s->options->tree.server.trace = trace_print;
	return fsb_server_new(&s->options->tree.server, &s->server);
}

static int open_stats(struct session *s)
{
	if (!s->options->stats)
		return 0;
	s->stats = s->options->stats_file ? fopen(s->options->stats_file, "ae") : stderr;
	if (s->stats)
		return 0;
	int err = -errno;
	complain("cannot write statistics to %s: %s", s->options->stats_file, strerror(-err));
	return err;
}

static int start_device(struct session *s)
{
	int fd;
	int err = mount_it(s, &fd);

	if (err)
		return err;
	s->options->device.server = s->server;
	s->options->device.fd = fd;
	err = fsb_device_start(&s->options->device, &s->device);
	/* The session has its own; with another one open, the mount would outlive it. */
	close(fd);
	return err;
}

static int wait_ready(struct session *s)
{
	int err = fsb_device_wait_ready(s->device);

	if (err == -EPROTO)
		complain("%s: the kernel and this program found no common protocol",
			 s->options->mountpoint);
	else if (err)
		complain("%s: the session ended before it began: %s", s->options->mountpoint,
			 strerror(-err));
	return err;
}

static int open_steps(struct session *s)
{
	int err;

	if ((err = open_source(s)) ||
	    (err = mountpoint_find(&s->mountpoint, s->options->mountpoint)) ||
	    (err = open_stats(s)) || (err = make_tree(s)) || (err = make_server(s)))
		return err;
	if (s->options->command.fake)
		return 0;
	if ((err = start_device(s)) || (err = signals_watch(on_signal, s, &s->watcher)))
		return err;
	return wait_ready(s);
}

int session_open(struct session *s, struct options *options)
{
	*s = (struct session){ .options = options, .source = -1, .mountpoint.foreign = -1 };
	signals_block();
	int err = open_steps(s);
	if (err && !errors_said())
		complain("cannot serve %s at %s: %s", options->source, options->mountpoint,
			 strerror(-err));
	return err;
}

int session_serve(struct session *s)
{
	int err = fsb_device_wait(s->device);

	if (err)
		complain("%s: the session ended: %s", s->options->mountpoint, strerror(-err));
	return err;
}

void session_close(struct session *s)
{
	signals_unwatch(s->watcher);
	/* Still there when nobody unmounted it: it failed, or was aborted. */
	mountpoint_unmount(&s->mountpoint, false, false);
	fsb_device_free(s->device);
	if (s->stats && s->server && s->device)
		stats_print(s->server, s->stats);
	fsb_server_free(s->server);
	fsb_passthrough_free(s->tree);
	fsb_proc_groups_free(s->groups);
	if (s->stats && s->stats != stderr)
		fclose(s->stats);
	if (s->source >= 0)
		close(s->source);
	mountpoint_clear(&s->mountpoint);
}
