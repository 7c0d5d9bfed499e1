/* SPDX-License-Identifier: BSD-3-Clause */
/* The set-uid helper fusermount3, by which users who may not call mount(2) get a FUSE mount. */
#ifndef FSB_TRANSPORT_FUSERMOUNT_H
#define FSB_TRANSPORT_FUSERMOUNT_H

#include <stddef.h>

/** How the helper is called, for messages. */
#define FUSERMOUNT "fusermount3"

/**
 * Run the helper and wait for it.
 *
 * @args:     its arguments, the program's name first, NULL last
 * @received: filled with the /dev/fuse descriptor that it hands over, close-on-exec; NULL when none
 * is to come
 * @said:     filled with the first line of its standard error, or with nothing
 * @size:     bytes at @said
 *
 * The signal dispositions and the environment of the process are left alone; where the host reaps
 * children that are not its own, or ignores SIGCHLD, the descriptor alone tells success.
 *
 * Return: 0; -ENOENT when there is no such program; -EPERM when it failed; or an errno of making
 * the process.
 */
int fusermount(const char *const args[], int *received, char *said, size_t size);

#endif
