// SPDX-License-Identifier: BSD-3-Clause
/* Further descriptors of a session on /dev/fuse. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fsbackend/fuse_wire.h>

#include "../log.h"
#include "clone.h"

static int clone_fd(int fd)
{
	int clone = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	uint32_t session = (uint32_t)fd;

	if (clone < 0)
		return -errno;
	if (ioctl(clone, FUSE_DEV_IOC_CLONE, &session) < 0) {
		int err = -errno;
		close(clone);
		return err;
	}
	return clone;
}

int clone_session(int fd, const struct fsb_log *log)
{
	int clone = clone_fd(fd);

	if (clone >= 0 || clone == -EMFILE || clone == -ENFILE)
		return clone;
	log_write(log, FSB_LOG_INFO, "threads share a descriptor: %s", strerror(-clone));
	/* A status flag of the open file, so the caller's descriptor has it as well. */
	return fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : fd;
}
