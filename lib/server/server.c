// SPDX-License-Identifier: BSD-3-Clause
/* The server object and its life, and the way of a message through it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "sized.h"
#include "server/server.h"

/*
 * The longest message apart from file data: far more than an xattr or a symlink needs, and a batch
 * of 260,000 forgets, which no transport's buffer holds.
 */
#define REQUEST_MAX (4u * 1024 * 1024)

/* ---- Configuration ---- */

void fsb_server_config_defaults(struct fsb_server_config *config, size_t size)
{
	const struct fsb_server_config defaults = {
		.max_write = 1024 * 1024,
		.max_readahead = 1024 * 1024,
		.max_background = 64,
	};

	sized_fill(config, size, &defaults, sizeof(defaults));
}

static int refuse_config(const struct fsb_server_config *config, const char *why)
{
	log_write(&config->log, FSB_LOG_ERROR, "server: %s", why);
	return -EINVAL;
}

static bool is_page_multiple(uint32_t size)
{
	long page = sysconf(_SC_PAGESIZE);
	return size % 4096 == 0 && size % page == 0 && size > 0;
}

static bool are_transports(uint64_t capabilities)
{
	return !(capabilities & ~(FUSE_OVER_IO_URING | FUSE_MAP_ALIGNMENT));
}

static int check_config(const struct fsb_server_config *config)
{
	if (!config->filesystem || !config->filesystem->ops)
		return refuse_config(config, "no file system");
	if (config->filesystem->ops->size < sizeof(size_t))
		return refuse_config(config, "the file system's table does not say its size");
	if (!is_page_multiple(config->max_write) || config->max_write > 1024 * 1024)
		return refuse_config(config, "max_write is not 4096 to 1048576 in whole pages");
	if (config->max_background == 0)
		return refuse_config(config, "max_background is 0");
	if (!are_transports(config->capabilities))
		return refuse_config(
			config, "capabilities has a flag that is not the transport's to decide");
	if ((config->capabilities & FUSE_MAP_ALIGNMENT) && config->map_alignment > 63)
		return refuse_config(config, "map_alignment is not the logarithm of one");
	if (config->window && (!config->window->map || !config->window->unmap))
		return refuse_config(config, "the window lacks a function");
	return 0;
}

/* ---- Life ---- */

/* The table may be shorter than ours, or longer. */
static void copy_operations(struct fsb_filesystem_ops *to, const struct fsb_filesystem_ops *from)
{
	memset(to, 0, sizeof(*to));
	memcpy(to, from, from->size < sizeof(*to) ? from->size : sizeof(*to));
	to->size = sizeof(*to);
}

static int init_locks(struct fsb_server *server)
{
	int err = pthread_mutex_init(&server->lock, NULL);
	if (err)
		return -err;
	err = pthread_cond_init(&server->idle, NULL);
	if (err)
		goto no_condition;
	err = pthread_cond_init(&server->notified, NULL);
	if (err)
		goto no_second_condition;
	return 0;

no_second_condition:
	pthread_cond_destroy(&server->idle);
no_condition:
	pthread_mutex_destroy(&server->lock);
	return -err;
}

static struct fsb_server *allocate_server(void)
{
	/* Its lines of memory are those of the cache: see the struct. */
	struct fsb_server *server = aligned_alloc(_Alignof(struct fsb_server), sizeof(*server));
	if (server)
		memset(server, 0, sizeof(*server));
	return server;
}

int fsb_server_new(const struct fsb_server_config *theirs, struct fsb_server **out)
{
	struct fsb_server_config known, *config = &known;

	fsb_server_config_init(config);
	int err = sized_take(config, sizeof(*config), theirs, sizeof(*config));
	if (!err)
		err = check_config(config);
	if (err)
		return err;

	struct fsb_server *server = allocate_server();
	if (!server)
		return -ENOMEM;
	server->config = *config;
	server->fs = config->filesystem;
	server->timed = config->stats || config->trace;
	copy_operations(&server->ops, config->filesystem->ops);
	fsb_protocol_init(&server->protocol);
	if (config->stats) {
		server->stats = stats_new();
		if (!server->stats) {
			free(server);
			return -ENOMEM;
		}
	}
	err = init_locks(server);
	if (err) {
		stats_free(server->stats);
		free(server);
		return err;
	}
	*out = server;
	return 0;
}

void fsb_server_free(struct fsb_server *server)
{
	if (!server)
		return;
	fsb_server_disconnect(server);
	calls_orphan(server);
	pthread_cond_destroy(&server->notified);
	pthread_cond_destroy(&server->idle);
	pthread_mutex_destroy(&server->lock);
	stats_free(server->stats);
	free(server);
}

int fsb_server_set_capabilities(struct fsb_server *server, uint64_t capabilities)
{
	if (!are_transports(capabilities))
		return -EINVAL;
	server->config.capabilities = capabilities;
	return 0;
}

void fsb_server_set_backing(struct fsb_server *server, struct fsb_backing *backing)
{
	server->backing = backing;
}

void fsb_server_protocol(struct fsb_server *server, struct fsb_protocol *protocol)
{
	pthread_mutex_lock(&server->lock);
	*protocol = server->protocol;
	pthread_mutex_unlock(&server->lock);
}

/* ---- Messages ---- */

void fsb_message_init(struct fsb_message *message, fsb_reply_fn reply, void *owner)
{
	*message = (struct fsb_message){ .reply = reply, .owner = owner };
}

void fsb_message_clear(struct fsb_message *message)
{
	if (message->call)
		call_free(message->call);
	message->call = NULL;
}

uint64_t server_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int buffer_reserve(uint8_t **buffer, size_t *capacity, size_t size)
{
	/* Never nothing: what is handed on to others is a pointer to memory. */
	if (size <= *capacity && *buffer)
		return 0;
	uint8_t *larger = malloc(size > 0 ? size : 1);
	if (!larger)
		return -ENOMEM;
	free(*buffer);
	*buffer = larger;
	*capacity = size;
	return 0;
}

/* ---- Receiving ---- */

static bool has_file_data(uint32_t opcode)
{
	const struct opcode_row *row = opcode_row(opcode);
	return row && row->op.tail == FSB_TAIL_DATA;
}

/* How much of the message is copied: not its file data, which may be long, and is nobody's to
 * interpret. */
static size_t private_size(uint32_t opcode, size_t total)
{
	size_t head = sizeof(struct fuse_in_header);

	if (!has_file_data(opcode))
		return total;
	head += opcode_row(opcode)->op.in_size;
	return head < total ? head : total;
}

/* A copy that reads each byte once, from @at in the message on. */
static void copy_request(const struct fsb_message *message, size_t at, uint8_t *to, size_t length)
{
	const struct iovec *piece = message->request;

	while (length > 0) {
		if (at >= piece->iov_len) {
			at -= piece++->iov_len;
			continue;
		}
		size_t step = piece->iov_len - at < length ? piece->iov_len - at : length;
		memcpy(to, (const char *)piece->iov_base + at, step);
		to += step;
		length -= step;
		at += step;
	}
}

/* Return: the length of the message, or SIZE_MAX when it is longer than that. */
static size_t message_length(const struct fsb_message *message)
{
	size_t total = 0;

	for (size_t i = 0; i < message->nrequest; i++)
		if (__builtin_add_overflow(total, message->request[i].iov_len, &total))
			return SIZE_MAX;
	return total;
}

/*
 * Copy the request into private memory, where its sender cannot change it any more: the header
 * first, by which the rest is known. @size says how much was copied.
 *
 * Return: 0; -EBADMSG without even a header; -E2BIG, -ENOMEM with it.
 */
static int receive(struct fsb_call *call, size_t *size)
{
	const struct fsb_message *message = call->message;
	struct fuse_in_header *header = (struct fuse_in_header *)call->bytes;

	call->total = message_length(message);
	if (call->total < sizeof(*header))
		return -EBADMSG;
	copy_request(message, 0, call->bytes, sizeof(*header));
	*size = private_size(header->opcode, call->total);
	if (*size > REQUEST_MAX)
		return -E2BIG;
	if (*size > call->capacity) {
		struct fuse_in_header kept = *header;
		int err = buffer_reserve(&call->bytes, &call->capacity, *size);
		if (err)
			return err;
		memcpy(call->bytes, &kept, sizeof(kept));
	}
	copy_request(message, sizeof(*header), call->bytes + sizeof(*header),
		     *size - sizeof(*header));
	return 0;
}

/* ---- Handling ---- */

/* What a request other than INIT gets while there is no mount. */
static int refusal(enum server_state state)
{
	switch (state) {
	case STATE_CLOSING:
	case STATE_CLOSED:
	case STATE_ENDING:
		return -ENODEV;
	default:
		return -ENOTCONN;
	}
}

static ssize_t work(struct fsb_call *call, enum server_state state, size_t size)
{
	struct fsb_server *server = call->server;
	struct fsb_protocol initial;
	const struct fsb_protocol *protocol = &server->protocol;

	if (state != STATE_ACTIVE) {
		fsb_protocol_init(&initial);
		protocol = &initial;
	}
	int err = fsb_request_decode(protocol, call->bytes, size, call->total, &call->request);
	if (state != STATE_ACTIVE && call->request.header.opcode != FUSE_INIT)
		return refusal(state);
	if (err) {
		log_write(&server->config.log, FSB_LOG_DEBUG, "malformed request %u: error %d",
			  call->request.header.opcode, err);
		return err;
	}
	return dispatch(call);
}

/* The request was copied as far as its header, and entered. */
static int serve(struct fsb_call *call, enum server_state state, size_t size, int err)
{
	const struct fuse_in_header *header = (const struct fuse_in_header *)call->bytes;
	ssize_t result = err;

	call->row = opcode_row(header->opcode);
	call->deferred = false;
	call->body = NULL;
	if (err) {
		call->request.op = NULL;
		call->request.header = *header;
	} else {
		result = work(call, state, size);
	}
	if (call->deferred)
		return FSB_DEFERRED;
	err = call_finish(call, result, false);
	if (!err && (state == STATE_CLOSING || state == STATE_CLOSED) &&
	    header->opcode != FUSE_INIT)
		return -ENODEV;
	return err;
}

/* Without memory for a call, the client is told so at least. */
static int refuse_without_call(struct fsb_message *message)
{
	struct fuse_in_header in;
	struct fuse_out_header out = { .len = sizeof(out), .error = -ENOMEM };

	if (message_length(message) < sizeof(in))
		return -EBADMSG;
	copy_request(message, 0, (uint8_t *)&in, sizeof(in));
	const struct opcode_row *row = opcode_row(in.opcode);
	if (row && row->op.no_reply)
		return -ENOMEM;
	out.unique = in.unique;
	return message->reply(message, &out);
}

int fsb_server_handle(struct fsb_server *server, struct fsb_message *message)
{
	size_t size;

	if ((!message->call || message->call->server != server) && call_attach(server, message) < 0)
		return refuse_without_call(message);

	struct fsb_call *call = message->call;
	if (server->timed)
		call->started_ns = server_clock();
	int err = receive(call, &size);
	if (err == -EBADMSG)
		return err;

	enum server_state state =
		call_enter(call, ((const struct fuse_in_header *)call->bytes)->unique);
	err = serve(call, state, size, err);
	if (err == FSB_DEFERRED)
		return call_detach(call);
	call_leave(call);
	return err;
}
