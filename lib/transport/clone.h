/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors of a session on /dev/fuse: one a thread, so that they do not queue up for it. */
#ifndef FSB_TRANSPORT_CLONE_H
#define FSB_TRANSPORT_CLONE_H

struct fsb_log;

/**
 * A descriptor of the session behind @fd for a thread of its own, non-blocking: a further one
 * (FUSE_DEV_IOC_CLONE), or, where that is refused, @fd itself.
 *
 * Return: it, the caller's to close unless it is @fd; or -EMFILE, -ENFILE, or an errno of fcntl(2).
 */
int clone_session(int fd, const struct fsb_log *log);

#endif
