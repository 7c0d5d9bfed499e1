// SPDX-License-Identifier: BSD-3-Clause
/*
 * Renames on the host against walks through the mount: the host swaps directories for symlinks to
 * outside of the served tree and moves others out and in, while processes do all they can below.
 * Whatever is outside stays as it is. FSB_LONG makes it last a minute.
 *
 * The client itself follows no symlink here, as it would by its own view of this machine.
 */
#include "../integration/testing.h"

#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>

enum { WALKERS = 4, LONG_AGO = 1000000000, VIOLATION = 99 };

TestSuite(outside, .init = enter_fresh_directory);

static int outside = -1;

static void make_canary(int dir, const char *name)
{
	const struct timespec times[2] = { { .tv_sec = LONG_AGO }, { .tv_sec = LONG_AGO } };

	put_text(dir, name, "canary");
	must(fchmodat(dir, name, 0666, 0));
	must(utimensat(dir, name, times, 0));
}

/* Beside the served directory, on the same file system. */
static void make_outside(char *path, size_t size)
{
	snprintf(path, size, "%s/../outside-XXXXXX", getenv("HOST"));
	cr_assert_not_null(mkdtemp(path), "%s", strerror(errno));
	must(chmod(path, 0777));
	outside = must(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	must(mkdirat(outside, "below", 0777));
	must(fchmodat(outside, "below", 0777, 0));
	must(mkdirat(outside, "holding", 0777));
	make_canary(outside, "secret");
	make_canary(outside, "below/secret");
}

static void must_be_untouched(const char *name)
{
	struct stat st = stat_of(outside, name);

	cr_expect_eq(st.st_atime, LONG_AGO, "outside/%s was read", name);
	cr_expect_eq(st.st_mtime, LONG_AGO, "outside/%s was written", name);
	cr_expect_eq(st.st_mode, S_IFREG | 0666);
	cr_expect_eq(st.st_nlink, 1);
	must_hold_text(outside, name, "canary");
}

/* ---- The host ---- */

static void restore(void)
{
	static const char *const dirs[] = { "wander", "wander/deep", "swap" };
	static const char *const files[] = { "swap/secret", "wander/secret", "wander/deep/secret" };

	for (size_t i = 0; i < 3; i++)
		if (mkdirat(host, dirs[i], 0777) == 0)
			(void)fchmodat(host, dirs[i], 0777, 0);
	for (size_t i = 0; i < 3; i++) {
		int fd = openat(host, files[i],
				O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0666);
		if (fd >= 0 && write(fd, "inside", 6) == 6)
			(void)fchmod(fd, 0666);
		if (fd >= 0)
			close(fd);
	}
}

static void rename_about(int holding)
{
	for (unsigned int i = 0; i < 20; i++) {
		/* The link to outside stands where the directory stood, for a moment. */
		(void)renameat2(host, "swap", holding, "link", RENAME_EXCHANGE);
		(void)renameat2(host, "swap", holding, "link", RENAME_EXCHANGE);
		if (renameat2(host, "wander", holding, "wander", RENAME_NOREPLACE) == 0)
			(void)renameat2(holding, "wander", host, "wander", 0);
		(void)renameat2(host, "swap", host, "wander/deep", RENAME_EXCHANGE);
	}
	struct stat st;
	if (fstatat(host, "swap", &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode))
		restore();
}

/* ---- The walkers ---- */

static unsigned int pick(uint64_t *random, unsigned int most)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (unsigned int)(*random >> 33) % most;
}

static bool is_canary(int dir, const char *name)
{
	char content[16];
	int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return false;
	ssize_t n = pread(fd, content, sizeof(content), 0);
	(void)!pwrite(fd, "inside", 6, 0);
	close(fd);
	return n >= 6 && memcmp(content, "canary", 6) == 0;
}

static bool act_in(int dir, uint64_t *random)
{
	char buffer[1024];
	int fd;

	switch (pick(random, 8)) {
	case 0:
		fd = openat(dir, "new", O_CREAT | O_TRUNC | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0666);
		if (fd >= 0)
			close(fd);
		break;
	case 1:
		(void)unlinkat(dir, pick(random, 2) ? "secret" : "new", 0);
		break;
	case 2:
		(void)renameat(dir, "secret", dir, "new");
		break;
	case 3:
		(void)mkdirat(dir, "spare", 0777);
		(void)unlinkat(dir, "spare", AT_REMOVEDIR);
		break;
	case 4:
		(void)linkat(dir, "secret", dir, "new", 0);
		break;
	case 5:
		(void)syscall(SYS_getdents64, dir, buffer, sizeof(buffer));
		break;
	case 6:
		(void)fchownat(dir, "secret", 77, 77, AT_SYMLINK_NOFOLLOW);
		break;
	default:
		break;
	}
	return !is_canary(dir, "secret") && !is_canary(dir, "below/secret") &&
	       !is_canary(dir, "new");
}

/* One name after the other, and ".." too, which the client may know to lead up to the mount's root
 * only. */
static bool walk(uint64_t *random)
{
	static const char *const names[] = { "swap", "wander", "deep", "below" };
	int dir = dup(mnt);

	for (unsigned int depth = 0; depth < 4 && dir >= 0; depth++) {
		int next = openat(dir, names[pick(random, 4)],
				  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			break;
		close(dir);
		dir = next;
		if (!act_in(dir, random)) {
			close(dir);
			return false;
		}
	}
	close(dir);
	return true;
}

static int walk_until_killed(void *arg)
{
	uint64_t random = 88172645463325252ull + (uint64_t)(uintptr_t)arg;

	umask(0);
	if ((uintptr_t)arg & 1 &&
	    (setresgid(2001, 2001, 2001) < 0 || setresuid(1001, 1001, 1001) < 0))
		return 1;
	while (walk(&random))
		;
	return VIOLATION;
}

Test(outside, nothing_outside_is_reached_while_the_host_renames_directories)
{
	time_t end = time(NULL) + (getenv("FSB_LONG") ? 60 : 5);
	pid_t walkers[WALKERS];
	char path[4096], target[4200];

	make_outside(path, sizeof(path));
	must(fchmod(host, 0777));
	int holding = must(openat(outside, "holding", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	snprintf(target, sizeof(target), "../../%s", strrchr(path, '/') + 1);
	must(symlinkat(target, holding, "link"));
	restore();
	for (uintptr_t i = 0; i < WALKERS; i++)
		walkers[i] = start_child(walk_until_killed, (void *)i);
	while (time(NULL) < end)
		rename_about(holding);
	for (unsigned int i = 0; i < WALKERS; i++) {
		must(kill(walkers[i], SIGKILL));
		cr_expect_neq(result_of(walkers[i]), VIOLATION, "walker %u came out", i);
	}
	/* Whatever wandered out comes back before it is looked at what is there. */
	(void)renameat2(holding, "wander", host, "wander", 0);
	must_be_untouched("secret");
	must_be_untouched("below/secret");
	cr_expect_eq(count_entries(outside), 3);
	cr_expect(!exists(outside, "new"));
	must(unlinkat(outside, "secret", 0));
	must(unlinkat(outside, "below/secret", 0));
}
