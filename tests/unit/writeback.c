/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Times under writeback in server mode: the client's kernel keeps mtime and ctime of files itself,
 * and sends them by SETATTR in the name of whoever closes, truncates or renames. That must not be
 * judged as utimes(2) is, and grant nothing either.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "operating.h"

static struct fixture f;

/* Alice may write to "theirs" and owns "hers". */
static void set_up(bool client_checks)
{
	struct tree t;

	in_memory();
	fixture_make(&f);
	t.root = f.host;
	f.config.permissions = FSB_PERMISSIONS_SERVER;
	f.config.writeback = true;
	f.config.client_checks = client_checks;
	tree_file(&t, "theirs", 0, 0, 0666);
	tree_file(&t, "hers", alice.uid, alice.gid, 0600);
	tree_file(&t, "readable", 0, 0, 0644);
	tree_age(f.host);
	fixture_start(&f);
	f.ctx = caller(alice.uid, alice.gid);
}

static void set_up_checked(void)
{
	set_up(true);
}

static void set_up_unchecked(void)
{
	set_up(false);
}

static void tear_down(void)
{
	fixture_end(&f);
}

static int set(const char *name, const uint64_t *fh, struct fsb_setattr set)
{
	struct fsb_attr attr;
	uint64_t timeout;

	return f.fs->ops->setattr(f.fs, &f.ctx, nodeid_of(&f, name), fh, &set, &attr, &timeout);
}

static time_t mtime_of(const char *name)
{
	struct stat st;

	must(fstatat(f.host, name, &st, 0));
	return st.st_mtime;
}

#define KEPT (FSB_SET_MTIME | FSB_SET_CTIME)

Test(writeback, times_by_a_handle_that_is_open_for_writing_are_taken_over, .init = set_up_checked,
     .fini = tear_down)
{
	uint64_t fh = open_file(&f, "theirs", O_WRONLY);

	must_be(set("theirs", &fh,
		    (struct fsb_setattr){ .valid = KEPT, .mtime = { 1234567890, 5 } }),
		0);
	cr_expect_eq(mtime_of("theirs"), 1234567890);
	close_file(&f, fh);
}

Test(writeback, times_by_a_handle_that_is_open_for_reading_are_judged, .init = set_up_checked,
     .fini = tear_down)
{
	uint64_t fh = open_file(&f, "readable", O_RDONLY);
	time_t before = mtime_of("readable");

	must_be(set("readable", &fh,
		    (struct fsb_setattr){ .valid = KEPT, .mtime = { 1234567890, 5 } }),
		-EPERM);
	cr_expect_eq(mtime_of("readable"), before);
	close_file(&f, fh);
}

Test(writeback, a_handle_for_writing_gives_no_right_to_anything_else, .init = set_up_checked,
     .fini = tear_down)
{
	uint64_t fh = open_file(&f, "theirs", O_RDWR);

	must_be(set("theirs", &fh,
		    (struct fsb_setattr){ .valid = KEPT | FSB_SET_MODE, .mode = 0777 }),
		-EPERM);
	must_be(set("theirs", &fh,
		    (struct fsb_setattr){ .valid = KEPT | FSB_SET_UID, .uid = alice.uid }),
		-EPERM);
	must_be(set("theirs", &fh,
		    (struct fsb_setattr){ .valid = KEPT | FSB_SET_ATIME, .atime = { 5, 0 } }),
		-EPERM);
	must_be(set("theirs", &fh,
		    (struct fsb_setattr){ .valid = FSB_SET_MTIME, .mtime = { 5, 0 } }),
		-EPERM);
	must_belong(&f, "theirs", 0, 0, 0666);
	close_file(&f, fh);
}

Test(writeback, times_go_with_a_truncation_that_is_allowed, .init = set_up_checked,
     .fini = tear_down)
{
	struct fsb_setattr truncation = { .valid = KEPT | FSB_SET_SIZE,
					  .size = 3,
					  .mtime = { 1234567890, 5 } };

	must_be(set("theirs", NULL, truncation), 0);
	cr_expect_eq(mtime_of("theirs"), 1234567890);
	must_be(set("readable", NULL, truncation), -EACCES);
	cr_expect_neq(mtime_of("readable"), 1234567890);
}

Test(writeback, the_present_time_is_set_by_who_may_write, .init = set_up_checked, .fini = tear_down)
{
	struct fsb_setattr touch = { .valid = KEPT | FSB_SET_ATIME | FSB_SET_ATIME_NOW,
				     .mtime = { time(NULL), 0 } };

	must_be(set("theirs", NULL, touch), 0);
	cr_expect_geq(mtime_of("theirs"), touch.mtime.sec);
	must_be(set("readable", NULL, touch), -EACCES);
}

/* Nobody has told it from an explicit time then. */
Test(writeback, without_the_clients_check_a_time_that_may_be_explicit_is_judged,
     .init = set_up_unchecked, .fini = tear_down)
{
	must_be(set("theirs", NULL,
		    (struct fsb_setattr){ .valid = KEPT | FSB_SET_ATIME | FSB_SET_ATIME_NOW,
					  .mtime = { 5, 0 } }),
		-EPERM);
}

Test(writeback, a_time_that_does_not_change_is_no_change, .init = set_up_checked, .fini = tear_down)
{
	struct stat st;

	must(fstatat(f.host, "readable", &st, 0));
	must_be(set("readable", NULL,
		    (struct fsb_setattr){
			    .valid = KEPT,
			    .mtime = { st.st_mtim.tv_sec, (uint32_t)st.st_mtim.tv_nsec } }),
		0);
	must_be(set("readable", NULL,
		    (struct fsb_setattr){ .valid = KEPT, .mtime = { st.st_mtim.tv_sec, 77 } }),
		-EPERM);
	must_be(set("hers", NULL, (struct fsb_setattr){ .valid = KEPT, .mtime = { 77, 77 } }), 0);
}
