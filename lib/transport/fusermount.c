// SPDX-License-Identifier: BSD-3-Clause
/*
 * Running fusermount3: over a socket pair it sends back the /dev/fuse descriptor that it mounted.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../cleanup.h"
#include "fusermount.h"

extern char **environ;

/* The helper's end of the socket pair, by the number that it has there, and how it is told so. */
enum { HELPER_FD = 3 };
#define HELPER_VARIABLE "_FUSE_COMMFD="
static const char helper_setting[] = HELPER_VARIABLE "3";

/* The environment with the helper's variable in it. Only the array is new. */
static const char **helper_environment(void)
{
	size_t count = 0, used = 0;

	while (environ[count])
		count++;
	const char **copy = calloc(count + 2, sizeof(*copy));
	if (!copy)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (strncmp(environ[i], HELPER_VARIABLE, strlen(HELPER_VARIABLE)))
			copy[used++] = environ[i];
	copy[used] = helper_setting;
	return copy;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, defaults;
	int err;

	/* What the calling thread blocks and the process ignores would be inherited. */
	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGCHLD);
	sigaddset(&defaults, SIGPIPE);
	err = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (!err)
		err = posix_spawnattr_setsigmask(attributes, &none);
	if (!err)
		err = posix_spawnattr_setsigdefault(attributes, &defaults);
	return err;
}

static int set_actions(posix_spawn_file_actions_t *actions, int socket, int error_pipe)
{
	int err = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDWR, 0);

	if (!err)
		err = posix_spawn_file_actions_adddup2(actions, 0, 1);
	if (!err)
		err = posix_spawn_file_actions_adddup2(actions, error_pipe, 2);
	if (!err)
		err = posix_spawn_file_actions_adddup2(actions, socket, HELPER_FD);
	return err;
}

static int spawn(const char *const args[], int socket, int error_pipe, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	_cleanup_free_ const char **environment = helper_environment();

	if (!environment)
		return -ENOMEM;
	int err = posix_spawnattr_init(&attributes);
	if (err)
		return -err;
	err = posix_spawn_file_actions_init(&actions);
	if (err) {
		posix_spawnattr_destroy(&attributes);
		return -err;
	}
	err = set_attributes(&attributes);
	if (!err)
		err = set_actions(&actions, socket, error_pipe);
	if (!err)
		err = posix_spawnp(pid, args[0], &actions, &attributes, (char *const *)args,
				   (char *const *)environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return -err;
}

/*
 * The descriptor that comes over @socket. Return: it; -EPERM when the other end closed without
 * sending one.
 */
static int receive_fd(int socket)
{
	char byte;
	struct iovec iov = { &byte, 1 };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	ssize_t length;
	int fd;

	do
		length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (length < 0 && errno == EINTR);
	if (length < 0)
		return -errno;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EPERM;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

/* Read to the end of @fd, and keep the first line. */
static void read_line(int fd, char *line, size_t size)
{
	char rest[256];
	size_t used = 0;
	ssize_t length;

	do {
		bool full = used + 1 >= size;
		length = full ? read(fd, rest, sizeof(rest))
			      : read(fd, line + used, size - 1 - used);
		if (length > 0 && !full)
			used += (size_t)length;
	} while (length > 0 || (length < 0 && errno == EINTR));
	line[used] = '\0';
	line[strcspn(line, "\n")] = '\0';
}

/* Whether the helper says that it succeeded; unknown (somebody else reaped it) counts as yes. */
static bool succeeded(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return true;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/*
 * The same open file by a number that the helper has no other use for. Return: it, or a negative
 * errno.
 */
static int move_away(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, HELPER_FD + 1);
	int err = moved < 0 ? -errno : moved;

	close(fd);
	return err;
}

int fusermount(const char *const args[], int *received, char *said, size_t size)
{
	int pair[2], error_pipe[2];
	pid_t pid = -1;

	said[0] = '\0';
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	_cleanup_fd_ int ours = pair[0];
	_cleanup_fd_ int theirs = move_away(pair[1]);
	if (theirs < 0)
		return theirs;
	if (pipe2(error_pipe, O_CLOEXEC) < 0)
		return -errno;
	_cleanup_fd_ int read_end = error_pipe[0];
	_cleanup_fd_ int write_end = move_away(error_pipe[1]);
	if (write_end < 0)
		return write_end;

	int err = spawn(args, theirs, write_end, &pid);
	if (err)
		return err;
	/* With our copies closed, both channels end when the helper does. */
	close(fd_steal(&theirs));
	close(fd_steal(&write_end));

	_cleanup_fd_ int fd = received ? receive_fd(ours) : -1;
	read_line(read_end, said, size);
	if (!succeeded(pid) || (received && fd < 0))
		return -EPERM;
	if (received)
		*received = fd_steal(&fd);
	return 0;
}
