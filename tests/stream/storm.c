// SPDX-License-Identifier: BSD-3-Clause
/*
 * Operations that show whether each was done exactly once: storm DIR HOST THREADS OPERATIONS SEED
 *
 * Each thread works in a directory of its own below DIR, and knows what is in it. It creates, appends, renames, exchanges,
 * links and removes, and each time only what must succeed once and would fail, or change more, if it were done twice: an
 * exclusive creation, an append, a rename to a free name. In the end the same directory as seen at HOST
 * must hold what the threads know: names, types, counts of links, sizes and bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMES = 48, FILES = 64, HELD = 6, LITTLE = 6000, MUCH = 400000 };

/* A file's byte at an offset is a function of both. @links names lead to it. */
struct file {
	unsigned int links;
	size_t size;
	uint32_t seed;
};

enum kind { FREE, DIRECTORY, SYMLINK, REGULAR };

struct name {
	enum kind kind;
	struct file *file;
};

/* Open, over many operations. */
struct held {
	int fd;
	struct file *file;
};

struct thread {
	pthread_t id;
	int dir;
	int host;
	unsigned int number;
	unsigned long operations;
	uint64_t random;
	unsigned long faults;
	struct name names[NAMES];
	struct file files[FILES];
	struct held held[HELD];
};

static uint32_t some(struct thread *t, uint32_t below)
{
	t->random = t->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(t->random >> 33) % below;
}

static unsigned char byte_at(const struct file *file, size_t offset)
{
	return (unsigned char)(file->seed + offset * 31 + offset / 251);
}

static const char *name_of(unsigned int index)
{
	static _Thread_local char names[4][16];
	static _Thread_local unsigned int next;
	char *name = names[next++ % 4];

	snprintf(name, 16, "name%u", index);
	return name;
}

/* Whatever the call was, it had to succeed. */
static bool done(struct thread *t, long result, const char *call)
{
	if (result >= 0)
		return true;
	t->faults++;
	fprintf(stderr, "thread %u: %s: %s\n", t->number, call, strerror(errno));
	return false;
}
#define do_it(t, call) done(t, call, #call)

/* Some name of that kind. Return: its index, or -1. */
static int find(struct thread *t, enum kind kind)
{
	uint32_t first = some(t, NAMES);

	for (uint32_t i = 0; i < NAMES; i++)
		if (t->names[(first + i) % NAMES].kind == kind)
			return (int)((first + i) % NAMES);
	return -1;
}

static bool is_held(const struct thread *t, const struct file *file)
{
	for (int i = 0; i < HELD; i++)
		if (t->held[i].file == file)
			return true;
	return false;
}

static struct file *unused_file(struct thread *t)
{
	for (int i = 0; i < FILES; i++)
		if (t->files[i].links == 0 && !is_held(t, &t->files[i]))
			return &t->files[i];
	return NULL;
}

static void hold(struct thread *t, int fd, struct file *file)
{
	struct held *held = &t->held[some(t, HELD)];

	if (held->file)
		do_it(t, close(held->fd));
	*held = (struct held){ .fd = fd, .file = file };
}

static void create(struct thread *t)
{
	int at = find(t, FREE);
	struct file *file = unused_file(t);

	if (at < 0 || !file)
		return;
	int fd = openat(t->dir, name_of((unsigned int)at), O_CREAT | O_EXCL | O_RDWR | O_APPEND, 0644);
	if (!do_it(t, fd))
		return;
	*file = (struct file){ .links = 1, .seed = some(t, 1u << 30) };
	t->names[at] = (struct name){ .kind = REGULAR, .file = file };
	hold(t, fd, file);
}

static void append(struct thread *t)
{
	struct held *held = &t->held[some(t, HELD)];
	size_t length = 1 + some(t, some(t, 50) ? LITTLE : MUCH);

	if (!held->file)
		return;
	unsigned char *bytes = malloc(length);
	if (!bytes)
		abort();
	for (size_t i = 0; i < length; i++)
		bytes[i] = byte_at(held->file, held->file->size + i);
	ssize_t written = write(held->fd, bytes, length);
	if (do_it(t, written))
		held->file->size += (size_t)written;
	free(bytes);
}

static void read_back(struct thread *t)
{
	struct held *held = &t->held[some(t, HELD)];
	unsigned char bytes[4096];

	if (!held->file)
		return;
	size_t offset = held->file->size ? some(t, (uint32_t)held->file->size) : 0;
	ssize_t length = pread(held->fd, bytes, sizeof(bytes), (off_t)offset);
	if (!do_it(t, length))
		return;
	for (ssize_t i = 0; i < length; i++)
		if (bytes[i] != byte_at(held->file, offset + (size_t)i)) {
			fprintf(stderr, "thread %u: a wrong byte at %zu\n", t->number, offset + (size_t)i);
			t->faults++;
			return;
		}
}

static void make_directory(struct thread *t)
{
	int at = find(t, FREE);

	if (at >= 0 && do_it(t, mkdirat(t->dir, name_of((unsigned int)at), 0755)))
		t->names[at].kind = DIRECTORY;
}

static void make_symlink(struct thread *t)
{
	int at = find(t, FREE);

	if (at >= 0 && do_it(t, symlinkat("somewhere", t->dir, name_of((unsigned int)at))))
		t->names[at].kind = SYMLINK;
}

static void make_link(struct thread *t)
{
	int from = find(t, REGULAR), to = find(t, FREE);

	if (from < 0 || to < 0)
		return;
	if (!do_it(t, linkat(t->dir, name_of((unsigned int)from), t->dir, name_of((unsigned int)to), 0)))
		return;
	t->names[to] = t->names[from];
	t->names[to].file->links++;
}

static void move(struct thread *t)
{
	int from = find(t, (enum kind)(1 + some(t, 3))), to = find(t, FREE);

	if (from < 0 || to < 0)
		return;
	if (!do_it(t, renameat2(t->dir, name_of((unsigned int)from), t->dir, name_of((unsigned int)to),
				some(t, 2) ? RENAME_NOREPLACE : 0)))
		return;
	t->names[to] = t->names[from];
	t->names[from] = (struct name){ .kind = FREE };
}

static void exchange(struct thread *t)
{
	int a = find(t, (enum kind)(1 + some(t, 3))), b = find(t, (enum kind)(1 + some(t, 3)));

	if (a < 0 || b < 0 || a == b)
		return;
	if (!do_it(t, renameat2(t->dir, name_of((unsigned int)a), t->dir, name_of((unsigned int)b),
				RENAME_EXCHANGE)))
		return;
	struct name name = t->names[a];
	t->names[a] = t->names[b];
	t->names[b] = name;
}

static void remove_one(struct thread *t)
{
	int at = find(t, (enum kind)(1 + some(t, 3)));

	if (at < 0)
		return;
	struct name *name = &t->names[at];
	int flags = name->kind == DIRECTORY ? AT_REMOVEDIR : 0;
	if (!do_it(t, unlinkat(t->dir, name_of((unsigned int)at), flags)))
		return;
	if (name->kind == REGULAR)
		name->file->links--;
	*name = (struct name){ .kind = FREE };
}

static void *run(void *opaque)
{
	static void (*const actions[])(struct thread *) = { create,	  append,	append,	 append,
							    read_back,	  make_directory, make_symlink,
							    make_link,	  move,		exchange, move,
							    remove_one,	  remove_one };
	struct thread *t = opaque;

	for (unsigned long i = 0; i < t->operations && t->faults < 5; i++)
		actions[some(t, sizeof(actions) / sizeof(actions[0]))](t);
	for (int i = 0; i < HELD; i++)
		if (t->held[i].file)
			do_it(t, close(t->held[i].fd));
	return NULL;
}

/* ---- What is there in the end ---- */

static void fault(struct thread *t, unsigned int at, const char *what)
{
	t->faults++;
	fprintf(stderr, "thread %u: %s: %s\n", t->number, name_of(at), what);
}

static void check_bytes(struct thread *t, unsigned int at, const struct file *file)
{
	unsigned char *bytes = malloc(file->size + 1);
	int fd = openat(t->host, name_of(at), O_RDONLY);
	ssize_t length = fd < 0 || !bytes ? -1 : pread(fd, bytes, file->size + 1, 0);

	if (length != (ssize_t)file->size)
		fault(t, at, "a read of all of it gave something else");
	for (ssize_t i = 0; length == (ssize_t)file->size && i < length; i++)
		if (bytes[i] != byte_at(file, (size_t)i)) {
			fault(t, at, "a wrong byte");
			break;
		}
	free(bytes);
	close(fd);
}

static void check_regular(struct thread *t, unsigned int at, const struct stat *found)
{
	const struct file *file = t->names[at].file;

	if ((size_t)found->st_size != file->size) {
		fprintf(stderr, "%zu bytes expected, %zu found: ", file->size, (size_t)found->st_size);
		fault(t, at, "a wrong size");
	} else {
		check_bytes(t, at, file);
	}
	if (found->st_nlink != file->links)
		fault(t, at, "a wrong count of links");
}

static void check_name(struct thread *t, unsigned int at)
{
	static const mode_t types[] = { [DIRECTORY] = S_IFDIR, [SYMLINK] = S_IFLNK, [REGULAR] = S_IFREG };
	enum kind kind = t->names[at].kind;
	struct stat found;

	if (fstatat(t->host, name_of(at), &found, AT_SYMLINK_NOFOLLOW) < 0) {
		if (kind != FREE || errno != ENOENT)
			fault(t, at, strerror(errno));
	} else if (kind == FREE) {
		fault(t, at, "it should not be there");
	} else if ((found.st_mode & S_IFMT) != types[kind]) {
		fault(t, at, "another type");
	} else if (kind == REGULAR) {
		check_regular(t, at, &found);
	}
}

static void check_count(struct thread *t)
{
	unsigned int expected = 2, count = 0;
	DIR *listing = fdopendir(openat(t->host, ".", O_RDONLY | O_DIRECTORY));

	for (int i = 0; i < NAMES; i++)
		expected += t->names[i].kind != FREE;
	while (listing && readdir(listing))
		count++;
	if (count != expected) {
		t->faults++;
		fprintf(stderr, "thread %u: %u entries expected, %u found\n", t->number, expected, count);
	}
	if (listing)
		closedir(listing);
}

/* ---- Starting ---- */

static int open_own(const char *top, unsigned int number, bool make)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/storm%u", top, number);
	if (make && mkdir(path, 0755) < 0) {
		perror(path);
		exit(1);
	}
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

int main(int argc, char *argv[])
{
	unsigned long faults = 0;

	if (argc != 6) {
		fprintf(stderr, "usage: storm DIR HOST THREADS OPERATIONS SEED\n");
		return 2;
	}
	unsigned int count = (unsigned int)atoi(argv[3]);
	struct thread *threads = calloc(count, sizeof(*threads));
	if (!threads)
		return 1;
	for (unsigned int i = 0; i < count; i++) {
		threads[i].number = i;
		threads[i].operations = strtoul(argv[4], NULL, 10);
		threads[i].random = strtoul(argv[5], NULL, 10) * 1000003 + i;
		threads[i].dir = open_own(argv[1], i, true);
	}
	for (unsigned int i = 0; i < count; i++)
		if (pthread_create(&threads[i].id, NULL, run, &threads[i]) != 0)
			return 1;
	for (unsigned int i = 0; i < count; i++) {
		pthread_join(threads[i].id, NULL);
		threads[i].host = open_own(argv[2], i, false);
		for (unsigned int at = 0; at < NAMES; at++)
			check_name(&threads[i], at);
		check_count(&threads[i]);
		faults += threads[i].faults;
	}
	printf("%u threads, %s operations each, %lu faults\n", count, argv[4], faults);
	free(threads);
	return faults != 0;
}
