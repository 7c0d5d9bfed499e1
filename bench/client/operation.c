// SPDX-License-Identifier: BSD-3-Clause
/* The table of operations, and how each is done. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "operation.h"

enum {
	NAME_SIZE = 32,
	MODE = 0666,
	DATA_SIZE = OPERATION_BLOCKS * OPERATION_BLOCK,
};

#define DATA_FILE "data"
#define XATTR "user.bench"

static int result(int value)
{
	return value < 0 ? -errno : 0;
}

static const char *fresh_name(char name[NAME_SIZE], const char *prefix, uint64_t i)
{
	snprintf(name, NAME_SIZE, "%s%llu", prefix, (unsigned long long)i);
	return name;
}

static const char *file_name(char name[NAME_SIZE], uint64_t i)
{
	return fresh_name(name, "file", i % OPERATION_FILES);
}

static int make_file(struct place *place, const char *name)
{
	int fd = openat(place->dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, MODE);

	return fd < 0 ? -errno : result(close(fd));
}

static int unlink_batch(struct place *place, const char *prefix, uint64_t first)
{
	char name[NAME_SIZE];

	for (uint64_t i = first; i < first + OPERATION_BATCH; i++)
		if (unlinkat(place->dir, fresh_name(name, prefix, i), 0) < 0)
			return -errno;
	return 0;
}

/* ---- Files that are there ---- */

static int fill_file(struct place *place, const char *name)
{
	int fd = openat(place->dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, MODE);

	if (fd < 0)
		return -errno;
	/* Without an xattr there would be nothing to get. */
	int err = result(fsetxattr(fd, XATTR, "value", 5, 0));
	if (err == -EOPNOTSUPP)
		err = 0;
	if (!err && pwrite(fd, place->block, OPERATION_BLOCK, 0) != OPERATION_BLOCK)
		err = -EIO;
	close(fd);
	return err;
}

static int files_init(struct place *place)
{
	char name[NAME_SIZE];
	int err = 0;

	for (uint64_t i = 0; i < OPERATION_FILES && !err; i++)
		err = fill_file(place, file_name(name, i));
	return err;
}

static int files_fini(struct place *place)
{
	char name[NAME_SIZE];
	int err = 0;

	for (uint64_t i = 0; i < OPERATION_FILES && !err; i++)
		err = result(unlinkat(place->dir, file_name(name, i), 0));
	return err;
}

/* ---- Names ---- */

static int create_step(struct place *place, uint64_t i)
{
	char name[NAME_SIZE];

	return make_file(place, fresh_name(name, "new", i));
}

static int create_clear(struct place *place, uint64_t i)
{
	return unlink_batch(place, "new", i);
}

static int unlink_prepare(struct place *place, uint64_t first)
{
	int err = 0;

	for (uint64_t i = first; i < first + OPERATION_BATCH && !err; i++)
		err = create_step(place, i);
	return err;
}

static int unlink_step(struct place *place, uint64_t i)
{
	char name[NAME_SIZE];

	return result(unlinkat(place->dir, fresh_name(name, "new", i), 0));
}

static int createunlink_step(struct place *place, uint64_t i)
{
	int err = create_step(place, i);

	return err ? err : unlink_step(place, i);
}

static int mkdir_step(struct place *place, uint64_t i)
{
	char name[NAME_SIZE];

	fresh_name(name, "dir", i);
	if (mkdirat(place->dir, name, 0777) < 0)
		return -errno;
	return result(unlinkat(place->dir, name, AT_REMOVEDIR));
}

static int symlink_step(struct place *place, uint64_t i)
{
	char name[NAME_SIZE];

	return result(symlinkat("target", place->dir, fresh_name(name, "link", i)));
}

static int symlink_clear(struct place *place, uint64_t i)
{
	return unlink_batch(place, "link", i);
}

static int readlink_init(struct place *place)
{
	return result(symlinkat("target", place->dir, "link"));
}

static int readlink_step(struct place *place, uint64_t i)
{
	char target[16];

	(void)i;
	return result((int)readlinkat(place->dir, "link", target, sizeof(target)));
}

static int readlink_fini(struct place *place)
{
	return result(unlinkat(place->dir, "link", 0));
}

static int rename_init(struct place *place)
{
	return make_file(place, "name0");
}

static int rename_step(struct place *place, uint64_t i)
{
	static const char *const names[] = { "name0", "name1" };

	return result(renameat(place->dir, names[i % 2], place->dir, names[(i + 1) % 2]));
}

static int rename_fini(struct place *place)
{
	unlinkat(place->dir, "name0", 0);
	unlinkat(place->dir, "name1", 0);
	return 0;
}

/* ---- Attributes ---- */

static int getattr_step(struct place *place, uint64_t i)
{
	struct statx stx;

	(void)i;
	return result(statx(place->dir, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS,
			    &stx));
}

static int stat_step(struct place *place, uint64_t i)
{
	char name[NAME_SIZE];
	struct stat st;

	return result(fstatat(place->dir, file_name(name, i), &st, 0));
}

static int statsync_step(struct place *place, uint64_t i)
{
	char name[NAME_SIZE];
	struct statx stx;

	return result(statx(place->dir, file_name(name, i), AT_STATX_FORCE_SYNC, STATX_BASIC_STATS,
			    &stx));
}

static int missing_step(struct place *place, uint64_t i)
{
	char name[NAME_SIZE];
	struct stat st;

	if (fstatat(place->dir, fresh_name(name, "none", i), &st, 0) == 0)
		return -EEXIST;
	return errno == ENOENT ? 0 : -errno;
}

static int chmod_step(struct place *place, uint64_t i)
{
	char name[NAME_SIZE];

	return result(
		fchmodat(place->dir, file_name(name, i), i / OPERATION_FILES % 2 ? 0644 : 0666, 0));
}

static int getxattr_init(struct place *place)
{
	int err = files_init(place);

	place->file = openat(place->dir, "file0", O_RDONLY | O_CLOEXEC);
	return err ? err : result(place->file);
}

static int getxattr_step(struct place *place, uint64_t i)
{
	char value[16];

	(void)i;
	return result((int)fgetxattr(place->file, XATTR, value, sizeof(value)));
}

static int getxattr_fini(struct place *place)
{
	close(place->file);
	place->file = -1;
	return files_fini(place);
}

/* ---- Opening ---- */

static int open_step(struct place *place, uint64_t i)
{
	char name[NAME_SIZE];
	int fd = openat(place->dir, file_name(name, i), O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : result(close(fd));
}

static int openread_step(struct place *place, uint64_t i)
{
	char name[NAME_SIZE];
	int fd = openat(place->dir, file_name(name, i), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ssize_t count = read(fd, place->block, OPERATION_BLOCK);
	close(fd);
	return count == OPERATION_BLOCK ? 0 : -EIO;
}

/* Stops at the first entry that fails. */
static int stat_entries(DIR *dir)
{
	struct dirent *entry;
	struct stat st;

	while ((entry = readdir(dir)))
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
	return 0;
}

static int list_step(struct place *place, uint64_t i)
{
	int fd = openat(place->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	(void)i;
	if (!dir)
		return -errno;
	int err = stat_entries(dir);
	closedir(dir);
	return err;
}

/* ---- Data ---- */

static int data_init(struct place *place)
{
	static const char zeros[1024 * 1024];
	int err = 0;

	place->file = openat(place->dir, DATA_FILE, O_CREAT | O_RDWR | O_CLOEXEC, MODE);
	if (place->file < 0)
		return -errno;
	for (off_t at = 0; at < DATA_SIZE && !err; at += sizeof(zeros))
		if (pwrite(place->file, zeros, sizeof(zeros), at) != sizeof(zeros))
			err = -EIO;
	/* Pages that are still to be written would not leave the cache; and one page a read. */
	if (!err &&
	    (fsync(place->file) < 0 || posix_fadvise(place->file, 0, 0, POSIX_FADV_RANDOM) != 0))
		err = -EIO;
	return err;
}

static int data_fini(struct place *place)
{
	close(place->file);
	place->file = -1;
	return result(unlinkat(place->dir, DATA_FILE, 0));
}

/* Each block once, neighbours far from each other in time. */
static off_t scattered(uint64_t i)
{
	return (off_t)(i * 2731 % OPERATION_BLOCKS) * OPERATION_BLOCK;
}

static int read_step(struct place *place, uint64_t i)
{
	if (place->evict && i % OPERATION_BLOCKS == 0)
		posix_fadvise(place->file, 0, 0, POSIX_FADV_DONTNEED);
	ssize_t count = pread(place->file, place->block, OPERATION_BLOCK, scattered(i));
	return count == OPERATION_BLOCK ? 0 : -EIO;
}

static int readcached_step(struct place *place, uint64_t i)
{
	ssize_t count = pread(place->file, place->block, OPERATION_BLOCK, scattered(i));

	return count == OPERATION_BLOCK ? 0 : -EIO;
}

static int write_step(struct place *place, uint64_t i)
{
	ssize_t count = pwrite(place->file, place->block, OPERATION_BLOCK, scattered(i));

	return count == OPERATION_BLOCK ? 0 : -EIO;
}

/* ---- The table ---- */

static const struct operation operations[] = {
	{ .name = "getattr",
	  .help = "statx(2) of an open directory, past all caches: one round trip, nothing else",
	  .step = getattr_step },
	{ .name = "create",
	  .help = "open(2) with O_CREAT, and close(2)",
	  .batches = true,
	  .step = create_step,
	  .clear = create_clear },
	{ .name = "open",
	  .help = "open(2) and close(2) of files that are there",
	  .init = files_init,
	  .step = open_step,
	  .fini = files_fini },
	{ .name = "openread",
	  .help = "open(2), read(2) of 4 KiB, close(2)",
	  .init = files_init,
	  .step = openread_step,
	  .fini = files_fini },
	{ .name = "stat",
	  .help = "stat(2), which caches may answer",
	  .init = files_init,
	  .step = stat_step,
	  .fini = files_fini },
	{ .name = "statsync",
	  .help = "statx(2) by name, past the cache of attributes",
	  .init = files_init,
	  .step = statsync_step,
	  .fini = files_fini },
	{ .name = "missing",
	  .help = "stat(2) of a name that was never there",
	  .step = missing_step },
	{ .name = "read4k",
	  .help = "pread(2) of 4 KiB that the client has not cached, the host has",
	  .init = data_init,
	  .step = read_step,
	  .fini = data_fini },
	{ .name = "readcached",
	  .help = "pread(2) of 4 KiB, which caches may answer",
	  .init = data_init,
	  .step = readcached_step,
	  .fini = data_fini },
	{ .name = "write4k",
	  .help = "pwrite(2) of 4 KiB",
	  .init = data_init,
	  .step = write_step,
	  .fini = data_fini },
	{ .name = "getxattr",
	  .help = "fgetxattr(2)",
	  .init = getxattr_init,
	  .step = getxattr_step,
	  .fini = getxattr_fini },
	{ .name = "rename",
	  .help = "rename(2) to and fro",
	  .init = rename_init,
	  .step = rename_step,
	  .fini = rename_fini },
	{ .name = "chmod",
	  .help = "chmod(2)",
	  .init = files_init,
	  .step = chmod_step,
	  .fini = files_fini },
	{ .name = "unlink",
	  .help = "unlink(2) of files that were just made",
	  .batches = true,
	  .prepare = unlink_prepare,
	  .step = unlink_step },
	{ .name = "createunlink", .help = "both, one after the other", .step = createunlink_step },
	{ .name = "list",
	  .help = "readdir(3) of 64 files, with a stat(2) of each",
	  .init = files_init,
	  .step = list_step,
	  .fini = files_fini },
	{ .name = "mkdir", .help = "mkdir(2) and rmdir(2)", .step = mkdir_step },
	{ .name = "symlink",
	  .help = "symlink(2)",
	  .batches = true,
	  .step = symlink_step,
	  .clear = symlink_clear },
	{ .name = "readlink",
	  .help = "readlink(2)",
	  .init = readlink_init,
	  .step = readlink_step,
	  .fini = readlink_fini },
};

const struct operation *operation_find(const char *name)
{
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (!strcmp(operations[i].name, name))
			return &operations[i];
	return NULL;
}

void operation_print_all(void)
{
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		printf("  %-12s %s\n", operations[i].name, operations[i].help);
}
