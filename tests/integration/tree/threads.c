/* SPDX-License-Identifier: BSD-3-Clause */
/* Eight threads at once: each finds its own work as it left it, and what they share is whole. */
#include "testing.h"

#include <pthread.h>
#include <stdio.h>

TestSuite(threads, .init = enter_fresh_directory, .timeout = 90);

#define THREADS 8

struct worker {
	pthread_t thread;
	int number;
	int line; /* where it failed, 0 when it did not */
	int error;
};

/* Criterion's checks may not be used in threads: note what failed, and let the test tell. */
#define need(condition)                          \
	do {                                     \
		if (!(condition)) {              \
			worker->error = errno;   \
			worker->line = __LINE__; \
			return NULL;             \
		}                                \
	} while (0)

static void run_all(void *(*body)(void *))
{
	struct worker workers[THREADS];

	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .number = i };
		cr_assert_eq(pthread_create(&workers[i].thread, NULL, body, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(workers[i].line, 0, "thread %d failed at line %d: %s", i,
			     workers[i].line, strerror(workers[i].error));
}

static void *work_on_own_files(void *arg)
{
	struct worker *worker = arg;
	char name[64], renamed[64], text[64], found[64];

	for (int round = 0; round < 150; round++) {
		snprintf(name, sizeof(name), "t%d-%d", worker->number, round);
		snprintf(renamed, sizeof(renamed), "r%d-%d", worker->number, round);
		int length =
			snprintf(text, sizeof(text), "thread %d round %d", worker->number, round);

		int fd = openat(mnt, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0644);
		need(fd >= 0);
		need(write(fd, text, length) == length);
		need(renameat(mnt, name, mnt, renamed) == 0);
		need(pread(fd, found, sizeof(found), 0) == length && !memcmp(found, text, length));
		need(close(fd) == 0);

		fd = openat(mnt, renamed, O_RDONLY | O_CLOEXEC);
		need(fd >= 0);
		need(read(fd, found, sizeof(found)) == length && !memcmp(found, text, length));
		need(close(fd) == 0);
		need(faccessat(mnt, name, F_OK, 0) < 0 && errno == ENOENT);
		if (round % 10)
			need(unlinkat(mnt, renamed, 0) == 0);
	}
	return NULL;
}

Test(threads, each_of_eight_creates_reads_renames_and_removes_in_one_directory_undisturbed)
{
	char name[64], text[64];

	run_all(work_on_own_files);
	cr_assert_eq(count_entries(host), THREADS * 15);
	cr_assert_eq(count_entries(mnt), THREADS * 15);
	for (int thread = 0; thread < THREADS; thread++) {
		for (int round = 0; round < 150; round += 10) {
			snprintf(name, sizeof(name), "r%d-%d", thread, round);
			snprintf(text, sizeof(text), "thread %d round %d", thread, round);
			must_hold_text(host, name, text);
		}
	}
}

/* Names are taken from one small set, so that everybody gets in everybody's way. */
static void *fight_over_names(void *arg)
{
	struct worker *worker = arg;
	unsigned int seed = worker->number;
	char bytes[512], name[16], other[16];
	struct stat st;

	for (int round = 0; round < 400; round++) {
		snprintf(name, sizeof(name), "n%d", rand_r(&seed) % 12);
		snprintf(other, sizeof(other), "n%d", rand_r(&seed) % 12);
		int fd;
		switch (rand_r(&seed) % 6) {
		case 0:
			/* Whole before it has its name, so a reader finds 512 equal letters or
			 * nothing. */
			fd = openat(mnt, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
			need(fd >= 0);
			memset(bytes, 'a' + worker->number, sizeof(bytes));
			need(write(fd, bytes, sizeof(bytes)) == sizeof(bytes));
			snprintf(bytes, sizeof(bytes), "/proc/self/fd/%d", fd);
			need(linkat(AT_FDCWD, bytes, mnt, name, AT_SYMLINK_FOLLOW) == 0 ||
			     errno == EEXIST);
			close(fd);
			break;
		case 1:
			need(renameat(mnt, name, mnt, other) == 0 || errno == ENOENT);
			break;
		case 2:
			need(unlinkat(mnt, name, 0) == 0 || errno == ENOENT);
			break;
		case 3:
			fd = openat(mnt, name, O_RDONLY | O_CLOEXEC);
			need(fd >= 0 || errno == ENOENT);
			if (fd < 0)
				break;
			need(read(fd, bytes, sizeof(bytes)) == sizeof(bytes));
			for (size_t at = 1; at < sizeof(bytes); at++)
				need(bytes[at] == bytes[0]);
			close(fd);
			break;
		case 4:
			need(linkat(mnt, name, mnt, other, 0) == 0 || errno == ENOENT ||
			     errno == EEXIST);
			break;
		default:
			need(fstatat(mnt, name, &st, 0) == 0 || errno == ENOENT);
			break;
		}
	}
	return NULL;
}

Test(threads, eight_fighting_over_a_dozen_names_find_whole_files_or_none)
{
	run_all(fight_over_names);
	size_t left = count_entries(host);
	cr_assert_leq(left, 12);
	cr_assert_eq(count_entries(mnt), left);
}

static void *write_own_blocks(void *arg)
{
	struct worker *worker = arg;
	unsigned char block[5000], found[5000];
	int fd = openat(mnt, "shared", O_RDWR | O_CLOEXEC);

	need(fd >= 0);
	for (int round = 0; round < 100; round++) {
		off_t offset = ((off_t)round * THREADS + worker->number) * sizeof(block);
		fill_pattern(block, sizeof(block), round * THREADS + worker->number);
		need(pwrite(fd, block, sizeof(block), offset) == sizeof(block));
		need(pread(fd, found, sizeof(found), offset) == sizeof(found));
		need(!memcmp(block, found, sizeof(block)));
	}
	need(close(fd) == 0);
	return NULL;
}

Test(threads, eight_writing_their_own_blocks_of_one_file_lose_none)
{
	unsigned char *bytes = malloc(100 * THREADS * 5000);

	put_text(mnt, "shared", "");
	run_all(write_own_blocks);
	for (int block = 0; block < 100 * THREADS; block++)
		fill_pattern(bytes + (size_t)block * 5000, 5000, block);
	must_hold(mnt, "shared", bytes, 100 * THREADS * 5000);
	must_hold(host, "shared", bytes, 100 * THREADS * 5000);
	free(bytes);
}

static void *make_and_remove_trees(void *arg)
{
	struct worker *worker = arg;
	char top[32], sub[64], file[96];

	for (int round = 0; round < 40; round++) {
		snprintf(top, sizeof(top), "tree%d", (worker->number + round) % THREADS);
		snprintf(sub, sizeof(sub), "%s/sub%d", top, worker->number);
		snprintf(file, sizeof(file), "%s/file", sub);
		need(mkdirat(mnt, top, 0755) == 0 || errno == EEXIST);
		if (mkdirat(mnt, sub, 0755) < 0) {
			need(errno == ENOENT);
			continue;
		}
		int fd = openat(mnt, file, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
		need(fd >= 0);
		close(fd);
		need(unlinkat(mnt, file, 0) == 0);
		need(unlinkat(mnt, sub, AT_REMOVEDIR) == 0);
		need(unlinkat(mnt, top, AT_REMOVEDIR) == 0 || errno == ENOTEMPTY ||
		     errno == ENOENT);
	}
	return NULL;
}

Test(threads, eight_making_and_removing_the_same_directories_leave_nothing_broken)
{
	run_all(make_and_remove_trees);
	for (int i = 0; i < THREADS; i++) {
		char top[32];
		snprintf(top, sizeof(top), "tree%d", i);
		if (unlinkat(mnt, top, AT_REMOVEDIR) < 0)
			cr_assert_eq(errno, ENOENT);
	}
	cr_assert_eq(count_entries(host), 0);
}

static void *list_and_stat(void *arg)
{
	struct worker *worker = arg;
	struct stat st;

	for (int round = 0; round < 10; round++) {
		DIR *listing = fdopendir(openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		int stable = 0;
		char name[32];

		need(listing != NULL);
		snprintf(name, sizeof(name), "moving%d-%d", worker->number, round);
		need(mkdirat(mnt, name, 0755) == 0);
		errno = 0;
		for (struct dirent *entry; (entry = readdir(listing)); errno = 0) {
			stable += !strncmp(entry->d_name, "stable", 6);
			need(fstatat(mnt, entry->d_name, &st, 0) == 0 || errno == ENOENT);
		}
		need(errno == 0);
		closedir(listing);
		need(stable == 200);
		need(unlinkat(mnt, name, AT_REMOVEDIR) == 0);
	}
	return NULL;
}

Test(threads, eight_listing_a_changing_directory_each_see_all_that_stays)
{
	char name[32];

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "stable%d", i);
		put_text(host, name, name);
	}
	run_all(list_and_stat);
	cr_assert_eq(count_entries(host), 200);
}
