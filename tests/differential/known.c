/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list of differences that the kernel imposes on every FUSE server; see known.h. An entry
 * matches one member of one thing under one condition and never more. When it hides something else
 * as well, it is too wide.
 */
#include "known.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity.h"

/*
 * Reads are answered from the client's page cache, and symlinks and directories from its caches, so
 * the host does not see them and leaves the atime alone. What is set explicitly is compared right
 * after it was set, unless a symlink was followed to it, which is a read of the symlink.
 */
static bool atime_unless_set(const struct conditions *conditions,
			     const struct difference *difference)
{
	const struct operation *op = &difference->op;

	(void)conditions;
	if (difference->member != M_ATIME)
		return false;
	if (difference->moment != IN_AFTER || difference->what != THE_TARGET ||
	    difference->outcomes[NATIVE].error)
		return true;
	if (op->atime_ns == UTIME_OMIT || (op->kind != OP_UTIMENS && op->kind != OP_FUTIMENS))
		return true;
	return S_ISLNK(difference->views[NATIVE].mode) && !(op->flags & AT_SYMLINK_NOFOLLOW);
}

/* The kernel moves the position of a FUSE directory by itself; host file systems have rules of
 * their own. */
static bool seeking_in_directory(const struct conditions *conditions,
				 const struct difference *difference)
{
	(void)conditions;
	return difference->op.kind == OP_LSEEK && difference->moment == IN_OUTCOME &&
	       (difference->member == M_RESULT || difference->member == M_ERROR) &&
	       S_ISDIR(difference->views[NATIVE].mode) && S_ISDIR(difference->views[MOUNTED].mode);
}

/* Data in a FIFO never leaves the client's kernel, which moves the times of its inode and tells
 * nobody. */
static bool times_of_fifo(const struct conditions *conditions, const struct difference *difference)
{
	(void)conditions;
	return (difference->member == M_MTIME || difference->member == M_CTIME) &&
	       S_ISFIFO(difference->views[NATIVE].mode) &&
	       S_ISFIFO(difference->views[MOUNTED].mode);
}

/* The host counts a preallocated page as data when it is in the page cache, and a client's reads
 * put other pages there. */
static bool data_in_unwritten(const struct conditions *conditions,
			      const struct difference *difference)
{
	const struct operation *op = &difference->op;

	(void)conditions;
	return op->kind == OP_LSEEK && (op->flags == SEEK_DATA || op->flags == SEEK_HOLE) &&
	       difference->moment == IN_OUTCOME &&
	       (difference->member == M_RESULT || difference->member == M_ERROR) &&
	       strcmp(difference->outcomes[NATIVE].text, UNWRITTEN) == 0;
}

static bool changes_no_owner(const struct operation *op)
{
	return (op->kind == OP_CHOWN || op->kind == OP_FCHOWN) && op->uid == -1 && op->gid == -1;
}

/*
 * The kernel sends the same request before a write that will clear set-id bits, which must not
 * fail. So the server cannot refuse it to a stranger either; it does nothing then.
 */
static bool stranger_changes_no_owner(const struct conditions *conditions,
				      const struct difference *difference)
{
	(void)conditions;
	return changes_no_owner(&difference->op) && difference->moment == IN_OUTCOME &&
	       (difference->member == M_ERROR || difference->member == M_RESULT) &&
	       difference->outcomes[NATIVE].error == EPERM &&
	       difference->outcomes[MOUNTED].error == 0;
}

/*
 * And a file capability, if it has one as well: its removal comes first, in a request of its own,
 * which must not fail either for whoever may write to the file.
 */
static bool stranger_takes_capability(const struct conditions *conditions,
				      const struct difference *difference)
{
	const struct view *views = difference->views;

	(void)conditions;
	return changes_no_owner(&difference->op) && difference->moment == IN_CHANGE &&
	       difference->member == M_CTIME && difference->outcomes[NATIVE].error == EPERM &&
	       difference->outcomes[MOUNTED].error == 0 &&
	       views[NATIVE].mode == views[MOUNTED].mode &&
	       (views[NATIVE].mode & (S_ISUID | S_ISGID));
}

/*
 * The other way round: the same request comes before a write by somebody with CAP_FSETID when a
 * file capability has to go, and set-id bits go with it. It takes a file that has both.
 */
static bool set_id_bits_with_capability(const struct conditions *conditions,
					const struct difference *difference)
{
	const struct view *views = difference->views;
	const struct operation *op = &difference->op;

	(void)conditions;
	if (op->kind != OP_WRITE && op->kind != OP_PWRITE && op->kind != OP_FALLOCATE &&
	    op->kind != OP_COPY_RANGE)
		return false;
	return difference->moment == IN_AFTER && difference->member == M_MODE &&
	       (identities[op->user].uid == 0 ||
		identity_is_odd_in(&identities[op->user], CAP_FSETID)) &&
	       ((views[NATIVE].mode ^ views[MOUNTED].mode) & ~(uint32_t)(S_ISUID | S_ISGID)) == 0 &&
	       (views[NATIVE].mode & views[MOUNTED].mode) == views[MOUNTED].mode;
}

/*
 * By passthrough the kernel writes in the name for which the file was registered. Where that was
 * root's, it asks for set-id bits to be cleared by the same request, which is done then, for
 * strangers too, while the file is open for writing.
 */
static bool stranger_clears_set_id_bits(const struct conditions *conditions,
					const struct difference *difference)
{
	return conditions->passthrough && stranger_changes_no_owner(conditions, difference);
}

/*
 * Where it was a user's, no request says that a user has CAP_FSETID; and a set-group-id bit without
 * permission to execute stays by the groups of that user, not of the one who writes.
 */
static bool set_id_bits_by_passthrough(const struct conditions *conditions,
				       const struct difference *difference)
{
	const struct operation *op = &difference->op;

	if (!conditions->passthrough || (op->kind != OP_WRITE && op->kind != OP_PWRITE) ||
	    difference->moment != IN_AFTER || difference->member != M_MODE)
		return false;
	uint32_t native = difference->views[NATIVE].mode, mounted = difference->views[MOUNTED].mode;
	if ((native ^ mounted) == S_ISGID && !(native & S_IXGRP))
		return true;
	return identity_is_odd_in(&identities[op->user], CAP_FSETID) &&
	       ((native ^ mounted) & ~(uint32_t)(S_ISUID | S_ISGID)) == 0 &&
	       (native & mounted) == mounted;
}

/* Whether somebody is a stranger is up to CAP_FOWNER, which the server is not told of. */
static bool unsaid_fowner(const struct conditions *conditions, const struct operation *op)
{
	(void)conditions;
	return changes_no_owner(op) && identity_is_odd_in(&identities[op->user], CAP_FOWNER);
}

/* What the client's kernel finds wrong without asking comes before what the server would say, in
 * whatever order the host has. */
static bool another_error_first(const struct conditions *conditions,
				const struct difference *difference)
{
	if (!conditions->unchecked || difference->member != M_ERROR)
		return false;
	if (difference->moment == IN_OUTCOME)
		return difference->outcomes[NATIVE].error && difference->outcomes[MOUNTED].error;
	return difference->views[NATIVE].error && difference->views[MOUNTED].error;
}

static bool has_dots(const char *path)
{
	while (*path) {
		const size_t size = strcspn(path, "/");

		if ((size == 1 && path[0] == '.') ||
		    (size == 2 && path[0] == '.' && path[1] == '.'))
			return true;
		path += size + (path[size] == '/');
	}
	return false;
}

/* The parent of a plain name is looked at as ".", and so is that of a name that begins at an open
 * directory. */
static bool dot_as_parent(const struct conditions *conditions, const struct difference *difference)
{
	const struct operation *op = &difference->op;
	const char *path = difference->what == THE_PARENT ? op->path : op->path2;

	return conditions->unchecked && difference->member == M_ERROR &&
	       (difference->moment == IN_BEFORE || difference->moment == IN_AFTER) &&
	       (difference->what == THE_PARENT || difference->what == THE_SECOND_PARENT) &&
	       !strchr(path, '/') && difference->views[NATIVE].error == EACCES &&
	       difference->views[MOUNTED].error == 0;
}

static bool dots(const struct conditions *conditions, const struct operation *op)
{
	const unsigned int operands = operation_kinds[op->kind].operands;

	return conditions->unchecked &&
	       (((operands & ON_PATH) && has_dots(op->path)) ||
		(((operands & ON_PATH2) || op->kind == OP_SYMLINK) && has_dots(op->path2)));
}

static bool special_files(const struct conditions *conditions, const struct operation *op)
{
	if (!conditions->unchecked)
		return false;
	return op->kind == OP_BIND ||
	       (op->kind == OP_MKNOD && (op->mode & S_IFMT) && !S_ISREG(op->mode)) ||
	       (op->kind == OP_RENAME && (op->flags & RENAME_WHITEOUT));
}

/*
 * Clearing a file capability is a request of its own, which the client's kernel makes before the
 * server gets to judge the rest. An owner may do that, and so may anybody while a file is open for
 * writing.
 */
static bool capability_before_judgement(const struct conditions *conditions,
					const struct difference *difference)
{
	const int64_t kind = difference->op.kind;
	const int error = difference->outcomes[NATIVE].error;

	return conditions->unchecked &&
	       (kind == OP_CHOWN || kind == OP_FCHOWN || kind == OP_TRUNCATE) &&
	       difference->moment == IN_CHANGE && difference->member == M_CTIME &&
	       (error == EPERM || error == EACCES) && difference->outcomes[MOUNTED].error == error;
}

/* Under writeback: sizes are ahead of what is on the host, and blocks are not asked for anew. */
static bool blocks_of_cached_file(const struct conditions *conditions,
				  const struct difference *difference)
{
	return conditions->writeback && difference->member == M_BLOCKS &&
	       S_ISREG(difference->views[NATIVE].mode) && S_ISREG(difference->views[MOUNTED].mode);
}

/* Under writeback the kernel asks the server where data is without giving it the data first. */
static bool data_not_written_yet(const struct conditions *conditions,
				 const struct difference *difference)
{
	const struct operation *op = &difference->op;

	return conditions->writeback && op->kind == OP_LSEEK &&
	       (op->flags == SEEK_DATA || op->flags == SEEK_HOLE) &&
	       difference->moment == IN_OUTCOME &&
	       (difference->member == M_RESULT || difference->member == M_ERROR);
}

/* Under writeback a file capability that is set after data was written goes when the data reaches
 * the host. */
static bool capability_under_writeback(const struct conditions *conditions,
				       const struct operation *op)
{
	return conditions->writeback && (op->kind == OP_SETXATTR || op->kind == OP_FSETXATTR) &&
	       strcmp(op->path2, "security.capability") == 0;
}

/* XFS allocates ahead of growing files, how much depends on how the writes are cut. */
static bool ahead_on_xfs(const struct conditions *conditions, const struct difference *difference)
{
	return conditions->on_xfs && difference->member == M_BLOCKS &&
	       S_ISREG(difference->views[NATIVE].mode) && difference->views[NATIVE].blocks &&
	       difference->views[MOUNTED].blocks;
}

static bool may_truncate(const struct operation *op)
{
	if (op->kind == OP_OPEN || op->kind == OP_REOPEN)
		return op->flags & O_TRUNC;
	return op->kind == OP_TRUNCATE || op->kind == OP_FTRUNCATE;
}

/* Under writeback the client's kernel keeps mtime and ctime of files, and moves them only when the
 * size changes. */
static bool times_of_same_size(const struct conditions *conditions,
			       const struct difference *difference)
{
	return conditions->writeback && may_truncate(&difference->op) &&
	       difference->moment == IN_CHANGE &&
	       (difference->member == M_MTIME || difference->member == M_CTIME);
}

static bool set_time_of_same_size(const struct conditions *conditions,
				  const struct difference *difference)
{
	return conditions->writeback && may_truncate(&difference->op) &&
	       difference->moment == IN_AFTER && difference->member == M_MTIME;
}

/* Under writeback it moves the ctime also when there was no ACL to remove. */
static bool ctime_of_no_acl(const struct conditions *conditions,
			    const struct difference *difference)
{
	const struct operation *op = &difference->op;

	return conditions->writeback &&
	       (op->kind == OP_REMOVEXATTR || op->kind == OP_FREMOVEXATTR) &&
	       difference->moment == IN_CHANGE && difference->member == M_CTIME &&
	       strncmp(op->path2, "system.posix_acl_", 17) == 0;
}

/* Under writeback it shows a time as it was set, not as the host's file system can hold it. */
static bool unholdable_times(const struct conditions *conditions, const struct operation *op)
{
	const int64_t last = 15032385535; /* of ext4; xfs ends later */

	return conditions->writeback && (op->kind == OP_UTIMENS || op->kind == OP_FUTIMENS) &&
	       (op->atime > last || op->mtime > last);
}

static bool shifting_ranges(const struct conditions *conditions, const struct operation *op)
{
	(void)conditions;
	return op->kind == OP_FALLOCATE &&
	       (op->flags & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE));
}

static bool odd_capabilities(const struct conditions *conditions, const struct operation *op)
{
	return conditions->server_judges && (identity_has_odd_capabilities(&identities[op->user]) ||
					     identity_has_odd_capabilities(&identities[op->giver]));
}

/* Writing, truncating and opening say whether set-id bits go; these do not, and the server goes by
 * the uid. */
static bool unsaid_fsetid(const struct conditions *conditions, const struct operation *op)
{
	(void)conditions;
	if (!identity_is_odd_in(&identities[op->user], CAP_FSETID))
		return false;
	switch (op->kind) {
	case OP_CHOWN:
	case OP_FCHOWN:
	case OP_FALLOCATE:
	case OP_COPY_RANGE:
		return true;
	case OP_OPEN:
	case OP_MKNOD:
	case OP_MKDIR:
		return op->mode & S_ISGID;
	default:
		return false;
	}
}

/*
 * @matches:  whether a difference is this one
 * @parting:  after which what comes later is different, too
 * @diverges: whether an operation would bring it about; where it is common, such are not tried, so
 * that sequences get long
 */
static struct {
	const char *name;
	const char *reason;
	bool (*matches)(const struct conditions *conditions, const struct difference *difference);
	bool parting;
	bool (*diverges)(const struct conditions *conditions, const struct operation *op);
	unsigned long needed;
} known[] = {
	{ .name = "atime after reading",
	  .reason = "the client's kernel answers reads from its caches, and the host does not see "
		    "them",
	  .matches = atime_unless_set },
	{ .name = "lseek in a directory",
	  .reason = "the kernel seeks in FUSE directories without the server; ext4 and others have "
		    "rules of their own",
	  .matches = seeking_in_directory },
	{ .name = "times of a FIFO",
	  .reason = "reads and writes of a FIFO stay in the client's kernel, and so do the times "
		    "that they move",
	  .matches = times_of_fifo },
	{ .name = "SEEK_DATA and SEEK_HOLE in unwritten extents",
	  .reason = "the host goes by what is in its page cache there, and that depends on what "
		    "the client has read",
	  .matches = data_in_unwritten },
	{ .name = "chown(-1, -1) of a set-id file by a stranger, with passthrough",
	  .reason = "the kernel sends the same request before it writes by itself, so the bits may "
		    "have to go",
	  .matches = stranger_clears_set_id_bits,
	  .parting = true },
	{ .name = "chown(-1, -1) of a set-id file by a stranger",
	  .reason = "the kernel sends the same request before a write that clears set-id bits, so "
		    "it cannot be refused",
	  .matches = stranger_changes_no_owner },
	{ .name = "chown(-1, -1) of a file with set-id bits and a capability by a stranger",
	  .reason = "the kernel asks for the removal of the capability as it does before a write, "
		    "so that it cannot be refused to who may write",
	  .matches = stranger_takes_capability,
	  .parting = true },
	{ .name = "set-id bits and a file capability when one with CAP_FSETID writes",
	  .reason = "to clear the capability the kernel sends the same request as for chown(-1, "
		    "-1), which clears the bits",
	  .matches = set_id_bits_with_capability,
	  .parting = true },
	{ .name = "set-id bits and writes by passthrough",
	  .reason = "the kernel writes as the user for whom the file was registered, whoever "
		    "writes: by his groups, and without CAP_FSETID",
	  .matches = set_id_bits_by_passthrough,
	  .parting = true },
	{ .name = "chown(-1, -1) by an unusual capability",
	  .reason = "a FUSE request carries no capabilities, so the server does not know that the "
		    "caller counts as the owner",
	  .diverges = unsaid_fowner },
	{ .name = "another error first, where only the server judges",
	  .reason = "the client's kernel finds a busy, missing or wrong kind of file before it "
		    "asks; nobody is let in by that",
	  .matches = another_error_first },
	{ .name = "\".\" as the parent, where only the server judges",
	  .reason = "a walk to \".\" asks the server nothing, so search permission for it is not "
		    "judged",
	  .matches = dot_as_parent },
	{ .name = "\".\" and \"..\", where only the server judges",
	  .reason = "a step to them asks the server nothing, so search permission for it is not "
		    "judged",
	  .diverges = dots },
	{ .name = "special files, where only the server judges",
	  .reason = "the client's kernel opens FIFOs and devices and connects to sockets without "
		    "asking the server",
	  .diverges = special_files },
	{ .name = "file capability of what is refused, where only the server judges",
	  .reason = "the client's kernel clears it by a request of its own, before the one that "
		    "the server refuses",
	  .matches = capability_before_judgement,
	  .parting = true },
	{ .name = "blocks of a file under writeback",
	  .reason = "data has not reached the host yet, and the client's kernel does not ask for "
		    "the blocks anew",
	  .matches = blocks_of_cached_file },
	{ .name = "SEEK_DATA and SEEK_HOLE under writeback",
	  .reason = "the kernel asks the server without having given it the data first",
	  .matches = data_not_written_yet },
	{ .name = "file capabilities under writeback",
	  .reason = "data that was written before the capability was set reaches the host later, "
		    "and that clears it",
	  .diverges = capability_under_writeback },
	{ .name = "allocation ahead on XFS",
	  .reason = "how much XFS allocates ahead of a growing file depends on how the kernel cuts "
		    "the writes",
	  .matches = ahead_on_xfs },
	{ .name = "times of a truncation to the same size under writeback",
	  .reason =
		  "the client's kernel keeps the times, and moves them only when the size changes",
	  .matches = times_of_same_size },
	{ .name = "a set mtime after a truncation to the same size under writeback",
	  .reason =
		  "the client's kernel keeps the times, and moves them only when the size changes",
	  .matches = set_time_of_same_size,
	  .parting = true },
	{ .name = "ctime of removing no ACL under writeback",
	  .reason = "the client's kernel keeps the ctime, and does not know that there was nothing "
		    "to remove",
	  .matches = ctime_of_no_acl },
	{ .name = "times that the host cannot hold under writeback",
	  .reason = "the client's kernel keeps the times, and does not know what the host's file "
		    "system can hold",
	  .diverges = unholdable_times },
	{ .name = "fallocate that shifts or unshares ranges",
	  .reason = "the kernel refuses these modes for every FUSE file (EOPNOTSUPP) before it "
		    "asks the server",
	  .diverges = shifting_ranges },
	{ .name = "CAP_FSETID where the protocol is silent",
	  .reason = "CHOWN, FALLOCATE, COPY_FILE_RANGE and creations do not say whether the caller "
		    "has it; root is taken to",
	  .diverges = unsaid_fsetid },
	{ .name = "capabilities in server mode",
	  .reason = "a FUSE request carries no capabilities, so the server can judge root and "
		    "users only as such",
	  .diverges = odd_capabilities },
};
#define KNOWN (sizeof(known) / sizeof(known[0]))

enum known known_difference(const struct conditions *conditions,
			    const struct difference *difference)
{
	for (size_t i = 0; i < KNOWN; i++) {
		if (known[i].matches && known[i].matches(conditions, difference)) {
			known[i].needed++;
			return known[i].parting ? KNOWN_PARTING : KNOWN_HARMLESS;
		}
	}
	return NOT_KNOWN;
}

bool known_to_diverge(const struct conditions *conditions, const struct operation *op)
{
	for (size_t i = 0; i < KNOWN; i++) {
		if (known[i].diverges && known[i].diverges(conditions, op)) {
			known[i].needed++;
			return true;
		}
	}
	return false;
}

void known_write(FILE *file)
{
	for (size_t i = 0; i < KNOWN; i++) {
		if (known[i].needed)
			fprintf(file, "  known, %lu times: %s: %s\n", known[i].needed,
				known[i].name, known[i].reason);
	}
}
