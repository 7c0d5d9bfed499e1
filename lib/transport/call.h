/* SPDX-License-Identifier: BSD-3-Clause */
/* How threads call each other out of their sleep. */
#ifndef FSB_TRANSPORT_CALL_H
#define FSB_TRANSPORT_CALL_H

#include <errno.h>
#include <sys/eventfd.h>

/** Make an eventfd readable. Keeps errno; safe in a signal handler. */
static inline void eventfd_call(int fd)
{
	int saved = errno;

	while (eventfd_write(fd, 1) < 0 && errno == EINTR)
		;
	errno = saved;
}

#endif
