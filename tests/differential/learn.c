/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the generator learns from operations that succeeded: which names exist and what the slots
 * hold. All of it is a guess by the text of the paths; symlinks on the way, for one, are not seen
 * through.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>

#include "generator.h"

void generator_init(struct generator *generator, uint64_t seed, const struct conditions *conditions)
{
	memset(generator, 0, sizeof(*generator));
	generator->random = seed;
	generator->conditions = conditions;
	strcpy(generator->names[0].path, "/");
	generator->names[0].type = 'd';
	generator->count = 1;
	for (int user = 0; user < USERS; user++)
		strcpy(generator->cwd[user], "/");
}

/* Appends the names of @path to @absolute, taking "." and ".." for what they say. */
static void walk(char *absolute, const char *path)
{
	while (*path) {
		const size_t size = strcspn(path, "/");
		const size_t used = strlen(absolute);

		if (size == 2 && strncmp(path, "..", 2) == 0)
			*(strrchr(absolute, '/') ?: absolute) = '\0';
		else if (size && !(size == 1 && path[0] == '.') && used + size + 2 < PATH_SIZE)
			snprintf(absolute + used, PATH_SIZE - used, "/%.*s", (int)size, path);
		path += size + (path[size] == '/');
	}
}

void generator_absolute(const struct generator *generator, int64_t user, int64_t dir,
			const char *path, char *absolute)
{
	absolute[0] = '\0';
	if (path[0] != '/')
		walk(absolute, dir < 0 ? generator->cwd[user] : generator->slots[user][dir].path);
	walk(absolute, path);
	if (!absolute[0])
		strcpy(absolute, "/");
}

static struct known_name *find_name(struct generator *generator, const char *path)
{
	for (size_t i = 0; i < generator->count; i++) {
		if (strcmp(generator->names[i].path, path) == 0)
			return &generator->names[i];
	}
	return NULL;
}

static char type_of_name(struct generator *generator, const char *path)
{
	const struct known_name *name = find_name(generator, path);

	return (char)(name ? name->type : 'f');
}

static void add_name(struct generator *generator, const char *path, char type)
{
	struct known_name *name = find_name(generator, path);

	if (!name && generator->count < NAMES_KNOWN)
		name = &generator->names[generator->count++];
	if (!name)
		return;
	snprintf(name->path, sizeof(name->path), "%s", path);
	name->type = type;
}

static bool is_at_or_below(const char *path, const char *top)
{
	const size_t size = strlen(top);

	return strncmp(path, top, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

static void remove_name(struct generator *generator, const char *path)
{
	for (size_t i = 0; i < generator->count;) {
		if (strcmp(path, "/") && is_at_or_below(generator->names[i].path, path))
			generator->names[i] = generator->names[--generator->count];
		else
			i++;
	}
}

static void move_path(char *path, const char *from, const char *to)
{
	char moved[PATH_SIZE * 2];

	if (!is_at_or_below(path, from))
		return;
	snprintf(moved, sizeof(moved), "%s%s", to, path + strlen(from));
	moved[PATH_SIZE - 1] = '\0';
	strcpy(path, moved);
}

/* Everything that was at or below @from is now at or below @to. */
static void move_names(struct generator *generator, const char *from, const char *to)
{
	for (size_t i = 0; i < generator->count; i++)
		move_path(generator->names[i].path, from, to);
	for (int user = 0; user < USERS; user++) {
		move_path(generator->cwd[user], from, to);
		for (int slot = 0; slot < SLOTS; slot++)
			move_path(generator->slots[user][slot].path, from, to);
	}
}

static void learn_rename(struct generator *generator, const struct operation *op, const char *from)
{
	static const char aside[] = "/\n"; /* a name that is never made */
	char to[PATH_SIZE];

	generator_absolute(generator, op->user, op->dir2, op->path2, to);
	if (strcmp(from, to) == 0)
		return;
	if (op->flags & RENAME_EXCHANGE) {
		move_names(generator, to, aside);
		move_names(generator, from, to);
		move_names(generator, aside, from);
		return;
	}
	remove_name(generator, to);
	move_names(generator, from, to);
	if (op->flags & RENAME_WHITEOUT)
		add_name(generator, from, 'c');
}

static char type_of_mode(int64_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFIFO:
		return 'p';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	case S_IFSOCK:
		return 's';
	default:
		return 'f';
	}
}

static void learn_open(struct generator *generator, const struct operation *op, const char *path)
{
	struct known_name *slot = &generator->slots[op->user][op->slot];

	if ((op->flags & O_CREAT) && !find_name(generator, path))
		add_name(generator, path, 'f');
	if ((op->flags & O_TMPFILE) == O_TMPFILE) {
		slot->path[0] = '\0';
		slot->type = 'f';
		return;
	}
	strcpy(slot->path, path);
	slot->type = (char)(op->flags & O_DIRECTORY ? 'd' : type_of_name(generator, path));
}

/* A sequence that was written by hand may name no slot where there should be one. */
static bool has_slots(const struct operation *op)
{
	switch (op->kind) {
	case OP_REOPEN:
	case OP_PASS:
		return op->slot >= 0 && op->slot2 >= 0;
	case OP_OPEN:
	case OP_CLOSE:
	case OP_LINK_FD:
	case OP_FCHDIR:
		return op->slot >= 0;
	default:
		return true;
	}
}

void generator_learn(struct generator *generator, const struct operation *op)
{
	struct known_name(*slots)[SLOTS] = generator->slots;
	char path[PATH_SIZE], path2[PATH_SIZE];

	if (!has_slots(op))
		return;
	generator_absolute(generator, op->user, op->dir, op->path, path);
	switch (op->kind) {
	case OP_OPEN:
		learn_open(generator, op, path);
		break;
	case OP_REOPEN:
		slots[op->user][op->slot2] = slots[op->user][op->slot];
		break;
	case OP_CLOSE:
		slots[op->user][op->slot].type = 0;
		break;
	case OP_PASS:
		slots[op->user][op->slot] = slots[op->giver][op->slot2];
		break;
	case OP_MKDIR:
		add_name(generator, path, 'd');
		break;
	case OP_MKNOD:
		add_name(generator, path, type_of_mode(op->mode));
		break;
	case OP_BIND:
		add_name(generator, path, 's');
		break;
	case OP_SYMLINK:
		add_name(generator, path, 'l');
		break;
	case OP_LINK:
		generator_absolute(generator, op->user, op->dir2, op->path2, path2);
		add_name(generator, path2, type_of_name(generator, path));
		break;
	case OP_LINK_FD:
		add_name(generator, path, slots[op->user][op->slot].type);
		break;
	case OP_UNLINK:
	case OP_RMDIR:
		remove_name(generator, path);
		break;
	case OP_RENAME:
		learn_rename(generator, op, path);
		break;
	case OP_CHDIR:
		strcpy(generator->cwd[op->user], path);
		break;
	case OP_FCHDIR:
		strcpy(generator->cwd[op->user], slots[op->user][op->slot].path);
		break;
	default:
		break;
	}
}

static char type_of_view(const struct view *view)
{
	if (S_ISDIR(view->mode))
		return 'd';
	return S_ISLNK(view->mode) ? 'l' : type_of_mode(view->mode);
}

void generator_look(struct generator *generator, const struct tree *tree)
{
	generator->count = 0;
	for (size_t i = 0; i < tree->count; i++) {
		if (strlen(tree->nodes[i].path) < PATH_SIZE)
			add_name(generator, tree->nodes[i].path,
				 type_of_view(&tree->nodes[i].view));
	}
}
