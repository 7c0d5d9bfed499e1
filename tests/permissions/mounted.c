// SPDX-License-Identifier: BSD-3-Clause
/*
 * Scripts of ../unit/permissions.c played through a mount: by a process that truly is the user,
 * once in a directory of the host, once in its like below the mount point. Started by
 * ../integration/run.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit/fixture.h"
#include "../unit/playing.h"

static const char *setting(const char *name)
{
	const char *value = getenv(name);

	cr_assert(value && *value, "%s is not set: start the tests by tests/integration/run", name);
	return value;
}

static int open_directory(const char *dir, const char *name)
{
	char path[4096];

	cr_assert_lt(snprintf(path, sizeof(path), "%s/%s", dir, name), (int)sizeof(path));
	return (int)must(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

/* Under writeback the kernel reads what it fills a page with, and so moves the access time. Times
 * that were set stay in the text. */
static void leave_out_access_times(char *text)
{
	if (!strstr(setting("FSBACKEND_TEST_CONFIG"), "writeback"))
		return;
	for (char *at;
	     (at = strstr(text, " atime=now")) || (at = strstr(text, " atime=1000000000"));) {
		size_t length = 1 + strcspn(at + 1, " \n");
		memmove(at, at + length, strlen(at + length) + 1);
	}
}

/* Without killpriv the kernel clears a set-group-id bit only along with permission to execute. */
static void leave_out_set_group_id_alone(char *text)
{
	if (!strstr(setting("FSBACKEND_MOUNT"), "without_killpriv"))
		return;
	for (char *line = text; *line;) {
		size_t length = strcspn(line, "\n") + 1, name = strcspn(line, ":");
		bool alone = name >= 5 && line[name - 5] == '-' && strchr("26", line[name - 4]) &&
			     line[name - 2] >= '4' && strchr("0246", line[name - 2]);
		if (alone)
			memmove(line, line + length, strlen(line + length) + 1);
		else
			line += length;
	}
}

/* @test tells the directories of the tests apart, @number those of the users. */
static void compare_player(const struct script *script, const struct user *user, const char *test,
			   unsigned int number)
{
	struct results *native = results_new(), *mounted = results_new();
	struct play p = { .script = script, .user = user, .results = native };
	char name[128];

	snprintf(name, sizeof(name), "%s-native-%u", test, number);
	int host = play_make_tree(setting("HOST"), name, script);
	play_natively(&p, host);
	char *native_text = tree_text(host);
	close(host);

	snprintf(name, sizeof(name), "%s-mounted-%u", test, number);
	host = play_make_tree(setting("HOST"), name, script);
	int mnt = open_directory(setting("MNT"), name);
	p.results = mounted;
	play_natively(&p, mnt);
	/* What the kernel has collected goes to the host. */
	must(syncfs(mnt));
	close(mnt);
	char *mounted_text = tree_text(host);
	close(host);
	leave_out_access_times(native_text);
	leave_out_access_times(mounted_text);
	leave_out_set_group_id_alone(native_text);
	leave_out_set_group_id_alone(mounted_text);
	compare_results(native, mounted, user->name);
	compare_trees(native_text, mounted_text, user->name);
	free(native_text);
	free(mounted_text);
	results_free(native);
	results_free(mounted);
}

void compare(const struct script *script, unsigned int ways)
{
	char test[32];

	players_make();
	umask(0);
	snprintf(test, sizeof(test), "%d", getpid());
	for (unsigned int i = 0; i < PLAYERS; i++)
		if (players[i].ngroups < FSB_NGROUPS_MAX || (ways & COMPARE_LEGION))
			compare_player(script, &players[i], test, i);
}
