/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of a mount, besides those of mount(8). */
#ifndef FSBACKEND_COMMON_MOUNT_OPTIONS_H
#define FSBACKEND_COMMON_MOUNT_OPTIONS_H

#include <stddef.h>

#include <fsbackend/mount.h>

#include "settings.h"

/** @allow_other: -1: not said */
struct mount_options {
	struct fsb_mount_config mount;
	int allow_other;
};

/** Their settings, for a struct mount_options. */
extern const struct setting *const mount_settings;
extern const size_t nmount_settings;

void mount_options_init(struct mount_options *options);

/** What follows from several settings. @source: what is shown as source unless something else was
 * said. */
void mount_options_resolve(struct mount_options *options, const char *source);

#endif
