/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sessions whose server process has died: what the next one has to know of them, each in a file of
 * its own that bears the session's name (see ../../statefile.h). The first pages are the stream's:
 * who the client is, how the session began, and how many frames came on each channel, which is
 * stored before a frame is looked at, so that whatever may have been run was counted. All behind
 * them belongs to the file system.
 */
#ifndef FSB_STREAM_KEPT_H
#define FSB_STREAM_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include <fsbackend/fuse_wire.h>
#include <fsbackend/stream_serve.h>

#include "../../statefile.h"
#include "frame.h"

struct fsb_stream_serve;
struct session;

enum {
	KEPT_VERSION = 1,
	/* Of the stream's part: as long as the largest page. */
	KEPT_SIZE = 64 * 1024,
	KEPT_CHANNELS = 256,
	KEPT_INIT_MOST = 256,
};

/** What does not change. */
struct kept_session {
	uint32_t version;
	uint32_t kind;
	uint32_t uid;
	uint32_t cid;
	uint8_t token[TOKEN_SIZE];
	uint8_t boot[BOOT_ID_SIZE];
	uint32_t max_message;
	uint32_t reserved;
};

/** The client's INIT, and what was answered. */
struct kept_init {
	uint32_t length;
	uint32_t reserved;
	uint8_t request[KEPT_INIT_MOST];
	struct fuse_init_out agreed;
};

/**
 * @check:      over @session, stored last
 * @init_check: over @init
 * @epoch:      how many processes had it before this one
 * @received:   numbered frames, a channel
 * @used:       channels that had a connection
 */
struct kept_page {
	uint64_t check;
	struct kept_session session;
	uint64_t init_check;
	struct kept_init init;
	uint32_t epoch;
	uint32_t received[KEPT_CHANNELS];
	uint8_t used[KEPT_CHANNELS];
};

/** @touched_s: when the file's time was set last, by which others see that it is in use */
struct kept {
	int fd;
	char name[20];
	uint32_t touched_s;
	struct kept_page *page;
};

/** Begin the file of a session that has its token and peer. Return: it, or NULL; the log says why.
 */
struct kept *kept_new(const struct session *session);

/**
 * Take up the file of a session of a former process.
 *
 * Return: 0; -ESTALE when there is none, or none that can be used; -EAGAIN when its process lives;
 * -ENOMEM; -EMFILE, -ENFILE.
 */
int kept_find(struct fsb_stream_serve *serve, const uint8_t *token, struct kept **kept);

/** End the use of a file. @remove: nobody will ask for it. */
void kept_close(struct fsb_stream_serve *serve, struct kept *kept, bool remove);

/** INIT was answered. */
void kept_note_init(struct kept *kept, const struct fuse_in_header *request, const void *answer,
		    size_t length);

/** Whether the file has an INIT that is whole. */
bool kept_has_init(const struct kept *kept);

/** Show that the file is in use, now and then. */
void kept_touch(struct fsb_stream_serve *serve, struct kept *kept, uint32_t now);

/** Remove the files of sessions whose clients have not come back in time. */
void kept_sweep(struct fsb_stream_serve *serve);

/** After how many seconds that is. */
uint32_t kept_retention(const struct fsb_stream_serve *serve);

#endif
