// SPDX-License-Identifier: BSD-3-Clause
/* Finding a mount again: /proc/self/mountinfo. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "passthrough.h"

/** A line of it. */
struct line {
	struct mount_wanted mount;
	char *point;
};

/* Blanks in paths are written as \040 and the like. */
static void decode(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
		    from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
			*to++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
				       (from[3] - '0'));
			from += 3;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
}

/* ID PARENT MAJOR:MINOR ROOT POINT ... */
static bool parse(char *text, struct line *line)
{
	int start = 0, end = 0;

	if (sscanf(text, "%d %*d %u:%u %*s %n%*s%n", &line->mount.id, &line->mount.major,
		   &line->mount.minor, &start, &end) != 3 ||
	    end <= start)
		return false;
	text[end] = '\0';
	line->point = text + start;
	decode(line->point);
	return true;
}

/* Go through it until @look says something else than 0. Return: that; 0; or a negative errno. */
static int each_line(int (*look)(void *opaque, const struct line *line), void *opaque)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *text = NULL;
	size_t size = 0;
	struct line line;
	int result = 0;

	if (!file)
		return -errno;
	while (!result && getline(&text, &size, file) > 0)
		if (parse(text, &line))
			result = look(opaque, &line);
	free(text);
	fclose(file);
	return result;
}

static int look_for_id(void *opaque, const struct line *line)
{
	struct mount_wanted *wanted = opaque;

	if (line->mount.id != wanted->id)
		return 0;
	*wanted = line->mount;
	return 1;
}

int mountinfo_device(struct mount_wanted *wanted)
{
	int found = each_line(look_for_id, wanted);

	return found < 0 ? found : found ? 0 : -ENOENT;
}

/** @top: the path below which it must lie; @id: of the best one so far, @exact when it is the very
 * one */
struct search {
	const struct mount_wanted *wanted;
	char top[PATH_MAX];
	int id;
	unsigned int count;
	bool exact;
	char path[PATH_MAX];
};

static bool is_below(const char *top, const char *point)
{
	size_t length = strlen(top);

	if (length == 1)
		return point[1] != '\0';
	return strncmp(point, top, length) == 0 && point[length] == '/';
}

static int look_below(void *opaque, const struct line *line)
{
	struct search *search = opaque;

	if (line->mount.major != search->wanted->major ||
	    line->mount.minor != search->wanted->minor || !is_below(search->top, line->point) ||
	    strlen(line->point) >= sizeof(search->path))
		return 0;
	search->count++;
	search->id = line->mount.id;
	strcpy(search->path, line->point);
	search->exact = line->mount.id == search->wanted->id;
	return search->exact;
}

int mountinfo_find(int top, struct mount_wanted *wanted, char *path, size_t size)
{
	struct search *search = calloc(1, sizeof(*search));
	char link[32];
	int err = 0;

	if (!search)
		return -ENOMEM;
	search->wanted = wanted;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", top);
	if (readlink(link, search->top, sizeof(search->top) - 1) < 0)
		err = -errno;
	if (!err)
		err = each_line(look_below, search);
	/* Another namespace gives other numbers: then the device has to do. */
	if (err >= 0)
		err = search->exact || search->count == 1 ? 0 : search->count ? -EEXIST : -ENOENT;
	if (!err && strlen(search->path) >= size)
		err = -ENAMETOOLONG;
	if (!err) {
		wanted->id = search->id;
		strcpy(path, search->path);
	}
	free(search);
	return err;
}
