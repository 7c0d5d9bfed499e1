// SPDX-License-Identifier: BSD-3-Clause
/*
 * User and group ids inside the values of xattrs: POSIX ACLs (acl(5)), and file capabilities
 * (capabilities(7)).
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/posix_acl_xattr.h>
#include <linux/xattr.h>
#include <string.h>

#include "passthrough.h"
#include "xattrids.h"

/*
 * An ACL's value is its version, then entries of tag (16 bits), permissions (16) and id (32),
 * little-endian.
 */
enum {
	ACL_HEADER = 4,
	ACL_ENTRY = 8,
	ACL_TAG_AT = 0,
	ACL_ID_AT = 4,
	TAG_USER = 0x02,
	TAG_GROUP = 0x08
};

enum { CAPS_V2 = XATTR_CAPS_SZ_2, CAPS_V3 = XATTR_CAPS_SZ_3, CAPS_ROOT_AT = CAPS_V2 };

enum direction { TO_HOST, TO_CLIENT };

static uint16_t get16(const unsigned char *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return le16toh(value);
}

static uint32_t get32(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

static void put32(unsigned char *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static bool is_acl(const char *name)
{
	return strcmp(name, XATTR_NAME_POSIX_ACL_ACCESS) == 0 ||
	       strcmp(name, XATTR_NAME_POSIX_ACL_DEFAULT) == 0;
}

static bool is_caps(const char *name)
{
	return strcmp(name, XATTR_NAME_CAPS) == 0;
}

bool xattr_has_ids(const struct passthrough *pt, const char *name)
{
	if (idmap_identity(&pt->uids) && idmap_identity(&pt->gids))
		return false;
	return is_acl(name) || is_caps(name);
}

static int translate_acl(const struct passthrough *pt, unsigned char *value, size_t size,
			 enum direction direction)
{
	if (size < ACL_HEADER || (size - ACL_HEADER) % ACL_ENTRY != 0 ||
	    get32(value) != POSIX_ACL_XATTR_VERSION)
		return 0;
	for (unsigned char *entry = value + ACL_HEADER; entry < value + size; entry += ACL_ENTRY) {
		uint16_t tag = get16(entry + ACL_TAG_AT);
		if (tag != TAG_USER && tag != TAG_GROUP)
			continue;
		const struct idmap *map = tag == TAG_USER ? &pt->uids : &pt->gids;
		uint32_t id = get32(entry + ACL_ID_AT);
		if (direction == TO_CLIENT)
			id = idmap_to_client(map, id);
		else if (idmap_to_host(map, id, &id) < 0)
			return -EINVAL;
		put32(entry + ACL_ID_AT, id);
	}
	return 0;
}

/*
 * File capabilities count in user namespaces with a certain root user: version 2 means the one with
 * id 0, version 3 names him. What the client's root grants must count for him alone, not for the
 * root of the host.
 */
static int translate_caps(const struct passthrough *pt, unsigned char *value, size_t *size,
			  enum direction direction)
{
	if (*size < sizeof(uint32_t))
		return 0;
	uint32_t magic = get32(value);
	uint32_t root = 0;
	if ((magic & VFS_CAP_REVISION_MASK) == VFS_CAP_REVISION_3 && *size == CAPS_V3)
		root = get32(value + CAPS_ROOT_AT);
	else if ((magic & VFS_CAP_REVISION_MASK) != VFS_CAP_REVISION_2 || *size != CAPS_V2)
		return direction == TO_HOST
			       ? -EINVAL
			       : 0; /* version 1 may be there of old, but is not to be set */

	if (direction == TO_CLIENT && !idmap_find_client(&pt->uids, root, &root))
		return -EOVERFLOW;
	if (direction == TO_HOST && idmap_to_host(&pt->uids, root, &root) < 0)
		return -EINVAL;
	magic = (magic & ~VFS_CAP_REVISION_MASK) |
		(root == 0 ? VFS_CAP_REVISION_2 : VFS_CAP_REVISION_3);
	put32(value, magic);
	*size = root == 0 ? CAPS_V2 : CAPS_V3;
	if (root != 0)
		put32(value + CAPS_ROOT_AT, root);
	return 0;
}

int xattr_to_host(const struct passthrough *pt, const char *name, unsigned char *value,
		  size_t *size)
{
	return is_acl(name) ? translate_acl(pt, value, *size, TO_HOST)
			    : translate_caps(pt, value, size, TO_HOST);
}

int xattr_to_client(const struct passthrough *pt, const char *name, unsigned char *value,
		    size_t *size)
{
	return is_acl(name) ? translate_acl(pt, value, *size, TO_CLIENT)
			    : translate_caps(pt, value, size, TO_CLIENT);
}
