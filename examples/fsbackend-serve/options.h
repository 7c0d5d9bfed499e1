/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of fsbackend-serve. */
#ifndef FSBACKEND_SERVE_OPTIONS_H
#define FSBACKEND_SERVE_OPTIONS_H

#include <stdbool.h>
#include <sys/types.h>

#include <fsbackend/fsbackend.h>

#include "../common/address.h"
#include "../common/settings.h"
#include "../common/tree_options.h"

enum { MAX_ADDRESSES = 16, MAX_ALLOWED = 64 };

/**
 * @socket: of Unix sockets that are made
 * @uids, @cids: peers that may come
 * @share, @pool: of descriptors: that each client may hold, and what all may have besides
 * @state: where what a process that follows has to know is kept, or NULL
 * @claim_uids, @claim_gids: whom they may speak for; none: anybody
 */
struct options {
	struct command command;
	const char *directory;
	const char *state;
	struct tree_options tree;
	struct fsb_stream_serve_config serve;
	unsigned int share;
	unsigned int pool;
	bool stdio;
	bool daemon;
	bool debug;
	struct address addresses[MAX_ADDRESSES];
	size_t naddresses;
	struct socket_owner socket;
	struct fsb_stream_ids uids[MAX_ALLOWED];
	size_t nuids;
	struct fsb_stream_ids cids[MAX_ALLOWED];
	size_t ncids;
	struct fsb_stream_ids claim_uids[MAX_ALLOWED];
	size_t nclaim_uids;
	struct fsb_stream_ids claim_gids[MAX_ALLOWED];
	size_t nclaim_gids;
};

/** Read the command line. Return: as command_parse(). */
enum parsed options_parse(struct options *options, int argc, char *argv[]);

#endif
