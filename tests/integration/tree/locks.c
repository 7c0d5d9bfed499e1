/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * POSIX, open-file-description and flock(2) locks: they exclude other processes on the mount; with
 * locks=host those on the host too, in both directions. Blocked ones wait without holding up others
 * and give way to signals.
 */
#include "testing.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

static void enter_with_file(void)
{
	enter_fresh_directory();
	put_text(host, "file", "to be locked");
}

TestSuite(locks, .init = enter_with_file, .timeout = 60);

enum kind { POSIX, OFD, FLOCK, KINDS };
static const char *const kind_names[KINDS] = { "POSIX", "OFD", "flock" };

/* More than the server has threads, whatever the machine. */
#define CROWD 40

static int lock_range(int fd, enum kind kind, short type, off_t start, off_t length, bool wait)
{
	struct flock lock = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length
	};

	if (kind == POSIX)
		return fcntl(fd, wait ? F_SETLKW : F_SETLK, &lock) < 0 ? errno : 0;
	return fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock) < 0 ? errno : 0;
}

/* Take or drop (F_UNLCK) the lock on the whole file; gives 0 or an errno. */
static int set_lock(int fd, enum kind kind, short type, bool wait)
{
	if (kind != FLOCK)
		return lock_range(fd, kind, type, 0, 0, wait);

	int operation = type == F_UNLCK ? LOCK_UN : type == F_RDLCK ? LOCK_SH : LOCK_EX;
	return flock(fd, operation | (wait ? 0 : LOCK_NB)) < 0 ? errno : 0;
}

static int open_locked(int dir, enum kind kind, short type)
{
	int fd = must(openat(dir, "file", O_RDWR | O_CLOEXEC));
	int error = set_lock(fd, kind, type, false);

	cr_assert_eq(error, 0, "%s lock: %s", kind_names[kind], strerror(error));
	return fd;
}

struct attempt {
	int dir;
	enum kind kind;
	short type;
	off_t start;
	off_t length;
};

static int attempt_whole(void *arg)
{
	const struct attempt *attempt = arg;
	int fd = openat(attempt->dir, "file", O_RDWR | O_CLOEXEC);

	return fd < 0 ? errno : set_lock(fd, attempt->kind, attempt->type, false);
}

/* What another process gets that tries to lock the whole file: 0 or an errno. */
static int another_gets(int dir, enum kind kind, short type)
{
	struct attempt attempt = { .dir = dir, .kind = kind, .type = type };

	return in_child(attempt_whole, &attempt);
}

static int attempt_range(void *arg)
{
	const struct attempt *attempt = arg;
	int fd = openat(attempt->dir, "file", O_RDWR | O_CLOEXEC);

	return fd < 0 ? errno
		      : lock_range(fd, attempt->kind, attempt->type, attempt->start,
				   attempt->length, false);
}

static int another_gets_range(int dir, enum kind kind, short type, off_t start, off_t length)
{
	struct attempt attempt = {
		.dir = dir, .kind = kind, .type = type, .start = start, .length = length
	};

	return in_child(attempt_range, &attempt);
}

#define must_get(kind, expected, call)                                                            \
	do {                                                                                      \
		int must_get_result = (call);                                                     \
		cr_assert(must_get_result == (expected), "%s:%d: %s (%s): %s, expected %s",       \
			  __FILE__, __LINE__, #call, kind_names[kind], strerror(must_get_result), \
			  strerror(expected));                                                    \
	} while (0)

/* What a process gets on the other side of the mount when a lock is in its way. */
static int across(void)
{
	return config_has_host_locks() ? EAGAIN : 0;
}

Test(locks, an_exclusive_lock_keeps_other_processes_out_until_it_is_dropped)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		int fd = open_locked(mnt, kind, F_WRLCK);
		must_get(kind, EAGAIN, another_gets(mnt, kind, F_WRLCK));
		must_get(kind, EAGAIN, another_gets(mnt, kind, F_RDLCK));
		must_get(kind, 0, set_lock(fd, kind, F_UNLCK, false));
		must_get(kind, 0, another_gets(mnt, kind, F_WRLCK));
		must(close(fd));
	}
}

Test(locks, shared_locks_go_together_and_keep_an_exclusive_one_out)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		int fd = open_locked(mnt, kind, F_RDLCK);
		must_get(kind, 0, another_gets(mnt, kind, F_RDLCK));
		must_get(kind, EAGAIN, another_gets(mnt, kind, F_WRLCK));
		must(close(fd));
		must_get(kind, 0, another_gets(mnt, kind, F_WRLCK));
	}
}

Test(locks, a_lock_is_raised_and_lowered_in_place)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		int fd = open_locked(mnt, kind, F_RDLCK);
		must_get(kind, 0, set_lock(fd, kind, F_WRLCK, false));
		must_get(kind, EAGAIN, another_gets(mnt, kind, F_RDLCK));
		must_get(kind, 0, set_lock(fd, kind, F_RDLCK, false));
		must_get(kind, 0, another_gets(mnt, kind, F_RDLCK));
		must(close(fd));
	}
}

Test(locks,
     a_lock_on_the_mount_keeps_processes_on_the_host_out_with_host_locks_and_not_with_local_ones)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		int fd = open_locked(mnt, kind, F_WRLCK);
		must_get(kind, across(), another_gets(host, kind, F_WRLCK));
		must_get(kind, across(), another_gets(host, kind, F_RDLCK));
		must_get(kind, 0, set_lock(fd, kind, F_UNLCK, false));
		must_get(kind, 0, another_gets(host, kind, F_WRLCK));
		must(close(fd));
	}
}

Test(locks,
     a_lock_on_the_host_keeps_processes_on_the_mount_out_with_host_locks_and_not_with_local_ones)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		int fd = open_locked(host, kind, F_WRLCK);
		must_get(kind, across(), another_gets(mnt, kind, F_WRLCK));
		must_get(kind, across(), another_gets(mnt, kind, F_RDLCK));
		must(close(fd));
		must_get(kind, 0, another_gets(mnt, kind, F_WRLCK));
	}
}

Test(locks, closing_the_last_descriptor_drops_the_lock_on_both_sides)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		int fd = open_locked(mnt, kind, F_WRLCK);
		must_get(kind, EAGAIN, another_gets(mnt, kind, F_WRLCK));
		must(close(fd));
		/* The release behind a close is not waited for. */
		cr_assert(eventually(another_gets(mnt, kind, F_WRLCK) == 0), "%s",
			  kind_names[kind]);
		cr_assert(eventually(another_gets(host, kind, F_WRLCK) == 0), "%s",
			  kind_names[kind]);
	}
}

static int lock_and_wait(void *arg)
{
	const struct attempt *attempt = arg;
	int fd = openat(attempt->dir, "file", O_RDWR | O_CLOEXEC);

	if (fd < 0 || set_lock(fd, attempt->kind, attempt->type, true))
		return 1;
	for (;;)
		pause();
}

Test(locks, the_lock_of_a_killed_process_is_dropped_on_both_sides)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct attempt attempt = { .dir = mnt, .kind = kind, .type = F_WRLCK };
		pid_t pid = start_child(lock_and_wait, &attempt);

		cr_assert(eventually(another_gets(mnt, kind, F_WRLCK) == EAGAIN), "%s",
			  kind_names[kind]);
		must(kill(pid, SIGKILL));
		cr_assert_eq(result_of(pid), -1);
		cr_assert(eventually(another_gets(mnt, kind, F_WRLCK) == 0), "%s",
			  kind_names[kind]);
		cr_assert(eventually(another_gets(host, kind, F_WRLCK) == 0), "%s",
			  kind_names[kind]);
	}
}

Test(locks, a_posix_lock_goes_with_any_descriptor_of_its_process_and_others_stay)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		int fd = open_locked(mnt, kind, F_WRLCK);
		must(close(must(openat(mnt, "file", O_RDONLY))));
		must_get(kind, kind == POSIX ? 0 : EAGAIN, another_gets(mnt, kind, F_WRLCK));
		must_get(kind, kind == POSIX ? 0 : across(), another_gets(host, kind, F_WRLCK));
		must(close(fd));
	}
}

Test(locks, a_duplicated_descriptor_keeps_the_lock_of_its_description)
{
	for (enum kind kind = OFD; kind < KINDS; kind++) {
		int fd = open_locked(mnt, kind, F_WRLCK);
		int second = must(dup(fd));
		must(close(fd));
		must_get(kind, EAGAIN, another_gets(mnt, kind, F_WRLCK));
		must_get(kind, across(), another_gets(host, kind, F_WRLCK));
		must(close(second));
		cr_assert(eventually(another_gets(mnt, kind, F_WRLCK) == 0), "%s",
			  kind_names[kind]);
	}
}

Test(locks, two_descriptions_of_one_process_exclude_each_other_unless_the_locks_are_posix)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		int fd = open_locked(mnt, kind, F_WRLCK);
		int second = must(openat(mnt, "file", O_RDWR));
		must_get(kind, kind == POSIX ? 0 : EAGAIN, set_lock(second, kind, F_WRLCK, false));
		must(close(fd));
		must(close(second));
	}
}

static int use_inherited_lock(void *arg)
{
	return set_lock(*(int *)arg, OFD, F_RDLCK, false);
}

Test(locks, a_child_shares_the_description_lock_of_its_parent_and_not_the_posix_one)
{
	int fd = open_locked(mnt, OFD, F_WRLCK);
	cr_assert_eq(in_child(use_inherited_lock, &fd), 0);
	must_get(OFD, EAGAIN, another_gets(mnt, OFD, F_WRLCK));
	must_get(OFD, 0, another_gets(mnt, OFD, F_RDLCK));
	must(close(fd));

	cr_assert(eventually(another_gets(mnt, POSIX, F_WRLCK) == 0));
	fd = open_locked(mnt, POSIX, F_WRLCK);
	must_get(POSIX, EAGAIN, another_gets(mnt, POSIX, F_WRLCK));
	must(close(fd));
}

Test(locks, byte_ranges_are_locked_split_and_joined_independently)
{
	static const off_t far = INT64_C(1) << 40;

	for (enum kind kind = POSIX; kind <= OFD; kind++) {
		int fd = must(openat(mnt, "file", O_RDWR | O_CLOEXEC));
		must_get(kind, 0, lock_range(fd, kind, F_WRLCK, 100, 100, false));
		must_get(kind, 0, another_gets_range(mnt, kind, F_WRLCK, 0, 100));
		must_get(kind, 0, another_gets_range(mnt, kind, F_WRLCK, 200, 0));
		must_get(kind, EAGAIN, another_gets_range(mnt, kind, F_WRLCK, 199, 1));
		must_get(kind, across(), another_gets_range(host, kind, F_WRLCK, 199, 1));
		must_get(kind, 0, another_gets_range(host, kind, F_WRLCK, 200, 1));

		must_get(kind, 0, lock_range(fd, kind, F_UNLCK, 140, 20, false));
		must_get(kind, 0, another_gets_range(mnt, kind, F_WRLCK, 140, 20));
		must_get(kind, EAGAIN, another_gets_range(mnt, kind, F_WRLCK, 139, 1));
		must_get(kind, EAGAIN, another_gets_range(mnt, kind, F_WRLCK, 160, 1));

		must_get(kind, 0, lock_range(fd, kind, F_WRLCK, far, 0, false));
		must_get(kind, EAGAIN, another_gets_range(mnt, kind, F_RDLCK, far * 4, 1));
		must_get(kind, across(), another_gets_range(host, kind, F_RDLCK, far * 4, 1));
		must_get(kind, 0, another_gets_range(mnt, kind, F_RDLCK, far - 1, 1));
		must(close(fd));
	}
}

static int ask_who_holds(void *arg)
{
	const struct attempt *attempt = arg;
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = openat(attempt->dir, "file", O_RDWR | O_CLOEXEC);

	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0)
		return errno;
	if (lock.l_type != attempt->type)
		return 101;
	if (lock.l_type == F_UNLCK)
		return 0;
	if (lock.l_start != attempt->start || lock.l_len != attempt->length)
		return 102;
	return lock.l_pid == getppid() ? 0 : 103;
}

Test(locks, asking_names_the_range_the_type_and_the_process_that_holds_it)
{
	struct attempt expected = { .dir = mnt, .type = F_WRLCK, .start = 50, .length = 20 };
	int fd = must(openat(mnt, "file", O_RDWR | O_CLOEXEC));

	must_get(POSIX, 0, lock_range(fd, POSIX, F_WRLCK, 50, 20, false));
	cr_assert_eq(in_child(ask_who_holds, &expected), 0,
		     "%d (101: type, 102: range, 103: process)",
		     in_child(ask_who_holds, &expected));
	must_get(POSIX, 0, lock_range(fd, POSIX, F_RDLCK, 50, 0, false));
	expected.type = F_RDLCK;
	expected.length = 0;
	cr_assert_eq(in_child(ask_who_holds, &expected), 0);
	must_get(POSIX, 0, lock_range(fd, POSIX, F_UNLCK, 0, 0, false));
	expected.type = F_UNLCK;
	cr_assert_eq(in_child(ask_who_holds, &expected), 0);
}

Test(locks, a_description_is_told_its_own_locks_as_the_host_tells_them)
{
	int at_host = must(openat(host, "file", O_RDWR | O_CLOEXEC));
	int at_mnt = open_locked(mnt, OFD, F_RDLCK);
	struct flock own = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	if (fcntl(at_host, F_OFD_GETLK, &own) < 0)
		cr_skip_test("the kernel knows no question for one's own locks (Linux 6.5)");
	cr_assert_eq(own.l_type, F_UNLCK);
	must(fcntl(at_mnt, F_OFD_GETLK, &own));
	cr_assert_eq(own.l_type, F_RDLCK);
	cr_assert_eq(own.l_start, 0);
	cr_assert_eq(own.l_len, 0);
}

Test(locks, posix_and_flock_locks_do_not_know_each_other)
{
	int fd = open_locked(mnt, POSIX, F_WRLCK);

	must_get(FLOCK, 0, another_gets(mnt, FLOCK, F_WRLCK));
	must_get(OFD, EAGAIN, another_gets(mnt, OFD, F_WRLCK));
	must(close(fd));
	fd = open_locked(mnt, FLOCK, F_WRLCK);
	must_get(POSIX, 0, another_gets(mnt, POSIX, F_WRLCK));
	must(close(fd));
}

Test(locks, locks_of_different_files_and_of_an_unlinked_one_are_apart)
{
	int fd = open_locked(mnt, POSIX, F_WRLCK);
	must(unlinkat(mnt, "file", 0));
	put_text(mnt, "file", "another");
	must_get(POSIX, 0, another_gets(mnt, POSIX, F_WRLCK));
	must_get(POSIX, 0, lock_range(fd, POSIX, F_WRLCK, 0, 1, false));
	must(close(fd));
}

Test(locks, a_renamed_file_stays_locked_under_its_new_name)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		int fd = open_locked(mnt, kind, F_WRLCK);
		must(renameat(mnt, "file", mnt, "other"));
		must(linkat(mnt, "other", mnt, "file", 0));
		must(unlinkat(mnt, "other", 0));
		must_get(kind, EAGAIN, another_gets(mnt, kind, F_WRLCK));
		must(close(fd));
	}
}

Test(locks, a_write_lock_needs_a_descriptor_for_writing_unless_it_is_flocks)
{
	int reader = must(openat(mnt, "file", O_RDONLY));

	must_get(POSIX, EBADF, set_lock(reader, POSIX, F_WRLCK, false));
	must_get(OFD, EBADF, set_lock(reader, OFD, F_WRLCK, false));
	must_get(POSIX, 0, set_lock(reader, POSIX, F_RDLCK, false));
	must_get(FLOCK, 0, set_lock(reader, FLOCK, F_WRLCK, false));
	must_get(FLOCK, EAGAIN, another_gets(mnt, FLOCK, F_RDLCK));
	must(close(reader));
	int writer = must(openat(mnt, "file", O_WRONLY));
	must_get(POSIX, EBADF, set_lock(writer, POSIX, F_RDLCK, false));
	must_get(FLOCK, 0, set_lock(writer, FLOCK, F_RDLCK, false));
}

/* ---- Blocked ones ---- */

struct blocked {
	struct attempt attempt;
	int holder; /* the parent's descriptor with the lock, which a child must not keep open */
	int report[2];
	pid_t pid;
};

static void on_signal(int number)
{
	(void)number;
}

/* Reports 'w' when it is about to wait; its result is what waiting for the lock gave. */
static int wait_for_lock(void *arg)
{
	const struct blocked *blocked = arg;
	const struct attempt *attempt = &blocked->attempt;
	struct sigaction action = { .sa_handler = on_signal };

	close(blocked->holder);
	int fd = openat(attempt->dir, "file", O_RDWR | O_CLOEXEC);

	if (fd < 0 || sigaction(SIGUSR1, &action, NULL) < 0 ||
	    write(blocked->report[1], "w", 1) != 1)
		return 255;
	return set_lock(fd, attempt->kind, attempt->type, true);
}

static void start_blocked(struct blocked *blocked, int holder, int dir, enum kind kind)
{
	char byte;

	blocked->holder = holder;
	blocked->attempt = (struct attempt){ .dir = dir, .kind = kind, .type = F_WRLCK };
	must(pipe2(blocked->report, O_CLOEXEC));
	blocked->pid = start_child(wait_for_lock, blocked);
	must(close(blocked->report[1]));
	cr_assert_eq(must(read(blocked->report[0], &byte, 1)), 1, "the child did not come to wait");
}

/* Whether the child is still there after a moment: its end closes the pipe. */
static bool still_waits(const struct blocked *blocked, int ms)
{
	struct pollfd end = { .fd = blocked->report[0], .events = POLLIN };

	return must(poll(&end, 1, ms)) == 0;
}

static int result_of_blocked(struct blocked *blocked)
{
	cr_assert(!still_waits(blocked, 20000), "the child waits for good");
	must(close(blocked->report[0]));
	return result_of(blocked->pid);
}

Test(locks, a_blocked_lock_is_granted_when_the_holder_lets_go)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct blocked blocked;
		int fd = open_locked(mnt, kind, F_WRLCK);
		start_blocked(&blocked, fd, mnt, kind);
		cr_assert(still_waits(&blocked, 200), "%s lock was not waited for",
			  kind_names[kind]);
		must_get(kind, 0, set_lock(fd, kind, F_UNLCK, false));
		must_get(kind, 0, result_of_blocked(&blocked));
		must(close(fd));
	}
}

Test(locks, a_blocked_lock_is_granted_when_the_holder_closes)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct blocked blocked;
		int fd = open_locked(mnt, kind, F_WRLCK);
		start_blocked(&blocked, fd, mnt, kind);
		cr_assert(still_waits(&blocked, 200), "%s lock was not waited for",
			  kind_names[kind]);
		must(close(fd));
		must_get(kind, 0, result_of_blocked(&blocked));
	}
}

Test(locks, a_blocked_lock_ends_with_EINTR_on_a_signal_and_is_not_taken_later)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct blocked blocked;
		int fd = open_locked(mnt, kind, F_WRLCK);
		start_blocked(&blocked, fd, mnt, kind);
		cr_assert(still_waits(&blocked, 200), "%s lock was not waited for",
			  kind_names[kind]);
		must(kill(blocked.pid, SIGUSR1));
		must_get(kind, EINTR, result_of_blocked(&blocked));

		must_get(kind, EAGAIN, another_gets(mnt, kind, F_WRLCK));
		must(close(fd));
		cr_assert(eventually(another_gets(mnt, kind, F_WRLCK) == 0), "%s",
			  kind_names[kind]);
		cr_assert(eventually(another_gets(host, kind, F_WRLCK) == 0), "%s",
			  kind_names[kind]);
	}
}

Test(locks, a_process_killed_while_it_is_blocked_takes_nothing_later)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct blocked blocked;
		int fd = open_locked(mnt, kind, F_WRLCK);
		start_blocked(&blocked, fd, mnt, kind);
		cr_assert(still_waits(&blocked, 200), "%s lock was not waited for",
			  kind_names[kind]);
		must(kill(blocked.pid, SIGKILL));
		cr_assert_eq(result_of_blocked(&blocked), -1);

		must(close(fd));
		cr_assert(eventually(another_gets(mnt, kind, F_WRLCK) == 0), "%s",
			  kind_names[kind]);
		cr_assert(eventually(another_gets(host, kind, F_WRLCK) == 0), "%s",
			  kind_names[kind]);
	}
}

/* With local locks a holder on the other side is in nobody's way. */
static void must_wait_if_locks_are_the_hosts(const struct blocked *blocked, enum kind kind)
{
	if (config_has_host_locks())
		cr_assert(still_waits(blocked, 200), "%s lock was not waited for",
			  kind_names[kind]);
	else
		cr_assert(!still_waits(blocked, 10000), "%s lock was waited for", kind_names[kind]);
}

Test(locks, one_blocked_on_the_mount_by_the_host_is_granted_when_the_host_lets_go)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct blocked blocked;
		int fd = open_locked(host, kind, F_WRLCK);
		start_blocked(&blocked, fd, mnt, kind);
		must_wait_if_locks_are_the_hosts(&blocked, kind);
		must(close(fd));
		must_get(kind, 0, result_of_blocked(&blocked));
	}
}

Test(locks, one_blocked_on_the_mount_by_the_host_ends_with_EINTR_on_a_signal)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct blocked blocked;
		int fd = open_locked(host, kind, F_WRLCK);
		start_blocked(&blocked, fd, mnt, kind);
		must_wait_if_locks_are_the_hosts(&blocked, kind);
		if (config_has_host_locks())
			must(kill(blocked.pid, SIGUSR1));
		must_get(kind, config_has_host_locks() ? EINTR : 0, result_of_blocked(&blocked));
		must(close(fd));
		cr_assert(eventually(another_gets(mnt, kind, F_WRLCK) == 0), "%s",
			  kind_names[kind]);
		cr_assert(eventually(another_gets(host, kind, F_WRLCK) == 0), "%s",
			  kind_names[kind]);
	}
}

Test(locks, one_blocked_on_the_host_by_the_mount_is_granted_when_the_mount_lets_go)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct blocked blocked;
		int fd = open_locked(mnt, kind, F_WRLCK);
		start_blocked(&blocked, fd, host, kind);
		must_wait_if_locks_are_the_hosts(&blocked, kind);
		must(close(fd));
		must_get(kind, 0, result_of_blocked(&blocked));
	}
}

/* Does not open the locked file: closing it would drop this process's POSIX lock. */
static void use_the_mount(void)
{
	put_text(mnt, "other", "not held up");
	must_hold_text(mnt, "other", "not held up");
	must(renameat(mnt, "other", mnt, "renamed"));
	cr_assert_eq(count_entries(mnt), 2);
	must(unlinkat(mnt, "renamed", 0));
	cr_assert_eq(stat_of(mnt, "file").st_size, 12);
}

Test(locks, a_crowd_of_blocked_ones_holds_up_nobody_and_each_gets_the_lock_in_the_end)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct blocked crowd[CROWD];
		int fd = open_locked(mnt, kind, F_WRLCK);
		struct timespec begin, end;

		for (int i = 0; i < CROWD; i++)
			start_blocked(&crowd[i], fd, mnt, kind);
		sleep_ms(100);
		clock_gettime(CLOCK_MONOTONIC, &begin);
		use_the_mount();
		clock_gettime(CLOCK_MONOTONIC, &end);
		cr_assert_leq(end.tv_sec - begin.tv_sec, 3, "%s locks held the others up",
			      kind_names[kind]);
		for (int i = 0; i < CROWD; i++)
			cr_assert(still_waits(&crowd[i], 0), "%s locker %d does not wait",
				  kind_names[kind], i);

		must_get(kind, 0, set_lock(fd, kind, F_UNLCK, false));
		for (int i = 0; i < CROWD; i++)
			must_get(kind, 0, result_of_blocked(&crowd[i]));
		must(close(fd));
	}
}

Test(locks, of_a_blocked_crowd_the_signalled_half_ends_and_the_other_half_gets_the_lock)
{
	struct blocked crowd[CROWD];
	int fd = open_locked(mnt, POSIX, F_WRLCK);

	for (int i = 0; i < CROWD; i++)
		start_blocked(&crowd[i], fd, mnt, POSIX);
	sleep_ms(200);
	for (int i = 0; i < CROWD; i += 2)
		must(kill(crowd[i].pid, SIGUSR1));
	for (int i = 0; i < CROWD; i += 2)
		must_get(POSIX, EINTR, result_of_blocked(&crowd[i]));
	must_get(POSIX, 0, set_lock(fd, POSIX, F_UNLCK, false));
	for (int i = 1; i < CROWD; i += 2)
		must_get(POSIX, 0, result_of_blocked(&crowd[i]));
	must(close(fd));
}

struct counting {
	enum kind kind;
	int rounds;
};

/* Reads, adds one and writes back under the lock: without exclusion, additions are lost. */
static int count_under_lock(void *arg)
{
	const struct counting *counting = arg;
	int fd = openat(mnt, "counter", O_RDWR | O_CLOEXEC);
	uint32_t value;

	if (fd < 0)
		return errno;
	for (int i = 0; i < counting->rounds; i++) {
		int error = set_lock(fd, counting->kind, F_WRLCK, true);
		if (error)
			return error;
		if (pread(fd, &value, sizeof(value), 0) != sizeof(value))
			return EIO;
		value++;
		if (pwrite(fd, &value, sizeof(value), 0) != sizeof(value))
			return EIO;
		error = set_lock(fd, counting->kind, F_UNLCK, false);
		if (error)
			return error;
	}
	return 0;
}

Test(locks, processes_that_add_under_the_lock_lose_no_addition)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct counting counting = { .kind = kind, .rounds = 100 };
		uint32_t value = 0;
		pid_t pids[4];

		put_file(mnt, "counter", &value, sizeof(value));
		for (int i = 0; i < 4; i++)
			pids[i] = start_child(count_under_lock, &counting);
		for (int i = 0; i < 4; i++)
			must_get(kind, 0, result_of(pids[i]));
		int fd = must(openat(mnt, "counter", O_RDONLY));
		must(read(fd, &value, sizeof(value)));
		cr_assert_eq(value, 400, "%s: %u of 400", kind_names[kind], value);
		must(close(fd));
	}
}
