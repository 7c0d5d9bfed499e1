/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole tree at one moment: every name with its inode, its extended attributes and its bytes. The
 * oracle takes one of each side from time to time and compares them.
 */
#ifndef FSBACKEND_TESTS_DIFFERENTIAL_TREE_H
#define FSBACKEND_TESTS_DIFFERENTIAL_TREE_H

#include "calls.h"

/*
 * @path:   from the root of the tree, "/" for itself
 * @first:  index of the first node with the same inode, its own when there is none before
 * @xattrs: digest of all names and values; @xattr_text for people
 * @bytes:  digest of a file's contents or a symlink's text
 * @inode_agrees: the directory that lists it says the same inode number and type as stat does
 */
struct node {
	char *path;
	struct view view;
	size_t first;
	uint64_t xattrs;
	char xattr_text[OUTCOME_TEXT];
	uint64_t bytes;
	bool inode_agrees;
	int error; /* of reading the names, attributes or bytes */
};

struct tree {
	struct node *nodes; /* by path */
	size_t count, room;
};

/* Yields 0, or the negative errno of opening the root; other errors are in the nodes. */
int tree_read(struct tree *tree, const char *root);
void tree_clear(struct tree *tree);

/* Remove everything below @root and @root itself; 0 or the negative errno of what could not be
 * removed. */
int tree_remove(const char *root);

#endif
