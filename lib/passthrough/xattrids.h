/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * User and group ids inside the values of xattrs: POSIX ACLs, and the root user of file
 * capabilities.
 */
#ifndef FSB_PASSTHROUGH_XATTRIDS_H
#define FSB_PASSTHROUGH_XATTRIDS_H

#include <stdbool.h>
#include <stddef.h>

struct passthrough;

/** How many bytes a value may grow by when it is translated. */
enum { XATTR_GROWTH = 4 };

/** Whether values of @name hold ids that differ between client and host. */
bool xattr_has_ids(const struct passthrough *pt, const char *name);

/*
 * Translate a value in place; the buffer has room for XATTR_GROWTH more bytes. Values that are not
 * well-formed stay as they are: the host refuses them.
 */

/**
 * Return: 0; -EINVAL for an id that the host does not have, as Linux says of ids that are not
 * mapped.
 */
int xattr_to_host(const struct passthrough *pt, const char *name, unsigned char *value,
		  size_t *size);
/**
 * Return: 0; -EOVERFLOW for capabilities of a root user whom the client does not have. In ACLs an
 * id without a place in the client's numbering becomes IDMAP_OVERFLOW.
 */
int xattr_to_client(const struct passthrough *pt, const char *name, unsigned char *value,
		    size_t *size);

#endif
