/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What static analysis does not know by itself: a system call that failed has set errno. Without this, every `return
 * -errno` is also followed as if it returned 0. (A value that is merely known to be positive is not enough: clang 14 does
 * not see through the minus sign.) Included ahead of each source by CI's analysis, and by nothing else.
 */
#include <errno.h>

#undef errno
#define errno                                   \
	(*({                                    \
		int *error = __errno_location(); \
		*error = EIO;                   \
		error;                          \
	}))
