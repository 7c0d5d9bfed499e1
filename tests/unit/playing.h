/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Playing a script by users with different groups, natively and in another way, in trees that are
 * made alike, and comparing each result and what became of the trees.
 *
 *	static void make(struct tree *t) { tree_file(t, "secret", 0, 0, 0600); }
 *	static void act(struct play *p) { step(p, open, "secret", O_RDONLY); }
 *	compare(&(struct script){ make, act }, COMPARE_ALL);
 *
 * What the other way is, says who defines compare(): comparing.c the vtable,
 * tests/permissions/mounted.c a mount.
 */
#ifndef FSBACKEND_TESTS_UNIT_PLAYING_H
#define FSBACKEND_TESTS_UNIT_PLAYING_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "acting.h"
#include "trees.h"

/* A group that some of the users are in, and the server too. */
#define TEAM 5000
/* A group that only the server is in. */
#define LENT 7777

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Root, and users with no, one, 200 and 65536 supplementary groups. */
enum { PLAYERS = 5 };
extern const struct user players[PLAYERS];

/* ---- Scripts ---- */

struct play;

struct script {
	void (*make)(struct tree *t);
	void (*act)(struct play *p);
};

/** One step: step(p, unlink, "name") is act_unlink(actor, "name"), if it is to be taken. */
#define step(p, act, path, ...)                                                                  \
	do {                                                                                     \
		if (play_takes_step(p))                                                          \
			play_note(p, act_##act(play_actor(p), path, ##__VA_ARGS__), #act, path); \
	} while (0)

bool play_takes_step(struct play *p);
struct actor *play_actor(struct play *p);
void play_note(struct play *p, int result, const char *act, const char *path);
/** Who plays. */
const struct user *play_user(const struct play *p);
/** The user's umask from now on; 022 at first. */
void play_umask(struct play *p, mode_t mask);

/** In which ways a script is played. */
enum {
	COMPARE_SERVER = 1, /* in server mode */
	COMPARE_CLIENT = 2, /* in client mode; by the vtable only the steps that are natively
			       permitted, as the client judges */
	COMPARE_LEGION = 4, /* also by the user with 65536 groups, who takes long */
	COMPARE_ALL = 7,
};

/** Fails the test at the first difference. Once in a test: the process may get supplementary
 * groups. */
void compare(const struct script *script, unsigned int ways);

/* ---- For those who define compare() ---- */

/** What a thread has: ids, supplementary groups, capabilities, umask. */
struct thread_credentials {
	char text[8192];
};

void thread_credentials(struct thread_credentials *now);

enum { STEPS_MAX = 2000 };

/** @spoiled: the step after which the thread was not as before, from 1 on, or 0. */
struct results {
	unsigned int count;
	unsigned int spoiled;
	struct {
		int result;
		char what[120];
	} steps[STEPS_MAX];
};

/**
 * @results:  where they go
 * @natively: NULL, or what came of the steps natively: those that failed are not taken
 * @before:   NULL, or of a thread that has to be the same after each step
 */
struct play {
	const struct script *script;
	const struct user *user;
	struct actor actor;
	struct results *results;
	const struct results *natively;
	const struct thread_credentials *before;
};

/** Fill in the groups of the users. */
void players_make(void);
/** Make a tree below a directory, aged. Return: open on it. */
int play_make_tree(const char *dir, const char *name, const struct script *script);
/** Results in memory that is shared with forked processes. */
struct results *results_new(void);
void results_free(struct results *results);
/** Play it in this thread. */
void play_here(struct play *p);
/** Play it in a process that is that user, in the tree that @root is open on. */
void play_natively(struct play *p, int root);
/** Compare results, and then the texts of trees. @who: for the message. */
void compare_results(const struct results *native, const struct results *other, const char *who);
void compare_trees(const char *native, const char *other, const char *who);

#endif
