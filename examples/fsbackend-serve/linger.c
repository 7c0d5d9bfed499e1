// SPDX-License-Identifier: BSD-3-Clause
/*
 * The private socket: in a directory that nobody else may enter, with the session's name, which is
 * not its secret. One message hands over: the hello's bytes, and the descriptors. The socket that
 * it came by is closed with the connection.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../common/messages.h"
#include "linger.h"

enum { HANDED = 2, ACCEPT_MS = 5000 };

/* ---- Where ---- */

static void fill_directory(char *path, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		snprintf(path, size, "/run/fsbackend");
	else if (runtime && *runtime == '/')
		snprintf(path, size, "%s/fsbackend", runtime);
	else
		snprintf(path, size, "/tmp/fsbackend-%u", (unsigned int)geteuid());
}

/* A directory of ours that nobody else may enter. Return: 0 or a negative errno. */
static int check_directory(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
		return -EPERM;
	return 0;
}

static int fill_address(struct sockaddr_un *address, uint64_t session, bool make)
{
	char directory[80];

	fill_directory(directory, sizeof(directory));
	if (make && mkdir(directory, 0700) < 0 && errno != EEXIST)
		return -errno;
	int err = check_directory(directory);
	if (err)
		return err;
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address->sun_path, sizeof(address->sun_path), "%s/%016" PRIx64, directory,
		 session);
	return 0;
}

/* ---- Taking over ---- */

/* Return: how many descriptors came, which are in @fds; or a negative errno. */
static int take_descriptors(struct msghdr *message, int *fds)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(message);
	int count = 0;

	if (!control || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	count = (int)((control->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(fds, CMSG_DATA(control), (size_t)count * sizeof(int));
	return count;
}

static int receive(int fd, struct fsb_stream_hello *hello, int *fds)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(HANDED * sizeof(int))];
	} control;
	struct iovec iov = { hello->bytes, sizeof(hello->bytes) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	struct pollfd readable = { .fd = fd, .events = POLLIN };

	if (poll(&readable, 1, ACCEPT_MS) <= 0)
		return -ETIMEDOUT;
	ssize_t length = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	if (length < 0)
		return -errno;
	int count = take_descriptors(&message, fds);
	if (count == HANDED && length == (ssize_t)sizeof(hello->bytes))
		return 0;
	for (int i = 0; i < count; i++)
		close(fds[i]);
	return -EPROTO;
}

static bool is_ours(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
	       peer.uid == geteuid();
}

static void take_over(struct lingerer *linger, int fd)
{
	struct fsb_stream_hello hello = { .companion = fd };
	int fds[HANDED];

	if (!is_ours(fd) || receive(fd, &hello, fds)) {
		close(fd);
		return;
	}
	fsb_stream_serve_add_greeted(linger->serve, fds[0], fds[1], &hello);
}

static void *run(void *opaque)
{
	struct lingerer *linger = opaque;

	for (;;) {
		int fd = accept4(linger->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			take_over(linger, fd);
		else if (errno != EINTR && errno != ECONNABORTED)
			return NULL; /* it was shut down */
	}
}

/* Whoever listened there was killed. */
static void remove_if_stale(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 && errno == ECONNREFUSED)
		unlink(path);
	close(fd);
}

static void remove_stale(void)
{
	char directory[80], path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const struct dirent *entry;

	fill_directory(directory, sizeof(directory));
	DIR *dir = opendir(directory);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (*entry->d_name != '.' && snprintf(path, sizeof(path), "%s/%s", directory,
						      entry->d_name) < (int)sizeof(path))
			remove_if_stale(path);
	closedir(dir);
}

/* It gets its name once it listens: see remove_stale(). */
static int open_socket(struct lingerer *linger, const struct sockaddr_un *address)
{
	struct sockaddr_un hidden = { .sun_family = AF_UNIX };
	const char *name = strrchr(address->sun_path, '/') + 1;

	if (snprintf(hidden.sun_path, sizeof(hidden.sun_path), "%.*s.%s",
		     (int)(name - address->sun_path), address->sun_path,
		     name) >= (int)sizeof(hidden.sun_path))
		return -ENAMETOOLONG;
	linger->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (linger->fd < 0)
		return -errno;
	if (bind(linger->fd, (struct sockaddr *)&hidden, sizeof(hidden)) < 0)
		return -errno;
	strcpy(linger->path, hidden.sun_path);
	if (listen(linger->fd, 1) < 0 || rename(hidden.sun_path, address->sun_path) < 0)
		return -errno;
	strcpy(linger->path, address->sun_path);
	return -pthread_create(&linger->thread, NULL, run, linger);
}

static void forget(struct lingerer *linger)
{
	if (linger->fd >= 0)
		close(linger->fd);
	linger->fd = -1;
	if (*linger->path)
		unlink(linger->path);
	*linger->path = '\0';
}

void linger_start(struct lingerer *linger, struct fsb_stream_serve *serve, uint64_t session)
{
	struct sockaddr_un address;

	*linger = (struct lingerer){ .serve = serve, .fd = -1 };
	int err = fill_address(&address, session, true);
	if (!err)
		remove_stale();
	if (!err)
		err = open_socket(linger, &address);
	if (!err)
		return;
	complain("a client cannot come back: no private socket: %s", strerror(-err));
	forget(linger);
}

void linger_stop(struct lingerer *linger)
{
	if (linger->fd < 0)
		return;
	shutdown(linger->fd, SHUT_RDWR);
	pthread_join(linger->thread, NULL);
	forget(linger);
}

/* ---- Handing over ---- */

static int send_connection(int fd, int in, int out, const struct fsb_stream_hello *hello)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(HANDED * sizeof(int))];
	} control = { .bytes = "" };
	struct iovec iov = { (void *)hello->bytes, sizeof(hello->bytes) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int fds[HANDED] = { in, out };

	control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
					   .cmsg_type = SCM_RIGHTS,
					   .cmsg_len = CMSG_LEN(sizeof(fds)) };
	memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
	return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void await_end(int fd)
{
	char byte;

	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		;
}

int linger_hand_over(int in, int out, const struct fsb_stream_hello *hello)
{
	struct sockaddr_un address;

	if (fill_address(&address, hello->session, false))
		return -ENOENT;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int err = 0;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		err = -ENOENT;
	else
		err = send_connection(fd, in, out, hello);
	if (!err) {
		close(in);
		close(out);
		await_end(fd);
	}
	close(fd);
	return err;
}
