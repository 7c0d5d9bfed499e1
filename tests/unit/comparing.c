// SPDX-License-Identifier: BSD-3-Clause
/* Scripts played through the vtable of a passthrough: on threads of the host and on donated ones,
 * in both modes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fsbackend/passthrough.h>
#include <fsbackend/thread.h>

#include "fixture.h"
#include "playing.h"

static void *play_donated(void *arg)
{
	struct play *p = arg;

	if (fsb_thread_donate() < 0)
		return p;
	play_here(p);
	return NULL;
}

static void play_in_thread(struct play *p)
{
	pthread_t thread;
	void *failed;

	must_be(pthread_create(&thread, NULL, play_donated, p), 0);
	must_be(pthread_join(thread, &failed), 0);
	cr_assert_null(failed, "the thread could not be donated");
}

/* @process_umask: of the host's thread; -1: a donated one. */
static void play_served(struct play *p, struct fsb_filesystem *fs, int process_umask)
{
	struct thread_credentials before;

	must_be(actor_serve(&p->actor, fs, p->user), 0);
	p->before = NULL;
	if (process_umask >= 0) {
		umask((mode_t)process_umask);
		thread_credentials(&before);
		p->before = &before;
		play_here(p);
		umask(0);
	} else {
		play_in_thread(p);
	}
	actor_clear(&p->actor);
}

/* ---- Ways ---- */

static const struct way {
	const char *name;
	enum fsb_permissions permissions;
	int process_umask;
} all_ways[] = {
	{ "server mode, a host's thread, umask 022", FSB_PERMISSIONS_SERVER, 022 },
	{ "server mode, a host's thread, umask 077", FSB_PERMISSIONS_SERVER, 077 },
	{ "server mode, a donated thread", FSB_PERMISSIONS_SERVER, -1 },
	{ "client mode, a host's thread, umask 022", FSB_PERMISSIONS_CLIENT, 022 },
	{ "client mode, a host's thread, umask 077", FSB_PERMISSIONS_CLIENT, 077 },
	{ "client mode, a donated thread", FSB_PERMISSIONS_CLIENT, -1 },
};

static struct fsb_filesystem *serve(const char *source, enum fsb_permissions permissions)
{
	struct fsb_passthrough_config config;
	struct fsb_filesystem *fs;

	fsb_passthrough_config_init(&config);
	config.source = source;
	config.permissions = permissions;
	must_be(fsb_passthrough_new(&config, &fs), 0);
	return fs;
}

/* One user: natively once, then in every way. @number tells the trees of the users apart. */
static void compare_user(const struct script *script, const struct user *user, unsigned int ways,
			 const char *dir, unsigned int number)
{
	struct results *native = results_new(), *served = results_new();
	char name[64], path[200], who[300];

	snprintf(name, sizeof(name), "native-%u", number);
	int root = play_make_tree(dir, name, script);
	struct play p = { .script = script, .user = user, .results = native };
	play_natively(&p, root);
	char *native_text = tree_text(root);
	close(root);

	p.results = served;
	for (size_t i = 0; i < COUNT(all_ways); i++) {
		const struct way *way = &all_ways[i];
		bool server = way->permissions == FSB_PERMISSIONS_SERVER;
		if (!(ways & (server ? COMPARE_SERVER : COMPARE_CLIENT)))
			continue;
		snprintf(name, sizeof(name), "served-%u-%zu", number, i);
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		snprintf(who, sizeof(who), "%s, %s", user->name, way->name);
		root = play_make_tree(dir, name, script);
		struct fsb_filesystem *fs = serve(path, way->permissions);
		p.natively = server ? NULL : native;
		play_served(&p, fs, way->process_umask);
		fsb_passthrough_free(fs);
		char *text = tree_text(root);
		close(root);
		compare_results(native, served, who);
		compare_trees(native_text, text, who);
		free(text);
	}
	free(native_text);
	results_free(served);
	results_free(native);
}

/* In memory, where nobody else sees it: the trees are many. Where that is not allowed, the
 * directory does as it is. */
static void mount_scratch(const char *dir)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return;
	(void)mount("none", dir, "tmpfs", 0, "mode=0777");
}

void compare(const struct script *script, unsigned int ways)
{
	static const gid_t servers[] = { TEAM, LENT };
	struct fixture f;

	players_make();
	/* The server has groups, and must not lend them. */
	must(syscall(SYS_setgroups, 2, servers));
	fixture_make(&f);
	mount_scratch(f.dir);
	for (unsigned int i = 0; i < PLAYERS; i++)
		if (players[i].ngroups < FSB_NGROUPS_MAX || (ways & COMPARE_LEGION))
			compare_user(script, &players[i], ways, f.dir, i);
	(void)umount2(f.dir, MNT_DETACH);
	fixture_end(&f);
}
