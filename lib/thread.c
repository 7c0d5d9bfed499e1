// SPDX-License-Identifier: BSD-3-Clause
/* Donated threads: those that may keep what they wear from request to request. */
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/stat.h>

#include <fsbackend/thread.h>

static _Thread_local bool donated;

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
