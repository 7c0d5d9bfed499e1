// SPDX-License-Identifier: BSD-3-Clause
/* One connection's bytes. Both ways, sockets are told not to raise SIGPIPE; pipes cannot be. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "link.h"

enum {
	SEND_PIECES = 64,
	/* A large read or write shall go in few steps. */
	SOCKET_BUFFER = 2 * 1024 * 1024,
};

static int prepare(int fd, bool *is_socket)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	*is_socket = S_ISSOCK(st.st_mode);
	return 0;
}

/* As large as we are allowed to; what there is will do, too. */
static void widen(int fd, int name, int forced)
{
	int size = SOCKET_BUFFER, now = 0;
	socklen_t length = sizeof(now);

	if (getsockopt(fd, SOL_SOCKET, name, &now, &length) == 0 && now >= 2 * size)
		return;
	if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, name, &size, sizeof(size));
}

int link_init(struct link *link, int in, int out)
{
	link->in = in;
	link->out = out;
	link->at = link->end = 0;
	link->first = NULL;
	link->last = &link->first;
	atomic_init(&link->queued, false);
	atomic_init(&link->moved, 0);
	int err = prepare(in, &link->in_socket);
	if (!err)
		err = prepare(out, &link->out_socket);
	if (err)
		return err;
	if (link->in_socket)
		widen(in, SO_RCVBUF, SO_RCVBUFFORCE);
	if (link->out_socket)
		widen(out, SO_SNDBUF, SO_SNDBUFFORCE);
	else
		fcntl(out, F_SETPIPE_SZ, SOCKET_BUFFER / 2);
	return 0;
}

void link_clear(struct link *link)
{
	link_drop(link);
	if (link->in >= 0)
		close(link->in);
	if (link->out >= 0 && link->out != link->in)
		close(link->out);
	link->in = link->out = -1;
}

/* ---- Reading ---- */

/* Return: how many bytes came, above 0; or a negative errno. */
static ssize_t receive(struct link *link, struct iovec *iov, unsigned int niov)
{
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = niov };
	ssize_t length;

	do
		length = link->in_socket ? recvmsg(link->in, &message, MSG_DONTWAIT)
					 : readv(link->in, iov, (int)niov);
	while (length < 0 && errno == EINTR);
	if (length > 0)
		return length;
	return length < 0 ? -errno : -EPIPE;
}

/* Read into the stage. Return: 0 or a negative errno. */
static int fill_stage(struct link *link)
{
	size_t have = link->end - link->at;

	if (link->at > 0) {
		memmove(link->stage, link->stage + link->at, have);
		link->at = 0;
		link->end = have;
	}
	struct iovec iov = { link->stage + have, LINK_STAGE - have };
	ssize_t length = receive(link, &iov, 1);
	if (length == -EPIPE && have > 0)
		return -EBADMSG;
	if (length < 0)
		return (int)length;
	link->end += (size_t)length;
	return 0;
}

int link_header(struct link *link, struct frame_header *header)
{
	while (link->end - link->at < sizeof(*header)) {
		int err = fill_stage(link);
		if (err)
			return err;
	}
	memcpy(header, link->stage + link->at, sizeof(*header));
	link->at += sizeof(*header);
	return 0;
}

static void take_staged(struct link *link, uint8_t *to, size_t length, size_t *filled)
{
	size_t step = link->end - link->at;

	if (step > length - *filled)
		step = length - *filled;
	memcpy(to + *filled, link->stage + link->at, step);
	link->at += step;
	*filled += step;
}

int link_body(struct link *link, void *to, size_t length, size_t *filled)
{
	if (*filled < length && link->at < link->end)
		take_staged(link, to, length, filled);
	while (*filled < length) {
		/* The stage is empty. What comes behind the body goes there. */
		struct iovec iov[2] = { { (uint8_t *)to + *filled, length - *filled },
					{ link->stage, LINK_STAGE } };
		ssize_t got = receive(link, iov, 2);
		if (got < 0)
			return got == -EPIPE ? -EBADMSG : (int)got;
		link->at = link->end = 0;
		if ((size_t)got > length - *filled) {
			link->end = (size_t)got - (length - *filled);
			got = (ssize_t)(length - *filled);
		}
		*filled += (size_t)got;
	}
	return 0;
}

void link_put_back(struct link *link, const void *bytes, size_t length)
{
	memcpy(link->stage, bytes, length);
	link->at = 0;
	link->end = length;
}

bool link_has_frame(const struct link *link)
{
	struct frame_header header;

	if (link->end - link->at < sizeof(header))
		return false;
	memcpy(&header, link->stage + link->at, sizeof(header));
	return link->end - link->at >= header.length;
}

/* ---- Writing ---- */

void link_queue(struct link *link, struct outgoing *outgoing)
{
	outgoing->next = NULL;
	*link->last = outgoing;
	link->last = &outgoing->next;
	atomic_store_explicit(&link->queued, true, memory_order_relaxed);
}

static void remove_first(struct link *link)
{
	struct outgoing *first = link->first;

	link->first = first->next;
	if (!link->first)
		link->last = &link->first;
	first->done(first);
}

static unsigned int collect(const struct link *link, struct iovec *iov)
{
	unsigned int n = 0;

	for (const struct outgoing *o = link->first; o && n + o->niov <= SEND_PIECES; o = o->next) {
		memcpy(iov + n, o->iov, o->niov * sizeof(*iov));
		n += o->niov;
	}
	return n;
}

/* Take @sent bytes off the pieces. Return: what is left of @sent when all were used up. */
static size_t use_up(struct outgoing *o, size_t sent)
{
	unsigned int used = 0;

	while (used < o->niov && sent >= o->iov[used].iov_len)
		sent -= o->iov[used++].iov_len;
	o->niov -= used;
	memmove(o->iov, o->iov + used, o->niov * sizeof(o->iov[0]));
	if (o->niov == 0)
		return sent;
	o->iov[0].iov_base = (uint8_t *)o->iov[0].iov_base + sent;
	o->iov[0].iov_len -= sent;
	return 0;
}

ssize_t link_write(struct link *link, struct iovec *iov, unsigned int niov)
{
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = niov };
	ssize_t length;

	do
		length = link->out_socket
				 ? sendmsg(link->out, &message, MSG_DONTWAIT | MSG_NOSIGNAL)
				 : writev(link->out, iov, (int)niov);
	while (length < 0 && errno == EINTR);
	return length < 0 ? -errno : length;
}

int link_flush(struct link *link)
{
	struct iovec iov[SEND_PIECES];

	while (link->first) {
		ssize_t sent = link_write(link, iov, collect(link, iov));
		if (sent < 0)
			return (int)sent;
		atomic_fetch_add_explicit(&link->moved, 1, memory_order_relaxed);
		size_t left = (size_t)sent;
		while (link->first) {
			left = use_up(link->first, left);
			if (link->first->niov > 0)
				break;
			remove_first(link);
		}
	}
	atomic_store_explicit(&link->queued, false, memory_order_relaxed);
	return 0;
}

void link_drop(struct link *link)
{
	while (link->first)
		remove_first(link);
	atomic_store_explicit(&link->queued, false, memory_order_relaxed);
}
