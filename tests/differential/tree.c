/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading and removing whole trees; see tree.h. No step follows a symlink, so nothing outside is
 * ever reached.
 */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define WHOLE_FILE (1024 * 1024) /* of a longer file, only so much and its end are read */
#define END_OF_FILE (64 * 1024)

static unsigned char bytes[WHOLE_FILE];
static unsigned char value[65536];

static struct node *add_node(struct tree *tree, const char *path)
{
	struct node *node;

	if (tree->count == tree->room) {
		tree->room = tree->room ? tree->room * 2 : 128;
		tree->nodes = realloc(tree->nodes, tree->room * sizeof(*tree->nodes));
		if (!tree->nodes)
			abort();
	}
	node = &tree->nodes[tree->count++];
	memset(node, 0, sizeof(*node));
	node->path = strdup(path);
	node->inode_agrees = true;
	return node;
}

static void note_error(struct node *node)
{
	if (!node->error)
		node->error = errno;
}

static void read_xattr(struct node *node, const char *access_path, const char *name)
{
	const size_t used = strlen(node->xattr_text);
	ssize_t size = lgetxattr(access_path, name, value, sizeof(value));

	if (size < 0) {
		note_error(node);
		return;
	}
	node->xattrs = digest(node->xattrs, name, strlen(name));
	node->xattrs = digest(node->xattrs, value, (size_t)size);
	snprintf(node->xattr_text + used, sizeof(node->xattr_text) - used, "%s (%zd bytes) ", name,
		 size);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The attributes of a name below @dir, which is the working directory: there is no call that takes
 * a descriptor. */
static void read_xattrs(struct node *node, const char *name)
{
	static char list[65536];
	const char *names[1024];
	ssize_t size = llistxattr(name, list, sizeof(list));
	size_t count = 0;

	if (size < 0) {
		note_error(node);
		return;
	}
	for (ssize_t at = 0; at < size && count < 1024; at += (ssize_t)strlen(list + at) + 1)
		names[count++] = list + at;
	qsort(names, count, sizeof(*names), by_name);
	for (size_t i = 0; i < count; i++)
		read_xattr(node, name, names[i]);
}

static void read_part(struct node *node, int fd, size_t size, off_t offset)
{
	ssize_t got = pread(fd, bytes, size, offset);

	if (got < 0)
		note_error(node);
	else
		node->bytes = digest(node->bytes + (uint64_t)got, bytes, (size_t)got);
}

static void read_file(struct node *node, const char *name)
{
	int fd = open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0) {
		note_error(node);
		return;
	}
	read_part(node, fd, WHOLE_FILE, 0);
	if (node->view.size > WHOLE_FILE)
		read_part(node, fd, END_OF_FILE, (off_t)(node->view.size - END_OF_FILE));
	close(fd);
}

static void read_symlink(struct node *node, const char *name)
{
	ssize_t size = readlink(name, (char *)bytes, sizeof(bytes));

	if (size < 0)
		note_error(node);
	else
		node->bytes = digest((uint64_t)size, bytes, (size_t)size);
}

static void find_first(struct tree *tree, size_t index)
{
	struct node *nodes = tree->nodes;

	nodes[index].first = index;
	if (S_ISDIR(nodes[index].view.mode) || nodes[index].view.nlink < 2)
		return;
	for (size_t i = 0; i < index; i++) {
		if (nodes[i].view.ino == nodes[index].view.ino) {
			nodes[index].first = i;
			return;
		}
	}
}

static void read_directory(struct tree *tree, size_t index, const char *name);

/* Reads the node @name of the working directory, and what is below it. */
static void read_node(struct tree *tree, const char *path, const char *name,
		      const struct dirent *entry)
{
	const size_t index = tree->count;
	struct node *node = add_node(tree, path);

	node->view = look(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW);
	if (node->view.error)
		return;
	if (entry)
		node->inode_agrees = entry->d_ino == node->view.ino &&
				     (mode_t)DTTOIF(entry->d_type) == (node->view.mode & S_IFMT);
	find_first(tree, index);
	read_xattrs(node, name);
	if (S_ISREG(node->view.mode))
		read_file(node, name);
	else if (S_ISLNK(node->view.mode))
		read_symlink(node, name);
	else if (S_ISDIR(node->view.mode))
		read_directory(tree, index, name);
}

/* The children of a directory in the order of their names, without "." and "..". */
static void read_directory(struct tree *tree, size_t index, const char *name)
{
	int back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct dirent **entries = NULL;
	int count = scandir(name, &entries, NULL, alphasort);

	if (count < 0 || back < 0 || chdir(name) < 0) {
		note_error(&tree->nodes[index]);
		close(back);
		return;
	}
	for (int i = 0; i < count; i++) {
		const char *child = entries[i]->d_name;
		const char *parent = tree->nodes[index].path;
		char *path = NULL;

		if (strcmp(child, ".") && strcmp(child, "..") &&
		    asprintf(&path, "%s/%s", strcmp(parent, "/") ? parent : "", child) >= 0)
			read_node(tree, path, child, entries[i]);
		free(path);
		free(entries[i]);
	}
	free(entries);
	if (fchdir(back) < 0)
		note_error(&tree->nodes[index]);
	close(back);
}

int tree_read(struct tree *tree, const char *root)
{
	memset(tree, 0, sizeof(*tree));
	if (chdir(root) < 0)
		return -errno;
	read_node(tree, "/", ".", NULL);
	return chdir("/") < 0 ? -errno : 0;
}

void tree_clear(struct tree *tree)
{
	for (size_t i = 0; i < tree->count; i++)
		free(tree->nodes[i].path);
	free(tree->nodes);
	memset(tree, 0, sizeof(*tree));
}

static int remove_below(int dir)
{
	DIR *stream = fdopendir(dir);
	struct dirent *entry;
	int err = 0;

	if (!stream) {
		err = -errno;
		close(dir);
		return err;
	}
	while ((entry = readdir(stream))) {
		int child;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (unlinkat(dirfd(stream), entry->d_name, 0) == 0)
			continue;
		child = openat(dirfd(stream), entry->d_name,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child >= 0)
			err = remove_below(child) ?: err;
		if (unlinkat(dirfd(stream), entry->d_name, AT_REMOVEDIR) < 0)
			err = -errno;
	}
	closedir(stream);
	return err;
}

int tree_remove(const char *root)
{
	int dir = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int err;

	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	err = remove_below(dir);
	if (rmdir(root) < 0)
		err = -errno;
	return err;
}
