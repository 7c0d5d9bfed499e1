/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of a printed program that is the program's own: the users take turns in one process,
 * each with umask, groups, working directory and descriptors of its own, inside the directory given
 * on the command line. The oracle does not compile this file; it prints it. (Locks by fcntl are the
 * process's, so that those of two users do not exclude each other here.)
 */
#include "calls.h"
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SLOTS 8

static struct {
	int set;
	mode_t umask;
	int cwd;
	int slots[SLOTS];
} users[USERS];
static int current = -1;
static struct view remembered[4], seen;
static int none = -1;

#define slot(number) users[current].slots[number]
#define SAY(call) say(#call, call)

static void must(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(2);
}

static void begin(int argc, char **argv)
{
	(void)none;
	if (argc != 2) {
		fprintf(stderr, "usage: %s EMPTY-DIRECTORY\n", argv[0]);
		exit(2);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	must(call_begin() == 0, "/proc/self/fd");
	must(chmod(argv[1], 0777) == 0 && chroot(argv[1]) == 0 && chdir("/") == 0, argv[1]);
	for (int user = 0; user < USERS; user++) {
		users[user].set = identities[user].groups;
		users[user].umask = identities[user].umask;
		users[user].cwd = open("/", O_PATH | O_DIRECTORY);
		for (int i = 0; i < SLOTS; i++)
			users[user].slots[i] = -1;
	}
}

static void as(int user)
{
	if (user == current)
		return;
	must(identity_become_root() == 0, "becoming root");
	if (current >= 0) {
		close(users[current].cwd);
		users[current].cwd = open(".", O_PATH | O_DIRECTORY);
	}
	current = user;
	must(fchdir(users[user].cwd) == 0, "fchdir");
	umask(users[user].umask);
	must(identity_wear(&identities[user], users[user].set, false) == 0, identities[user].name);
	printf("-- %s\n", identities[user].name);
}

static struct outcome change_umask(mode_t mask)
{
	users[current].umask = mask;
	umask(mask);
	return (struct outcome){ 0 };
}

static struct outcome change_groups(int set)
{
	must(identity_become_root() == 0, "becoming root");
	users[current].set = set;
	must(identity_wear(&identities[current], set, false) == 0, identities[current].name);
	return (struct outcome){ 0 };
}

static struct outcome pass(int *to, int fd)
{
	if (fd < 0)
		return (struct outcome){ .result = -1, .error = EBADF };
	if (*to >= 0)
		close(*to);
	*to = dup(fd);
	return (struct outcome){ 0 };
}

static void say(const char *call, struct outcome outcome)
{
	printf("%s = %lld", call, (long long)outcome.result);
	if (outcome.error)
		printf(" %s", strerror(outcome.error));
	if (outcome.length || outcome.digest)
		printf(" (%u bytes, digest %llx: %s)", outcome.length,
		       (unsigned long long)outcome.digest, outcome.text);
	printf("\n");
}

static void print_time(const char *name, struct timespec then)
{
	if (then.tv_sec > time(NULL) - 86400 && then.tv_sec < time(NULL) + 86400)
		printf(" %s lately", name);
	else
		printf(" %s %lld.%09ld", name, (long long)then.tv_sec, then.tv_nsec);
}

static void print_view(const char *name, const struct view *view)
{
	printf("   %s: ", name);
	if (view->error) {
		printf("%s\n", strerror(view->error));
		return;
	}
	printf("mode %o owner %u:%u nlink %u size %llu blocks %llu rdev %llx", view->mode,
	       view->uid, view->gid, view->nlink, (unsigned long long)view->size,
	       (unsigned long long)view->blocks, (unsigned long long)view->rdev);
	print_time("mtime", view->mtime);
	print_time("ctime", view->ctime);
	printf("\n");
}

static void before(int which, int dir, const char *path, int flags)
{
	remembered[which] = look(dir, path, flags);
	print_view(path[0] ? path : "(descriptor)", &remembered[which]);
}

static const char *how_it_moved(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec ? "stayed" : "moved";
}

static void after(int which, int dir, const char *path, int flags)
{
	const struct view then = remembered[which], now = look(dir, path, flags);

	print_view(path[0] ? path : "(descriptor)", &now);
	if (!then.error && !now.error && then.ino == now.ino)
		printf("   mtime %s, ctime %s\n", how_it_moved(then.mtime, now.mtime),
		       how_it_moved(then.ctime, now.ctime));
	memset(&remembered[which], 0, sizeof(remembered[which]));
	remembered[which].error = -1;
}

static void show_value(const char *path, const char *name)
{
	printf("   xattr %s: ", name);
	say("value", call_getxattr(path, name, 65536, false));
}

/* Everything about one name, for root. */
static void show_node(const char *path)
{
	static char names[65536];
	const struct view view = look(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
	ssize_t size = llistxattr(path, names, sizeof(names));
	int fd = -1;

	print_view(path, &view);
	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1)
		show_value(path, names + at);
	if (S_ISDIR(view.mode)) {
		say("names", call_list(AT_FDCWD, path));
	} else if (S_ISLNK(view.mode)) {
		say("text", call_readlink(AT_FDCWD, path));
	} else if (S_ISREG(view.mode) && call_open(&fd, AT_FDCWD, path, O_RDONLY, 0).error == 0) {
		say("contents", call_pread(fd, 262144, 0));
		close(fd);
	}
}
