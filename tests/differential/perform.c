/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Performing operations; see perform.h.
 */
#include "perform.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity.h"

static int slot_of(const struct actor *actor, int64_t slot)
{
	return slot < 0 ? -1 : actor->slots[slot];
}

static int dir_of(const struct actor *actor, int64_t dir)
{
	return dir < 0 ? AT_FDCWD : actor->slots[dir];
}

static struct timespec atime_of(const struct operation *op)
{
	return (struct timespec){ .tv_sec = op->atime, .tv_nsec = op->atime_ns };
}

static struct timespec mtime_of(const struct operation *op)
{
	return (struct timespec){ .tv_sec = op->mtime, .tv_nsec = op->mtime_ns };
}

bool hand_over(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec byte = { .iov_base = control, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &byte, .msg_iovlen = 1 };
	struct cmsghdr *header;

	if (fd >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	}
	return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

/* The descriptor that hand_over() sent, or -1 with EBADF. */
static int take_over(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec vector = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &vector,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header;
	int fd = -1;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) < 0)
		return -1;
	header = CMSG_FIRSTHDR(&message);
	if (header)
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	errno = EBADF;
	return fd;
}

static struct outcome receive(struct actor *actor, int *slot)
{
	int fd = take_over(actor->socket);

	if (fd < 0)
		return (struct outcome){ .result = -1, .error = errno };
	if (*slot >= 0)
		close(*slot);
	*slot = fd;
	return (struct outcome){ 0 };
}

static struct outcome change_groups(const struct actor *actor, int set)
{
	int err = identity_change_groups(&identities[actor->user], set);

	return (struct outcome){ .result = err ? -1 : 0, .error = -err };
}

static struct outcome call(struct actor *actor, const struct operation *op, struct view *seen)
{
	const int flags = (int)op->flags;
	const mode_t mode = (mode_t)op->mode;
	const size_t length = (size_t)op->length;
	const uint64_t seed = (uint64_t)op->seed;
	const int fd = slot_of(actor, op->slot), fd2 = slot_of(actor, op->slot2);
	const int dir = dir_of(actor, op->dir), dir2 = dir_of(actor, op->dir2);
	int none = -1;
	int *slot = op->slot < 0 ? &none : &actor->slots[op->slot];
	int *slot2 = op->slot2 < 0 ? &none : &actor->slots[op->slot2];

	switch ((enum kind)op->kind) {
	case OP_OPEN:
		return call_open(slot, dir, op->path, flags, mode);
	case OP_REOPEN:
		return call_reopen(slot2, fd, flags);
	case OP_CLOSE:
		return call_close(slot);
	case OP_PASS:
		return receive(actor, slot);
	case OP_READ:
		return call_read(fd, length);
	case OP_PREAD:
		return call_pread(fd, length, op->offset);
	case OP_WRITE:
		return call_write(fd, length, seed);
	case OP_PWRITE:
		return call_pwrite(fd, length, op->offset, seed);
	case OP_MMAP_READ:
		return call_mmap_read(fd, length, op->offset);
	case OP_TRUNCATE:
		return call_truncate(op->path, op->offset);
	case OP_FTRUNCATE:
		return call_ftruncate(fd, op->offset);
	case OP_FALLOCATE:
		return call_fallocate(fd, flags, op->offset, op->length);
	case OP_LSEEK:
		return call_lseek(fd, op->offset, flags);
	case OP_COPY_RANGE:
		return call_copy_range(fd, op->offset, fd2, op->offset2, length);
	case OP_FSYNC:
		return call_fsync(fd, flags != 0);
	case OP_STAT:
		return call_stat(dir, op->path, flags, seen);
	case OP_FSTAT:
		return call_fstat(fd, seen);
	case OP_STATX:
		return call_statx(dir, op->path, flags, (unsigned int)op->mode);
	case OP_ACCESS:
		return call_access(dir, op->path, (int)op->mode, flags);
	case OP_CHMOD:
		return call_chmod(dir, op->path, mode, flags);
	case OP_FCHMOD:
		return call_fchmod(fd, mode);
	case OP_CHOWN:
		return call_chown(dir, op->path, op->uid, op->gid, flags);
	case OP_FCHOWN:
		return call_fchown(fd, op->uid, op->gid);
	case OP_UTIMENS:
		return call_utimens(dir, op->path, atime_of(op), mtime_of(op), flags);
	case OP_FUTIMENS:
		return call_futimens(fd, atime_of(op), mtime_of(op));
	case OP_MKDIR:
		return call_mkdir(dir, op->path, mode);
	case OP_MKNOD:
		return call_mknod(dir, op->path, mode, (uint64_t)op->offset);
	case OP_BIND:
		return call_bind(op->path);
	case OP_CONNECT:
		return call_connect(op->path);
	case OP_SYMLINK:
		return call_symlink(op->path2, dir, op->path);
	case OP_LINK:
		return call_link(dir, op->path, dir2, op->path2, flags);
	case OP_LINK_FD:
		return call_link_fd(fd, dir, op->path, flags != 0);
	case OP_UNLINK:
		return call_unlink(dir, op->path, 0);
	case OP_RMDIR:
		return call_unlink(dir, op->path, AT_REMOVEDIR);
	case OP_RENAME:
		return call_rename(dir, op->path, dir2, op->path2, (unsigned int)op->flags);
	case OP_READLINK:
		return call_readlink(dir, op->path);
	case OP_LIST:
		return call_list(dir, op->path);
	case OP_LIST_FD:
		return call_list_fd(fd);
	case OP_CHDIR:
		return call_chdir(op->path);
	case OP_FCHDIR:
		return call_fchdir(fd);
	case OP_SETXATTR:
		return call_setxattr(op->path, op->path2, length, seed, flags, op->mode != 0);
	case OP_FSETXATTR:
		return call_fsetxattr(fd, op->path2, length, seed, flags);
	case OP_GETXATTR:
		return call_getxattr(op->path, op->path2, length, op->mode != 0);
	case OP_FGETXATTR:
		return call_fgetxattr(fd, op->path2, length);
	case OP_LISTXATTR:
		return call_listxattr(op->path, length, op->mode != 0);
	case OP_FLISTXATTR:
		return call_flistxattr(fd, length);
	case OP_REMOVEXATTR:
		return call_removexattr(op->path, op->path2, op->mode != 0);
	case OP_FREMOVEXATTR:
		return call_fremovexattr(fd, op->path2);
	case OP_FLOCK:
		return call_flock(fd, flags);
	case OP_LOCK:
		return call_lock(fd, flags != 0, (int)op->mode, op->offset, op->length);
	case OP_GETLOCK:
		return call_getlock(fd, flags != 0, (int)op->mode, op->offset, op->length);
	case OP_UMASK:
		umask(mode);
		return (struct outcome){ 0 };
	case OP_GROUPS:
		return change_groups(actor, flags);
	case OP_KINDS:
		break;
	}
	return (struct outcome){ .result = -1, .error = ENOSYS };
}

void parent_path(char *parent, const char *path)
{
	size_t size = strlen(path);

	while (size > 1 && path[size - 1] == '/')
		size--;
	while (size > 0 && path[size - 1] != '/')
		size--;
	while (size > 1 && path[size - 1] == '/')
		size--;
	if (size == 0) {
		strcpy(parent, ".");
		return;
	}
	memcpy(parent, path, size);
	parent[size] = '\0';
}

/* The last name of @path when it is a plain one, else NULL. */
static const char *plain_name(const char *path)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

	return name[0] && strcmp(name, ".") && strcmp(name, "..") ? name : NULL;
}

/* One walk, to the parent, does for both where that is the same thing: walks are what takes time on
 * the mount. */
static void look_at_path(struct view *views, int dir, const char *path)
{
	const char *name = plain_name(path);
	char parent[PATH_SIZE];
	int fd = -1;

	parent_path(parent, path);
	if (name)
		fd = openat(dir, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		views[THE_TARGET] = look(dir, path, AT_SYMLINK_NOFOLLOW);
		views[THE_PARENT] = look(dir, parent, AT_SYMLINK_NOFOLLOW);
		return;
	}
	views[THE_TARGET] = look(fd, name, AT_SYMLINK_NOFOLLOW);
	views[THE_PARENT] = look(fd, "", AT_EMPTY_PATH);
	close(fd);
}

static void look_around(const struct actor *actor, const struct operation *op, struct view *views)
{
	const unsigned int operands = operation_kinds[op->kind].operands;

	if (operands & ON_PATH)
		look_at_path(&views[THE_TARGET], dir_of(actor, op->dir), op->path);
	if (operands & ON_PATH2)
		look_at_path(&views[THE_SECOND], dir_of(actor, op->dir2), op->path2);
	if (operands & ON_SLOT)
		views[operands & ON_PATH ? THE_SECOND : THE_TARGET] =
			look(slot_of(actor, op->slot), "", AT_EMPTY_PATH);
	if (operands & ON_SLOT2)
		views[THE_SECOND] = look(slot_of(actor, op->slot2), "", AT_EMPTY_PATH);
}

void perform(struct actor *actor, const struct operation *op, struct result *result)
{
	memset(result, 0, sizeof(*result));
	result->seen.error = NOT_LOOKED_AT;
	for (int i = 0; i < LOOKED_AT; i++)
		result->before[i].error = result->after[i].error = NOT_LOOKED_AT;
	if (op->observe & OBSERVE_BEFORE)
		look_around(actor, op, result->before);
	clock_gettime(CLOCK_REALTIME_COARSE, &result->started);
	result->outcome = call(actor, op, &result->seen);
	if (op->kind == OP_LSEEK)
		result->seen = look(slot_of(actor, op->slot), "", AT_EMPTY_PATH);
	if (op->observe & OBSERVE_AFTER)
		look_around(actor, op, result->after);
}
