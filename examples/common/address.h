/* SPDX-License-Identifier: BSD-3-Clause */
/* Where servers and clients of the stream protocol meet: unix:PATH, vsock:[CID:]PORT, fd:N. */
#ifndef FSBACKEND_COMMON_ADDRESS_H
#define FSBACKEND_COMMON_ADDRESS_H

#include <stdint.h>
#include <sys/types.h>

enum address_kind { ADDRESS_UNIX, ADDRESS_VSOCK, ADDRESS_FD };

/** @cid: any (UINT32_MAX) where none is said */
struct address {
	enum address_kind kind;
	const char *path;
	uint32_t cid;
	uint32_t port;
	int fd;
};

/** Read one, whose path leads into @text. Return: 0; -EINVAL. */
int address_parse(const char *text, struct address *address);

/** Connect to it. Return: a descriptor, which for fd:N is that very one; or a negative errno. */
int address_connect(const struct address *address);

/** Who may connect to a Unix socket. @uid, @gid: -1: as it is made */
struct socket_owner {
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

/**
 * Listen there. A Unix socket gets its name only once it can be connected to, with its owner and
 * mode; a name that a server has left behind is taken over.
 *
 * Return: a descriptor, which for fd:N is that very one; or a negative errno, -EADDRINUSE when
 * somebody listens there.
 */
int address_listen(const struct address *address, const struct socket_owner *owner);

#endif
