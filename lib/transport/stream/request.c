// SPDX-License-Identifier: BSD-3-Clause
/*
 * Requests: their memory, and the way of an answer. An answer leaves from the memory that the file
 * system wrote it to; where it may have to be sent again, a copy is made, and leaves instead. What
 * is read of files is never kept: such a request can be asked again without harm.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../log.h"
#include "serve.h"

enum {
	PAGE = 4096,
	/* In front of a WRITE's data, which shall begin a page. */
	WRITE_HEAD = sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in),
};

static struct request *request_of(struct outgoing *out)
{
	return (struct request *)out;
}

/* ---- Memory ---- */

static int reply(struct fsb_message *message, const struct fuse_out_header *header);

static struct request *request_new(struct session *session)
{
	struct request *request = malloc(sizeof(*request));

	if (!request)
		return NULL;
	memset(request, 0, offsetof(struct request, small_request));
	request->session = session;
	fsb_message_init(&request->message, reply, request);
	request->message.request = &request->request;
	request->message.nrequest = 1;
	request->message.payload = &request->payload;
	request->message.npayload = 1;
	return request;
}

static void insert(struct session *session, struct request *request)
{
	request->next = session->all;
	request->link = &session->all;
	if (request->next)
		request->next->link = &request->next;
	session->all = request;
}

static void take_out(struct request *request)
{
	*request->link = request->next;
	if (request->next)
		request->next->link = request->link;
}

static struct request *take_any(struct session *session, int *err)
{
	struct request *request = NULL;

	*err = -ENOMEM;
	pthread_mutex_lock(&session->lock);
	if (session->nrequests >= session->serve->config.max_requests) {
		*err = -EDQUOT;
	} else if ((request = session->free)) {
		session->free = request->next_free;
		session->nfree--;
	} else if ((request = request_new(session))) {
		insert(session, request);
	}
	if (request)
		session->nrequests++;
	pthread_mutex_unlock(&session->lock);
	return request;
}

struct request *request_take(struct channel *channel, size_t length, int *err)
{
	struct memory_pool *pool = &channel->session->serve->memory;
	struct request *request = take_any(channel->session, err);

	if (!request)
		return NULL;
	request->channel = channel;
	request->answered = false;
	atomic_store_explicit(&request->holds, 2, memory_order_relaxed);
	request->request.iov_base = request->small_request;
	if (length > sizeof(request->small_request)) {
		request->large_request = memory_take(pool);
		if (!request->large_request) {
			request_put(request);
			request_put(request);
			*err = -ENOMEM;
			return NULL;
		}
		request->request.iov_base = (char *)request->large_request + PAGE - WRITE_HEAD;
	}
	return request;
}

/* How many bytes the answer may have. What the request says is not believed beyond that. */
static size_t answer_size(const struct request *request)
{
	union {
		struct fuse_read_in read;
		struct fuse_getxattr_in getxattr;
		struct fuse_ioctl_in ioctl;
	} in = { 0 };
	const struct fuse_in_header *header = request->request.iov_base;
	size_t length = header->len - sizeof(*header);

	memcpy(&in, header + 1, length < sizeof(in) ? length : sizeof(in));
	switch (header->opcode) {
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		return in.read.size;
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
		return in.getxattr.size;
	case FUSE_IOCTL:
		return sizeof(struct fuse_ioctl_out) + (size_t)in.ioctl.out_size;
	default:
		return 0;
	}
}

int request_make_room(struct request *request)
{
	struct memory_pool *pool = &request->session->serve->memory;
	size_t most = request->session->max_message - sizeof(struct fuse_out_header);

	request->payload = (struct iovec){ request->small_payload, sizeof(request->small_payload) };
	if (answer_size(request) <= sizeof(request->small_payload))
		return 0;
	request->large_payload = memory_take(pool);
	if (!request->large_payload)
		return -ENOMEM;
	request->payload =
		(struct iovec){ request->large_payload, most < pool->size ? most : pool->size };
	return 0;
}

static void request_free(struct request *request)
{
	fsb_message_clear(&request->message);
	free(request);
}

static void give_memory(struct request *request)
{
	struct memory_pool *pool = &request->session->serve->memory;

	memory_give(pool, request->large_request);
	memory_give(pool, request->large_payload);
	request->large_request = request->large_payload = NULL;
	group_set_put(request->groups);
	request->groups = NULL;
}

void request_put(struct request *request)
{
	struct session *session = request->session;

	if (atomic_fetch_sub_explicit(&request->holds, 1, memory_order_acq_rel) > 1)
		return;
	give_memory(request);
	pthread_mutex_lock(&session->lock);
	session->nrequests--;
	if (session->nfree < KEEP_REQUESTS) {
		request->next_free = session->free;
		session->free = request;
		session->nfree++;
		request = NULL;
	} else {
		take_out(request);
	}
	pthread_mutex_unlock(&session->lock);
	if (request)
		request_free(request);
}

void requests_free(struct session *session)
{
	struct request *request;

	while ((request = session->all)) {
		take_out(request);
		give_memory(request);
		request_free(request);
	}
}

/* ---- Answers ---- */

static const uint8_t zeroes[FRAME_ALIGN];

/* READ and READDIR change nothing, so they are not kept: the client asks again. */
static bool can_be_asked_again(const struct request *request)
{
	uint32_t opcode = ((const struct fuse_in_header *)request->request.iov_base)->opcode;

	return opcode == FUSE_READ || opcode == FUSE_READDIR;
}

static void answer_sent(struct outgoing *out)
{
	request_put(request_of(out));
}

/* Lay out the answer in the memory of the request. */
static void make_answer(struct request *request, const struct fuse_out_header *header)
{
	size_t payload = header->len - sizeof(*header);
	size_t pad = frame_pad(header->len) - header->len;

	request->head.frame = frame_make(FRAME_REPLY, header->len);
	request->head.frame.ack = request->channel->received;
	request->head.fuse = *header;
	request->out.niov = 1;
	request->out.iov[0] = (struct iovec){ &request->head, sizeof(request->head) };
	if (payload > 0)
		request->out.iov[request->out.niov++] =
			(struct iovec){ request->payload.iov_base, payload };
	if (pad > 0)
		request->out.iov[request->out.niov++] = (struct iovec){ (void *)zeroes, pad };
	request->out.done = answer_sent;
}

/* A copy of the answer, to be kept; or a note that it was not kept. */
static struct retained *make_retained(const struct request *request, bool again)
{
	struct frame_again body = { .unique = request->head.fuse.unique };
	struct frame_header header = frame_make(FRAME_AGAIN, sizeof(body));
	struct retained *frame = retained_new(again ? header.length : request->head.frame.length);

	if (!frame)
		return NULL;
	if (again) {
		memcpy(frame->bytes, &header, sizeof(header));
		memcpy(frame->bytes + sizeof(header), &body, sizeof(body));
		return frame;
	}
	uint8_t *to = frame->bytes;
	for (unsigned int i = 0; i < request->out.niov; i++) {
		memcpy(to, request->out.iov[i].iov_base, request->out.iov[i].iov_len);
		to += request->out.iov[i].iov_len;
	}
	return frame;
}

/* What a process that follows has to say to its file system. */
static void note_init(struct request *request, const struct fuse_out_header *header)
{
	const struct fuse_in_header *in = request->request.iov_base;

	if (in->opcode == FUSE_INIT && header->error == 0)
		kept_note_init(request->session->kept, in, request->payload.iov_base,
			       header->len - sizeof(*header));
}

/* Under the lock. Return: 0 when the answer is on its way, and the request's hold with it. */
static int send_answer(struct channel *channel, struct request *request)
{
	struct link *link = channel->live ? &channel->live->link : NULL;
	bool again = can_be_asked_again(request);
	struct retained *kept = NULL;

	if (!channel->session->resumable && !link)
		return -ENOTCONN;
	if (channel->session->resumable) {
		kept = make_retained(request, again);
		if (!kept)
			return -ENOMEM;
		retained_add(&channel->log, kept);
	}
	if (link && (!kept || again))
		link_queue(link, &request->out);
	else if (link)
		retained_send(kept, link);
	channel->told = channel->received;
	channel->unacked_bytes = 0;
	/* Of those that it stands for, a copy is on its way. */
	if (!link || (kept && !again))
		request_put(request);
	if (link)
		connection_flush(channel->live);
	return 0;
}

static int reply(struct fsb_message *message, const struct fuse_out_header *header)
{
	struct request *request = message->owner;
	struct channel *channel = request->channel;

	request->answered = true;
	if (request->session->kept)
		note_init(request, header);
	pthread_mutex_lock(&channel->lock);
	make_answer(request, header);
	int err = send_answer(channel, request);
	pthread_mutex_unlock(&channel->lock);
	/* The client would wait for ever for what cannot be kept. */
	if (err == -ENOMEM)
		session_end(request->session, err);
	if (err)
		request_put(request);
	return err;
}

void request_refuse(struct request *request, int error)
{
	const struct fuse_in_header *in = request->request.iov_base;
	struct fuse_out_header out = { .len = sizeof(out), .error = error, .unique = in->unique };

	reply(&request->message, &out);
}
