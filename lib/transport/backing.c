// SPDX-License-Identifier: BSD-3-Clause
/* Registering backing files: two commands of the FUSE device. The ids are the connection's, and go
 * with it at the latest. */
#include <errno.h>
#include <sys/ioctl.h>

#include <fsbackend/fuse_wire.h>

#include "backing.h"

static int backing_open(struct fsb_backing *base, int fd)
{
	const struct device_backing *backing = (const struct device_backing *)base;
	struct fuse_backing_map map = { .fd = fd };
	int id = ioctl(backing->fd, FUSE_DEV_IOC_BACKING_OPEN, &map);

	return id < 0 ? -errno : id;
}

static int backing_close(struct fsb_backing *base, int id)
{
	const struct device_backing *backing = (const struct device_backing *)base;
	uint32_t number = (uint32_t)id;

	return ioctl(backing->fd, FUSE_DEV_IOC_BACKING_CLOSE, &number) < 0 ? -errno : 0;
}

void device_backing_init(struct device_backing *backing, int fd)
{
	*backing = (struct device_backing){ .base = { backing_open, backing_close }, .fd = fd };
}
