/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the integration tests share: the served directory seen from both sides, a directory of its
 * own for each test, and checks that say what failed and why.
 *
 * A test gets two directory descriptors: @host, a fresh directory as the host has it, and @mnt, the
 * same directory through the mount. It acts on one and looks at the other.
 */
#ifndef FSBACKEND_TESTS_INTEGRATION_TESTING_H
#define FSBACKEND_TESTS_INTEGRATION_TESTING_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

extern int host;
extern int mnt;

/* The init function of every suite: a directory for the test, open from both sides; umask 022. */
void enter_fresh_directory(void);

/* A name in the test's directory as an absolute path, valid until the 8th next call. */
const char *host_path(const char *name);
const char *mnt_path(const char *name);

/* The configuration in force. Native means that no server is there: both sides are the host's. */
bool config_is_native(void);
bool config_is_writeback(void);
bool config_is_uncached(void);
bool config_has_host_locks(void);

/* Fails the test when @result is negative, and says which call it was, where and why. */
long checked(long result, const char *call, const char *file, int line);
#define must(call) checked((call), #call, __FILE__, __LINE__)

/* Fails the test unless the call returned -1 and set errno to exactly @expected. */
void check_errno(long result, int error, int expected, const char *call, const char *file,
		 int line);
#define must_fail(call, expected)                                                         \
	do {                                                                              \
		int must_fail_expected = (expected);                                      \
		errno = 0;                                                                \
		long must_fail_result = (call);                                           \
		check_errno(must_fail_result, errno, must_fail_expected, #call, __FILE__, \
			    __LINE__);                                                    \
	} while (0)

/* Waits up to five seconds for what the client's caches may hide; yields whether it came true. */
#define eventually(condition)                                                   \
	({                                                                      \
		bool eventually_held = false;                                   \
		for (int round = 0; round < 500 && !eventually_held; round++) { \
			eventually_held = (condition);                          \
			if (!eventually_held)                                   \
				sleep_ms(10);                                   \
		}                                                               \
		eventually_held;                                                \
	})
void sleep_ms(unsigned int ms);

/* Whole-file helpers; @dir is @host, @mnt or another directory. All fail the test on any error. */
void put_file(int dir, const char *name, const void *bytes, size_t size);
void put_text(int dir, const char *name, const char *text);
void must_hold(int dir, const char *name, const void *bytes, size_t size);
void must_hold_text(int dir, const char *name, const char *text);
bool holds_text(int dir, const char *name, const char *text);
bool exists(int dir, const char *name);
struct stat stat_of(int dir, const char *name);
struct stat stat_of_fd(int fd);
size_t count_entries(int dir);

/* Listings. The next entry, or NULL at the end; a listing that fails on the way fails the test. */
DIR *open_listing(int dir, const char *name);
struct dirent *next_entry(DIR *listing);

/* Bytes that differ from position to position and from seed to seed, so that shifted blocks show. */
void fill_pattern(void *buffer, size_t size, uint32_t seed);

/* Fails the test when the two times differ in seconds or nanoseconds. */
void must_be_same_time(struct timespec a, struct timespec b, const char *which);
bool is_later(struct timespec a, struct timespec b);

/*
 * Other processes. A body runs in a forked child, where no check of Criterion may be used: it
 * returns 0 or an errno, which becomes the result (or -1 when the child was ended by a signal).
 */
typedef int body_fn(void *arg);
pid_t start_child(body_fn *body, void *arg);
int result_of(pid_t pid);
int in_child(body_fn *body, void *arg);

struct user {
	uid_t uid;
	gid_t gid;
	size_t ngroups;
	gid_t groups[4];
};
int as_user(const struct user *user, body_fn *body, void *arg);

#endif
