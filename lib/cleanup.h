/* SPDX-License-Identifier: BSD-3-Clause */
/* Resources that are released by scope. */
#ifndef FSB_LIB_CLEANUP_H
#define FSB_LIB_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/** Close a descriptor, if there is one, and forget its number. */
static inline void fd_close(int *fd)
{
	cleanup_fd(fd);
	*fd = -1;
}

static inline void cleanup_memory(void *pointer)
{
	free(*(void **)pointer);
}

#define _cleanup_fd_ __attribute__((cleanup(cleanup_fd)))
#define _cleanup_free_ __attribute__((cleanup(cleanup_memory)))

/** Take a descriptor out of the care of its scope. */
static inline int fd_steal(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

#endif
