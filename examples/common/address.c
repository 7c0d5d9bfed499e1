// SPDX-License-Identifier: BSD-3-Clause
/* Connecting and listening. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "address.h"
#include "values.h"

enum { BACKLOG = 64 };

static int parse_vsock(const char *text, struct address *address)
{
	const char *colon = strchr(text, ':');
	unsigned long number;

	address->kind = ADDRESS_VSOCK;
	address->cid = VMADDR_CID_ANY;
	if (colon) {
		char cid[16] = "";
		if ((size_t)(colon - text) >= sizeof(cid))
			return -EINVAL;
		memcpy(cid, text, (size_t)(colon - text));
		if (parse_number(cid, UINT32_MAX - 1, &number))
			return -EINVAL;
		address->cid = (uint32_t)number;
		text = colon + 1;
	}
	if (parse_number(text, UINT32_MAX - 1, &number))
		return -EINVAL;
	address->port = (uint32_t)number;
	return 0;
}

int address_parse(const char *text, struct address *address)
{
	unsigned long number;

	*address = (struct address){ .fd = -1 };
	if (!strncmp(text, "vsock:", 6))
		return parse_vsock(text + 6, address);
	if (!strncmp(text, "fd:", 3)) {
		address->kind = ADDRESS_FD;
		if (parse_number(text + 3, INT32_MAX, &number))
			return -EINVAL;
		address->fd = (int)number;
		return 0;
	}
	if (strncmp(text, "unix:", 5) || !text[5])
		return -EINVAL;
	address->kind = ADDRESS_UNIX;
	address->path = text + 5;
	return 0;
}

union socket_address {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_vm vm;
};

/* Return: its length, or a negative errno. */
static int fill(const struct address *address, union socket_address *socket_address)
{
	memset(socket_address, 0, sizeof(*socket_address));
	if (address->kind == ADDRESS_VSOCK) {
		socket_address->vm.svm_family = AF_VSOCK;
		socket_address->vm.svm_cid = address->cid;
		socket_address->vm.svm_port = address->port;
		return sizeof(socket_address->vm);
	}
	if (strlen(address->path) >= sizeof(socket_address->un.sun_path))
		return -ENAMETOOLONG;
	socket_address->un.sun_family = AF_UNIX;
	strcpy(socket_address->un.sun_path, address->path);
	return sizeof(socket_address->un);
}

static int make_socket(const struct address *address)
{
	int family = address->kind == ADDRESS_VSOCK ? AF_VSOCK : AF_UNIX;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

int address_connect(const struct address *address)
{
	union socket_address to;

	if (address->kind == ADDRESS_FD)
		return address->fd;
	int length = fill(address, &to);
	if (length < 0)
		return length;
	int fd = make_socket(address);
	if (fd < 0)
		return fd;
	if (connect(fd, &to.any, (socklen_t)length) < 0) {
		int err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int bind_to(int fd, const struct address *address)
{
	union socket_address at;
	int length = fill(address, &at);

	if (length < 0)
		return length;
	if (bind(fd, &at.any, (socklen_t)length) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return 0;
}

static int dress(const char *path, const struct socket_owner *owner)
{
	if (lchown(path, owner->uid, owner->gid) < 0 || chmod(path, owner->mode) < 0)
		return -errno;
	return 0;
}

/* What has the name now may be replaced if it is a socket that nobody listens at. */
static int check_name(const struct address *address)
{
	struct stat st;

	if (lstat(address->path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EADDRINUSE;
	int fd = address_connect(address);
	if (fd >= 0)
		close(fd);
	return fd == -ECONNREFUSED ? 0 : -EADDRINUSE;
}

static int listen_unix(int fd, const struct address *address, const struct socket_owner *owner)
{
	char name[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct address hidden = { .kind = ADDRESS_UNIX, .path = name };
	int err = check_name(address);

	if (err)
		return err;
	if (snprintf(name, sizeof(name), "%s.%d", address->path, (int)getpid()) >=
	    (int)sizeof(name))
		return -ENAMETOOLONG;
	unlink(name);
	mode_t mask = umask(0177);
	err = bind_to(fd, &hidden);
	umask(mask);
	if (!err)
		err = dress(name, owner);
	if (!err && rename(name, address->path) < 0)
		err = -errno;
	if (err && err != -EADDRINUSE)
		unlink(name);
	return err;
}

int address_listen(const struct address *address, const struct socket_owner *owner)
{
	if (address->kind == ADDRESS_FD)
		return address->fd;
	int fd = make_socket(address);
	if (fd < 0)
		return fd;
	int err = address->kind == ADDRESS_UNIX ? listen_unix(fd, address, owner)
						: bind_to(fd, address);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}
