// SPDX-License-Identifier: BSD-3-Clause
/* Becoming a user, a thread at a time: by raw system calls, as libc's wrappers change all threads.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "caller.h"

int caller_parse(const char *text, struct caller *caller)
{
	char rest;

	if (sscanf(text, "%u:%u:%u%c", &caller->uid, &caller->gid, &caller->ngroups, &rest) != 3 ||
	    caller->ngroups > CALLER_MAX_GROUPS)
		return -EINVAL;
	return 0;
}

/* The real ids stay root's, and with them the way back. */
int caller_become(const struct caller *caller)
{
	static _Thread_local gid_t groups[CALLER_MAX_GROUPS];

	for (unsigned int i = 0; i < caller->ngroups; i++)
		groups[i] = caller->gid + i;
	if (syscall(SYS_setresuid, -1, 0, -1) < 0 ||
	    syscall(SYS_setgroups, (size_t)caller->ngroups, groups) < 0 ||
	    syscall(SYS_setresgid, -1, caller->gid, -1) < 0 ||
	    syscall(SYS_setresuid, -1, caller->uid, -1) < 0)
		return -errno;
	return 0;
}
