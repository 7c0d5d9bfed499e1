/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shrinking by delta debugging; see shrink.h.
 */
#include "shrink.h"

#include <stdlib.h>
#include <string.h>

#include "generator.h"

#define ATTEMPTS 3 /* at showing the difference again at all */
#define FEW 60     /* so many operations are watched closely */

struct shrinking {
	struct ground *ground;
	const struct difference *wanted;
	struct difference *latest;
};

/*
 * Whether @candidate shows the wanted difference; then it ends with the operation that did. Trees
 * are compared after every operation when there are few, so that the one that spoils them is found.
 */
static bool shows_it(const struct shrinking *shrinking, struct sequence *candidate)
{
	const bool of_trees =
		shrinking->wanted->moment == IN_TREE || shrinking->wanted->moment == IN_HOST_TREE;
	struct difference difference;
	size_t at;

	if (session_of(shrinking->ground, candidate->ops, candidate->count,
		       of_trees && candidate->count <= FEW, &difference, &at) != ENDS_UNLIKE)
		return false;
	if (!difference_is_like(&difference, shrinking->wanted))
		return false;
	candidate->count = at;
	*shrinking->latest = difference;
	return true;
}

static void copy_without(struct sequence *copy, const struct sequence *sequence, size_t from,
			 size_t size)
{
	copy->count = 0;
	for (size_t i = 0; i < sequence->count; i++) {
		if (i < from || i >= from + size)
			sequence_add(copy, &sequence->ops[i]);
	}
}

static void swap(struct sequence *a, struct sequence *b)
{
	struct sequence c = *a;

	*a = *b;
	*b = c;
}

/* Leaves out one chunk of @size after another, from the end on, where most is to be had; true when
 * any could go. */
static bool leave_out(const struct shrinking *shrinking, struct sequence *sequence, size_t size)
{
	struct sequence shorter = { 0 };
	bool any = false;
	size_t from = sequence->count;

	while (from > 0) {
		from = from > size ? from - size : 0;
		if (from >= sequence->count)
			continue;
		copy_without(&shorter, sequence, from, size);
		if (!shorter.count || !shows_it(shrinking, &shorter))
			continue;
		swap(sequence, &shorter);
		any = true;
	}
	sequence_clear(&shorter);
	return any;
}

/* Changes that make an operation simpler to read. */

static void by_root(struct operation *op)
{
	op->user = 0;
}

static void without_looking(struct operation *op)
{
	op->observe = 0;
}

static void without_looking_before(struct operation *op)
{
	op->observe &= ~OBSERVE_BEFORE;
}

static void with_plain_mode(struct operation *op)
{
	if (op->kind == OP_MKDIR || op->kind == OP_CHMOD || op->kind == OP_FCHMOD)
		op->mode = 0777;
	else if (op->kind == OP_OPEN)
		op->mode = 0666;
}

static void with_few_flags(struct operation *op)
{
	if (op->kind == OP_OPEN)
		op->flags &= 03 | 0100; /* the access and O_CREAT */
	else if (op->kind != OP_LSEEK && op->kind != OP_FLOCK)
		op->flags = 0;
}

static void with_short_length(struct operation *op)
{
	if (op->length > 10)
		op->length = 10;
}

static void from_the_start(struct operation *op)
{
	op->offset = 0;
}

static void (*const simplifications[])(struct operation *op) = {
	by_root,        without_looking,   without_looking_before, with_plain_mode,
	with_few_flags, with_short_length, from_the_start,
};

static void simplify(const struct shrinking *shrinking, struct sequence *sequence)
{
	for (size_t i = 0; i < sequence->count; i++) {
		for (size_t j = 0; j < sizeof(simplifications) / sizeof(simplifications[0]); j++) {
			const struct operation before = sequence->ops[i];

			simplifications[j](&sequence->ops[i]);
			if (memcmp(&before, &sequence->ops[i], sizeof(before)) == 0)
				continue;
			if (shows_it(shrinking, sequence))
				continue;
			sequence->ops[i] = before;
		}
	}
}

/* Takes the last name of @directory out of every path that goes through it, as if its children were
 * its parent's. */
static bool lift(struct operation *op, const char *directory)
{
	const size_t size = strlen(directory);
	const char *last = strrchr(directory, '/');
	const size_t keep = last ? (size_t)(last + 1 - directory) : 0;
	char *const paths[] = { op->path, op->path2 };
	bool any = false;

	for (size_t i = 0; i < 2; i++) {
		char *names = paths[i] + (paths[i][0] == '/');

		if (strncmp(names, directory, size) || names[size] != '/' || !names[size + 1])
			continue;
		memmove(names + keep, names + size + 1, strlen(names + size + 1) + 1);
		any = true;
	}
	return any;
}

/* Does without @directory, if the difference shows without it. */
static bool flatten_one(const struct shrinking *shrinking, struct sequence *sequence,
			const char *directory)
{
	struct sequence flat = { 0 };
	bool shown, any = false;

	copy_without(&flat, sequence, sequence->count, 0);
	for (size_t i = 0; i < flat.count; i++)
		any |= lift(&flat.ops[i], directory);
	shown = any && shows_it(shrinking, &flat);
	if (shown)
		swap(sequence, &flat);
	sequence_clear(&flat);
	return shown;
}

static bool flatten(const struct shrinking *shrinking, struct sequence *sequence)
{
	char directory[PATH_SIZE];
	bool any = false;

	for (size_t i = 0; i < sequence->count; i++) {
		const char *path = sequence->ops[i].path;

		snprintf(directory, sizeof(directory), "%s", path + (path[0] == '/'));
		while (strrchr(directory, '/')) {
			*strrchr(directory, '/') = '\0';
			if (!directory[0] || !flatten_one(shrinking, sequence, directory))
				continue;
			any = true;
			break;
		}
	}
	return any;
}

/* Says a path from the root, by what the generator would think that it is. */
static void make_absolute(const struct generator *generator, int64_t user, int64_t *dir, char *path)
{
	char absolute[PATH_SIZE];

	if (path[0] == '/' || !path[0])
		return;
	generator_absolute(generator, user, *dir, path, absolute);
	strcpy(path, absolute);
	*dir = -1;
}

/* Says all paths from the root, if the difference shows that way too: then directories need not be
 * open. */
static void straighten(const struct shrinking *shrinking, struct sequence *sequence)
{
	struct generator *generator = malloc(sizeof(*generator));
	struct sequence straight = { 0 };

	if (!generator)
		return;
	generator_init(generator, 0, &shrinking->ground->conditions);
	copy_without(&straight, sequence, sequence->count, 0);
	for (size_t i = 0; i < straight.count; i++) {
		struct operation *op = &straight.ops[i];

		if (operation_kinds[op->kind].operands & ON_PATH)
			make_absolute(generator, op->user, &op->dir, op->path);
		if (operation_kinds[op->kind].operands & ON_PATH2)
			make_absolute(generator, op->user, &op->dir2, op->path2);
		generator_learn(generator, op);
	}
	if (shows_it(shrinking, &straight))
		swap(sequence, &straight);
	sequence_clear(&straight);
	free(generator);
}

bool shrink(struct ground *ground, struct sequence *sequence, struct difference *difference)
{
	const struct difference wanted = *difference;
	const struct shrinking shrinking = { ground, &wanted, difference };
	bool shown = false;
	size_t size;

	for (int i = 0; i < ATTEMPTS && !shown; i++) {
		struct sequence whole = { 0 };

		copy_without(&whole, sequence, sequence->count, 0);
		shown = shows_it(&shrinking, &whole);
		if (shown)
			swap(sequence, &whole);
		sequence_clear(&whole);
	}
	if (!shown)
		return false;
	for (size = sequence->count / 2; size > 0;) {
		fprintf(stderr, "shrinking: %zu operations left, leaving out %zu at a time\n",
			sequence->count, size);
		if (!leave_out(&shrinking, sequence, size) || size > 1)
			size /= 2;
		if (size > sequence->count / 2 && size > 1)
			size = sequence->count / 2;
	}
	straighten(&shrinking, sequence);
	do
		simplify(&shrinking, sequence);
	while (flatten(&shrinking, sequence) || leave_out(&shrinking, sequence, 1));
	return true;
}
