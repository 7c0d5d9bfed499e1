/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One file that is open many times at once: by root and by users, for reading, writing and mapping,
 * in whatever way each open is served. All see the same bytes, and each write has the effect that
 * its writer has on the host.
 */
#include "testing.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

TestSuite(openers, .init = enter_fresh_directory, .timeout = 60);

static const struct user nobody = { 1234, 1234, 0, { 0 } };

static mode_t mode_of(const char *name)
{
	return stat_of(host, name).st_mode & 07777;
}

static int write_one(void *fd)
{
	return pwrite(*(int *)fd, "!", 1, 0) == 1 ? 0 : errno;
}

static int open_and_write_one(void *name)
{
	int fd = openat(mnt, name, O_WRONLY);

	return fd < 0 || pwrite(fd, "?", 1, 0) != 1 ? errno : 0;
}

/* ---- Set-id bits ---- */

Test(openers, who_writes_by_roots_descriptor_clears_set_id_bits)
{
	put_text(mnt, "file", "text");
	int fd = must(openat(mnt, "file", O_WRONLY));
	must(fchmod(fd, 06755));
	cr_assert_eq(as_user(&nobody, write_one, &fd), 0);
	cr_expect_eq(mode_of("file"), 0755);
	must_hold_text(host, "file", "!ext");
}

struct opened_before {
	const char *name;
	int ready[2];
	int go[2];
};

static int open_then_write_when_told(void *opaque)
{
	struct opened_before *o = opaque;
	char byte;
	int fd = openat(mnt, o->name, O_WRONLY);

	if (fd < 0 || write(o->ready[1], "", 1) != 1 || read(o->go[0], &byte, 1) != 1)
		return errno;
	return write_one(&fd);
}

static int as_nobody(void *opaque)
{
	return as_user(&nobody, open_then_write_when_told, opaque);
}

/* The client's kernel does not know of the bits. */
Test(openers, bits_that_the_host_sets_while_a_user_has_the_file_open_go_when_he_writes)
{
	struct opened_before o = { .name = "file" };
	char byte;

	if (config_is_writeback())
		cr_skip_test("with writeback the client does not say whose writes it hands over");
	put_text(mnt, "file", "text");
	must(fchmodat(mnt, "file", 0666, 0));
	must(pipe(o.ready));
	must(pipe(o.go));
	pid_t pid = start_child(as_nobody, &o);
	must(read(o.ready[0], &byte, 1));
	must(fchmodat(host, "file", 06777, 0));
	must(write(o.go[1], "", 1));
	cr_assert_eq(result_of(pid), 0);
	cr_expect_eq(mode_of("file"), 0777);
}

Test(openers, roots_own_writes_leave_the_bits)
{
	put_text(mnt, "file", "text");
	int fd = must(openat(mnt, "file", O_WRONLY));
	must(fchmod(fd, 06755));
	must(pwrite(fd, "T", 1, 0));
	cr_expect_eq(mode_of("file"), 06755);
}

Test(openers, a_user_who_opens_what_root_has_open_clears_them_and_root_does_not)
{
	put_text(mnt, "file", "text");
	int fd = must(openat(mnt, "file", O_RDWR));
	must(fchmod(fd, 06777));
	must(pwrite(fd, "T", 1, 0));
	cr_expect_eq(mode_of("file"), 06777);
	cr_assert_eq(as_user(&nobody, open_and_write_one, "file"), 0);
	cr_expect_eq(mode_of("file"), 0777);
	must_hold_text(host, "file", "?ext");
	must_hold_text(mnt, "file", "?ext");
}

/* ---- Bytes ---- */

Test(openers, a_mapping_that_outlives_its_descriptor_is_seen_by_who_opens_the_file_later)
{
	put_text(mnt, "file", "text");
	int fd = must(openat(mnt, "file", O_RDWR));
	char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_neq(map, MAP_FAILED);
	must(close(fd));
	sleep_ms(50);
	map[0] = 'T';
	must_hold_text(mnt, "file", "Text");
	fd = must(openat(mnt, "file", O_RDWR));
	map[1] = 'E';
	char found[4];
	must(pread(fd, found, 4, 0));
	cr_expect(memcmp(found, "TExt", 4) == 0);
	must(pwrite(fd, "X", 1, 2));
	cr_expect_eq(map[2], 'X');
	must(munmap(map, 4096));
}

Test(openers, appended_lines_of_root_and_of_a_user_do_not_overwrite_each_other)
{
	put_text(mnt, "file", "");
	must(fchmodat(mnt, "file", 0666, 0));
	int fd = must(openat(mnt, "file", O_WRONLY | O_APPEND));
	int other = must(openat(mnt, "file", O_WRONLY | O_APPEND));
	must(write(fd, "one", 3));
	must(write(other, "two", 3));
	must(write(fd, "three", 5));
	must_hold_text(mnt, "file", "onetwothree");
	cr_expect_eq(stat_of_fd(fd).st_size, 11);
}

Test(openers, size_and_times_are_seen_right_after_a_write_and_a_truncation)
{
	put_text(mnt, "file", "text");
	int fd = must(openat(mnt, "file", O_RDWR));
	struct stat before = stat_of(mnt, "file");
	sleep_ms(20);
	must(pwrite(fd, "more", 4, 100));
	struct stat after = stat_of(mnt, "file");
	cr_expect_eq(after.st_size, 104);
	cr_expect(is_later(after.st_mtim, before.st_mtim));
	must(ftruncate(fd, 2));
	cr_expect_eq(stat_of(mnt, "file").st_size, 2);
	must_hold_text(mnt, "file", "te");
	must(truncate(mnt_path("file"), 3));
	char found[8];
	cr_expect_eq(pread(fd, found, sizeof(found), 0), 3);
}

Test(openers, direct_and_buffered_descriptors_see_each_others_writes)
{
	static char block[4096] __attribute__((aligned(4096)));

	fill_pattern(block, sizeof(block), 1);
	put_file(mnt, "file", block, sizeof(block));
	int buffered = must(openat(mnt, "file", O_RDWR));
	int direct = must(openat(mnt, "file", O_RDWR | O_DIRECT));
	fill_pattern(block, sizeof(block), 2);
	must(pwrite(buffered, block, sizeof(block), 0));
	memset(block, 0, sizeof(block));
	cr_assert_eq(must(pread(direct, block, sizeof(block), 0)), 4096);
	static char expected[4096];
	fill_pattern(expected, sizeof(expected), 2);
	cr_expect(memcmp(block, expected, 4096) == 0);
	fill_pattern(block, sizeof(block), 3);
	cr_assert_eq(must(pwrite(direct, block, sizeof(block), 0)), 4096);
	fill_pattern(expected, sizeof(expected), 3);
	must_hold(mnt, "file", expected, sizeof(expected));
}

/* ---- All at once ---- */

enum { THREADS = 4, SECONDS = 2 };

struct crowd {
	atomic_bool over;
	atomic_int failed; /* an errno */
	atomic_uint opens;
};

/* Each thread has a byte of its own, which it finds again through any descriptor. */
static void visit(struct crowd *crowd, unsigned int thread, unsigned int *seed)
{
	static const int flags[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_APPEND, O_RDONLY };
	int how = flags[rand_r(seed) % 5];
	int fd = openat(mnt, "file", how);
	char byte = (char)rand_r(seed), found = 0;

	if (fd < 0) {
		crowd->failed = errno;
		return;
	}
	crowd->opens++;
	if (how == O_RDWR && (pwrite(fd, &byte, 1, thread) != 1 ||
			      pread(fd, &found, 1, thread) != 1 || byte != found))
		crowd->failed = errno ? errno : EILSEQ;
	if (how == O_RDONLY && pread(fd, &found, 1, thread) != 1)
		crowd->failed = errno ? errno : ENODATA;
	close(fd);
}

struct visitor {
	struct crowd *crowd;
	unsigned int thread;
};

static void *visit_often(void *opaque)
{
	struct visitor *visitor = opaque;
	unsigned int seed = visitor->thread;

	errno = 0;
	while (!visitor->crowd->over && !visitor->crowd->failed)
		visit(visitor->crowd, visitor->thread, &seed);
	return NULL;
}

Test(openers, a_crowd_that_opens_and_closes_one_file_in_all_ways_sees_no_error)
{
	struct crowd crowd = { 0 };
	struct visitor visitors[THREADS];
	pthread_t threads[THREADS];

	put_text(mnt, "file", "0123456789");
	for (unsigned int i = 0; i < THREADS; i++) {
		visitors[i] = (struct visitor){ &crowd, i };
		pthread_create(&threads[i], NULL, visit_often, &visitors[i]);
	}
	sleep_ms(SECONDS * 1000);
	crowd.over = true;
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	cr_expect_eq(crowd.failed, 0, "%s", strerror(crowd.failed));
	cr_expect_gt(crowd.opens, 100);
}
