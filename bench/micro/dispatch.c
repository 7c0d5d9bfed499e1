// SPDX-License-Identifier: BSD-3-Clause
/*
 * bench-dispatch: what the server itself takes for a request, in nanoseconds: from raw bytes to the
 * call of a file system that does nothing, and to the bytes of the answer. No kernel takes part.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <fsbackend/fsbackend.h>
#include <fsbackend/fuse_wire.h>

#include "../floor/nullfs.h"

enum { REQUESTS = 20000, BATCHES = 25, PAYLOAD = 1024 * 1024 };

struct request {
	const char *name;
	uint32_t opcode;
	const void *body;
	size_t length;
};

static const struct fuse_getattr_in getattr_in;
static const struct fuse_read_in read_in = { .size = 4096 };
static const struct fuse_open_in open_in;

static const struct request requests[] = {
	{ "GETATTR", FUSE_GETATTR, &getattr_in, sizeof(getattr_in) },
	{ "LOOKUP", FUSE_LOOKUP, "file1", sizeof("file1") },
	{ "READ", FUSE_READ, &read_in, sizeof(read_in) },
	{ "OPEN", FUSE_OPEN, &open_in, sizeof(open_in) },
};

/** A server, and a message in which one request after the other is handed in. */
struct bench {
	struct fsb_server *server;
	struct fsb_message message;
	struct iovec in;
	struct iovec out;
	_Alignas(8) char bytes[256];
	size_t replies;
};

static int take_reply(struct fsb_message *message, const struct fuse_out_header *header)
{
	struct bench *bench = message->owner;

	bench->replies += header->error == 0;
	return 0;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void set_request(struct bench *bench, const struct request *request)
{
	struct fuse_in_header header = {
		.len = (uint32_t)(sizeof(header) + request->length),
		.opcode = request->opcode,
		.unique = 2,
		.nodeid = FSB_ROOT_NODEID,
		.uid = 1000,
		.gid = 1000,
		.pid = 1,
	};

	memcpy(bench->bytes, &header, sizeof(header));
	memcpy(bench->bytes + sizeof(header), request->body, request->length);
	bench->in.iov_len = header.len;
}

/* Return: ns a request of one batch, or 0 when a request failed. */
static double time_batch(struct bench *bench, const struct request *request)
{
	set_request(bench, request);
	bench->replies = 0;
	uint64_t begin = now_ns();
	for (unsigned int i = 0; i < REQUESTS; i++)
		if (fsb_server_handle(bench->server, &bench->message) < 0)
			return 0;
	double took = (double)(now_ns() - begin) / REQUESTS;
	return bench->replies == REQUESTS ? took : 0;
}

static double median(double *values, unsigned int count)
{
	for (unsigned int i = 1; i < count; i++)
		for (unsigned int j = i; j > 0 && values[j - 1] > values[j]; j--) {
			double value = values[j];
			values[j] = values[j - 1];
			values[j - 1] = value;
		}
	return values[count / 2];
}

static int agree(struct bench *bench)
{
	const struct fuse_init_in in = { .major = FUSE_KERNEL_VERSION,
					 .minor = FUSE_KERNEL_MINOR_VERSION,
					 .max_readahead = 131072,
					 .flags = (uint32_t)(FUSE_INIT_EXT | FUSE_MAX_PAGES) };
	const struct request init = { "INIT", FUSE_INIT, &in, sizeof(in) };

	set_request(bench, &init);
	return fsb_server_handle(bench->server, &bench->message);
}

static int measure(struct bench *bench)
{
	double ns[BATCHES];
	int err = agree(bench);

	if (err)
		return err;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		for (unsigned int batch = 0; batch < BATCHES; batch++) {
			ns[batch] = time_batch(bench, &requests[i]);
			if (ns[batch] == 0)
				return -EIO;
		}
		printf("{\"op\": \"%s\", \"ns\": %.1f}\n", requests[i].name, median(ns, BATCHES));
	}
	return 0;
}

int main(void)
{
	static char payload[PAYLOAD];
	static struct bench bench = { .out = { payload, sizeof(payload) } };
	struct fsb_filesystem filesystem = { .ops = &nullfs_ops };
	struct fsb_server_config config;

	fsb_server_config_init(&config);
	config.filesystem = &filesystem;
	int err = fsb_server_new(&config, &bench.server);
	if (!err) {
		bench.in.iov_base = bench.bytes;
		fsb_message_init(&bench.message, take_reply, &bench);
		bench.message.request = &bench.in;
		bench.message.nrequest = 1;
		bench.message.payload = &bench.out;
		bench.message.npayload = 1;
		err = measure(&bench);
		fsb_server_free(bench.server);
		fsb_message_clear(&bench.message);
	}
	if (err)
		fprintf(stderr, "bench-dispatch: %s\n", strerror(-err));
	return err ? 1 : 0;
}
