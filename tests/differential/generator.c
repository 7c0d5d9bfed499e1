/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making up operations; see generator.h. What is learnt from them is in learn.c.
 */
#include "generator.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "known.h"

#define MANY_NAMES 120 /* from here on more is removed than made */
#define LONG_PATH 300  /* nothing is made below a directory with so long a path */

static const char long_name[] = "long-long-long-long-long-long-long-long-long-long-long-long-long-"
				"long-long-long-long-long-long-long-long-long-"
				"long-long-long-long-long-long-long-long-long-long-long-long-long-"
				"long-long-long-long-long-long-long-long-long-"
				"long-long-long-long-long-long-12345";

/* Random numbers. */

static uint64_t next_random(struct generator *generator)
{
	uint64_t z = generator->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint64_t below(struct generator *generator, uint64_t limit)
{
	return next_random(generator) % limit;
}

static bool chance(struct generator *generator, unsigned int percent)
{
	return below(generator, 100) < percent;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PICK(generator, array) ((array)[below((generator), COUNT(array))])

static int64_t pick_mode(struct generator *generator)
{
	static const int64_t modes[] = { 0777, 0777, 0755, 0750, 0700,  0666,  0644,
					 0640, 0600, 0444, 0222, 0111,  0007,  0070,
					 0000, 0577, 0277, 0377, 01777, 02777, 02775 };

	if (chance(generator, 15))
		return (int64_t)below(generator, 010000);
	return PICK(generator, modes);
}

static int64_t pick_offset(struct generator *generator)
{
	static const int64_t offsets[] = { 0,    0,    0,    1,    100,   511,    512,
					   4095, 4096, 4097, 8192, 65536, 100000, 131072 };
	static const int64_t odd[] = { -1, 1 << 20, 1ll << 32, (1ll << 40) + 5 };

	return chance(generator, 4) ? PICK(generator, odd) : PICK(generator, offsets);
}

static int64_t pick_length(struct generator *generator)
{
	static const int64_t lengths[] = { 0,    1,    3,    100,   511,   512,   4095,
					   4096, 4097, 8192, 10000, 65536, 131073 };

	return PICK(generator, lengths);
}

/* Paths. */

enum wish { ANYTHING, A_DIRECTORY, A_FILE, SOMETHING_NEW };

static const char *pick_name(struct generator *generator)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j" };
	static const char *const odd[] = { long_name, "with space", "\xff\xfe", "new\nline",
					   "...",     ".hidden",    "\303\274", "-" };

	return chance(generator, 7) ? PICK(generator, odd) : PICK(generator, names);
}

static bool suits(const struct known_name *name, enum wish wish)
{
	switch (wish) {
	case A_DIRECTORY:
		return name->type == 'd';
	case A_FILE:
		return name->type == 'f';
	case SOMETHING_NEW: /* a directory to make it in */
		return name->type == 'd' && strlen(name->path) < LONG_PATH;
	default:
		return true;
	}
}

/* The path of something that suits, or of the root. */
static const char *pick_known(struct generator *generator, enum wish wish)
{
	for (int i = 0; i < 20 && generator->count; i++) {
		const struct known_name *name =
			&generator->names[below(generator, generator->count)];

		if (suits(name, wish))
			return name->path;
	}
	return "/";
}

static void join(char *path, const char *directory, const char *name)
{
	char joined[PATH_SIZE * 2];

	snprintf(joined, sizeof(joined), "%s/%s", strcmp(directory, "/") ? directory : "", name);
	joined[PATH_SIZE - 1] = '\0';
	strcpy(path, joined);
}

/* Turns a plain path into one that is odd in some way, and often wrong. */
static void make_odd(struct generator *generator, char *path)
{
	static const char *const endings[] = { "", ".", "..", "/", "../a", "./b", "nothing/here" };
	char odd[PATH_SIZE];

	switch (below(generator, 6)) {
	case 0:
		path[0] = '\0';
		break;
	case 1: /* a name that is one byte too long */
		snprintf(odd, sizeof(odd), "/%sx", long_name);
		strcpy(path, odd);
		break;
	default:
		join(odd, path, PICK(generator, endings));
		strcpy(path, odd);
	}
}

static bool is_below(const char *path, const char *directory)
{
	const size_t size = strlen(directory);

	if (strcmp(directory, "/") == 0)
		return path[0] == '/' && path[1];
	return strncmp(path, directory, size) == 0 && path[size] == '/';
}

/* Makes @path relative to @directory, which it lies below. */
static void make_relative(char *path, const char *directory)
{
	const size_t size = strcmp(directory, "/") ? strlen(directory) : 0;

	memmove(path, path + size + 1, strlen(path + size + 1) + 1);
}

/* Says a path relative to an open or to the working directory, now and then, where that is
 * possible. */
static void choose_base(struct generator *generator, const struct operation *op, int64_t *dir,
			char *path)
{
	const int first = (int)below(generator, SLOTS);

	if (path[0] != '/' || chance(generator, 40))
		return;
	if (chance(generator, 3)) {
		make_relative(path, "/");
		return;
	}
	for (int i = 0; (operation_kinds[op->kind].operands & TAKES_DIR) && i < SLOTS; i++) {
		const int slot = (first + i) % SLOTS;
		const struct known_name *name = &generator->slots[op->user][slot];

		if (name->type != 'd' || !name->path[0] || !is_below(path, name->path))
			continue;
		make_relative(path, name->path);
		*dir = slot;
		return;
	}
	if (is_below(path, generator->cwd[op->user]))
		make_relative(path, generator->cwd[op->user]);
}

static void choose_path_for(struct generator *generator, const struct operation *op, enum wish wish,
			    int64_t *dir, char *path)
{
	if (chance(generator, 10))
		wish = PICK(generator,
			    ((const enum wish[]){ ANYTHING, A_DIRECTORY, A_FILE, SOMETHING_NEW }));
	if (wish == SOMETHING_NEW)
		join(path, pick_known(generator, wish), pick_name(generator));
	else
		strcpy(path, pick_known(generator, wish));
	if (chance(generator, 4))
		make_odd(generator, path);
	choose_base(generator, op, dir, path);
}

static void choose_path(struct generator *generator, struct operation *op, enum wish wish)
{
	choose_path_for(generator, op, wish, &op->dir, op->path);
}

static void choose_path2(struct generator *generator, struct operation *op, enum wish wish)
{
	choose_path_for(generator, op, wish, &op->dir2, op->path2);
}

/* Slots. */

static int64_t pick_slot(struct generator *generator, int64_t user, char type)
{
	for (int i = 0; i < 12; i++) {
		const int64_t slot = (int64_t)below(generator, SLOTS);
		const char holds = generator->slots[user][slot].type;

		if (type ? holds == type : holds != 0)
			return slot;
	}
	return (int64_t)below(generator, SLOTS);
}

static int64_t pick_free_slot(struct generator *generator, int64_t user)
{
	for (int i = 0; i < 6; i++) {
		const int64_t slot = (int64_t)below(generator, SLOTS);

		if (!generator->slots[user][slot].type)
			return slot;
	}
	return (int64_t)below(generator, SLOTS);
}

static int64_t pick_open_flags(struct generator *generator)
{
	static const int64_t accesses[] = { O_RDONLY, O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR };
	int64_t flags = chance(generator, 1) ? O_ACCMODE : PICK(generator, accesses);

	flags |= chance(generator, 15) ? O_TRUNC : 0;
	flags |= chance(generator, 15) ? O_APPEND : 0;
	flags |= chance(generator, 10) ? O_NOFOLLOW : 0;
	flags |= chance(generator, 4) ? O_DIRECTORY : 0;
	flags |= chance(generator, 6) ? O_PATH : 0;
	flags |= chance(generator, 15) ? O_NONBLOCK : 0;
	flags |= chance(generator, 2) ? O_NOATIME : 0;
	return flags;
}

/* What each kind of operation needs. */

static void make_open(struct generator *generator, struct operation *op)
{
	op->slot = pick_free_slot(generator, op->user);
	op->mode = pick_mode(generator);
	op->flags = pick_open_flags(generator);
	if (chance(generator, 5)) {
		op->flags = O_TMPFILE | (chance(generator, 80) ? O_RDWR : op->flags);
		op->flags |= chance(generator, 20) ? O_EXCL : 0;
		choose_path(generator, op, A_DIRECTORY);
	} else if (chance(generator, 20)) {
		op->flags = O_RDONLY | O_DIRECTORY | (chance(generator, 30) ? O_PATH : 0);
		choose_path(generator, op, A_DIRECTORY);
	} else if (chance(generator, 40)) {
		op->flags |= O_CREAT | (chance(generator, 25) ? O_EXCL : 0);
		choose_path(generator, op, chance(generator, 70) ? SOMETHING_NEW : ANYTHING);
	} else {
		choose_path(generator, op, chance(generator, 75) ? A_FILE : ANYTHING);
	}
}

static void make_reopen(struct generator *generator, struct operation *op)
{
	op->slot = pick_slot(generator, op->user, 0);
	op->slot2 = pick_free_slot(generator, op->user);
	op->flags = pick_open_flags(generator) & ~O_NOFOLLOW;
}

static void make_on_any_slot(struct generator *generator, struct operation *op)
{
	op->slot = pick_slot(generator, op->user, 0);
}

static void make_pass(struct generator *generator, struct operation *op)
{
	op->giver = (int64_t)below(generator, USERS);
	op->slot = pick_free_slot(generator, op->user);
	op->slot2 = pick_slot(generator, op->giver, 0);
}

static void choose_file_slot(struct generator *generator, struct operation *op)
{
	op->slot = pick_slot(generator, op->user, chance(generator, 85) ? 'f' : 0);
}

static void make_data(struct generator *generator, struct operation *op)
{
	choose_file_slot(generator, op);
	op->length = pick_length(generator);
	op->offset = op->kind == OP_READ || op->kind == OP_WRITE ? 0 : pick_offset(generator);
	op->seed =
		op->kind == OP_WRITE || op->kind == OP_PWRITE ? (int64_t)below(generator, 100) : 0;
	if (op->kind == OP_MMAP_READ && op->offset < 0)
		op->offset = 0;
}

static void make_truncate(struct generator *generator, struct operation *op)
{
	op->offset = pick_offset(generator);
	if (op->kind == OP_TRUNCATE)
		choose_path(generator, op, A_FILE);
	else
		choose_file_slot(generator, op);
}

static void make_fallocate(struct generator *generator, struct operation *op)
{
	static const int64_t modes[] = { 0,
					 FALLOC_FL_KEEP_SIZE,
					 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					 FALLOC_FL_ZERO_RANGE,
					 FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
					 FALLOC_FL_PUNCH_HOLE,
					 FALLOC_FL_COLLAPSE_RANGE,
					 FALLOC_FL_INSERT_RANGE,
					 FALLOC_FL_UNSHARE_RANGE };

	choose_file_slot(generator, op);
	op->flags = PICK(generator, modes);
	op->offset = pick_offset(generator);
	op->length = pick_length(generator);
}

static void make_lseek(struct generator *generator, struct operation *op)
{
	static const int64_t whences[] = { SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE };

	choose_file_slot(generator, op);
	op->flags = PICK(generator, whences);
	op->offset = pick_offset(generator);
	if (chance(generator, 10))
		op->offset = -op->offset;
}

static void make_copy_range(struct generator *generator, struct operation *op)
{
	choose_file_slot(generator, op);
	op->slot2 = pick_slot(generator, op->user, 'f');
	op->offset = chance(generator, 40) ? -1 : pick_offset(generator);
	op->offset2 = chance(generator, 40) ? -1 : pick_offset(generator);
	op->length = pick_length(generator);
}

static void make_fsync(struct generator *generator, struct operation *op)
{
	op->slot = pick_slot(generator, op->user, 0);
	op->flags = chance(generator, 50);
}

static void make_stat(struct generator *generator, struct operation *op)
{
	op->flags = chance(generator, 50) ? AT_SYMLINK_NOFOLLOW : 0;
	choose_path(generator, op, chance(generator, 10) ? SOMETHING_NEW : ANYTHING);
	if (op->kind != OP_STATX)
		return;
	op->flags |= chance(generator, 20) ? AT_STATX_FORCE_SYNC : 0;
	op->mode = chance(generator, 80) ? STATX_BASIC_STATS | STATX_BTIME
					 : (int64_t)below(generator, 0x1000);
}

static void make_access(struct generator *generator, struct operation *op)
{
	op->mode = (int64_t)below(generator, 8);
	op->flags = chance(generator, 50) ? AT_EACCESS : 0;
	op->flags |= chance(generator, 20) ? AT_SYMLINK_NOFOLLOW : 0;
	choose_path(generator, op, ANYTHING);
}

static void make_chmod(struct generator *generator, struct operation *op)
{
	op->mode = pick_mode(generator);
	if (op->kind == OP_FCHMOD) {
		op->slot = pick_slot(generator, op->user, 0);
		return;
	}
	op->flags = chance(generator, 10) ? AT_SYMLINK_NOFOLLOW : 0;
	choose_path(generator, op, ANYTHING);
}

static void make_chown(struct generator *generator, struct operation *op)
{
	static const int64_t uids[] = { -1, -1, -1, 0, 1001, 1002, 1003, 65534 };
	static const int64_t gids[] = { -1, -1, 0, 1001, 1002, 2000, 2001, 2002, 2100, 65534 };

	op->uid = PICK(generator, uids);
	op->gid = PICK(generator, gids);
	if (op->kind == OP_FCHOWN) {
		op->slot = pick_slot(generator, op->user, 0);
		return;
	}
	op->flags = chance(generator, 40) ? AT_SYMLINK_NOFOLLOW : 0;
	choose_path(generator, op, ANYTHING);
}

static void pick_time(struct generator *generator, int64_t *seconds, int64_t *nanoseconds)
{
	static const int64_t some_seconds[] = { 0,          1,          -1,
						-1000000,   1000000000, 2147483647,
						2147483648, 4294967301, 16000000000 };
	static const int64_t some_nanoseconds[] = { 0,         1,         999999999,  123456789,
						    UTIME_NOW, UTIME_NOW, UTIME_OMIT, 1000000000 };

	*seconds = PICK(generator, some_seconds);
	*nanoseconds = PICK(generator, some_nanoseconds);
}

static void make_utimens(struct generator *generator, struct operation *op)
{
	pick_time(generator, &op->atime, &op->atime_ns);
	pick_time(generator, &op->mtime, &op->mtime_ns);
	if (chance(generator, 25))
		op->atime_ns = op->mtime_ns = UTIME_NOW; /* what a mere writer may do */
	if (op->kind == OP_FUTIMENS) {
		op->slot = pick_slot(generator, op->user, 0);
		return;
	}
	op->flags = chance(generator, 40) ? AT_SYMLINK_NOFOLLOW : 0;
	choose_path(generator, op, ANYTHING);
}

static void make_mkdir(struct generator *generator, struct operation *op)
{
	op->mode = pick_mode(generator);
	choose_path(generator, op, SOMETHING_NEW);
}

/* Devices that no driver answers for, and the one without number, which stands for a whiteout. */
static void make_mknod(struct generator *generator, struct operation *op)
{
	static const int64_t types[] = { S_IFREG, S_IFIFO, S_IFIFO, S_IFSOCK, S_IFCHR,
					 S_IFCHR, S_IFBLK, 0,       S_IFDIR,  S_IFLNK };

	op->mode = PICK(generator, types);
	if (op->mode == S_IFCHR || op->mode == S_IFBLK)
		op->offset =
			chance(generator, 50) ? 0 : (int64_t)makedev(120, below(generator, 300));
	op->mode |= pick_mode(generator);
	choose_path(generator, op, SOMETHING_NEW);
}

static void make_new_name(struct generator *generator, struct operation *op)
{
	choose_path(generator, op, SOMETHING_NEW);
}

static void make_on_anything(struct generator *generator, struct operation *op)
{
	choose_path(generator, op, ANYTHING);
}

static void make_symlink(struct generator *generator, struct operation *op)
{
	static const char *const targets[] = { "a",  "b", "../a", "../../b/c",       ".",
					       "..", "/", "",     "link/to/nowhere", "./d" };

	if (chance(generator, 50))
		strcpy(op->path2, pick_known(generator, ANYTHING));
	else
		strcpy(op->path2, PICK(generator, targets));
	choose_path(generator, op, SOMETHING_NEW);
}

static void make_link(struct generator *generator, struct operation *op)
{
	op->flags = chance(generator, 20) ? AT_SYMLINK_FOLLOW : 0;
	choose_path(generator, op, chance(generator, 60) ? A_FILE : ANYTHING);
	choose_path2(generator, op, SOMETHING_NEW);
}

static void make_link_fd(struct generator *generator, struct operation *op)
{
	op->flags = chance(generator, 70);
	op->slot = pick_slot(generator, op->user, 'f');
	choose_path(generator, op, SOMETHING_NEW);
}

static void make_rename(struct generator *generator, struct operation *op)
{
	static const int64_t flags[] = {
		0, 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE, RENAME_WHITEOUT
	};

	op->flags = chance(generator, 2) ? (int64_t)below(generator, 16) : PICK(generator, flags);
	choose_path(generator, op, ANYTHING);
	choose_path2(generator, op, chance(generator, 50) ? SOMETHING_NEW : ANYTHING);
}

static void make_on_directory(struct generator *generator, struct operation *op)
{
	choose_path(generator, op, A_DIRECTORY);
}

static void make_on_directory_slot(struct generator *generator, struct operation *op)
{
	op->slot = pick_slot(generator, op->user, chance(generator, 85) ? 'd' : 0);
}

static void make_xattr(struct generator *generator, struct operation *op)
{
	static const char *const names[] = { "user.a",
					     "user.a",
					     "user.b",
					     "user.c",
					     "trusted.t",
					     "security.capability",
					     "security.capability",
					     "security.other",
					     "system.posix_acl_access",
					     "system.posix_acl_access",
					     "system.posix_acl_default",
					     "system.posix_acl_default" };
	static const char *const odd[] = { "user.", "nothing.known", "user",
					   "",      "system.other",  long_name };
	static const int64_t sizes[] = { 0, 1, 10, 100, 1000, 3000, 4096 };
	static const int64_t odd_sizes[] = { 65536, 65537, 100000 };
	static const int64_t flags[] = { 0, 0, XATTR_CREATE, XATTR_REPLACE,
					 XATTR_CREATE | XATTR_REPLACE };

	if (operation_kinds[op->kind].operands & ON_PATH) {
		op->mode = chance(generator, 60);
		choose_path(generator, op, ANYTHING);
	} else {
		op->slot = pick_slot(generator, op->user, 0);
	}
	op->length = chance(generator, 4) ? PICK(generator, odd_sizes) : PICK(generator, sizes);
	if (op->kind == OP_LISTXATTR || op->kind == OP_FLISTXATTR)
		return;
	strcpy(op->path2, chance(generator, 5) ? PICK(generator, odd) : PICK(generator, names));
	if (op->kind != OP_SETXATTR && op->kind != OP_FSETXATTR)
		return;
	op->flags = chance(generator, 60) ? 0 : PICK(generator, flags);
	op->seed = (int64_t)below(generator, 1000);
}

static void make_flock(struct generator *generator, struct operation *op)
{
	static const int64_t hows[] = { LOCK_SH, LOCK_EX, LOCK_UN };

	op->slot = pick_slot(generator, op->user, 'f');
	op->flags = PICK(generator, hows);
}

static void make_lock(struct generator *generator, struct operation *op)
{
	static const int64_t types[] = { F_RDLCK, F_WRLCK, F_UNLCK };

	op->slot = pick_slot(generator, op->user, 'f');
	op->flags = chance(generator, 30);
	op->mode = PICK(generator, types);
	op->offset = (int64_t)below(generator, 10);
	op->length = (int64_t)below(generator, 10);
}

static void make_umask(struct generator *generator, struct operation *op)
{
	static const int64_t masks[] = { 0, 022, 027, 077, 0777, 0111 };

	op->mode = PICK(generator, masks);
}

static void make_groups(struct generator *generator, struct operation *op)
{
	op->flags = (int64_t)below(generator, GROUP_SETS);
}

static const struct {
	unsigned int weight;
	void (*make)(struct generator *generator, struct operation *op);
} makers[OP_KINDS] = {
	[OP_OPEN] = { 150, make_open },         [OP_REOPEN] = { 15, make_reopen },
	[OP_CLOSE] = { 25, make_on_any_slot },  [OP_PASS] = { 15, make_pass },
	[OP_READ] = { 20, make_data },          [OP_PREAD] = { 30, make_data },
	[OP_WRITE] = { 30, make_data },         [OP_PWRITE] = { 40, make_data },
	[OP_MMAP_READ] = { 15, make_data },     [OP_TRUNCATE] = { 25, make_truncate },
	[OP_FTRUNCATE] = { 20, make_truncate }, [OP_FALLOCATE] = { 20, make_fallocate },
	[OP_LSEEK] = { 20, make_lseek },        [OP_COPY_RANGE] = { 15, make_copy_range },
	[OP_FSYNC] = { 3, make_fsync },         [OP_STAT] = { 30, make_stat },
	[OP_FSTAT] = { 15, make_on_any_slot },  [OP_STATX] = { 15, make_stat },
	[OP_ACCESS] = { 30, make_access },      [OP_CHMOD] = { 50, make_chmod },
	[OP_FCHMOD] = { 15, make_chmod },       [OP_CHOWN] = { 40, make_chown },
	[OP_FCHOWN] = { 15, make_chown },       [OP_UTIMENS] = { 35, make_utimens },
	[OP_FUTIMENS] = { 15, make_utimens },   [OP_MKDIR] = { 60, make_mkdir },
	[OP_MKNOD] = { 35, make_mknod },        [OP_BIND] = { 6, make_new_name },
	[OP_CONNECT] = { 3, make_on_anything }, [OP_SYMLINK] = { 35, make_symlink },
	[OP_LINK] = { 40, make_link },          [OP_LINK_FD] = { 20, make_link_fd },
	[OP_UNLINK] = { 45, make_on_anything }, [OP_RMDIR] = { 25, make_on_directory },
	[OP_RENAME] = { 70, make_rename },      [OP_READLINK] = { 12, make_on_anything },
	[OP_LIST] = { 20, make_on_directory },  [OP_LIST_FD] = { 12, make_on_directory_slot },
	[OP_CHDIR] = { 15, make_on_directory }, [OP_FCHDIR] = { 8, make_on_directory_slot },
	[OP_SETXATTR] = { 40, make_xattr },     [OP_FSETXATTR] = { 12, make_xattr },
	[OP_GETXATTR] = { 20, make_xattr },     [OP_FGETXATTR] = { 8, make_xattr },
	[OP_LISTXATTR] = { 12, make_xattr },    [OP_FLISTXATTR] = { 6, make_xattr },
	[OP_REMOVEXATTR] = { 12, make_xattr },  [OP_FREMOVEXATTR] = { 6, make_xattr },
	[OP_FLOCK] = { 8, make_flock },         [OP_LOCK] = { 12, make_lock },
	[OP_GETLOCK] = { 6, make_lock },        [OP_UMASK] = { 5, make_umask },
	[OP_GROUPS] = { 8, make_groups },
};

static enum kind pick_kind(struct generator *generator)
{
	unsigned int total = 0;
	uint64_t at;
	int kind;

	for (kind = 0; kind < OP_KINDS; kind++)
		total += makers[kind].weight;
	at = below(generator, total);
	for (kind = 0; at >= makers[kind].weight; kind++)
		at -= makers[kind].weight;
	return (enum kind)kind;
}

/* The last user goes on, mostly; and root, who gets something done, comes up more often than the
 * others. */
static int pick_user(struct generator *generator)
{
	if (chance(generator, 60))
		return generator->user;
	return chance(generator, 20) ? 0 : (int)below(generator, USERS);
}

/* Root opens something up again, since modes drift towards nobody being allowed anything. */
static void make_repair(struct generator *generator, struct operation *op)
{
	static const int64_t modes[] = { 0777, 0777, 01777, 02777 };

	operation_init(op, OP_CHMOD, 0);
	op->mode = PICK(generator, modes);
	strcpy(op->path, chance(generator, 20) ? "/" : pick_known(generator, A_DIRECTORY));
}

static void make_removal(struct generator *generator, struct operation *op)
{
	const bool directory = chance(generator, 30);

	operation_init(op, directory ? OP_RMDIR : OP_UNLINK, 0);
	strcpy(op->path, pick_known(generator, directory ? A_DIRECTORY : ANYTHING));
}

/* What the list of known differences tells only by looking at once. */
static bool may_part(const struct operation *op)
{
	return op->kind == OP_WRITE || op->kind == OP_PWRITE || op->kind == OP_FALLOCATE ||
	       op->kind == OP_COPY_RANGE;
}

static void make_up(struct generator *generator, struct operation *op)
{
	if (chance(generator, 2)) {
		make_repair(generator, op);
	} else if (generator->count > MANY_NAMES && chance(generator, 40)) {
		make_removal(generator, op);
	} else {
		operation_init(op, pick_kind(generator), pick_user(generator));
		makers[op->kind].make(generator, op);
	}
	generator->user = (int)op->user;
	/* not looking is tried as well, since looking refreshes what the client has cached */
	if (chance(generator, 80))
		op->observe =
			chance(generator, 75) ? OBSERVE_BEFORE | OBSERVE_AFTER : OBSERVE_AFTER;
	if (may_part(op))
		op->observe |= OBSERVE_AFTER;
}

void generator_next(struct generator *generator, struct operation *op)
{
	do
		make_up(generator, op);
	while (known_to_diverge(generator->conditions, op));
}
