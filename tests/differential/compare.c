/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Comparing the two sides; see compare.h.
 */
#include "compare.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "known.h"

/* Times that an operation sets are further away than this, times that a file system takes from its
 * clock are not. */
#define LATELY (24 * 60 * 60)

static const char *const member_names[] = {
	[M_RESULT] = "result",
	[M_ERROR] = "errno",
	[M_LENGTH] = "number of bytes",
	[M_BYTES] = "bytes",
	[M_TYPE] = "type",
	[M_MODE] = "mode",
	[M_UID] = "owner",
	[M_GID] = "group",
	[M_NLINK] = "nlink",
	[M_SIZE] = "size",
	[M_BLOCKS] = "blocks",
	[M_RDEV] = "rdev",
	[M_ATIME] = "atime",
	[M_MTIME] = "mtime",
	[M_CTIME] = "ctime",
	[M_INODE] = "inode",
	[M_NAME] = "name",
	[M_LINKS] = "links",
	[M_XATTRS] = "xattrs",
	[M_LISTED_INODE] = "inode as listed",
};

static const char *const moment_names[] = {
	[IN_OUTCOME] = "outcome",
	[IN_STAT] = "stat",
	[IN_BEFORE] = "before the operation",
	[IN_AFTER] = "after the operation",
	[IN_CHANGE] = "change by the operation",
	[IN_TREE] = "tree",
	[IN_HOST_TREE] = "tree on the host",
};

static const char *const what_names[LOOKED_AT] = { "target", "parent", "second",
						   "second's parent" };

/* Where a comparison stands: everything a difference needs but the member. */
struct place {
	const struct conditions *conditions;
	struct difference *difference;
	enum likeness *likeness;
};

/* Takes note of a difference in @member, and yields whether it puts an end to comparing: not if it
 * is known and harmless. */
static bool differs(const struct place *place, enum member member, const char *native,
		    const char *mounted)
{
	struct difference *difference = place->difference;

	difference->member = member;
	switch (known_difference(place->conditions, difference)) {
	case KNOWN_HARMLESS:
		return false;
	case KNOWN_PARTING:
		*place->likeness = PARTED;
		return true;
	case NOT_KNOWN:
		*place->likeness = DIFFERENT;
	}
	snprintf(difference->text[NATIVE], sizeof(difference->text[NATIVE]), "%s", native);
	snprintf(difference->text[MOUNTED], sizeof(difference->text[MOUNTED]), "%s", mounted);
	return true;
}

static bool numbers_differ(const struct place *place, enum member member, uint64_t native,
			   uint64_t mounted)
{
	const char *format = member == M_MODE || member == M_TYPE ? "%#" PRIo64 : "%" PRId64;
	char text[SIDES][32];

	if (native == mounted)
		return false;
	snprintf(text[NATIVE], sizeof(text[NATIVE]), format, native);
	snprintf(text[MOUNTED], sizeof(text[MOUNTED]), format, mounted);
	return differs(place, member, text[NATIVE], text[MOUNTED]);
}

static bool errors_differ(const struct place *place, int native, int mounted)
{
	if (native == mounted)
		return false;
	return differs(place, M_ERROR, native ? strerror(native) : "no error",
		       mounted ? strerror(mounted) : "no error");
}

static bool is_lately(struct timespec when)
{
	static time_t now;

	if (!now)
		now = time(NULL);
	return when.tv_sec > now - LATELY && when.tv_sec < now + LATELY;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_before(struct timespec a, struct timespec b)
{
	return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

static bool times_differ(const struct place *place, enum member member, struct timespec native,
			 struct timespec mounted)
{
	char text[SIDES][48];

	if (same_time(native, mounted) || (is_lately(native) && is_lately(mounted)))
		return false;
	snprintf(text[NATIVE], sizeof(text[NATIVE]), "%lld.%09ld", (long long)native.tv_sec,
		 native.tv_nsec);
	snprintf(text[MOUNTED], sizeof(text[MOUNTED]), "%lld.%09ld", (long long)mounted.tv_sec,
		 mounted.tv_nsec);
	return differs(place, member, text[NATIVE], text[MOUNTED]);
}

/*
 * Blocks that hold the shape of a file rather than its bytes come and go with the way it was
 * written, so only more than these make a difference; and having none at all does.
 */
#define BLOCKS_OF_SHAPE 128

static bool blocks_differ(const struct place *place, const struct view *native,
			  const struct view *mounted)
{
	const uint64_t a = native->blocks, b = mounted->blocks;

	if ((a == 0) == (b == 0) && (a > b ? a - b : b - a) <= BLOCKS_OF_SHAPE)
		return false;
	return numbers_differ(place, M_BLOCKS, a, b);
}

static bool views_differ(const struct place *place, const struct view *native,
			 const struct view *mounted)
{
	place->difference->views[NATIVE] = *native;
	place->difference->views[MOUNTED] = *mounted;
	if (errors_differ(place, native->error, mounted->error))
		return true;
	if (native->error || mounted->error)
		return false;
	return numbers_differ(place, M_TYPE, native->mode & S_IFMT, mounted->mode & S_IFMT) ||
	       numbers_differ(place, M_MODE, native->mode & 07777, mounted->mode & 07777) ||
	       numbers_differ(place, M_UID, native->uid, mounted->uid) ||
	       numbers_differ(place, M_GID, native->gid, mounted->gid) ||
	       numbers_differ(place, M_NLINK, native->nlink, mounted->nlink) ||
	       numbers_differ(place, M_SIZE, native->size, mounted->size) ||
	       blocks_differ(place, native, mounted) ||
	       numbers_differ(place, M_RDEV, native->rdev, mounted->rdev) ||
	       times_differ(place, M_ATIME, native->atime, mounted->atime) ||
	       times_differ(place, M_MTIME, native->mtime, mounted->mtime) ||
	       times_differ(place, M_CTIME, native->ctime, mounted->ctime);
}

/* Whether a time moved, as far as the clock that it was taken from can tell. */
enum moved { STOOD, MOVED, CANNOT_TELL };

static enum moved how_it_moved(struct timespec before, struct timespec after,
			       struct timespec started, bool exact)
{
	if (!same_time(before, after))
		return MOVED;
	return exact || is_before(before, started) ? STOOD : CANNOT_TELL;
}

static bool moves_differ(const struct place *place, enum member member,
			 const enum moved moved[SIDES])
{
	static const char *const texts[] = { [STOOD] = "stayed as it was", [MOVED] = "moved" };

	if (moved[NATIVE] == moved[MOUNTED] || moved[NATIVE] == CANNOT_TELL ||
	    moved[MOUNTED] == CANNOT_TELL)
		return false;
	return differs(place, member, texts[moved[NATIVE]], texts[moved[MOUNTED]]);
}

/* Compares how one inode changed from before the operation to after it, when it is the same inode
 * still. */
static bool changes_differ(const struct place *place, const struct result results[SIDES], int what)
{
	enum moved mtime[SIDES], ctime[SIDES];
	bool same[SIDES];

	for (int side = 0; side < SIDES; side++) {
		const struct view *before = &results[side].before[what],
				  *after = &results[side].after[what];
		const bool exact = place->conditions->exact_times[side];

		if (before->error || after->error)
			return false;
		same[side] = before->ino == after->ino;
		mtime[side] =
			how_it_moved(before->mtime, after->mtime, results[side].started, exact);
		ctime[side] =
			how_it_moved(before->ctime, after->ctime, results[side].started, exact);
		place->difference->views[side] = *after;
	}
	if (same[NATIVE] != same[MOUNTED])
		return differs(place, M_INODE, same[NATIVE] ? "the same" : "another",
			       same[MOUNTED] ? "the same" : "another");
	return same[NATIVE] &&
	       (moves_differ(place, M_MTIME, mtime) || moves_differ(place, M_CTIME, ctime));
}

static bool outcomes_differ(const struct place *place, const struct outcome *native,
			    const struct outcome *mounted)
{
	if (errors_differ(place, native->error, mounted->error) ||
	    numbers_differ(place, M_RESULT, (uint64_t)native->result, (uint64_t)mounted->result) ||
	    numbers_differ(place, M_LENGTH, native->length, mounted->length))
		return true;
	return native->digest != mounted->digest &&
	       differs(place, M_BYTES, native->text, mounted->text);
}

static void compare_everything(const struct place *place, const struct result results[SIDES])
{
	const struct result *native = &results[NATIVE], *mounted = &results[MOUNTED];
	struct difference *difference = place->difference;

	/* what was different before comes first, since it was not this operation's doing */
	difference->moment = IN_BEFORE;
	for (difference->what = 0; difference->what < LOOKED_AT; difference->what++) {
		if (views_differ(place, &native->before[difference->what],
				 &mounted->before[difference->what]))
			return;
	}
	difference->moment = IN_OUTCOME;
	difference->what = 0;
	difference->views[NATIVE] = native->seen;
	difference->views[MOUNTED] = mounted->seen;
	if (outcomes_differ(place, &native->outcome, &mounted->outcome))
		return;
	difference->moment = IN_STAT;
	if (views_differ(place, &native->seen, &mounted->seen))
		return;
	for (difference->what = 0; difference->what < LOOKED_AT; difference->what++) {
		difference->moment = IN_AFTER;
		if (views_differ(place, &native->after[difference->what],
				 &mounted->after[difference->what]))
			return;
		difference->moment = IN_CHANGE;
		if (changes_differ(place, results, difference->what))
			return;
	}
}

enum likeness compare_results(const struct conditions *conditions, const struct operation *op,
			      const struct result results[SIDES], struct difference *difference)
{
	enum likeness likeness = ALIKE;
	const struct place place = { conditions, difference, &likeness };

	memset(difference, 0, sizeof(*difference));
	difference->op = *op;
	difference->outcomes[NATIVE] = results[NATIVE].outcome;
	difference->outcomes[MOUNTED] = results[MOUNTED].outcome;
	compare_everything(&place, results);
	return likeness;
}

static bool nodes_differ(const struct place *place, const struct node *native,
			 const struct node *mounted)
{
	return views_differ(place, &native->view, &mounted->view) ||
	       errors_differ(place, native->error, mounted->error) ||
	       numbers_differ(place, M_LINKS, native->first, mounted->first) ||
	       (native->xattrs != mounted->xattrs &&
		differs(place, M_XATTRS, native->xattr_text, mounted->xattr_text)) ||
	       numbers_differ(place, M_BYTES, native->bytes, mounted->bytes) ||
	       (native->inode_agrees != mounted->inode_agrees &&
		differs(place, M_LISTED_INODE,
			native->inode_agrees ? "as stat says" : "not as stat says",
			mounted->inode_agrees ? "as stat says" : "not as stat says"));
}

static const char *path_or_nothing(const struct tree *tree, size_t index)
{
	return index < tree->count ? tree->nodes[index].path : "nothing more";
}

enum likeness compare_trees(const struct conditions *conditions, enum moment moment,
			    const struct tree *native, const struct tree *mounted,
			    struct difference *difference)
{
	enum likeness likeness = ALIKE;
	const struct place place = { conditions, difference, &likeness };
	bool stop = false;

	difference->moment = moment;
	for (size_t i = 0; (i < native->count || i < mounted->count) && !stop; i++) {
		const char *a = path_or_nothing(native, i), *b = path_or_nothing(mounted, i);

		snprintf(difference->path, sizeof(difference->path), "%s",
			 i < native->count ? a : b);
		stop = strcmp(a, b) ? differs(&place, M_NAME, a, b)
				    : nodes_differ(&place, &native->nodes[i], &mounted->nodes[i]);
	}
	return likeness;
}

bool difference_is_like(const struct difference *a, const struct difference *b)
{
	if (a->moment != b->moment || a->member != b->member)
		return false;
	/* what is found before an operation was not its doing */
	if (a->moment == IN_TREE || a->moment == IN_HOST_TREE || a->moment == IN_BEFORE)
		return true;
	if (a->op.kind != b->op.kind)
		return false;
	if (a->moment == IN_OUTCOME && a->member == M_ERROR)
		return a->outcomes[NATIVE].error == b->outcomes[NATIVE].error &&
		       a->outcomes[MOUNTED].error == b->outcomes[MOUNTED].error;
	return a->what == b->what;
}

void difference_write(FILE *file, const struct difference *difference)
{
	const enum moment moment = difference->moment;

	if (moment == IN_TREE || moment == IN_HOST_TREE) {
		fprintf(file, "%s: %s of ", moment_names[moment], member_names[difference->member]);
		write_quoted(file, difference->path);
	} else {
		fprintf(file, "%s by \"%s\": ", operation_kinds[difference->op.kind].name,
			identities[difference->op.user].name);
		fprintf(file, "%s: %s", moment_names[moment], member_names[difference->member]);
		if (moment != IN_OUTCOME && moment != IN_STAT)
			fprintf(file, " of the %s", what_names[difference->what]);
	}
	fprintf(file, "\n  native:  %s\n  mounted: %s\n", difference->text[NATIVE],
		difference->text[MOUNTED]);
}
