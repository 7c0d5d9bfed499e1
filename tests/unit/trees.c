// SPDX-License-Identifier: BSD-3-Clause
/* Trees made by root, and what is in them as text. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fixture.h"
#include "trees.h"

/* ---- Making ---- */

static void own(struct tree *t, const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	/* In this order: a change of owner clears set-id bits. */
	must(fchownat(t->root, path, uid, gid, AT_SYMLINK_NOFOLLOW));
	must(fchmodat(t->root, path, mode, 0));
}

void tree_file(struct tree *t, const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	int fd = (int)must(openat(t->root, path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));

	must_be(write(fd, "content\n", 8), 8);
	close(fd);
	own(t, path, uid, gid, mode);
}

void tree_directory(struct tree *t, const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	must(mkdirat(t->root, path, 0700));
	own(t, path, uid, gid, mode);
}

void tree_node(struct tree *t, const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	must(mknodat(t->root, path, mode, 0));
	own(t, path, uid, gid, mode & 07777);
}

void tree_symlink(struct tree *t, const char *target, const char *path, uid_t uid, gid_t gid)
{
	must(symlinkat(target, t->root, path));
	must(fchownat(t->root, path, uid, gid, AT_SYMLINK_NOFOLLOW));
}

static void path_of(int dir, const char *name, char *path, size_t size)
{
	cr_assert_lt(snprintf(path, size, "/proc/self/fd/%d/%s", dir, name), (int)size);
}

void tree_xattr(struct tree *t, const char *path, const char *name, const void *value, size_t size)
{
	char whole[4200];

	path_of(t->root, path, whole, sizeof(whole));
	must(lsetxattr(whole, name, value, size, 0));
}

static void put_little(unsigned char *at, unsigned int value, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		at[i] = (unsigned char)(value >> (8 * i));
}

void acl_begin(struct acl *acl)
{
	acl->size = 4;
	put_little(acl->bytes, 2, 4); /* the version of the format */
}

void acl_add(struct acl *acl, unsigned int tag, unsigned int permissions, unsigned int id)
{
	cr_assert_leq(acl->size + 8, sizeof(acl->bytes));
	put_little(acl->bytes + acl->size, tag, 2);
	put_little(acl->bytes + acl->size + 2, permissions, 2);
	put_little(acl->bytes + acl->size + 4, id, 4);
	acl->size += 8;
}

/* ---- What became of a tree ---- */

/* Times that a script did not touch are those that age() gave. */
enum { AGED = 1000000000, RECENT = 1500000000 };

static void print_time(FILE *out, const char *name, time_t seconds)
{
	if (seconds > RECENT)
		fprintf(out, " %s=now", name);
	else
		fprintf(out, " %s=%lld", name, (long long)seconds);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_xattr(FILE *out, const char *path, const char *name)
{
	unsigned char value[4096];
	ssize_t size = lgetxattr(path, name, value, sizeof(value));

	fprintf(out, " %s=", name);
	for (ssize_t i = 0; i < size; i++)
		fprintf(out, "%02x", value[i]);
}

static void print_xattrs(FILE *out, const char *path)
{
	char list[4096];
	const char *names[64];
	size_t count = 0;
	ssize_t length = llistxattr(path, list, sizeof(list));

	for (char *at = list; length > 0 && at < list + length && count < 64; at += strlen(at) + 1)
		names[count++] = at;
	qsort(names, count, sizeof(names[0]), compare_names);
	for (size_t i = 0; i < count; i++)
		print_xattr(out, path, names[i]);
}

static void print_entry(FILE *out, int dir, const char *name, const char *path, struct stat *st)
{
	char whole[4200], target[4096];

	must(fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW));
	fprintf(out, "%s: mode=%06o uid=%u gid=%u nlink=%u", path, st->st_mode, st->st_uid,
		st->st_gid, (unsigned int)st->st_nlink);
	if (S_ISREG(st->st_mode))
		fprintf(out, " size=%lld", (long long)st->st_size);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		fprintf(out, " rdev=%llx", (unsigned long long)st->st_rdev);
	if (S_ISLNK(st->st_mode)) {
		ssize_t length = must(readlinkat(dir, name, target, sizeof(target)));
		fprintf(out, " target=%.*s", (int)length, target);
	}
	if (S_ISREG(st->st_mode))
		print_time(out, "atime", st->st_atime);
	print_time(out, "mtime", st->st_mtime);
	path_of(dir, name, whole, sizeof(whole));
	print_xattrs(out, whole);
	fputc('\n', out);
}

/* The names of a directory in order; to be freed. */
static size_t sorted_names(int dir, char ***names)
{
	DIR *listing = fdopendir((int)must(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
	size_t count = 0;

	*names = NULL;
	for (struct dirent *entry; (entry = readdir(listing));) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		*names = realloc(*names, (count + 1) * sizeof(char *));
		(*names)[count++] = strdup(entry->d_name);
	}
	closedir(listing);
	if (count > 0)
		qsort(*names, count, sizeof(char *), compare_names);
	return count;
}

/* Call @visit for each entry below @dir, directories before what they hold. */
static void visit_tree(int dir, const char *prefix,
		       void (*visit)(void *arg, int dir, const char *name, const char *path),
		       void *arg)
{
	char **names, path[4200];
	size_t count = sorted_names(dir, &names);

	for (size_t i = 0; i < count; i++) {
		struct stat st;
		snprintf(path, sizeof(path), "%s%s", prefix, names[i]);
		visit(arg, dir, names[i], path);
		must(fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW));
		if (S_ISDIR(st.st_mode)) {
			int below = (int)must(
				openat(dir, names[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC));
			strcat(path, "/");
			visit_tree(below, path, visit, arg);
			close(below);
		}
		free(names[i]);
	}
	free(names);
}

static void visit_print(void *arg, int dir, const char *name, const char *path)
{
	struct stat st;

	print_entry(arg, dir, name, path, &st);
}

char *tree_text(int root)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	cr_assert_not_null(out);
	visit_tree(root, "", visit_print, out);
	fclose(out);
	return text;
}

static void visit_age(void *arg, int dir, const char *name, const char *path)
{
	const struct timespec times[2] = { { .tv_sec = AGED }, { .tv_sec = AGED } };

	(void)arg, (void)path;
	must(utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW));
}

void tree_age(int root)
{
	visit_tree(root, "", visit_age, NULL);
}
