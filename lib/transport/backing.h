/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of the host that are registered with a FUSE session, for the kernel to read and write by
 * itself. */
#ifndef FSB_TRANSPORT_BACKING_H
#define FSB_TRANSPORT_BACKING_H

#include <fsbackend/filesystem.h>

/** @fd: the session's, borrowed. */
struct device_backing {
	struct fsb_backing base;
	int fd;
};

void device_backing_init(struct device_backing *backing, int fd);

#endif
