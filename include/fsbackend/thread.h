/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads and what they wear. A file system may have to change the credentials and the umask of the thread that calls
 * it. A thread of the host gets its own back before each call returns. A thread that does nothing but serve can be
 * donated: it then keeps what it wears from request to request, which saves most of the switching.
 */
#ifndef FSBACKEND_THREAD_H
#define FSBACKEND_THREAD_H

#include <fsbackend/base.h>

FSB_BEGIN_DECLS

/**
 * Donate the calling thread to the library, for the rest of its life.
 *
 * The thread gets a working directory and a umask of its own (unshare(CLONE_FS), umask 0), and file systems may leave
 * it with the credentials of whomever they served last: file system user and group, supplementary groups,
 * capabilities. Do nothing with it afterwards that depends on those. The transports of this library do this for their
 * own threads. Calling it again changes nothing. Never call it from the main thread of a program that goes on.
 *
 * Return: 0; a negative errno of unshare(2) (-EPERM under some seccomp filters, -ENOMEM), and then the thread is as
 * it was: it may still serve, as a host's thread does.
 */
FSB_API int fsb_thread_donate(void);

/** Whether the calling thread was donated. */
FSB_API int fsb_thread_is_donated(void);

FSB_END_DECLS

#endif
