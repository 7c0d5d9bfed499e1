// SPDX-License-Identifier: BSD-3-Clause
/* Files and directories of every kind of owner and mode. */
#include <stdio.h>

#include "population.h"

static const mode_t modes[] = { 0,    0100, 0200, 0400, 0010, 0020, 0040, 0001, 0002, 0004,
				0604, 0640, 0644, 0660, 0666, 0707, 0755, 0770, 0777 };

const struct owner owners[OWNERS] = {
	{ "root", 0, 0 },       { "team", 0, TEAM },    { "lent", 0, LENT },
	{ "1001", 1001, 2001 }, { "1002", 1002, 2002 }, { "1003-team", 1003, TEAM },
	{ "1004", 1004, 2004 },
};

void populate_all(struct tree *t, tree_make_fn *make, const char *prefix)
{
	char path[64];

	for (size_t o = 0; o < OWNERS; o++)
		for (size_t m = 0; m < COUNT(modes); m++) {
			snprintf(path, sizeof(path), "%s%s-%03o", prefix, owners[o].name, modes[m]);
			make(t, path, owners[o].uid, owners[o].gid, modes[m]);
		}
}

void visit_all(struct play *p, const char *prefix, visit_fn *act)
{
	char path[64];

	for (size_t o = 0; o < OWNERS; o++)
		for (size_t m = 0; m < COUNT(modes); m++) {
			snprintf(path, sizeof(path), "%s%s-%03o", prefix, owners[o].name, modes[m]);
			act(p, path);
		}
}

void populate_files(struct tree *t)
{
	populate_all(t, tree_file, "");
}

void populate_directories(struct tree *t)
{
	populate_all(t, tree_directory, "");
}

static const mode_t set_id_modes[] = { 0644,  0666,  02666, 02676, 02767,
				       04755, 04777, 06666, 06777, 02640 };

void populate_set_id(struct tree *t, tree_make_fn *make, const char *prefix)
{
	char path[64];

	for (size_t o = 0; o < OWNERS; o++)
		for (size_t m = 0; m < COUNT(set_id_modes); m++) {
			snprintf(path, sizeof(path), "%s%s-%04o", prefix, owners[o].name,
				 set_id_modes[m]);
			make(t, path, owners[o].uid, owners[o].gid, set_id_modes[m]);
		}
}

void visit_set_id(struct play *p, const char *prefix, visit_fn *act)
{
	char path[64];

	for (size_t o = 0; o < OWNERS; o++)
		for (size_t m = 0; m < COUNT(set_id_modes); m++) {
			snprintf(path, sizeof(path), "%s%s-%04o", prefix, owners[o].name,
				 set_id_modes[m]);
			act(p, path);
		}
}

static const mode_t directory_modes[] = { 0755, 0775, 0777, 01777, 02755, 02775, 02777, 03777 };

void populate_filled_places(struct tree *t, void (*fill)(struct tree *t, const char *place))
{
	char path[64];

	for (size_t o = 0; o < OWNERS; o++)
		for (size_t m = 0; m < COUNT(directory_modes); m++) {
			snprintf(path, sizeof(path), "%s-%04o", owners[o].name, directory_modes[m]);
			tree_directory(t, path, owners[o].uid, owners[o].gid, directory_modes[m]);
			fill(t, path);
		}
}

static void leave_empty(struct tree *t, const char *place)
{
	(void)t, (void)place;
}

void populate_places(struct tree *t)
{
	populate_filled_places(t, leave_empty);
}

void visit_places(struct play *p, visit_fn *act)
{
	char path[64];

	for (size_t o = 0; o < OWNERS; o++)
		for (size_t m = 0; m < COUNT(directory_modes); m++) {
			snprintf(path, sizeof(path), "%s-%04o", owners[o].name, directory_modes[m]);
			act(p, path);
		}
}
