// SPDX-License-Identifier: BSD-3-Clause
/*
 * The groups of local callers from /proc/TID/status, where the kernel shows the credentials of that
 * very thread.
 *
 * The file is read by one pread(2) from its start: the kernel makes the whole text anew for it,
 * from one set of credentials. A text that is too long for the buffer is read again with a larger
 * one, never in pieces.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <fsbackend/procgroups.h>

#include "../cleanup.h"

enum {
	CACHE_BITS = 6,
	CACHE_SIZE = 1 << CACHE_BITS,
	TEXT_SIZE = 4096,           /* what nearly every status fits in */
	TEXT_LARGEST = 1024 * 1024, /* 65536 groups of 11 characters, and the rest */
	/* So many groups fit in a small text: a digit and a blank each. */
	GROUPS_SIZE = TEXT_SIZE / 2,
};

/*
 * Open status files of recent callers, by thread id. Each place holds a thread id and a descriptor
 * in one word, and is emptied by whoever uses it, so that no lock is needed and no descriptor is
 * closed under a reader.
 */
struct fsb_proc_groups {
	int proc;
	_Atomic uint64_t cache[CACHE_SIZE];
};

/** A status file in use. */
struct status_file {
	pid_t pid;
	int fd; /* -1: none */
};

static uint64_t pack(struct status_file file)
{
	return file.fd < 0 ? 0 : (uint64_t)(uint32_t)file.pid << 32 | (uint32_t)file.fd;
}

/* Thread ids are above 0, so no word of a file is 0. */
static struct status_file unpack(uint64_t word)
{
	return (struct status_file){ .pid = (pid_t)(word >> 32),
				     .fd = word ? (int)(uint32_t)word : -1 };
}

static _Atomic uint64_t *place_of(struct fsb_proc_groups *groups, pid_t pid)
{
	return &groups->cache[(uint32_t)pid * 2654435769u >> (32 - CACHE_BITS)];
}

static void close_file(struct status_file file)
{
	if (file.fd >= 0)
		close(file.fd);
}

static int open_file(struct fsb_proc_groups *groups, pid_t pid, struct status_file *file)
{
	char path[32];

	snprintf(path, sizeof(path), "%d/status", (int)pid);
	int fd = openat(groups->proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	*file = (struct status_file){ pid, fd };
	return 0;
}

/* Take the file of @pid out of the cache, or open it. @kept tells which. */
static int take_file(struct fsb_proc_groups *groups, pid_t pid, struct status_file *file,
		     bool *kept)
{
	*file = unpack(atomic_exchange(place_of(groups, pid), 0));
	*kept = file->fd >= 0 && file->pid == pid;
	if (*kept)
		return 0;
	close_file(*file);
	return open_file(groups, pid, file);
}

static void give_file(struct fsb_proc_groups *groups, struct status_file file)
{
	close_file(unpack(atomic_exchange(place_of(groups, file.pid), pack(file))));
}

/* ---- The text ---- */

static const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at;
}

/* Return: what follows the number, or NULL when there is none. */
static const char *read_number(const char *at, const char *end, uint32_t *number)
{
	uint64_t value = 0;
	const char *digits = at;

	for (; at < end && *at >= '0' && *at <= '9' && value <= UINT32_MAX; at++)
		value = value * 10 + (uint64_t)(*at - '0');
	if (at == digits || value > UINT32_MAX)
		return NULL;
	*number = (uint32_t)value;
	return at;
}

/*
 * The value of a line "Uid:\t..." from @at on, with the end of the line in @line_end. NULL when it
 * is not there as a whole.
 */
static const char *find_line(const char *at, const char *end, const char *key,
			     const char **line_end)
{
	size_t length = strlen(key);
	const char *newline;

	/* A process cannot make lines: the kernel writes a newline of its name as "\n". */
	for (; (newline = memchr(at, '\n', (size_t)(end - at))); at = newline + 1) {
		if ((size_t)(newline - at) < length || memcmp(at, key, length))
			continue;
		*line_end = newline;
		return at + length;
	}
	return NULL;
}

/* The fourth number of a line: real, effective, saved, file system. */
static int file_system_id(const char **at, const char *end, const char *key, uint32_t *id)
{
	const char *line_end;
	const char *number = find_line(*at, end, key, &line_end);

	if (!number)
		return -ENODATA;
	for (int i = 0; i < 4; i++) {
		number = read_number(skip_blanks(number, line_end), line_end, id);
		if (!number)
			return -EIO;
	}
	*at = line_end;
	return 0;
}

static int parse_groups(const char *at, const char *end, gid_t *list, size_t room, size_t *count)
{
	const char *line_end;

	at = find_line(at, end, "Groups:", &line_end);
	if (!at)
		return -ENODATA;
	*count = 0;
	while ((at = skip_blanks(at, line_end)) < line_end) {
		if (*count == room)
			return -EIO;
		at = read_number(at, line_end, &list[*count]);
		if (!at)
			return -EIO;
		++*count;
	}
	return 0;
}

/*
 * Set the groups that @text tells of, if it is the status of the caller. @list has room for @room
 * groups. Return: 0; -ENODATA when the text ends too early; -ESRCH when the ids are not the
 * caller's; -EIO for nonsense.
 */
static int use_text(struct fsb_context *ctx, const char *text, size_t length, gid_t *list,
		    size_t room)
{
	const char *end = text + length;
	uint32_t uid = 0, gid = 0;
	size_t count = 0;

	int err = file_system_id(&text, end, "Uid:", &uid);
	if (!err)
		err = file_system_id(&text, end, "Gid:", &gid);
	if (err)
		return err;
	/* A recycled number, or a caller that has become somebody else since it asked. */
	if (uid != ctx->uid || gid != ctx->gid)
		return -ESRCH;
	err = parse_groups(text, end, list, room, &count);
	return err ? err : fsb_context_set_groups(ctx, count, list);
}

/* Return: the length of the text; a negative errno, -ESRCH when the thread is gone. */
static ssize_t read_text(int fd, char *text, size_t size)
{
	ssize_t length;

	do
		length = pread(fd, text, size, 0);
	while (length < 0 && errno == EINTR);
	if (length < 0)
		return -errno;
	return length ? length : -ESRCH;
}

/* Return: as use_text(). */
static int use_file_by(struct fsb_context *ctx, int fd, char *text, size_t size, gid_t *list,
		       size_t room)
{
	ssize_t length = read_text(fd, text, size);

	return length < 0 ? (int)length : use_text(ctx, text, (size_t)length, list, room);
}

/* The rare text that did not fit: with room for as many groups as there may be. */
static int use_large_file(struct fsb_context *ctx, int fd)
{
	struct large {
		gid_t list[FSB_NGROUPS_MAX];
		char text[TEXT_LARGEST];
	} *large = malloc(sizeof(*large));

	if (!large)
		return -ENOMEM;
	int err = use_file_by(ctx, fd, large->text, TEXT_LARGEST, large->list, FSB_NGROUPS_MAX);
	free(large);
	return err == -ENODATA ? -EIO : err;
}

static int use_file(struct fsb_context *ctx, int fd)
{
	char text[TEXT_SIZE];
	gid_t list[GROUPS_SIZE];
	int err = use_file_by(ctx, fd, text, TEXT_SIZE, list, GROUPS_SIZE);

	return err == -ENODATA ? use_large_file(ctx, fd) : err;
}

int fsb_proc_groups_get(void *opaque, struct fsb_context *ctx)
{
	struct fsb_proc_groups *groups = opaque;
	struct status_file file;
	bool kept;

	if (ctx->pid <= 0)
		return -ESRCH;
	int err = take_file(groups, ctx->pid, &file, &kept);
	if (err)
		return err;
	err = use_file(ctx, file.fd);
	if (err == -ESRCH && kept) {
		/* That thread has ended; the number may be another's by now. */
		close_file(file);
		err = open_file(groups, ctx->pid, &file);
		if (err)
			return err;
		err = use_file(ctx, file.fd);
	}
	if (err)
		close_file(file);
	else
		give_file(groups, file);
	return err;
}

/* ---- The object ---- */

/* Whether /proc counts processes as we do: its "self" is us. */
static bool is_our_proc(int proc)
{
	char text[16] = "", pid[16];
	struct statfs fs;

	if (fstatfs(proc, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return false;
	if (readlinkat(proc, "self", text, sizeof(text) - 1) < 0)
		return false;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	return strcmp(text, pid) == 0;
}

int fsb_proc_groups_new(struct fsb_proc_groups **out)
{
	_cleanup_fd_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (proc < 0)
		return -errno;
	if (!is_our_proc(proc))
		return -ENOTSUP;
	struct fsb_proc_groups *groups = calloc(1, sizeof(*groups));
	if (!groups)
		return -ENOMEM;
	groups->proc = fd_steal(&proc);
	*out = groups;
	return 0;
}

void fsb_proc_groups_free(struct fsb_proc_groups *groups)
{
	if (!groups)
		return;
	for (size_t i = 0; i < CACHE_SIZE; i++)
		close_file(unpack(atomic_load(&groups->cache[i])));
	close(groups->proc);
	free(groups);
}
