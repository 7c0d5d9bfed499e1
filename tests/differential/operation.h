/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One operation of a sequence: what is done, by whom, on what. It is complete in itself and names
 * no descriptor or inode by number, so any subsequence of a sequence can be run as well. A sequence
 * can be written and read as text.
 */
#ifndef FSBACKEND_TESTS_DIFFERENTIAL_OPERATION_H
#define FSBACKEND_TESTS_DIFFERENTIAL_OPERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SLOTS 8       /* open files of a user */
#define PATH_SIZE 640 /* longer than NAME_MAX twice */

enum kind {
	OP_OPEN,
	OP_REOPEN,
	OP_CLOSE,
	OP_PASS,
	OP_READ,
	OP_PREAD,
	OP_WRITE,
	OP_PWRITE,
	OP_MMAP_READ,
	OP_TRUNCATE,
	OP_FTRUNCATE,
	OP_FALLOCATE,
	OP_LSEEK,
	OP_COPY_RANGE,
	OP_FSYNC,
	OP_STAT,
	OP_FSTAT,
	OP_STATX,
	OP_ACCESS,
	OP_CHMOD,
	OP_FCHMOD,
	OP_CHOWN,
	OP_FCHOWN,
	OP_UTIMENS,
	OP_FUTIMENS,
	OP_MKDIR,
	OP_MKNOD,
	OP_BIND,
	OP_CONNECT,
	OP_SYMLINK,
	OP_LINK,
	OP_LINK_FD,
	OP_UNLINK,
	OP_RMDIR,
	OP_RENAME,
	OP_READLINK,
	OP_LIST,
	OP_LIST_FD,
	OP_CHDIR,
	OP_FCHDIR,
	OP_SETXATTR,
	OP_FSETXATTR,
	OP_GETXATTR,
	OP_FGETXATTR,
	OP_LISTXATTR,
	OP_FLISTXATTR,
	OP_REMOVEXATTR,
	OP_FREMOVEXATTR,
	OP_FLOCK,
	OP_LOCK,
	OP_GETLOCK,
	OP_UMASK,
	OP_GROUPS,
	OP_KINDS
};

/* When the inodes that an operation names are looked at. */
enum observe { OBSERVE_BEFORE = 1, OBSERVE_AFTER = 2 };

/*
 * Which members mean anything depends on the kind; its row in the table of operation.c says it. The
 * others have their defaults: slots and directories -1, all else 0.
 *
 * @user, @giver:  who acts; who hands a descriptor over (OP_PASS)
 * @slot, @slot2:  the descriptors acted on, slots of the acting user
 * @dir, @dir2:    the slots whose directories @path and @path2 begin at, or -1 for the working
 * directory
 * @path, @path2:  where; @path2 is also the text of a symlink and the name of an extended attribute
 */
struct operation {
	int64_t kind;
	int64_t user, giver;
	int64_t observe;
	int64_t slot, slot2;
	int64_t dir, dir2;
	int64_t flags, mode;
	int64_t uid, gid;
	int64_t offset, offset2, length;
	int64_t atime, atime_ns, mtime, mtime_ns;
	int64_t seed;
	char path[PATH_SIZE], path2[PATH_SIZE];
};

/* What an operation acts on: decides what is looked at before and after it, and what a generator
 * must provide. */
enum operand {
	ON_NOTHING = 0,
	ON_PATH = 1,   /* path, from dir where the call takes one */
	ON_PATH2 = 2,  /* path2 is a second path, from dir2 */
	ON_SLOT = 4,   /* slot is an open file */
	ON_SLOT2 = 8,  /* slot2 is one, too */
	TAKES_DIR = 16 /* the call takes directory descriptors */
};

/*
 * A row of the table of kinds.
 *
 * @call: how the printed program says it; $x stands for a member, see print.c
 */
struct operation_kind {
	const char *name;
	unsigned int operands;
	const char *call;
};

extern const struct operation_kind operation_kinds[OP_KINDS];

void operation_init(struct operation *op, enum kind kind, int user);

/* As one line of text, and back; reading yields false when the line makes no sense. */
void operation_write(FILE *file, const struct operation *op);
bool operation_read(const char *line, struct operation *op);

/* Writes @bytes as a C string literal, quotes and all. */
void write_quoted(FILE *file, const char *bytes);

/* A growing array of operations. */
struct sequence {
	struct operation *ops;
	size_t count, room;
};

void sequence_add(struct sequence *sequence, const struct operation *op);
void sequence_clear(struct sequence *sequence);
bool sequence_save(const struct sequence *sequence, const char *path);
bool sequence_load(struct sequence *sequence, const char *path);

#endif
