/* SPDX-License-Identifier: BSD-3-Clause */
/* What the integration tests share: see testing.h. */
#include "testing.h"

#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

int host = -1;
int mnt = -1;

static char host_root[PATH_MAX];
static char mnt_root[PATH_MAX];

static const char *setting(const char *name)
{
	const char *value = getenv(name);

	cr_assert(value && *value, "%s is not set: start the tests by tests/integration/run", name);
	return value;
}

void enter_fresh_directory(void)
{
	int length = snprintf(host_root, sizeof(host_root), "%s/XXXXXX", setting("HOST"));

	cr_assert(length > 0 && (size_t)length < sizeof(host_root));
	cr_assert_not_null(mkdtemp(host_root), "mkdtemp %s: %s", host_root, strerror(errno));
	must(chmod(host_root, 0755));
	length = snprintf(mnt_root, sizeof(mnt_root), "%s%s", setting("MNT"),
			  strrchr(host_root, '/'));
	cr_assert(length > 0 && (size_t)length < sizeof(mnt_root));

	host = must(open(host_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	mnt = must(open(mnt_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	umask(022);
}

static const char *path_in(const char *root, const char *name)
{
	static char paths[8][PATH_MAX];
	static unsigned int next;
	char *path = paths[next++ % 8];

	cr_assert(snprintf(path, PATH_MAX, "%s/%s", root, name) < PATH_MAX);
	return path;
}

const char *host_path(const char *name)
{
	return path_in(host_root, name);
}

const char *mnt_path(const char *name)
{
	return path_in(mnt_root, name);
}

static bool config_is(const char *name)
{
	return !strcmp(setting("FSBACKEND_TEST_CONFIG"), name);
}

bool config_is_native(void)
{
	return config_is("native");
}

bool config_is_writeback(void)
{
	return config_is("writeback");
}

bool config_is_uncached(void)
{
	return config_is("nocache");
}

bool config_has_host_locks(void)
{
	return config_is("hostlocks") || config_is("stream-hostlocks") || config_is("stream-hostile") ||
	       config_is_native();
}

long checked(long result, const char *call, const char *file, int line)
{
	int error = errno;

	cr_assert(result >= 0, "%s:%d: %s: %s", file, line, call, strerror(error));
	return result;
}

void check_errno(long result, int error, int expected, const char *call, const char *file, int line)
{
	cr_assert(result == -1, "%s:%d: %s gave %ld, expected %s", file, line, call, result,
		  strerrorname_np(expected));
	cr_assert(error == expected, "%s:%d: %s failed with %s, expected %s", file, line, call,
		  strerrorname_np(error), strerrorname_np(expected));
}

void sleep_ms(unsigned int ms)
{
	struct timespec span = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&span, &span) < 0 && errno == EINTR)
		;
}

void put_file(int dir, const char *name, const void *bytes, size_t size)
{
	int fd = must(openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
	size_t done = 0;

	while (done < size)
		done += must(write(fd, (const char *)bytes + done, size - done));
	must(close(fd));
}

void put_text(int dir, const char *name, const char *text)
{
	put_file(dir, name, text, strlen(text));
}

static char *read_whole(int dir, const char *name, size_t *size)
{
	int fd = must(openat(dir, name, O_RDONLY | O_CLOEXEC));
	size_t room = 4096;
	char *bytes = NULL;

	*size = 0;
	for (;;) {
		bytes = realloc(bytes, room + 1);
		cr_assert_not_null(bytes);
		ssize_t count = must(read(fd, bytes + *size, room - *size));
		if (!count)
			break;
		*size += count;
		if (*size == room)
			room *= 2;
	}
	bytes[*size] = '\0';
	must(close(fd));
	return bytes;
}

void must_hold(int dir, const char *name, const void *bytes, size_t size)
{
	size_t found_size;
	char *found = read_whole(dir, name, &found_size);
	const char *side = dir == host ? "host" : dir == mnt ? "mount" : "elsewhere";

	cr_assert(found_size == size, "%s (%s): %zu bytes, expected %zu", name, side, found_size,
		  size);
	for (size_t at = 0; at < size; at++)
		if (found[at] != ((const char *)bytes)[at])
			cr_assert_fail("%s (%s): byte %zu is 0x%02x, expected 0x%02x", name, side,
				       at, (unsigned char)found[at],
				       ((const unsigned char *)bytes)[at]);
	free(found);
}

void must_hold_text(int dir, const char *name, const char *text)
{
	must_hold(dir, name, text, strlen(text));
}

bool holds_text(int dir, const char *name, const char *text)
{
	if (!exists(dir, name))
		return false;

	size_t size;
	char *found = read_whole(dir, name, &size);
	bool same = size == strlen(text) && !memcmp(found, text, size);

	free(found);
	return same;
}

bool exists(int dir, const char *name)
{
	struct stat st;

	if (!fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return true;
	cr_assert(errno == ENOENT, "stat of %s: %s", name, strerror(errno));
	return false;
}

struct stat stat_of(int dir, const char *name)
{
	struct stat st;

	cr_assert(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0, "stat of %s (%s): %s", name,
		  dir == host ? "host" : "mount", strerror(errno));
	return st;
}

struct stat stat_of_fd(int fd)
{
	struct stat st;

	must(fstat(fd, &st));
	return st;
}

DIR *open_listing(int dir, const char *name)
{
	DIR *listing = fdopendir(must(openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)));

	cr_assert_not_null(listing);
	return listing;
}

struct dirent *next_entry(DIR *listing)
{
	errno = 0;
	struct dirent *entry = readdir(listing);

	cr_assert(entry || !errno, "readdir: %s", strerror(errno));
	return entry;
}

size_t count_entries(int dir)
{
	DIR *listing = open_listing(dir, ".");
	size_t count = 0;

	for (struct dirent *entry; (entry = next_entry(listing));)
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			count++;
	closedir(listing);
	return count;
}

void fill_pattern(void *buffer, size_t size, uint32_t seed)
{
	unsigned char *bytes = buffer;
	uint32_t state = seed * 2654435761u + 1;

	for (size_t at = 0; at < size; at++) {
		state = state * 1664525u + 1013904223u;
		bytes[at] = state >> 24;
	}
}

void must_be_same_time(struct timespec a, struct timespec b, const char *which)
{
	cr_assert(a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec,
		  "%s: %lld.%09ld is not %lld.%09ld", which, (long long)a.tv_sec, a.tv_nsec,
		  (long long)b.tv_sec, b.tv_nsec);
}

bool is_later(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

pid_t start_child(body_fn *body, void *arg)
{
	pid_t pid = must(fork());

	if (!pid)
		_exit(body(arg));
	return pid;
}

int result_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		cr_assert(errno == EINTR, "waitpid: %s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int in_child(body_fn *body, void *arg)
{
	return result_of(start_child(body, arg));
}

struct user_body {
	const struct user *user;
	body_fn *body;
	void *arg;
};

static int become_user_and_run(void *arg)
{
	const struct user_body *what = arg;
	const struct user *user = what->user;

	if (setgroups(user->ngroups, user->groups) < 0 ||
	    setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return 254;
	return what->body(what->arg);
}

int as_user(const struct user *user, body_fn *body, void *arg)
{
	struct user_body what = { .user = user, .body = body, .arg = arg };

	return in_child(become_user_and_run, &what);
}
