// SPDX-License-Identifier: BSD-3-Clause
/*
 * growth DIRECTORY COUNT...: what an inode costs the passthrough, in memory and in time, when there
 * are COUNT of them. DIRECTORY was filled by plant with as many files as the largest COUNT. Prints
 * a line for each, and fails when an inode takes more than 200 bytes or something is left after the
 * last forget. Each COUNT has a process of its own, as freed memory is used again.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <fsbackend/passthrough.h>
#include <fsbackend/thread.h>

#include "numbered.h"

/*
 * At most so many bytes an inode; and so many after all were forgotten, whatever their number was.
 */
enum { BYTES_AN_INODE = 200, BYTES_LEFT = 65536 };

struct growth {
	struct fsb_filesystem *fs;
	struct fsb_context ctx;
	unsigned long count;
	uint64_t *files;
	uint64_t *directories;
	uint64_t longest_ns; /* that a single lookup took */
};

/* Of this thread's own: what else the machine does is not measured. */
static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* What this process has in memory, in bytes. */
static long resident(void)
{
	char text[256] = "";
	FILE *file = fopen("/proc/self/statm", "r");
	long pages = 0;

	if (file && fgets(text, sizeof(text), file))
		pages = strtol(strchr(text, ' '), NULL, 10);
	if (file)
		fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

static void must(int err, const char *what)
{
	if (err >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-err));
	exit(1);
}

static uint64_t look_up(struct growth *g, uint64_t parent, unsigned long number)
{
	char name[NUMBERED_MAX];
	struct fsb_entry entry;

	snprintf(name, sizeof(name), "%lu", number);
	must(g->fs->ops->lookup(g->fs, &g->ctx, parent, name, &entry), "lookup");
	return entry.nodeid;
}

static void look_up_all(struct growth *g)
{
	for (unsigned long i = 0; i < g->count; i++) {
		uint64_t *directory = &g->directories[i / PER_DIRECTORY];
		if (i % PER_DIRECTORY == 0)
			*directory = look_up(g, FSB_ROOT_NODEID, i / PER_DIRECTORY);
		uint64_t start = now_ns();
		g->files[i] = look_up(g, *directory, i);
		uint64_t taken = now_ns() - start;
		if (taken > g->longest_ns)
			g->longest_ns = taken;
	}
}

static void get_attributes(struct growth *g, unsigned long number)
{
	struct fsb_attr attr;
	uint64_t timeout;

	must(g->fs->ops->getattr(g->fs, &g->ctx, g->files[number], NULL, &attr, &timeout),
	     "getattr");
}

static void get_attributes_of_some(struct growth *g, unsigned long times)
{
	uint64_t random = 88172645463325252u;

	for (unsigned long i = 0; i < times; i++)
		get_attributes(g, next_random(&random) % g->count);
}

static void look_up_some_again(struct growth *g, unsigned long times)
{
	uint64_t random = 88172645463325252u;

	for (unsigned long i = 0; i < times; i++) {
		unsigned long number = next_random(&random) % g->count;
		uint64_t nodeid = look_up(g, g->directories[number / PER_DIRECTORY], number);
		if (nodeid != g->files[number])
			must(-ESTALE, "lookup of a known file");
		g->fs->ops->forget(g->fs, nodeid, 1);
	}
}

static void forget_all(struct growth *g)
{
	for (unsigned long i = 0; i < g->count; i++) {
		g->fs->ops->forget(g->fs, g->files[i], 1);
		if (i % PER_DIRECTORY == 0)
			g->fs->ops->forget(g->fs, g->directories[i / PER_DIRECTORY], 1);
	}
}

static void start(struct growth *g, const char *directory)
{
	struct fsb_passthrough_config config;
	struct fsb_init init = {
		.minor = 45, .capable = UINT64_MAX, .max_write = 1 << 20, .time_gran_ns = 1
	};

	fsb_passthrough_config_init(&config);
	config.source = directory;
	config.max_fds = 256; /* a quarter of the usual limit */
	must(fsb_passthrough_new(&config, &g->fs), directory);
	must(g->fs->ops->init(g->fs, &init), "init");
	fsb_context_init(&g->ctx, geteuid(), getegid(), getpid());
	must(fsb_context_set_groups(&g->ctx, 0, NULL), "groups");
	g->files = calloc(g->count, sizeof(uint64_t));
	g->directories = calloc(g->count / PER_DIRECTORY + 1, sizeof(uint64_t));
	if (!g->files || !g->directories)
		must(-ENOMEM, "nodeids");
	/* So that they are in memory before it is measured. */
	memset(g->files, 1, g->count * sizeof(uint64_t));
}

static double each(uint64_t start_ns, unsigned long times)
{
	return (double)(now_ns() - start_ns) / (double)times;
}

static int measure(const char *directory, unsigned long count)
{
	enum { SOME = 100000 };
	struct growth g = { .count = count };

	/* As those of a transport, which keep their credentials from call to call. */
	must(fsb_thread_donate(), "donate");
	start(&g, directory);
	long before = resident(), allocated = (long)mallinfo2().uordblks;

	uint64_t began = now_ns();
	look_up_all(&g);
	double lookup = each(began, count);
	long grown = (resident() - before) / (long)count;

	began = now_ns();
	get_attributes_of_some(&g, SOME);
	double getattr = each(began, SOME);

	began = now_ns();
	look_up_some_again(&g, SOME);
	double again = each(began, SOME);

	began = now_ns();
	for (unsigned long i = 0; i < SOME; i++)
		get_attributes(&g, 0);
	double same = each(began, SOME);

	began = now_ns();
	forget_all(&g);
	double forget = each(began, count);
	long left = (long)mallinfo2().uordblks - allocated;
	malloc_trim(0);

	printf("%9lu inodes: lookup %5.0f ns (longest %5.0f us), again %5.0f, getattr %5.0f, of "
	       "the same %4.0f, forget %4.0f; "
	       "%ld bytes an inode; after forget %ld bytes allocated, %ld KiB more resident\n",
	       count, lookup, (double)g.longest_ns / 1000, again, getattr, same, forget, grown,
	       left, (resident() - before) / 1024);
	fsb_passthrough_free(g.fs);
	fsb_context_clear(&g.ctx);
	free(g.files);
	free(g.directories);
	/* A few pages more or less say nothing of a few inodes. */
	return (count >= 10000 && grown > BYTES_AN_INODE) || left > BYTES_LEFT;
}

static int measure_in_child(const char *directory, unsigned long count)
{
	int status = 1;

	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		exit(measure(directory, count));
	return pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0;
}

int main(int argc, char **argv)
{
	int failures = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: %s DIRECTORY COUNT...\n", argv[0]);
		return 2;
	}
	for (int i = 2; i < argc; i++)
		failures += measure_in_child(argv[1], strtoul(argv[i], NULL, 10));
	return failures != 0;
}
