// SPDX-License-Identifier: BSD-3-Clause
/* Making and walking trees, by descriptors, as find(1) does. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree.h"

enum { FANOUT = 100, NAME_SIZE = 32 };

static int make_files(int dir, unsigned int count)
{
	char name[NAME_SIZE];

	for (unsigned int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "file%u", i);
		int fd = openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
		if (fd < 0)
			return -errno;
		close(fd);
	}
	return 0;
}

static int make_leaf(int top, uint64_t index, unsigned int count)
{
	char name[NAME_SIZE];

	snprintf(name, sizeof(name), "d%llu", (unsigned long long)(index / FANOUT));
	if (mkdirat(top, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	snprintf(name, sizeof(name), "d%llu/d%llu", (unsigned long long)(index / FANOUT),
		 (unsigned long long)(index % FANOUT));
	if (mkdirat(top, name, 0755) < 0)
		return -errno;
	int dir = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	int err = make_files(dir, count);
	close(dir);
	return err;
}

int tree_make(const char *dir, uint64_t files)
{
	int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = top < 0 ? -errno : 0;

	for (uint64_t made = 0; made < files && !err; made += FANOUT)
		err = make_leaf(top, made / FANOUT,
				files - made < FANOUT ? (unsigned int)(files - made) : FANOUT);
	if (top >= 0)
		close(top);
	return err;
}

static bool is_dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* Takes @fd over. */
static int walk(int fd, uint64_t *entries)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	struct stat st;
	int err = 0;

	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	while (!err && (entry = readdir(dir))) {
		if (is_dot(entry->d_name))
			continue;
		++*entries;
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			err = -errno;
		} else if (S_ISDIR(st.st_mode)) {
			int below = openat(dirfd(dir), entry->d_name,
					   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			err = below < 0 ? -errno : walk(below, entries);
		}
	}
	closedir(dir);
	return err;
}

int tree_walk(const char *dir, uint64_t *entries)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*entries = 0;
	return fd < 0 ? -errno : walk(fd, entries);
}
