/* SPDX-License-Identifier: BSD-3-Clause */
/* One served directory, from opening the source to the unmount. */
#ifndef FSBACKEND_MOUNT_SESSION_H
#define FSBACKEND_MOUNT_SESSION_H

#include <stdio.h>

#include <fsbackend/fsbackend.h>

#include "../common/mountpoint.h"
#include "../common/process.h"
#include "options.h"

struct session {
	struct options *options;
	int source; /* O_PATH */
	struct mountpoint mountpoint;
	struct fsb_filesystem *tree;
	struct fsb_proc_groups *groups;
	struct fsb_server *server;
	struct fsb_device *device;
	FILE *stats;
	struct signal_watcher *watcher;
};

/**
 * Open the source, mount, and start to serve. It answers when this returns. Blocks the signals that
 * session_serve() takes.
 *
 * Return: 0; a negative errno, which a line on stderr explains; session_close() is due in any case.
 */
int session_open(struct session *session, struct options *options);

/**
 * Serve until unmounted, or until SIGINT, SIGTERM or SIGHUP. Return: 0; a negative errno, which
 * was explained.
 */
int session_serve(struct session *session);

/** Unmount what is still mounted, and free everything. */
void session_close(struct session *session);

#endif
