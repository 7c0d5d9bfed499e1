/* SPDX-License-Identifier: BSD-3-Clause */
/* --stats: what was asked, how often, and how long it took. */
#ifndef FSBACKEND_MOUNT_STATS_H
#define FSBACKEND_MOUNT_STATS_H

#include <stdio.h>

#include <fsbackend/server.h>

/** Print a table, a row for each opcode that has been seen. */
void stats_print(struct fsb_server *server, FILE *out);

#endif
