/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of a served directory: what is configured of the passthrough and of its server. */
#ifndef FSBACKEND_COMMON_TREE_OPTIONS_H
#define FSBACKEND_COMMON_TREE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include <fsbackend/fsbackend.h>

#include "settings.h"

enum { MAX_ID_RANGES = 340 }; /* as many as a user namespace has */

struct tree_options {
	struct fsb_passthrough_config passthrough;
	struct fsb_server_config server;
	struct fsb_id_range uid_map[MAX_ID_RANGES];
	struct fsb_id_range gid_map[MAX_ID_RANGES];
};

/** Their settings, for a struct tree_options. */
extern const struct setting *const tree_settings;
extern const size_t ntree_settings;

void tree_options_init(struct tree_options *options);

/** What follows from several settings. */
void tree_options_resolve(struct tree_options *options);

/** Whether the mount has to have default_permissions. */
bool tree_options_kernel_judges(const struct tree_options *options);

#endif
