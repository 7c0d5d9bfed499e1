/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The system calls that the oracle tries; see calls.h.
 */
#include "calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif

#define BUFFER_SIZE (256 * 1024)
#define NAMES_MAX 4096

int proc_fds = -1;

static unsigned char buffer[BUFFER_SIZE] __attribute__((aligned(16)));
static sigjmp_buf beyond_the_end;

static void on_sigbus(int signal)
{
	(void)signal;
	siglongjmp(beyond_the_end, 1);
}

int call_begin(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGBUS, on_sigbus);
	proc_fds = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return proc_fds < 0 ? -errno : 0;
}

static struct outcome outcome_of(int64_t result)
{
	struct outcome outcome = { .result = result < 0 ? -1 : result,
				   .error = result < 0 ? errno : 0 };

	return outcome;
}

uint64_t digest(uint64_t seed, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;
	uint64_t word;

	for (; size >= sizeof(word); size -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		seed = (seed ^ word) * 0x9e3779b97f4a7c15u;
		seed ^= seed >> 29;
	}
	for (; size; size--, at++) {
		seed = (seed ^ *at) * 0x9e3779b97f4a7c15u;
		seed ^= seed >> 29;
	}
	return seed;
}

/* Bytes that differ from seed to seed and from place to place. */
void fill(unsigned char *bytes, size_t size, uint64_t offset, uint64_t seed)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(((offset + i) * 131 + ((offset + i) >> 9) * 7 +
					    seed * 29) >>
					   1);
}

/* Lays the first bytes out as text, what is not printable as hex. */
static void show_bytes(char *text, const unsigned char *bytes, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < size && used + 5 < OUTCOME_TEXT; i++) {
		if (bytes[i] >= ' ' && bytes[i] < 127 && bytes[i] != '\\')
			text[used++] = (char)bytes[i];
		else
			used += (size_t)snprintf(text + used, 5, "\\x%02x", bytes[i]);
	}
	text[used] = '\0';
}

static struct outcome outcome_of_bytes(int64_t result, const unsigned char *bytes, size_t size)
{
	struct outcome outcome = outcome_of(result);

	if (result < 0)
		return outcome;
	outcome.length = (uint32_t)size;
	outcome.digest = digest(size, bytes, size);
	show_bytes(outcome.text, bytes, size);
	return outcome;
}

struct view look(int dir, const char *path, int flags)
{
	struct view view = { 0 };
	struct stat st;

	if (fstatat(dir, path, &st, flags) < 0) {
		view.error = errno;
		return view;
	}
	view.mode = st.st_mode;
	view.uid = st.st_uid;
	view.gid = st.st_gid;
	view.nlink = (uint32_t)st.st_nlink;
	view.ino = st.st_ino;
	view.size = (uint64_t)st.st_size;
	view.blocks = (uint64_t)st.st_blocks;
	view.rdev = st.st_rdev;
	view.atime = st.st_atim;
	view.mtime = st.st_mtim;
	view.ctime = st.st_ctim;
	return view;
}

/* Opening and closing. A FIFO is always opened without waiting for the other end. */

static struct outcome into_slot(int *slot, int fd)
{
	struct outcome outcome = outcome_of(fd);

	if (fd < 0)
		return outcome;
	if (*slot >= 0)
		close(*slot);
	*slot = fd;
	outcome.result = 0;
	return outcome;
}

static bool is_fifo(int dir, const char *path)
{
	struct stat st;

	return fstatat(dir, path, &st, 0) == 0 && S_ISFIFO(st.st_mode);
}

struct outcome call_open(int *slot, int dir, const char *path, int flags, mode_t mode)
{
	if (!(flags & O_PATH) && is_fifo(dir, path))
		flags |= O_NONBLOCK;
	return into_slot(slot, openat(dir, path, flags | O_CLOEXEC, mode));
}

static void fd_name(char *name, size_t size, int fd)
{
	snprintf(name, size, "%d", fd);
}

struct outcome call_reopen(int *slot, int fd, int flags)
{
	char name[16];

	fd_name(name, sizeof(name), fd);
	if (!(flags & O_PATH) && is_fifo(proc_fds, name))
		flags |= O_NONBLOCK;
	return into_slot(slot, openat(proc_fds, name, flags | O_CLOEXEC));
}

struct outcome call_close(int *slot)
{
	struct outcome outcome = outcome_of(close(*slot));

	*slot = -1;
	return outcome;
}

/* Data. */

static size_t at_most_buffer(size_t size)
{
	return size < BUFFER_SIZE ? size : BUFFER_SIZE;
}

struct outcome call_read(int fd, size_t size)
{
	ssize_t done = read(fd, buffer, at_most_buffer(size));

	return outcome_of_bytes(done, buffer, (size_t)done);
}

struct outcome call_pread(int fd, size_t size, int64_t offset)
{
	ssize_t done = pread(fd, buffer, at_most_buffer(size), offset);

	return outcome_of_bytes(done, buffer, (size_t)done);
}

struct outcome call_write(int fd, size_t size, uint64_t seed)
{
	size = at_most_buffer(size);
	fill(buffer, size, 0, seed);
	return outcome_of(write(fd, buffer, size));
}

struct outcome call_pwrite(int fd, size_t size, int64_t offset, uint64_t seed)
{
	size = at_most_buffer(size);
	fill(buffer, size, (uint64_t)offset, seed);
	return outcome_of(pwrite(fd, buffer, size, offset));
}

/* Copies out of a mapping; false when the file has shrunk under it. */
static bool copy_mapped(void *to, const void *map, size_t size)
{
	if (sigsetjmp(beyond_the_end, 1))
		return false;
	memcpy(to, map, size);
	return true;
}

/* Reads through a mapping what lies inside the file; @offset is rounded down to a page. */
struct outcome call_mmap_read(int fd, size_t size, int64_t offset)
{
	const size_t mapped = at_most_buffer(size);
	struct outcome outcome;
	size_t inside = 0;
	struct stat st;
	void *map;

	offset -= offset % sysconf(_SC_PAGESIZE);
	if (fstat(fd, &st) < 0)
		return outcome_of(-1);
	map = mmap(NULL, mapped, PROT_READ, MAP_PRIVATE, fd, offset);
	if (map == MAP_FAILED)
		return outcome_of(-1);
	if (offset < st.st_size)
		inside = (int64_t)mapped < st.st_size - offset ? mapped
							       : (size_t)(st.st_size - offset);
	errno = EFAULT;
	outcome = outcome_of_bytes(copy_mapped(buffer, map, inside) ? (int64_t)inside : -1, buffer,
				   inside);
	munmap(map, mapped);
	return outcome;
}

struct outcome call_truncate(const char *path, int64_t size)
{
	return outcome_of(truncate(path, size));
}

struct outcome call_ftruncate(int fd, int64_t size)
{
	return outcome_of(ftruncate(fd, size));
}

struct outcome call_fallocate(int fd, int mode, int64_t offset, int64_t size)
{
	return outcome_of(fallocate(fd, mode, offset, size));
}

/* Directories go back to their start afterwards: ext4 has positions, its end for one, at which
 * read() fails otherwise. */
static void rewind_directory(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		lseek(fd, 0, SEEK_SET);
}

/* Whether some of the file is allocated but never written, as far as the file system tells. */
static bool has_unwritten(int fd)
{
	struct fiemap *map = (struct fiemap *)buffer;

	memset(map, 0, sizeof(*map));
	map->fm_length = FIEMAP_MAX_OFFSET;
	map->fm_extent_count = 256;
	if (ioctl(fd, FS_IOC_FIEMAP, map) < 0)
		return false;
	for (unsigned int i = 0; i < map->fm_mapped_extents; i++) {
		if (map->fm_extents[i].fe_flags & FIEMAP_EXTENT_UNWRITTEN)
			return true;
	}
	return false;
}

/* What is found between data and holes does not become the position, since it is not always the
 * same: see known.c. */
struct outcome call_lseek(int fd, int64_t offset, int whence)
{
	const bool looks_for = whence == SEEK_DATA || whence == SEEK_HOLE;
	struct outcome outcome = outcome_of(lseek(fd, offset, whence));

	rewind_directory(fd);
	if (looks_for && has_unwritten(fd))
		strcpy(outcome.text, UNWRITTEN);
	if (looks_for)
		lseek(fd, offset < 0 ? 0 : offset, SEEK_SET);
	return outcome;
}

/* An offset of -1 stands for the descriptor's own. */
struct outcome call_copy_range(int from, int64_t from_offset, int to, int64_t to_offset,
			       size_t size)
{
	off64_t in = from_offset, out = to_offset;

	return outcome_of(copy_file_range(from, from_offset < 0 ? NULL : &in, to,
					  to_offset < 0 ? NULL : &out, at_most_buffer(size), 0));
}

struct outcome call_fsync(int fd, bool only_data)
{
	return outcome_of(only_data ? fdatasync(fd) : fsync(fd));
}

/* Attributes. */

struct outcome call_stat(int dir, const char *path, int flags, struct view *view)
{
	*view = look(dir, path, flags);
	errno = view->error;
	return outcome_of(view->error ? -1 : 0);
}

struct outcome call_fstat(int fd, struct view *view)
{
	return call_stat(fd, "", AT_EMPTY_PATH, view);
}

/* Yields which of the asked fields came back; the fields themselves are compared by call_stat(). */
struct outcome call_statx(int dir, const char *path, int flags, unsigned int mask)
{
	struct statx stx = { 0 };
	struct outcome outcome;

	outcome = outcome_of(statx(dir, path, flags, mask, &stx));
	if (outcome.result < 0)
		return outcome;
	mask &= STATX_BASIC_STATS | STATX_BTIME;
	outcome.length = stx.stx_mask & mask;
	outcome.digest = digest(stx.stx_mask & mask, &stx.stx_mode, sizeof(stx.stx_mode));
	snprintf(outcome.text, sizeof(outcome.text), "mask %x mode %o born %s", stx.stx_mask & mask,
		 stx.stx_mode,
		 !(stx.stx_mask & mask & STATX_BTIME) ? "unknown"
		 : stx.stx_btime.tv_sec > 0           ? "lately"
						      : "never");
	outcome.digest = digest(outcome.digest, outcome.text, strlen(outcome.text));
	return outcome;
}

struct outcome call_access(int dir, const char *path, int mode, int flags)
{
	return outcome_of(syscall(SYS_faccessat2, dir, path, mode, flags));
}

struct outcome call_chmod(int dir, const char *path, mode_t mode, int flags)
{
	return outcome_of(flags ? syscall(SYS_fchmodat2, dir, path, mode, flags)
				: fchmodat(dir, path, mode, 0));
}

struct outcome call_fchmod(int fd, mode_t mode)
{
	return outcome_of(fchmod(fd, mode));
}

struct outcome call_chown(int dir, const char *path, int64_t uid, int64_t gid, int flags)
{
	return outcome_of(fchownat(dir, path, (uid_t)uid, (gid_t)gid, flags));
}

struct outcome call_fchown(int fd, int64_t uid, int64_t gid)
{
	return outcome_of(fchown(fd, (uid_t)uid, (gid_t)gid));
}

struct outcome call_utimens(int dir, const char *path, struct timespec atime, struct timespec mtime,
			    int flags)
{
	struct timespec times[2] = { atime, mtime };

	return outcome_of(utimensat(dir, path, times, flags));
}

struct outcome call_futimens(int fd, struct timespec atime, struct timespec mtime)
{
	struct timespec times[2] = { atime, mtime };

	return outcome_of(futimens(fd, times));
}

/* Names. */

struct outcome call_mkdir(int dir, const char *path, mode_t mode)
{
	return outcome_of(mkdirat(dir, path, mode));
}

struct outcome call_mknod(int dir, const char *path, mode_t mode, uint64_t rdev)
{
	return outcome_of(mknodat(dir, path, mode, rdev));
}

static bool socket_address(struct sockaddr_un *address, const char *path)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(address->sun_path) || !path[0])
		return false;
	strcpy(address->sun_path, path);
	return true;
}

static struct outcome with_socket(const char *path,
				  int (*act)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_un address;
	struct outcome outcome;
	int fd;

	errno = ENAMETOOLONG;
	if (!socket_address(&address, path))
		return outcome_of(-1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return outcome_of(-1);
	outcome = outcome_of(act(fd, (struct sockaddr *)&address, sizeof(address)));
	close(fd);
	return outcome;
}

struct outcome call_bind(const char *path)
{
	return with_socket(path, bind);
}

struct outcome call_connect(const char *path)
{
	return with_socket(path, connect);
}

struct outcome call_symlink(const char *target, int dir, const char *path)
{
	return outcome_of(symlinkat(target, dir, path));
}

struct outcome call_link(int dir, const char *path, int to_dir, const char *to_path, int flags)
{
	return outcome_of(linkat(dir, path, to_dir, to_path, flags));
}

struct outcome call_link_fd(int fd, int dir, const char *path, bool through_proc)
{
	char name[16];

	if (!through_proc)
		return outcome_of(linkat(fd, "", dir, path, AT_EMPTY_PATH));
	fd_name(name, sizeof(name), fd);
	return outcome_of(linkat(proc_fds, name, dir, path, AT_SYMLINK_FOLLOW));
}

struct outcome call_unlink(int dir, const char *path, int flags)
{
	return outcome_of(unlinkat(dir, path, flags));
}

static bool is_directory(int dir, const char *path)
{
	struct stat st;

	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/*
 * Leaving a whiteout where a directory replaces a directory is not tried: ext4 changes the times of
 * the directories even when that fails, and a client that was told of the failure has no reason to
 * ask for them again.
 */
struct outcome call_rename(int dir, const char *path, int to_dir, const char *to_path,
			   unsigned int flags)
{
	errno = EINVAL;
	if ((flags & RENAME_WHITEOUT) && is_directory(dir, path) && is_directory(to_dir, to_path))
		return outcome_of(-1);
	return outcome_of(renameat2(dir, path, to_dir, to_path, flags));
}

struct outcome call_readlink(int dir, const char *path)
{
	ssize_t size = readlinkat(dir, path, (char *)buffer, BUFFER_SIZE);

	return outcome_of_bytes(size, buffer, (size_t)size);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorts @count names, each preceded by its type's letter, and sums them up. */
static struct outcome outcome_of_names(char **names, size_t count)
{
	struct outcome outcome = outcome_of((int64_t)count);
	size_t used = 0;

	qsort(names, count, sizeof(*names), by_name);
	for (size_t i = 0; i < count; i++) {
		size_t size = strlen(names[i]);

		outcome.digest = digest(outcome.digest, names[i], size + 1);
		if (used + size + 2 < sizeof(outcome.text))
			used += (size_t)snprintf(outcome.text + used, sizeof(outcome.text) - used,
						 "%s ", names[i]);
	}
	return outcome;
}

static char letter_of_type(unsigned char type)
{
	static const char letters[] = {
		[DT_UNKNOWN] = '?', [DT_FIFO] = 'p', [DT_CHR] = 'c', [DT_DIR] = 'd',
		[DT_BLK] = 'b',     [DT_REG] = 'f',  [DT_LNK] = 'l', [DT_SOCK] = 's'
	};

	return (char)(type < sizeof(letters) && letters[type] ? letters[type] : '!');
}

struct outcome call_list_fd(int fd)
{
	char *names[NAMES_MAX];
	struct outcome outcome;
	size_t count = 0;
	long got = lseek(fd, 0, SEEK_SET);

	if (got < 0)
		return outcome_of(-1);
	while ((got = syscall(SYS_getdents64, fd, buffer, 32768)) > 0) {
		for (long at = 0; at < got && count < NAMES_MAX;) {
			struct dirent64 *entry = (struct dirent64 *)(buffer + at);

			if (asprintf(&names[count], "%c%s", letter_of_type(entry->d_type),
				     entry->d_name) >= 0)
				count++;
			at += entry->d_reclen;
		}
	}
	outcome = got < 0 ? outcome_of(-1) : outcome_of_names(names, count);
	rewind_directory(fd);
	while (count)
		free(names[--count]);
	return outcome;
}

struct outcome call_list(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct outcome outcome;

	if (fd < 0)
		return outcome_of(-1);
	outcome = call_list_fd(fd);
	close(fd);
	return outcome;
}

struct outcome call_chdir(const char *path)
{
	return outcome_of(chdir(path));
}

struct outcome call_fchdir(int fd)
{
	return outcome_of(fchdir(fd));
}

/* Extended attributes. */

struct acl_entry {
	uint16_t tag;
	uint16_t permissions;
	uint32_t id;
};

static size_t add_acl_entry(unsigned char *value, size_t used, uint16_t tag, uint64_t permissions,
			    uint32_t id)
{
	struct acl_entry entry = { tag, (uint16_t)(permissions & 7), id };

	memcpy(value + used, &entry, sizeof(entry));
	return used + sizeof(entry);
}

/*
 * An access control list in its binary form: version 2, then entries by tag (1 owner, 2 user, 4
 * group, 8 named group, 16 mask, 32 others) and id. Every eighth is broken in that its mask is
 * missing.
 */
static size_t acl_value(unsigned char *value, uint64_t seed)
{
	static const uint32_t ids[] = { 0, 1001, 1002, 1003, 2000, 2001, 2002, 65534 };
	uint64_t bits = digest(seed, &seed, sizeof(seed));
	const uint32_t version = 2;
	size_t used = sizeof(version);
	bool named = false;

	memcpy(value, &version, sizeof(version));
	used = add_acl_entry(value, used, 1, bits | 4, UINT32_MAX);
	for (int i = 0; i < 8; i++) {
		if ((bits >> (8 + i)) % 4)
			continue;
		used = add_acl_entry(value, used, 2, bits >> (16 + i), ids[i]);
		named = true;
	}
	used = add_acl_entry(value, used, 4, bits >> 3, UINT32_MAX);
	for (int i = 0; i < 8; i++) {
		if ((bits >> (24 + i)) % 4)
			continue;
		used = add_acl_entry(value, used, 8, bits >> (32 + i), ids[i]);
		named = true;
	}
	if (named && bits >> 60)
		used = add_acl_entry(value, used, 16, bits >> 40 | 1, UINT32_MAX);
	return add_acl_entry(value, used, 32, bits >> 50, UINT32_MAX);
}

/* A file capability of revision 2 in its binary form, little endian. */
static size_t capability_value(unsigned char *value, uint64_t seed)
{
	const uint32_t words[5] = { 0x02000001, (uint32_t)seed & 0x3fff, 0, 0, 0 };

	memcpy(value, words, sizeof(words));
	return sizeof(words);
}

/* The value that stands for @seed: one that means something where the name asks for it, else @size
 * bytes. */
size_t xattr_value(unsigned char *value, size_t room, const char *name, size_t size, uint64_t seed)
{
	if (strncmp(name, "system.posix_acl_", 17) == 0 && seed % 16)
		return acl_value(value, seed);
	if (strcmp(name, "security.capability") == 0 && seed % 16)
		return capability_value(value, seed);
	size = size < room ? size : room;
	fill(value, size, 0, seed);
	return size;
}

struct outcome call_setxattr(const char *path, const char *name, size_t size, uint64_t seed,
			     int flags, bool follow)
{
	size = xattr_value(buffer, BUFFER_SIZE, name, size, seed);
	return outcome_of(follow ? setxattr(path, name, buffer, size, flags)
				 : lsetxattr(path, name, buffer, size, flags));
}

struct outcome call_fsetxattr(int fd, const char *name, size_t size, uint64_t seed, int flags)
{
	size = xattr_value(buffer, BUFFER_SIZE, name, size, seed);
	return outcome_of(fsetxattr(fd, name, buffer, size, flags));
}

struct outcome call_getxattr(const char *path, const char *name, size_t size, bool follow)
{
	ssize_t got;

	size = at_most_buffer(size);
	got = follow ? getxattr(path, name, buffer, size) : lgetxattr(path, name, buffer, size);
	return outcome_of_bytes(got, buffer, size ? (size_t)got : 0);
}

struct outcome call_fgetxattr(int fd, const char *name, size_t size)
{
	ssize_t got;

	size = at_most_buffer(size);
	got = fgetxattr(fd, name, buffer, size);
	return outcome_of_bytes(got, buffer, size ? (size_t)got : 0);
}

/* The order of the names is the file system's own affair, the number of bytes is not. */
static struct outcome outcome_of_list(ssize_t got, bool has_names)
{
	char *names[NAMES_MAX];
	struct outcome outcome;
	size_t count = 0;

	if (got < 0 || !has_names)
		return outcome_of(got);
	for (ssize_t at = 0; at < got && count < NAMES_MAX;
	     at += (ssize_t)strlen((char *)buffer + at) + 1)
		names[count++] = (char *)buffer + at;
	outcome = outcome_of_names(names, count);
	outcome.result = got;
	return outcome;
}

struct outcome call_listxattr(const char *path, size_t size, bool follow)
{
	size = at_most_buffer(size);
	return outcome_of_list(follow ? listxattr(path, (char *)buffer, size)
				      : llistxattr(path, (char *)buffer, size),
			       size > 0);
}

struct outcome call_flistxattr(int fd, size_t size)
{
	size = at_most_buffer(size);
	return outcome_of_list(flistxattr(fd, (char *)buffer, size), size > 0);
}

struct outcome call_removexattr(const char *path, const char *name, bool follow)
{
	return outcome_of(follow ? removexattr(path, name) : lremovexattr(path, name));
}

struct outcome call_fremovexattr(int fd, const char *name)
{
	return outcome_of(fremovexattr(fd, name));
}

/* Locks, never waited for. */

struct outcome call_flock(int fd, int how)
{
	return outcome_of(flock(fd, how | LOCK_NB));
}

struct outcome call_lock(int fd, bool by_handle, int type, int64_t start, int64_t size)
{
	struct flock lock = {
		.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = size
	};

	return outcome_of(fcntl(fd, by_handle ? F_OFD_SETLK : F_SETLK, &lock));
}

/* Yields the lock that is in the way, without the process that holds it: its number differs from
 * side to side. */
struct outcome call_getlock(int fd, bool by_handle, int type, int64_t start, int64_t size)
{
	struct flock lock = {
		.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = size
	};
	struct outcome outcome = outcome_of(fcntl(fd, by_handle ? F_OFD_GETLK : F_GETLK, &lock));

	if (outcome.result < 0)
		return outcome;
	snprintf(outcome.text, sizeof(outcome.text), "type %d start %lld length %lld", lock.l_type,
		 (long long)lock.l_start, (long long)lock.l_len);
	outcome.digest = digest(0, outcome.text, strlen(outcome.text));
	return outcome;
}
