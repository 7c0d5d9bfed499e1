// SPDX-License-Identifier: BSD-3-Clause
/*
 * Locks on the host, called through the vtable: whom they exclude, who is told to be in the way,
 * when they go.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"

TestSuite(passthrough_locks, .timeout = 60);

static struct fixture f;
static uint64_t nodeid, fh;

static void set_up(void)
{
	fixture_make(&f);
	f.config.locks = FSB_LOCKS_HOST;
	fixture_start(&f);
	host_file(&f, "file", 0666, "0123456789", 10);
	nodeid = nodeid_of(&f, "file");
	fh = open_node(&f, nodeid, O_RDWR);
}

static void tear_down(void)
{
	unsigned int before = open_descriptors();

	fixture_end(&f);
	cr_expect_lt(open_descriptors(), before);
}

#define OP(name, ...) f.fs->ops->name(f.fs, &f.ctx, __VA_ARGS__)

static int set_through(uint64_t handle, uint64_t owner, int type, uint64_t start, uint64_t end)
{
	const struct fsb_lock_owner who = { .owner = owner };
	const struct fsb_lock lock = {
		.start = start, .end = end, .type = type, .pid = (pid_t)(5000 + owner)
	};

	return OP(setlk, nodeid, handle, &who, &lock);
}

static int set(uint64_t owner, int type, uint64_t start, uint64_t end)
{
	return set_through(fh, owner, type, start, end);
}

static struct fsb_lock find(uint64_t owner, int type, uint64_t start, uint64_t end)
{
	const struct fsb_lock_owner who = { .owner = owner };
	struct fsb_lock lock = { .start = start, .end = end, .type = type };

	must_be(OP(getlk, nodeid, fh, &who, &lock), 0);
	return lock;
}

static int set_flock(uint64_t handle, int type)
{
	const struct fsb_lock_owner who = { .owner = handle, .flock = true };
	const struct fsb_lock lock = { .type = type, .end = INT64_MAX };

	return OP(setlk, nodeid, handle, &who, &lock);
}

/* ---- Other processes ---- */

static int take_posix_lock(void *arg)
{
	int fd = openat(f.host, "file", O_RDWR);
	struct flock *lock = arg;

	return fcntl(fd, F_SETLK, lock) < 0 ? errno : 0;
}

/* What another process on the host gets that wants such a lock. */
static int outside(short type, off_t start, off_t length)
{
	struct flock lock = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length
	};

	return in_child(take_posix_lock, &lock);
}

static int take_flock(void *arg)
{
	int fd = openat(f.host, "file", O_RDONLY);

	return flock(fd, *(int *)arg | LOCK_NB) < 0 ? errno : 0;
}

static int outside_flock(int operation)
{
	return in_child(take_flock, &operation);
}

static pid_t holder;
static int holder_pipe[2];

/* A process that holds a lock until release_outside(). */
static void hold_outside(int (*take)(void *arg), void *arg)
{
	char byte = 0;
	int ready[2];

	must(pipe(ready));
	must(pipe(holder_pipe));
	holder = (pid_t)must(fork());
	if (holder == 0) {
		close(holder_pipe[1]);
		byte = (char)take(arg);
		if (write(ready[1], &byte, 1) == 1 && read(holder_pipe[0], &byte, 1) >= 0)
			_exit(0);
		_exit(1);
	}
	must_be(read(ready[0], &byte, 1), 1);
	cr_assert_eq(byte, 0);
	close(ready[0]);
	close(ready[1]);
	close(holder_pipe[0]);
}

static void release_outside(void)
{
	close(holder_pipe[1]);
	must_be(waitpid(holder, NULL, 0), holder);
}

/* ---- POSIX locks ---- */

Test(passthrough_locks, a_write_lock_excludes_other_processes, .init = set_up, .fini = tear_down)
{
	must_be(set(1, F_WRLCK, 2, 5), 0);
	cr_expect_eq(outside(F_WRLCK, 0, 0), EAGAIN);
	cr_expect_eq(outside(F_RDLCK, 5, 1), EAGAIN);
	cr_expect_eq(outside(F_WRLCK, 0, 2), 0);
	cr_expect_eq(outside(F_WRLCK, 6, 0), 0);
	must_be(set(1, F_UNLCK, 2, 5), 0);
	cr_expect_eq(outside(F_WRLCK, 0, 0), 0);
}

Test(passthrough_locks, other_processes_exclude_the_client, .init = set_up, .fini = tear_down)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = 100, .l_len = 10 };

	hold_outside(take_posix_lock, &lock);
	must_be(set(1, F_RDLCK, 0, INT64_MAX), -EAGAIN);
	must_be(set(1, F_WRLCK, 109, 109), -EAGAIN);
	must_be(set(1, F_WRLCK, 110, INT64_MAX), 0);
	struct fsb_lock found = find(1, F_RDLCK, 0, INT64_MAX);
	cr_expect_eq(found.type, F_WRLCK);
	cr_expect_eq(found.start, 100);
	cr_expect_eq(found.end, 109);
	cr_expect_eq(found.pid, holder);
	release_outside();
	must_be(set(1, F_WRLCK, 0, INT64_MAX), 0);
}

Test(passthrough_locks, owners_exclude_each_other_but_not_themselves, .init = set_up,
     .fini = tear_down)
{
	must_be(set(1, F_WRLCK, 0, 9), 0);
	must_be(set(2, F_WRLCK, 9, 20), -EAGAIN);
	must_be(set(2, F_RDLCK, 0, 0), -EAGAIN);
	must_be(set(1, F_WRLCK, 5, 20), 0);
	must_be(set(1, F_RDLCK, 0, 20), 0);
	must_be(set(2, F_RDLCK, 0, 20), 0);
	must_be(set(2, F_WRLCK, 0, 20), -EAGAIN);
	must_be(set(1, F_WRLCK, 0, 20), -EAGAIN);
	must_be(set(1, F_UNLCK, 3, 3), 0);
	must_be(set(2, F_WRLCK, 3, 3), 0);
}

Test(passthrough_locks, a_failed_upgrade_keeps_the_lock, .init = set_up, .fini = tear_down)
{
	must_be(set(1, F_RDLCK, 0, 9), 0);
	must_be(set(2, F_RDLCK, 0, 9), 0);
	must_be(set(1, F_WRLCK, 0, 9), -EAGAIN);
	must_be(set(2, F_UNLCK, 0, 9), 0);
	cr_expect_eq(outside(F_WRLCK, 0, 0), EAGAIN, "the read lock is there still");
	must_be(set(1, F_WRLCK, 0, 9), 0);
}

Test(passthrough_locks, the_largest_ranges_work, .init = set_up, .fini = tear_down)
{
	must_be(set(1, F_WRLCK, INT64_MAX, INT64_MAX), 0);
	must_be(set(2, F_WRLCK, 0, INT64_MAX - 1), 0);
	must_be(set(3, F_WRLCK, INT64_MAX, INT64_MAX), -EAGAIN);
	struct fsb_lock found = find(3, F_WRLCK, INT64_MAX - 5, INT64_MAX - 5);
	cr_expect_eq(found.start, 0);
	cr_expect_eq(found.end, INT64_MAX - 1);
}

Test(passthrough_locks, senseless_locks_are_refused, .init = set_up, .fini = tear_down)
{
	struct fsb_lock lock = { .type = F_WRLCK };
	const struct fsb_lock_owner flock_who = { .owner = 1, .flock = true };

	must_be(set(1, 7, 0, 9), -EINVAL);
	must_be(set(1, -1, 0, 9), -EINVAL);
	must_be(set(1, F_WRLCK, 5, 4), -EINVAL);
	must_be(set(1, F_WRLCK, 0, (uint64_t)INT64_MAX + 1), -EINVAL);
	must_be(set(1, F_WRLCK, UINT64_MAX, UINT64_MAX), -EINVAL);
	must_be(OP(getlk, nodeid, fh, &flock_who, &lock), -EINVAL);
}

Test(passthrough_locks, a_lock_needs_the_right_to_read_or_write, .init = set_up, .fini = tear_down)
{
	uint64_t reader = open_node(&f, nodeid, O_RDONLY), writer = open_node(&f, nodeid, O_WRONLY);

	must_be(set_through(reader, 1, F_WRLCK, 0, 9), -EBADF);
	must_be(set_through(writer, 1, F_RDLCK, 0, 9), -EBADF);
	must_be(set_through(reader, 1, F_RDLCK, 0, 9), 0);
	must_be(set_through(writer, 1, F_WRLCK, 0, 9), 0);
	must_be(set_through(reader, 1, F_UNLCK, 0, 9), 0);
	cr_expect_eq(outside(F_WRLCK, 0, 0), 0);
}

Test(passthrough_locks, a_running_program_can_be_read_locked, .init = set_up, .fini = tear_down)
{
	int from = (int)must(open("/bin/sleep", O_RDONLY)),
	    to = (int)must(openat(f.host, "program", O_CREAT | O_WRONLY, 0777));
	struct stat st;
	char path[128];

	must(fstat(from, &st));
	must_be(copy_file_range(from, NULL, to, NULL, (size_t)st.st_size, 0), st.st_size);
	close(from);
	close(to);
	snprintf(path, sizeof(path), "%s/program", f.dir);
	pid_t pid = (pid_t)must(fork());
	if (pid == 0) {
		/* The question below whether it runs has it open for writing. */
		do {
			execl(path, path, "60", (char *)NULL);
			usleep(1000);
		} while (errno == ETXTBSY);
		_exit(1);
	}
	/* Once it runs, it cannot be opened for writing. */
	int fd = -1;
	for (int i = 0; i < 500 && (fd = open(path, O_WRONLY)) >= 0; i++) {
		close(fd);
		usleep(10000);
	}
	cr_assert_eq(fd, -1);
	uint64_t program = open_file(&f, "program", O_RDONLY);
	must_be(set_through(program, 1, F_RDLCK, 0, 9), 0);
	kill(pid, SIGKILL);
	must_be(waitpid(pid, NULL, 0), pid);
}

/* ---- Who is in the way ---- */

Test(passthrough_locks, a_holder_of_this_client_is_told_by_its_process, .init = set_up,
     .fini = tear_down)
{
	must_be(set(1, F_WRLCK, 10, 19), 0);
	must_be(set(3, F_RDLCK, 30, 39), 0);
	struct fsb_lock found = find(2, F_WRLCK, 0, INT64_MAX);
	cr_expect_eq(found.type, F_WRLCK);
	cr_expect_eq(found.start, 10);
	cr_expect_eq(found.end, 19);
	cr_expect_eq(found.pid, 5001);
	found = find(2, F_WRLCK, 30, INT64_MAX);
	cr_expect_eq(found.type, F_RDLCK);
	cr_expect_eq(found.start, 30);
	cr_expect_eq(found.pid, 5003);
}

Test(passthrough_locks, own_locks_and_none_are_not_in_the_way, .init = set_up, .fini = tear_down)
{
	cr_expect_eq(find(1, F_WRLCK, 0, INT64_MAX).type, F_UNLCK);
	must_be(set(1, F_WRLCK, 10, 19), 0);
	cr_expect_eq(find(1, F_WRLCK, 0, INT64_MAX).type, F_UNLCK);
	cr_expect_eq(find(2, F_WRLCK, 20, INT64_MAX).type, F_UNLCK);
	must_be(set(3, F_RDLCK, 30, 39), 0);
	cr_expect_eq(find(2, F_RDLCK, 30, 39).type, F_UNLCK);
}

static int take_ofd_lock(void *arg)
{
	int fd = openat(f.host, "file", O_RDWR);
	struct flock lock = { .l_type = F_WRLCK };

	(void)arg;
	return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? errno : 0;
}

Test(passthrough_locks, nobody_knows_who_holds_an_ofd_lock_elsewhere, .init = set_up,
     .fini = tear_down)
{
	hold_outside(take_ofd_lock, NULL);
	struct fsb_lock found = find(1, F_RDLCK, 5, 5);
	cr_expect_eq(found.type, F_WRLCK);
	cr_expect_eq(found.start, 0);
	cr_expect_eq(found.end, INT64_MAX);
	cr_expect_eq(found.pid, 0);
	release_outside();
}

/* ---- When they go ---- */

Test(passthrough_locks, a_flush_drops_the_locks_of_its_owner_alone, .init = set_up,
     .fini = tear_down)
{
	unsigned int before = open_descriptors();

	must_be(set(1, F_WRLCK, 0, 4), 0);
	must_be(set(2, F_WRLCK, 5, 9), 0);
	cr_expect_eq(open_descriptors(), before + 2);
	must_be(OP(flush, nodeid, fh, 1), 0);
	cr_expect_eq(outside(F_WRLCK, 0, 5), 0);
	cr_expect_eq(outside(F_WRLCK, 5, 1), EAGAIN);
	must_be(OP(flush, nodeid, fh, 3), 0);
	must_be(OP(flush, nodeid, fh, 2), 0);
	cr_expect_eq(outside(F_WRLCK, 0, 0), 0);
	cr_expect_eq(open_descriptors(), before);
}

Test(passthrough_locks, unlocking_without_a_lock_is_nothing, .init = set_up, .fini = tear_down)
{
	unsigned int before = open_descriptors();

	must_be(set(1, F_UNLCK, 0, INT64_MAX), 0);
	cr_expect_eq(open_descriptors(), before, "nothing was opened for it");
}

/* OFD locks of the client have the open file for an owner, and no flush. */
Test(passthrough_locks, the_last_close_drops_what_no_flush_did, .init = set_up, .fini = tear_down)
{
	uint64_t second = open_node(&f, nodeid, O_RDWR);

	must_be(set_through(fh, 111, F_WRLCK, 0, 4), 0);
	must_be(set_through(second, 222, F_WRLCK, 5, 9), 0);
	must_be(OP(release, nodeid, second, O_RDWR, false, 0), 0);
	cr_expect_eq(outside(F_WRLCK, 5, 0), 0);
	cr_expect_eq(outside(F_WRLCK, 0, 1), EAGAIN, "the other file is open still");
}

Test(passthrough_locks, locks_outlast_cached_descriptors_and_names)
{
	char name[16];

	fixture_make(&f);
	f.config.locks = FSB_LOCKS_HOST;
	f.config.max_fds = 1;
	fixture_start(&f);
	host_file(&f, "file", 0666, "", 0);
	nodeid = nodeid_of(&f, "file");
	fh = open_node(&f, nodeid, O_RDWR);
	must_be(set(1, F_WRLCK, 0, 9), 0);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "other%d", i);
		host_file(&f, name, 0666, "", 0);
		(void)nodeid_of(&f, name);
	}
	cr_expect_eq(outside(F_WRLCK, 0, 0), EAGAIN);
	must_be(OP(unlink, FSB_ROOT_NODEID, "file"), 0);
	must_be(set(2, F_WRLCK, 5, 5), -EAGAIN);
	must_be(set(2, F_WRLCK, 10, 10), 0);
	fixture_end(&f);
}

Test(passthrough_locks, destroy_drops_everything, .init = set_up, .fini = tear_down)
{
	uint64_t second = open_node(&f, nodeid, O_RDWR);

	must_be(set(1, F_WRLCK, 0, 9), 0);
	must_be(set_flock(second, F_WRLCK), 0);
	f.fs->ops->destroy(f.fs);
	cr_expect_eq(outside(F_WRLCK, 0, 0), 0);
	cr_expect_eq(outside_flock(LOCK_EX), 0);
	must_be(set(1, F_WRLCK, 0, 9), -EBADF);
	/* The next client. */
	nodeid = nodeid_of(&f, "file");
	fh = open_node(&f, nodeid, O_RDWR);
	must_be(set(1, F_WRLCK, 0, 9), 0);
	cr_expect_eq(outside(F_WRLCK, 0, 0), EAGAIN);
}

Test(passthrough_locks, local_locks_are_the_clients_own)
{
	fixture_make(&f);
	fixture_start(&f);
	host_file(&f, "file", 0666, "", 0);
	nodeid = nodeid_of(&f, "file");
	fh = open_node(&f, nodeid, O_RDWR);
	must_be(set(1, F_WRLCK, 0, 9), -ENOSYS);
	must_be(set_flock(fh, F_WRLCK), -ENOSYS);
	fixture_end(&f);
}

/* ---- flock ---- */

Test(passthrough_locks, flock_excludes_other_processes, .init = set_up, .fini = tear_down)
{
	must_be(set_flock(fh, F_RDLCK), 0);
	cr_expect_eq(outside_flock(LOCK_SH), 0);
	cr_expect_eq(outside_flock(LOCK_EX), EWOULDBLOCK);
	must_be(set_flock(fh, F_WRLCK), 0);
	cr_expect_eq(outside_flock(LOCK_SH), EWOULDBLOCK);
	must_be(set_flock(fh, F_UNLCK), 0);
	cr_expect_eq(outside_flock(LOCK_EX), 0);
}

Test(passthrough_locks, flock_is_one_of_the_open_file, .init = set_up, .fini = tear_down)
{
	uint64_t second = open_node(&f, nodeid, O_RDONLY);
	int operation = LOCK_SH;

	must_be(set_flock(second, F_WRLCK), 0);
	must_be(set_flock(fh, F_RDLCK), -EAGAIN);
	must_be(OP(release, nodeid, second, O_RDONLY, true, second), 0);
	must_be(set_flock(fh, F_WRLCK), 0);
	must_be(set_flock(fh, F_UNLCK), 0);
	hold_outside(take_flock, &operation);
	must_be(set_flock(fh, F_WRLCK), -EAGAIN);
	must_be(set_flock(fh, F_RDLCK), 0);
	release_outside();
}

Test(passthrough_locks, flock_and_posix_locks_know_nothing_of_each_other, .init = set_up,
     .fini = tear_down)
{
	must_be(set_flock(fh, F_WRLCK), 0);
	must_be(set(1, F_WRLCK, 0, INT64_MAX), 0);
	cr_expect_eq(outside_flock(LOCK_SH), EWOULDBLOCK);
	must_be(OP(flush, nodeid, fh, 1), 0);
	cr_expect_eq(outside(F_WRLCK, 0, 0), 0);
	cr_expect_eq(outside_flock(LOCK_SH), EWOULDBLOCK);
}

/* ---- Waiting in the call ---- */

static void *unlock_soon(void *arg)
{
	(void)arg;
	usleep(100000);
	must_be(set(1, F_UNLCK, 0, INT64_MAX), 0);
	must_be(set_flock(fh, F_UNLCK), 0);
	return NULL;
}

Test(passthrough_locks, called_directly_a_lock_is_waited_for, .init = set_up, .fini = tear_down)
{
	const struct fsb_lock_owner who = { .owner = 2 }, flock_who = { .owner = 2, .flock = true };
	const struct fsb_lock lock = { .type = F_WRLCK, .end = INT64_MAX };
	uint64_t second = open_node(&f, nodeid, O_RDWR);
	pthread_t thread;

	must_be(set(1, F_WRLCK, 0, INT64_MAX), 0);
	must_be(set_flock(fh, F_WRLCK), 0);
	cr_assert_eq(pthread_create(&thread, NULL, unlock_soon, NULL), 0);
	must_be(OP(setlkw, nodeid, second, &who, &lock), 0);
	must_be(OP(setlkw, nodeid, second, &flock_who, &lock), 0);
	pthread_join(thread, NULL);
	must_be(set(1, F_RDLCK, 0, 0), -EAGAIN);
	must_be(set_flock(fh, F_RDLCK), -EAGAIN);
}
