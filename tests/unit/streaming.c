// SPDX-License-Identifier: BSD-3-Clause
/* A file system in memory behind a stream server, and a client that speaks frames by hand. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "streaming.h"

struct streaming streaming;

static void nap(long ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

void await(atomic_int *counter, int value)
{
	for (int i = 0; i < 1000 && atomic_load(counter) != value; i++)
		nap(10);
	cr_assert_eq(atomic_load(counter), value, "%d instead of %d", atomic_load(counter), value);
}

/* ---- The file system ---- */

struct late {
	struct fsb_call *call;
	struct fsb_entry *entry;
};

struct memory_fs {
	struct fsb_filesystem base;
	struct fsb_server *server;
	struct memory_fs *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct late late[MAX_LATE];
static struct memory_fs *all;

static void fill_entry(struct fsb_entry *entry, uint64_t nodeid)
{
	*entry = (struct fsb_entry){
		.nodeid = nodeid,
		.attr = { .ino = nodeid, .mode = S_IFREG | 0644, .nlink = 1, .size = 5 },
	};
}

static void note_caller(const struct fsb_context *ctx)
{
	bool known = fsb_context_groups_known(ctx);

	atomic_store(&streaming.ngroups, known ? (unsigned int)ctx->ngroups : UINT32_MAX);
	if (known && ctx->ngroups > 0)
		atomic_store(&streaming.last_group, ctx->groups[ctx->ngroups - 1]);
}

static int fs_lookup(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent,
		     const char *name, struct fsb_entry *entry)
{
	(void)fs;
	(void)parent;
	note_caller(ctx);
	if (*name >= '0' && *name <= '9') {
		int number = atoi(name);
		atomic_fetch_add(&streaming.runs[number % RUNS], 1);
		fill_entry(entry, 10 + (uint64_t)number);
		return 0;
	}
	if (!strcmp(name, "slow"))
		nap(1500);
	fill_entry(entry, 2);
	if (!strcmp(name, "late")) {
		pthread_mutex_lock(&lock);
		int at = atomic_load(&streaming.nlate);
		cr_assert_lt(at, MAX_LATE);
		late[at] = (struct late){ fsb_call_defer(ctx), entry };
		atomic_store(&streaming.nlate, at + 1);
		pthread_mutex_unlock(&lock);
		return FSB_DEFERRED;
	}
	return strcmp(name, "absent") ? 0 : -ENOENT;
}

static int fs_rmdir(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent,
		    const char *name)
{
	struct fsb_entry unused;

	return fs_lookup(fs, ctx, parent, name, &unused);
}

void late_release(void)
{
	pthread_mutex_lock(&lock);
	int count = atomic_exchange(&streaming.nlate, 0);
	struct late released[MAX_LATE];
	memcpy(released, late, sizeof(late));
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < count; i++)
		fsb_call_complete(released[i].call, 0);
}

/* At the end, whoever still waits is let go. */
static void fs_interrupt(struct fsb_filesystem *fs, struct fsb_call *call)
{
	bool found = false;

	(void)fs;
	pthread_mutex_lock(&lock);
	int count = atomic_load(&streaming.nlate);
	for (int i = 0; i < count && !found; i++) {
		if (late[i].call != call)
			continue;
		late[i] = late[count - 1];
		atomic_store(&streaming.nlate, count - 1);
		found = true;
	}
	pthread_mutex_unlock(&lock);
	if (found)
		fsb_call_complete(call, -EINTR);
}

static void fs_forget(struct fsb_filesystem *fs, uint64_t nodeid, uint64_t nlookup)
{
	(void)fs;
	atomic_fetch_add(&streaming.runs[nodeid % RUNS], (int)nlookup * 1000);
}

static int fs_getattr(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
		      const uint64_t *fh, struct fsb_attr *attr, uint64_t *timeout_ns)
{
	(void)fs;
	(void)ctx;
	(void)fh;
	*attr = (struct fsb_attr){ .ino = nodeid,
				   .mode = nodeid == 1 ? S_IFDIR | 0755 : S_IFREG | 0644 };
	*timeout_ns = 0;
	return 0;
}

static ssize_t fs_read(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
		       uint64_t fh, uint64_t offset, size_t size, int flags, uint64_t owner,
		       struct fsb_transfer *to)
{
	uint8_t bytes[4096];
	size_t moved = 0;

	(void)fs, (void)ctx, (void)nodeid, (void)fh, (void)flags, (void)owner;
	memset(bytes, (int)(offset & 0x7f), sizeof(bytes));
	while (moved < size)
		moved += fsb_transfer_put(
			to, bytes, size - moved < sizeof(bytes) ? size - moved : sizeof(bytes));
	return (ssize_t)moved;
}

static ssize_t fs_write(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
			uint64_t fh, uint64_t offset, size_t size, int flags, uint32_t how,
			uint64_t owner, struct fsb_transfer *from)
{
	uint8_t bytes[4096];

	(void)fs, (void)ctx, (void)fh, (void)owner, (void)flags, (void)how, (void)offset;
	for (size_t moved = 0; moved < size;) {
		size_t step = fsb_transfer_get(from, bytes, sizeof(bytes));
		for (size_t i = 0; i < step; i++)
			if (bytes[i] != (uint8_t)nodeid)
				return -EIO;
		moved += step;
	}
	return (ssize_t)size;
}

static int fs_init(struct fsb_filesystem *fs, struct fsb_init *init)
{
	(void)fs;
	init->want |= init->capable & FUSE_CREATE_SUPP_GROUP;
	return 0;
}

static void fs_destroy(struct fsb_filesystem *fs)
{
	(void)fs;
	atomic_fetch_add(&streaming.destroyed, 1);
}

static const struct fsb_filesystem_ops ops = {
	.size = sizeof(ops),
	.init = fs_init,
	.destroy = fs_destroy,
	.lookup = fs_lookup,
	.rmdir = fs_rmdir,
	.forget = fs_forget,
	.getattr = fs_getattr,
	.read = fs_read,
	.write = fs_write,
	.interrupt = fs_interrupt,
};

/* ---- The server ---- */

static int open_session(void *opaque, const struct fsb_stream_peer *peer,
			struct fsb_server **server)
{
	struct fsb_server_config config;
	struct memory_fs *fs = calloc(1, sizeof(*fs));

	(void)opaque;
	cr_assert_neq(peer->session, 0);
	fs->base.ops = &ops;
	fsb_server_config_init(&config);
	config.filesystem = &fs->base;
	cr_assert_eq(fsb_server_new(&config, &fs->server), 0);
	fs->next = all;
	all = fs;
	*server = fs->server;
	atomic_store(&streaming.server, fs->server);
	atomic_fetch_add(&streaming.opened, 1);
	return 0;
}

static void close_session(void *opaque, struct fsb_server *server)
{
	struct memory_fs **link = &all, *fs;

	(void)opaque;
	while ((*link)->server != server)
		link = &(*link)->next;
	fs = *link;
	*link = fs->next;
	fsb_server_free(server);
	free(fs);
	atomic_fetch_add(&streaming.closed, 1);
}

void streaming_start(void (*change)(struct fsb_stream_serve_config *config))
{
	struct fsb_stream_serve_config config;

	memset(&streaming, 0, sizeof(streaming));
	fsb_stream_serve_config_init(&config);
	config.open = open_session;
	config.close = close_session;
	config.threads = 4;
	if (change)
		change(&config);
	cr_assert_eq(fsb_stream_serve_start(&config, &streaming.serve), 0);
}

void streaming_stop(void)
{
	fsb_stream_serve_free(streaming.serve);
	streaming.serve = NULL;
	cr_expect_eq(atomic_load(&streaming.opened), atomic_load(&streaming.closed));
	cr_expect_null(all);
}

/* ---- A client by hand ---- */

int hand_connect(void)
{
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	cr_assert_eq(fsb_stream_serve_add(streaming.serve, fds[1], fds[1]), 0);
	return fds[0];
}

static void send_all(int fd, const void *bytes, size_t length)
{
	for (size_t sent = 0; sent < length;) {
		ssize_t step = send(fd, (const uint8_t *)bytes + sent, length - sent, MSG_NOSIGNAL);
		if (step < 0)
			return; /* the server has hung up: reading tells */
		sent += (size_t)step;
	}
}

void hand_send(struct hand *hand, enum frame_type type, uint32_t groups, const void *body,
	       size_t length)
{
	struct frame_header header = frame_make(type, length);
	uint8_t *frame = calloc(1, header.length);

	header.groups = groups;
	header.ack = hand->received;
	memcpy(frame, &header, sizeof(header));
	if (length > 0)
		memcpy(frame + sizeof(header), body, length);
	send_all(hand->fd, frame, header.length);
	free(frame);
}

void hand_ask(struct hand *hand, uint32_t groups, uint32_t opcode, uint64_t unique,
	      const void *body, size_t length)
{
	struct fuse_in_header header = {
		.len = (uint32_t)(sizeof(header) + length),
		.opcode = opcode,
		.unique = unique,
		.nodeid = 1,
		.uid = 1000,
		.gid = 100,
	};
	uint8_t *message = malloc(header.len);

	memcpy(message, &header, sizeof(header));
	if (length > 0)
		memcpy(message + sizeof(header), body, length);
	hand_send(hand, FRAME_REQUEST, groups, message, header.len);
	free(message);
}

void hand_lookup(struct hand *hand, uint32_t groups, uint64_t unique, const char *name)
{
	hand_ask(hand, groups, FUSE_LOOKUP, unique, name, strlen(name) + 1);
}

/* Return: whether all came. */
static bool receive_all(int fd, void *to, size_t length)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };

	for (size_t have = 0; have < length;) {
		cr_assert_eq(poll(&readable, 1, 20000), 1, "the server is silent");
		ssize_t step = recv(fd, (uint8_t *)to + have, length - have, 0);
		if (step <= 0)
			return false;
		have += (size_t)step;
	}
	return true;
}

static int receive_any(struct hand *hand, void *body)
{
	struct frame_header header;

	if (!receive_all(hand->fd, &header, sizeof(header)))
		return -1;
	size_t length = header.length - sizeof(header);
	uint8_t *bytes = calloc(1, length + 1);
	bool whole = receive_all(hand->fd, bytes, length);
	memcpy(body, bytes, length < 4096 ? length : 4096);
	free(bytes);
	if (!whole)
		return -1;
	if (frame_is_numbered(header.type))
		hand->received++;
	return header.type;
}

int hand_receive(struct hand *hand, void *body)
{
	int type;

	do
		type = receive_any(hand, body);
	while (type == FRAME_PING || type == FRAME_ACK);
	return type;
}

int hand_greet(struct hand *hand, uint64_t features, uint32_t channel)
{
	struct frame_hello hello = { .magic = FRAME_MAGIC,
				     .version = FRAME_VERSION,
				     .features = features,
				     .max_message = MESSAGE_MOST,
				     .channel = channel,
				     .received = hand->received };
	uint8_t body[4096];

	hand->fd = hand_connect();
	memcpy(hello.token, hand->token, TOKEN_SIZE);
	hand_send(hand, FRAME_HELLO, 0, &hello, sizeof(hello));
	cr_assert_eq(hand_receive(hand, body), FRAME_WELCOME);
	memcpy(&hand->welcome, body, sizeof(hand->welcome));
	int err = frame_check_welcome(&hand->welcome);
	if (!err)
		memcpy(hand->token, hand->welcome.token, TOKEN_SIZE);
	return err;
}

int hand_answer(struct hand *hand, uint64_t unique)
{
	uint8_t body[4096];
	struct fuse_out_header header;

	cr_assert_eq(hand_receive(hand, body), FRAME_REPLY);
	memcpy(&header, body, sizeof(header));
	cr_assert_eq(header.unique, unique, "answer to %llu instead of %llu",
		     (unsigned long long)header.unique, (unsigned long long)unique);
	return header.error;
}

void hand_init(struct hand *hand)
{
	struct fuse_init_in in = { .major = 7, .minor = 45, .max_readahead = 65536 };

	hand_ask(hand, 0, FUSE_INIT, 2, &in, sizeof(in));
	cr_assert_eq(hand_answer(hand, 2), 0);
}

void hand_must_be_cut_off(struct hand *hand)
{
	uint8_t body[4096];
	int type;

	while ((type = hand_receive(hand, body)) >= 0)
		cr_assert_eq(type, FRAME_BYE);
	close(hand->fd);
}
