// SPDX-License-Identifier: BSD-3-Clause
/* Threads: how those of the library start, and donated ones, which may keep what they wear from request to request. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>

#include <fsbackend/thread.h>

#include "thread.h"

static _Thread_local bool donated;

int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *opaque)
{
	sigset_t all, former;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &former);
	int err = pthread_create(thread, NULL, run, opaque);
	pthread_sigmask(SIG_SETMASK, &former, NULL);
	if (!err && name)
		pthread_setname_np(*thread, name);
	return -err;
}

int fsb_thread_donate(void)
{
	if (donated)
		return 0;
	/* Working directory, root and umask belong to the process until unshared; afterwards umask() touches this thread alone. */
	if (unshare(CLONE_FS) < 0)
		return -errno;
	umask(0);
	donated = true;
	return 0;
}

int fsb_thread_is_donated(void)
{
	return donated;
}
