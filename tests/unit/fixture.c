// SPDX-License-Identifier: BSD-3-Clause
/* A passthrough of a directory of its own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

void fixture_make_at(struct fixture *f, const char *dir)
{
	*f = (struct fixture){ .host = -1 };
	snprintf(f->dir, sizeof(f->dir), "%s", dir);
	f->host = (int)must(open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	fsb_passthrough_config_init(&f->config);
	f->config.source = f->dir;
	f->ctx = caller(geteuid(), getegid());
}

void fixture_make(struct fixture *f)
{
	char dir[] = "/tmp/fsbackend-unit-XXXXXX";

	umask(0);
	cr_assert_not_null(mkdtemp(dir));
	must(chmod(dir, 0777));
	fixture_make_at(f, dir);
}

void fixture_start(struct fixture *f)
{
	struct fsb_init init = { .minor = 45,
				 .capable = UINT64_MAX,
				 .max_readahead = 1 << 20,
				 .max_write = 1 << 20,
				 .time_gran_ns = 1,
				 .backing = f->backing };

	must_be(fsb_passthrough_new(&f->config, &f->fs), 0);
	must_be(f->fs->ops->init(f->fs, &init), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void fixture_end(struct fixture *f)
{
	if (f->fs) {
		struct fsb_usage usage;
		f->fs->ops->destroy(f->fs);
		fsb_passthrough_usage(f->fs, &usage);
		cr_expect_eq(usage.inodes, 1, "only the root stays");
		cr_expect_eq(usage.handles, 0);
		cr_expect_eq(usage.lookups, 0);
		fsb_passthrough_free(f->fs);
	}
	fsb_context_clear(&f->ctx);
	close(f->host);
	if (strncmp(f->dir, "/tmp/fsbackend-unit-", 20) == 0)
		must(nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT));
}

struct fsb_context caller(uid_t uid, gid_t gid)
{
	struct fsb_context ctx;

	fsb_context_init(&ctx, uid, gid, getpid());
	must_be(fsb_context_set_groups(&ctx, 0, NULL), 0);
	return ctx;
}

uint64_t nodeid_of(struct fixture *f, const char *name)
{
	struct fsb_entry entry;

	must_be(f->fs->ops->lookup(f->fs, &f->ctx, FSB_ROOT_NODEID, name, &entry), 0);
	cr_assert_neq(entry.nodeid, 0);
	return entry.nodeid;
}

uint64_t open_node(struct fixture *f, uint64_t nodeid, int flags)
{
	struct fsb_open opened;

	if (flags & O_DIRECTORY)
		must_be(f->fs->ops->opendir(f->fs, &f->ctx, nodeid, flags, &opened), 0);
	else
		must_be(f->fs->ops->open(f->fs, &f->ctx, nodeid, flags, false, &opened), 0);
	return opened.fh;
}

uint64_t open_file(struct fixture *f, const char *name, int flags)
{
	return open_node(f, nodeid_of(f, name), flags);
}

void close_file(struct fixture *f, uint64_t fh)
{
	must_be(f->fs->ops->release(f->fs, &f->ctx, 0, fh, 0, false, 0), 0);
}

void host_file(struct fixture *f, const char *name, mode_t mode, const void *bytes, size_t size)
{
	int fd = (int)must(openat(f->host, name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600));

	must_be(write(fd, bytes, size), (ssize_t)size);
	must(fchmod(fd, mode));
	close(fd);
}

mode_t host_mode(struct fixture *f, const char *name)
{
	struct stat st;

	must(fstatat(f->host, name, &st, AT_SYMLINK_NOFOLLOW));
	return st.st_mode & 07777;
}

unsigned int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	cr_assert_not_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

int in_child(int (*body)(void *arg), void *arg)
{
	int status;
	pid_t pid = (pid_t)must(fork());

	if (pid == 0)
		_exit(body(arg));
	must_be(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status), "the child was ended by a signal");
	return WEXITSTATUS(status);
}
