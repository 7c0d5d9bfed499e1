// SPDX-License-Identifier: BSD-3-Clause
/*
 * One served directory. The order matters: the source is opened before anything is mounted (the
 * mount point may be the source itself), and at the end the mount goes before the session stops, so
 * that what the kernel still holds can be written.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "messages.h"
#include "session.h"
#include "stats.h"
#include "trace.h"

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
 * /dev/fd/N: a descriptor that somebody else has mounted, and that we inherited. Return: it, or -1
 * for another path.
 */
static int foreign_fd(const char *mountpoint)
{
	const char *prefix = "/dev/fd/";
	char *rest;

	if (strncmp(mountpoint, prefix, strlen(prefix)))
		return -1;
	const char *number = mountpoint + strlen(prefix);
	long fd = strtol(number, &rest, 10);
	return *number >= '0' && *number <= '9' && !*rest && fd <= INT32_MAX ? (int)fd : -1;
}

/* Once in the background the working directory is another, so the path must not depend on it. */
static int resolve_mountpoint(struct session *s)
{
	s->mountpoint = realpath(s->options->mountpoint, NULL);
	if (!s->mountpoint) {
		int err = -errno;
		complain("cannot mount on %s: %s; it has to be an existing directory",
			 s->options->mountpoint, strerror(-err));
		return err;
	}
	s->options->mount.mountpoint = s->mountpoint;
	return 0;
}

/*
 * Whether the mount point lies deeper inside of the source, so that requests can lead the server to
 * its own mount. Asked before it is mounted. (On the source itself it hides nothing from the
 * server, which holds the directory below.)
 */
static bool lies_inside(const struct session *s)
{
	struct stat source, at, up = { .st_dev = 0 };
	int fd = open(s->mountpoint, O_PATH | O_CLOEXEC);
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

/* ---- Mounting and unmounting ---- */

/* The device number of what is mounted at a path, known without asking its server. */
static int device_at(const char *path, dev_t *device)
{
	struct statx stx;

	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0, &stx) < 0)
		return -errno;
	*device = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	return 0;
}

static int mount_it(struct session *s, int *fd)
{
	bool inside = lies_inside(s);
	int err = fsb_mount(&s->options->mount, fd);

	if (err)
		return err;
	err = device_at(s->mountpoint, &s->mounted_device);
	if (err) {
		fsb_unmount(s->mountpoint, true);
		close(*fd);
		return err;
	}
	if (inside)
		fsb_passthrough_avoid(s->tree, s->mounted_device);
	s->mounted = true;
	return 0;
}

/* Not if somebody has unmounted it meanwhile, and something else is there now. */
static bool is_still_mounted(const struct session *s)
{
	dev_t device = 0;

	return s->mounted && device_at(s->mountpoint, &device) == 0 && device == s->mounted_device;
}

/* While it still answers: let the kernel write what it has collected. */
static void sync_mount(const struct session *s)
{
	int fd = open(s->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	syncfs(fd);
	close(fd);
}

static void unmount_it(struct session *s, bool answers)
{
	if (!is_still_mounted(s))
		return;
	int err = answers ? fsb_unmount(s->mountpoint, false) : -EBUSY;
	if (err == -EBUSY) {
		if (answers && s->options->tree.writeback)
			sync_mount(s);
		err = fsb_unmount(s->mountpoint, true);
	}
	if (err)
		complain("cannot unmount %s: %s", s->mountpoint, strerror(-err));
	s->mounted = false;
}

/* ---- Signals ---- */

static void fill_signals(sigset_t *set)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1 };

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(set, signals[i]);
}

static void *watch_signals(void *opaque)
{
	struct session *s = opaque;
	sigset_t set;
	int signal;

	fill_signals(&set);
	for (;;) {
		if (sigwait(&set, &signal) != 0)
			continue;
		if (atomic_load(&s->ended))
			return NULL;
		if (signal != SIGUSR1) {
			unmount_it(s, true);
			fsb_device_stop(s->device);
		} else if (s->stats) {
			stats_print(s->server, s->stats);
		}
	}
}

static int start_watcher(struct session *s)
{
	int err = -pthread_create(&s->watcher, NULL, watch_signals, s);

	s->watched = !err;
	return err;
}

static void stop_watcher(struct session *s)
{
	if (!s->watched)
		return;
	atomic_store(&s->ended, true);
	pthread_kill(s->watcher, SIGUSR1);
	pthread_join(s->watcher, NULL);
	s->watched = false;
}

/* ---- The session ---- */

static int make_tree(struct session *s)
{
	s->options->tree.source_fd = s->source;
	int err = fsb_passthrough_new(&s->options->tree, &s->tree);
	if (err)
		return err;

	/* In client mode they are seldom needed, and not for judging. */
	bool client = s->options->tree.permissions == FSB_PERMISSIONS_CLIENT;
	err = fsb_proc_groups_new(&s->groups);
	if (err && client)
		return 0;
	if (err) {
		complain("permissions=server needs /proc, to read the callers' groups: %s",
			 strerror(-err));
		return err;
	}
	s->options->server.groups = fsb_proc_groups_get;
	s->options->server.groups_opaque = s->groups;
	s->options->server.groups_on_demand = client;
	return 0;
}

static int make_server(struct session *s)
{
	s->options->server.filesystem = s->tree;
	if (s->options->debug)
		s->options->server.trace = trace_print;
	return fsb_server_new(&s->options->server, &s->server);
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
	int fd = foreign_fd(s->options->mountpoint);
	int err = fd < 0 ? mount_it(s, &fd) : 0;

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
	bool foreign = foreign_fd(s->options->mountpoint) >= 0;
	int err;

	if ((err = open_source(s)) || (err = foreign ? 0 : resolve_mountpoint(s)) ||
	    (err = open_stats(s)) || (err = make_tree(s)) || (err = make_server(s)))
		return err;
	if (s->options->fake)
		return 0;
	if ((err = start_device(s)) || (err = start_watcher(s)))
		return err;
	return wait_ready(s);
}

int session_open(struct session *s, struct options *options)
{
	sigset_t set;

	*s = (struct session){ .options = options, .source = -1 };
	fill_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
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
	stop_watcher(s);
	/* Still there when nobody unmounted it: it failed, or was aborted. */
	unmount_it(s, false);
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
	free(s->mountpoint);
}
