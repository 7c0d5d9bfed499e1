/* SPDX-License-Identifier: BSD-3-Clause */
/* One mount, from its path to the unmount; or a descriptor that somebody else has mounted. */
#ifndef FSBACKEND_COMMON_MOUNTPOINT_H
#define FSBACKEND_COMMON_MOUNTPOINT_H

#include <stdbool.h>
#include <sys/types.h>

#include <fsbackend/mount.h>

/**
 * @path:    resolved; NULL when the descriptor is foreign
 * @foreign: /dev/fd/N: that descriptor; else -1
 * @device:  of what is mounted
 */
struct mountpoint {
	char *path;
	int foreign;
	bool mounted;
	dev_t device;
};

/** Find it; nothing is mounted yet. Return: 0; a negative errno, which was explained. */
int mountpoint_find(struct mountpoint *mountpoint, const char *given);

/**
 * Mount there, or take the foreign descriptor. The config's mountpoint is set. Return: 0, with the
 * caller's descriptor in @fd; a negative errno.
 */
int mountpoint_mount(struct mountpoint *mountpoint, struct fsb_mount_config *config, int *fd);

/**
 * Unmount it, if it is still ours. Any thread, but one at a time.
 *
 * @answers: its server does, so that the kernel can write what it has collected (@writeback)
 */
void mountpoint_unmount(struct mountpoint *mountpoint, bool answers, bool writeback);

void mountpoint_clear(struct mountpoint *mountpoint);

#endif
