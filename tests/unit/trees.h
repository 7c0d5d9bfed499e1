/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Trees made by root, and what is in them as text: types, modes, owners, link counts, sizes, times,
 * targets, xattrs. Any error fails the test.
 */
#ifndef FSBACKEND_TESTS_UNIT_TREES_H
#define FSBACKEND_TESTS_UNIT_TREES_H

#include <stddef.h>
#include <sys/types.h>

/** @root: open on where the paths begin. */
struct tree {
	int root;
};

void tree_file(struct tree *t, const char *path, uid_t uid, gid_t gid, mode_t mode);
void tree_directory(struct tree *t, const char *path, uid_t uid, gid_t gid, mode_t mode);
void tree_node(struct tree *t, const char *path, uid_t uid, gid_t gid, mode_t mode);
void tree_symlink(struct tree *t, const char *target, const char *path, uid_t uid, gid_t gid);
void tree_xattr(struct tree *t, const char *path, const char *name, const void *value, size_t size);

/** Give everything times long ago, so that it shows which of them move. */
void tree_age(int root);
/** One line an entry, to be freed. Times are "now" or as they were set. */
char *tree_text(int root);

/** A POSIX ACL of up to 8 entries, in the form of the system.posix_acl_* xattrs. */
struct acl {
	size_t size;
	unsigned char bytes[4 + 8 * 8];
};

void acl_begin(struct acl *acl);
/** @tag: ACL_USER_OBJ and so on of <linux/posix_acl.h>, in the order of their numbers; @id is -1
 * for those that have none. */
void acl_add(struct acl *acl, unsigned int tag, unsigned int permissions, unsigned int id);

#endif
