/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The system calls that the oracle tries, each as one function that yields an outcome fit for
 * comparison. The programs that the oracle prints contain this file and calls.c as they are, so
 * both need nothing but libc.
 */
#ifndef FSBACKEND_TESTS_DIFFERENTIAL_CALLS_H
#define FSBACKEND_TESTS_DIFFERENTIAL_CALLS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define OUTCOME_TEXT 240
#define UNWRITTEN "in a file with unwritten extents" /* the text of lseek there */

/* What a call did. A descriptor counts as 0, since its number means nothing. */
struct outcome {
	int64_t result;          /* what the call returned, -1 for a failure */
	int error;               /* the errno of a failure, else 0 */
	uint32_t length;         /* how many bytes came back */
	uint64_t digest;         /* and a digest of them */
	char text[OUTCOME_TEXT]; /* the same for people, cut off where it gets long */
};

/* An inode as stat shows it. */
struct view {
	int error; /* of stat itself; the rest is valid when it is 0 */
	uint32_t mode, uid, gid, nlink;
	uint64_t ino, size, blocks, rdev;
	struct timespec atime, mtime, ctime;
};

/* The descriptor of /proc/self/fd, opened before the root changes; call_begin() opens it. */
extern int proc_fds;
int call_begin(void);

uint64_t digest(uint64_t seed, const void *bytes, size_t size);
void fill(unsigned char *bytes, size_t size, uint64_t offset, uint64_t seed);
size_t xattr_value(unsigned char *value, size_t room, const char *name, size_t size, uint64_t seed);
struct view look(int dir, const char *path, int flags);

/* Descriptors live in slots; opening into a slot closes what it held, and -1 is an empty one. */
struct outcome call_open(int *slot, int dir, const char *path, int flags, mode_t mode);
struct outcome call_reopen(int *slot, int fd, int flags);
struct outcome call_close(int *slot);
struct outcome call_read(int fd, size_t size);
struct outcome call_pread(int fd, size_t size, int64_t offset);
struct outcome call_write(int fd, size_t size, uint64_t seed);
struct outcome call_pwrite(int fd, size_t size, int64_t offset, uint64_t seed);
struct outcome call_mmap_read(int fd, size_t size, int64_t offset);
struct outcome call_truncate(const char *path, int64_t size);
struct outcome call_ftruncate(int fd, int64_t size);
struct outcome call_fallocate(int fd, int mode, int64_t offset, int64_t size);
struct outcome call_lseek(int fd, int64_t offset, int whence);
struct outcome call_copy_range(int from, int64_t from_offset, int to, int64_t to_offset,
			       size_t size);
struct outcome call_fsync(int fd, bool only_data);

struct outcome call_stat(int dir, const char *path, int flags, struct view *view);
struct outcome call_fstat(int fd, struct view *view);
struct outcome call_statx(int dir, const char *path, int flags, unsigned int mask);
struct outcome call_access(int dir, const char *path, int mode, int flags);
struct outcome call_chmod(int dir, const char *path, mode_t mode, int flags);
struct outcome call_fchmod(int fd, mode_t mode);
struct outcome call_chown(int dir, const char *path, int64_t uid, int64_t gid, int flags);
struct outcome call_fchown(int fd, int64_t uid, int64_t gid);
struct outcome call_utimens(int dir, const char *path, struct timespec atime, struct timespec mtime,
			    int flags);
struct outcome call_futimens(int fd, struct timespec atime, struct timespec mtime);

struct outcome call_mkdir(int dir, const char *path, mode_t mode);
struct outcome call_mknod(int dir, const char *path, mode_t mode, uint64_t rdev);
struct outcome call_bind(const char *path);
struct outcome call_connect(const char *path);
struct outcome call_symlink(const char *target, int dir, const char *path);
struct outcome call_link(int dir, const char *path, int to_dir, const char *to_path, int flags);
struct outcome call_link_fd(int fd, int dir, const char *path, bool through_proc);
struct outcome call_unlink(int dir, const char *path, int flags);
struct outcome call_rename(int dir, const char *path, int to_dir, const char *to_path,
			   unsigned int flags);
struct outcome call_readlink(int dir, const char *path);
struct outcome call_list(int dir, const char *path);
struct outcome call_list_fd(int fd);
struct outcome call_chdir(const char *path);
struct outcome call_fchdir(int fd);

struct outcome call_setxattr(const char *path, const char *name, size_t size, uint64_t seed,
			     int flags, bool follow);
struct outcome call_fsetxattr(int fd, const char *name, size_t size, uint64_t seed, int flags);
struct outcome call_getxattr(const char *path, const char *name, size_t size, bool follow);
struct outcome call_fgetxattr(int fd, const char *name, size_t size);
struct outcome call_listxattr(const char *path, size_t size, bool follow);
struct outcome call_flistxattr(int fd, size_t size);
struct outcome call_removexattr(const char *path, const char *name, bool follow);
struct outcome call_fremovexattr(int fd, const char *name);

struct outcome call_flock(int fd, int how);
struct outcome call_lock(int fd, bool by_handle, int type, int64_t start, int64_t size);
struct outcome call_getlock(int fd, bool by_handle, int type, int64_t start, int64_t size);

#endif
