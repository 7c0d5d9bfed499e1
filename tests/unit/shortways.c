// SPDX-License-Identifier: BSD-3-Clause
/* Where the passthrough takes a shorter way to what the client knows it does the same as by the
 * longer one. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operating.h"

static struct fixture f;

static void set_up(void)
{
	in_memory();
	fixture_make(&f);
}

static void tear_down(void)
{
	fixture_end(&f);
}

TestSuite(shortways, .init = set_up, .fini = tear_down, .timeout = 60);

/* Have the directory's names looked up without opening them. */
static void become_known(const char *name)
{
	(void)nodeid_of(&f, name);
	(void)nodeid_of(&f, name);
}

/* ---- A file with several names ---- */

static int watch(const char *name)
{
	char path[128];
	int fd = (int)must(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));

	snprintf(path, sizeof(path), "%s/%s", f.dir, name);
	must(inotify_add_watch(fd, path, IN_OPEN));
	return fd;
}

Test(shortways, a_file_that_got_another_name_is_opened_by_the_one_that_was_looked_up)
{
	char events[4096];

	host_file(&f, "file", 0666, "bytes", 5);
	must(mkdirat(f.host, "dir", 0777));
	fixture_start(&f);
	become_known("file");
	must(linkat(f.host, "file", f.host, "dir/other", 0));
	int fd = watch("dir");
	close_file(&f, open_node(&f, nodeid_of(&f, "file"), O_RDWR));
	cr_expect_eq(read(fd, events, sizeof(events)), -1, "opened by the other name");
	close(fd);
}

/* ---- What is not opened ---- */

Test(shortways, a_file_that_is_not_opened_is_always_ready)
{
	struct fsb_create how = { .mode = S_IFREG | 0600, .flags = O_RDWR };
	struct fsb_entry entry;
	struct fsb_open opened;
	uint32_t events = 0;

	f.config.no_open = true;
	fixture_start(&f);
	must_be(f.fs->ops->create(f.fs, &f.ctx, FSB_ROOT_NODEID, "new", &how, &entry, &opened), 0);
	must_be(f.fs->ops->poll(f.fs, &f.ctx, entry.nodeid, opened.fh, 1, false, POLLIN | POLLOUT,
				&events),
		0);
	cr_expect_eq(events, POLLIN | POLLOUT, "%x", events);
}

/* As a user without any power over files. Return: the line that failed, or 0. */
static int write_what_is_made_read_only(void *arg)
{
	struct fsb_init init = {
		.minor = 45, .capable = UINT64_MAX, .max_write = 1 << 20, .time_gran_ns = 1
	};
	struct fsb_create how = { .mode = S_IFREG | 0400, .flags = O_WRONLY };
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct fsb_transfer from;
	struct fsb_entry entry;
	struct fsb_open opened;
	struct fsb_filesystem *fs;

	(void)arg;
	if (setresgid(1000, 1000, 1000) < 0 || setresuid(1000, 1000, 1000) < 0 ||
	    fsb_passthrough_new(&f.config, &fs) < 0)
		return __LINE__;
	struct fsb_context ctx = caller(1000, 1000);
	if (fs->ops->init(fs, &init) < 0 ||
	    fs->ops->create(fs, &ctx, FSB_ROOT_NODEID, "new", &how, &entry, &opened) < 0)
		return __LINE__;
	fsb_transfer_init(&from, &iov, 1, 1);
	if (fs->ops->write(fs, &ctx, entry.nodeid, opened.fh, 0, 1, O_WRONLY, 0, 0, &from) != 1)
		return __LINE__;
	return 0;
}

Test(shortways, who_cannot_open_again_whatever_was_opened_keeps_it_open)
{
	f.config.no_open = true;
	must_be(in_child(write_what_is_made_read_only, NULL), 0);
}
