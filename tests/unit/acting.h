/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A user who does things in a tree, in one of two ways: natively, in a process that truly is that
 * user, or served, by the vtable of a passthrough with that user's context. Each act_*() does the
 * same either way, as a program would by one system call, and returns 0 or a negative errno: so
 * that a script can be played in both ways, and the results compared.
 *
 * No check of Criterion is inside, as native acts run in a forked process.
 */
#ifndef FSBACKEND_TESTS_UNIT_ACTING_H
#define FSBACKEND_TESTS_UNIT_ACTING_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <fsbackend/filesystem.h>

struct user {
	const char *name;
	uid_t uid;
	gid_t gid;
	size_t ngroups;
	const gid_t *groups;
};

/**
 * @root:  open on the tree (native)
 * @fs:    serves the tree, or NULL: native
 * @ctx:   whom it serves
 * @umask: the user's, served beside the mode as with FUSE_DONT_MASK. A native process has it by
 * umask(2)
 * @privileged: the user has CAP_FSETID, as the client's kernel knows it: no set-id bits are to be
 * cleared
 */
struct actor {
	int root;
	struct fsb_filesystem *fs;
	struct fsb_context ctx;
	mode_t umask;
	bool privileged;
};

/** Become that user for good: groups, ids, and with them capabilities. For forked processes.
 * Return: 0 or a negative errno. */
int become_user(const struct user *user);
/** A served actor. Return: 0 or -ENOMEM. */
int actor_serve(struct actor *a, struct fsb_filesystem *fs, const struct user *user);
void actor_clear(struct actor *a);

/* Times for act_utimes(), as utimensat(2) takes them. */
extern const struct timespec times_now[2], times_old[2], times_now_and_omitted[2];

/* Paths are relative to the tree, without symlinks on the way. */
int act_stat(struct actor *a, const char *path);
int act_access(struct actor *a, const char *path, int mask);
/** Open and close. */
int act_open(struct actor *a, const char *path, int flags);
/** As execve(2) opens a file. */
int act_exec(struct actor *a, const char *path);
/** Open and list; the number of names is not a result. */
int act_list(struct actor *a, const char *path);
int act_create(struct actor *a, const char *path, int flags, mode_t mode);
int act_tmpfile(struct actor *a, const char *path, mode_t mode);
/** Open for writing, write one byte at the start, close. */
int act_write(struct actor *a, const char *path);
int act_truncate(struct actor *a, const char *path, off_t size);
/** Open for writing, then truncate what is open. */
int act_ftruncate(struct actor *a, const char *path, off_t size);
int act_mkdir(struct actor *a, const char *path, mode_t mode);
int act_mknod(struct actor *a, const char *path, mode_t mode, dev_t dev);
int act_symlink(struct actor *a, const char *target, const char *path);
int act_readlink(struct actor *a, const char *path);
int act_link(struct actor *a, const char *path, const char *to);
int act_unlink(struct actor *a, const char *path);
int act_rmdir(struct actor *a, const char *path);
int act_rename(struct actor *a, const char *path, const char *to, unsigned int flags);
int act_chmod(struct actor *a, const char *path, mode_t mode);
/** Symlinks are not followed. */
int act_chown(struct actor *a, const char *path, uid_t uid, gid_t gid);
int act_utimes(struct actor *a, const char *path, const struct timespec times[2]);
int act_setxattr(struct actor *a, const char *path, const char *name, const void *value,
		 size_t size);
/** Whether it can be read, not what it is. */
int act_getxattr(struct actor *a, const char *path, const char *name);
int act_removexattr(struct actor *a, const char *path, const char *name);

#endif
