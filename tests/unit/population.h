/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files and directories of every kind of owner and mode, under names that tell: "PREFIXteam-640"
 * belongs to group TEAM. populate_*() makes them, and visit_*() calls a function for each.
 */
#ifndef FSBACKEND_TESTS_UNIT_POPULATION_H
#define FSBACKEND_TESTS_UNIT_POPULATION_H

#include "playing.h"

struct owner {
	const char *name;
	uid_t uid;
	gid_t gid;
};

enum { OWNERS = 7 };
extern const struct owner owners[OWNERS];

typedef void tree_make_fn(struct tree *t, const char *path, uid_t uid, gid_t gid, mode_t mode);
typedef void visit_fn(struct play *p, const char *path);

/** Modes from 0 to 0777. */
void populate_all(struct tree *t, tree_make_fn *make, const char *prefix);
void populate_files(struct tree *t);
void populate_directories(struct tree *t);
void visit_all(struct play *p, const char *prefix, visit_fn *act);

/** Modes with and without set-id bits. */
void populate_set_id(struct tree *t, tree_make_fn *make, const char *prefix);
void visit_set_id(struct play *p, const char *prefix, visit_fn *act);

/** Directories that some may write in: for all, for a group, sticky, set-group-id. */
void populate_places(struct tree *t);
void populate_filled_places(struct tree *t, void (*fill)(struct tree *t, const char *place));
void visit_places(struct play *p, visit_fn *act);

#endif
