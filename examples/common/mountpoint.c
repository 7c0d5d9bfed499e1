// SPDX-License-Identifier: BSD-3-Clause
/* Mounting and unmounting. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "messages.h"
#include "mountpoint.h"

enum { PATIENCE_MS = 3000, STEP_MS = 2 };

/*
 * /dev/fd/N: a descriptor that somebody else has mounted, and that we inherited. Return: it, or -1
 * for another path.
 */
static int foreign_fd(const char *given)
{
	const char *prefix = "/dev/fd/";
	char *rest;

	if (strncmp(given, prefix, strlen(prefix)))
		return -1;
	const char *number = given + strlen(prefix);
	long fd = strtol(number, &rest, 10);
	return *number >= '0' && *number <= '9' && !*rest && fd <= INT32_MAX ? (int)fd : -1;
}

int mountpoint_find(struct mountpoint *m, const char *given)
{
	*m = (struct mountpoint){ .foreign = foreign_fd(given) };
	if (m->foreign >= 0)
		return 0;
	/* Once in the background the working directory is another, so the path must not depend on
	 * it. */
	m->path = realpath(given, NULL);
	if (m->path)
		return 0;
	int err = -errno;
	complain("cannot mount on %s: %s; it has to be an existing directory", given,
		 strerror(-err));
	return err;
}

/* The device number of what is mounted at a path, known without asking its server. */
static int device_at(const char *path, dev_t *device)
{
	struct statx stx;

	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0, &stx) < 0)
		return -errno;
	*device = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	return 0;
}

int mountpoint_mount(struct mountpoint *m, struct fsb_mount_config *config, int *fd)
{
	if (m->foreign >= 0) {
		*fd = m->foreign;
		return 0;
	}
	config->mountpoint = m->path;
	int err = fsb_mount(config, fd);
	if (err)
		return err;
	err = device_at(m->path, &m->device);
	if (err) {
		fsb_unmount(m->path, true);
		close(*fd);
		return err;
	}
	m->mounted = true;
	return 0;
}

/* Not if somebody has unmounted it meanwhile, and something else is there now. */
static bool is_still_mounted(const struct mountpoint *m)
{
	dev_t device = 0;

	return m->mounted && device_at(m->path, &device) == 0 && device == m->device;
}

/* While it still answers: let the kernel write what it has collected. */
static void sync_mount(const struct mountpoint *m)
{
	int fd = open(m->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	syncfs(fd);
	close(fd);
}

/* Return: 0 or a negative errno. */
static int unmount(const struct mountpoint *m, bool answers, bool writeback)
{
	int err = answers ? fsb_unmount(m->path, false) : -EBUSY;

	if (err != -EBUSY)
		return err;
	if (answers && writeback)
		sync_mount(m);
	return fsb_unmount(m->path, true);
}

/*
 * Whoever touches the mount may have to wait for its server, and not even SIGKILL ends that. So a
 * child does, which holds no descriptor of the session: when the session's own are closed, the
 * kernel lets the child go.
 */
static pid_t unmount_in_child(const struct mountpoint *m, bool answers, bool writeback)
{
	pid_t child = fork();

	if (child)
		return child;
	syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, 0);
	_exit(-unmount(m, answers, writeback));
}

/* Return: 0 or a negative errno; -ETIMEDOUT when it goes on. */
static int await_child(pid_t child)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000 * 1000 };
	int status;

	for (int waited = 0; waited < PATIENCE_MS; waited += STEP_MS) {
		pid_t ended = waitpid(child, &status, WNOHANG);
		if (ended < 0 && errno != EINTR)
			return -errno;
		if (ended == child)
			return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
		nanosleep(&step, NULL);
	}
	return -ETIMEDOUT;
}

void mountpoint_unmount(struct mountpoint *m, bool answers, bool writeback)
{
	if (!is_still_mounted(m))
		return;
	pid_t child = unmount_in_child(m, answers, writeback);
	int err = child < 0 ? -errno : await_child(child);
	/* It will be detached once the session is closed. */
	if (err && err != -ETIMEDOUT)
		complain("cannot unmount %s: %s", m->path, strerror(-err));
	m->mounted = err == -ETIMEDOUT;
}

void mountpoint_clear(struct mountpoint *m)
{
	free(m->path);
	m->path = NULL;
}
