// SPDX-License-Identifier: BSD-3-Clause
/* Mounting and unmounting. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "messages.h"
#include "mountpoint.h"

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
	/* Once in the background the working directory is another, so the path must not depend on it. */
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

void mountpoint_unmount(struct mountpoint *m, bool answers, bool writeback)
{
	if (!is_still_mounted(m))
		return;
	int err = answers ? fsb_unmount(m->path, false) : -EBUSY;
	if (err == -EBUSY) {
		if (answers && writeback)
			sync_mount(m);
		err = fsb_unmount(m->path, true);
	}
	if (err)
		complain("cannot unmount %s: %s", m->path, strerror(-err));
	m->mounted = false;
}

void mountpoint_clear(struct mountpoint *m)
{
	free(m->path);
	m->path = NULL;
}
