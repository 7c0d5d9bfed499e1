// SPDX-License-Identifier: BSD-3-Clause
/* Messages that the server sends unasked: header with unique 0 and the code in error, then a body.
 */
#include <errno.h>
#include <string.h>

#include "server/server.h"

#define NAME_MAX_BYTES 255
#define PARTS 3 /* header, fixed body, what follows it */

void fsb_server_set_notify(struct fsb_server *server, fsb_notify_fn send, void *opaque)
{
	pthread_mutex_lock(&server->lock);
	/* Nobody new gets in: however many keep notifying, this comes to an end. */
	server->notify = NULL;
	while (server->nnotifying > 0)
		pthread_cond_wait(&server->notified, &server->lock);
	server->notify = send;
	server->notify_opaque = opaque;
	pthread_mutex_unlock(&server->lock);
}

/* Return: 0 when there is a mount whose protocol has it; -ENOTCONN; -EOPNOTSUPP. */
static int supported(struct fsb_server *server, uint32_t minor, uint64_t flag,
		     struct fsb_protocol *protocol)
{
	fsb_server_protocol(server, protocol);
	if (protocol->minor == 0)
		return -ENOTCONN;
	return protocol->minor < minor || (protocol->flags & flag) != flag ? -EOPNOTSUPP : 0;
}

/* Hand a message to the transport, which is not taken away meanwhile. @iov has room for the header
 * at its front. */
static int send(struct fsb_server *server, enum fuse_notify_code code, struct iovec *iov,
		size_t niov)
{
	struct fuse_out_header header = { .len = sizeof(header), .error = (int32_t)code };

	for (size_t i = 1; i < niov; i++)
		header.len += (uint32_t)iov[i].iov_len;
	iov[0] = (struct iovec){ &header, sizeof(header) };

	pthread_mutex_lock(&server->lock);
	fsb_notify_fn notify = server->notify;
	void *opaque = server->notify_opaque;
	if (notify)
		server->nnotifying++;
	pthread_mutex_unlock(&server->lock);
	if (!notify)
		return -ENOTCONN;

	int err = notify(opaque, iov, niov);

	pthread_mutex_lock(&server->lock);
	if (--server->nnotifying == 0)
		pthread_cond_broadcast(&server->notified);
	pthread_mutex_unlock(&server->lock);
	return err;
}

static int send_fixed(struct fsb_server *server, enum fuse_notify_code code, const void *body,
		      size_t size)
{
	struct iovec iov[PARTS] = { [1] = { (void *)body, size } };
	return send(server, code, iov, size > 0 ? 2 : 1);
}

static int send_with(struct fsb_server *server, enum fuse_notify_code code, const void *body,
		     size_t size, const void *rest, size_t length)
{
	struct iovec iov[PARTS] = { [1] = { (void *)body, size }, [2] = { (void *)rest, length } };
	return send(server, code, iov, length > 0 ? 3 : 2);
}

/* Return: the length of a name of one component, or 0 when it is none. */
static size_t name_length(const char *name)
{
	size_t length = strnlen(name, NAME_MAX_BYTES + 1);

	if (length > NAME_MAX_BYTES || strchr(name, '/') || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return 0;
	return length;
}

int fsb_server_notify_inval_inode(struct fsb_server *server, uint64_t nodeid, int64_t offset,
				  int64_t length)
{
	struct fsb_protocol protocol;
	struct fuse_notify_inval_inode_out out = { .ino = nodeid, .off = offset, .len = length };
	int err = supported(server, 0, 0, &protocol);
	if (err)
		return err;
	if (nodeid == 0 || length < 0 || (offset >= 0 && length > INT64_MAX - offset))
		return -EINVAL;
	return send_fixed(server, FUSE_NOTIFY_INVAL_INODE, &out, sizeof(out));
}

int fsb_server_notify_inval_entry(struct fsb_server *server, uint64_t parent, const char *name,
				  uint32_t flags)
{
	struct fsb_protocol protocol;
	uint64_t needed = flags & FUSE_EXPIRE_ONLY ? FUSE_HAS_EXPIRE_ONLY : 0;
	int err = supported(server, needed ? 38 : 0, needed, &protocol);
	if (err)
		return err;
	size_t length = name_length(name);
	if (parent == 0 || length == 0 || (flags & ~FUSE_EXPIRE_ONLY))
		return -EINVAL;
	struct fuse_notify_inval_entry_out out = { .parent = parent,
						   .namelen = (uint32_t)length,
						   .flags = flags };
	return send_with(server, FUSE_NOTIFY_INVAL_ENTRY, &out, sizeof(out), name, length + 1);
}

int fsb_server_notify_delete(struct fsb_server *server, uint64_t parent, uint64_t nodeid,
			     const char *name)
{
	struct fsb_protocol protocol;
	int err = supported(server, 0, 0, &protocol);
	if (err)
		return err;
	size_t length = name_length(name);
	if (parent == 0 || nodeid == 0 || length == 0)
		return -EINVAL;
	struct fuse_notify_delete_out out = { .parent = parent,
					      .child = nodeid,
					      .namelen = (uint32_t)length };
	return send_with(server, FUSE_NOTIFY_DELETE, &out, sizeof(out), name, length + 1);
}

int fsb_server_notify_store(struct fsb_server *server, uint64_t nodeid, uint64_t offset,
			    const void *data, size_t size)
{
	struct fsb_protocol protocol;
	int err = supported(server, 0, 0, &protocol);
	if (err)
		return err;
	if (nodeid == 0 || size > protocol.max_write || offset > (uint64_t)INT64_MAX - size)
		return -EINVAL;
	struct fuse_notify_store_out out = { .nodeid = nodeid,
					     .offset = offset,
					     .size = (uint32_t)size };
	return send_with(server, FUSE_NOTIFY_STORE, &out, sizeof(out), data, size);
}

int fsb_server_notify_retrieve(struct fsb_server *server, uint64_t cookie, uint64_t nodeid,
			       uint64_t offset, uint32_t size)
{
	struct fsb_protocol protocol;
	struct fuse_notify_retrieve_out out = {
		.notify_unique = cookie,
		.nodeid = nodeid,
		.offset = offset,
		.size = size,
	};
	int err = supported(server, 0, 0, &protocol);
	if (err)
		return err;
	if (nodeid == 0 || size > protocol.max_write || offset > (uint64_t)INT64_MAX - size)
		return -EINVAL;
	return send_fixed(server, FUSE_NOTIFY_RETRIEVE, &out, sizeof(out));
}

int fsb_server_notify_poll(struct fsb_server *server, uint64_t kh)
{
	struct fsb_protocol protocol;
	struct fuse_notify_poll_wakeup_out out = { .kh = kh };
	int err = supported(server, 0, 0, &protocol);
	if (err)
		return err;
	return send_fixed(server, FUSE_NOTIFY_POLL, &out, sizeof(out));
}

int fsb_server_notify_resend(struct fsb_server *server)
{
	struct fsb_protocol protocol;
	int err = supported(server, 40, FUSE_HAS_RESEND, &protocol);
	if (err)
		return err;
	return send_fixed(server, FUSE_NOTIFY_RESEND, NULL, 0);
}

int fsb_server_notify_inc_epoch(struct fsb_server *server)
{
	struct fsb_protocol protocol;
	int err = supported(server, 44, 0, &protocol);
	if (err)
		return err;
	return send_fixed(server, FUSE_NOTIFY_INC_EPOCH, NULL, 0);
}

int fsb_server_notify_prune(struct fsb_server *server, const uint64_t *nodeids, uint32_t count)
{
	struct fsb_protocol protocol;
	struct fuse_notify_prune_out out = { .count = count };
	int err = supported(server, 45, 0, &protocol);
	if (err)
		return err;
	/* All of it in one message, whose length has 32 bits. */
	if (count == 0 || !nodeids || count > (UINT32_MAX - 4096) / sizeof(*nodeids))
		return -EINVAL;
	return send_with(server, FUSE_NOTIFY_PRUNE, &out, sizeof(out), nodeids,
			 count * sizeof(*nodeids));
}
