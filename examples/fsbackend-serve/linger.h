/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * With --stdio, a client that comes back runs another server. The first one, which lost its
 * standard input, keeps the session for a while at a private socket, and the new one hands its
 * connection over.
 */
#ifndef FSBACKEND_SERVE_LINGER_H
#define FSBACKEND_SERVE_LINGER_H

#include <pthread.h>
#include <stdbool.h>

#include <fsbackend/stream_serve.h>

/** Where connections are handed over. @fd: the listening socket, or -1; @path: its name, to be
 * removed */
struct lingerer {
	struct fsb_stream_serve *serve;
	int fd;
	char path[108];
	pthread_t thread;
};

/**
 * Let others hand over connections that ask for a session. Failing is no reason to give up: the
 * client can come, but not come back.
 */
void linger_start(struct lingerer *linger, struct fsb_stream_serve *serve, uint64_t session);

/** No more of that. */
void linger_stop(struct lingerer *linger);

/**
 * Hand a connection over to whoever keeps its session, and wait until it has ended there.
 *
 * Return: 0; -ENOENT when nobody keeps it, and then the descriptors are still the caller's; other
 * negative errnos.
 */
int linger_hand_over(int in, int out, const struct fsb_stream_hello *hello);

#endif
