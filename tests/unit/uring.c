// SPDX-License-Identifier: BSD-3-Clause
/*
 * Requests by io_uring: a directory served by the test's own process. What holds for any session is
 * in device.c, which runs over the ring too; here is what rings have of their own.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include <fsbackend/fsbackend.h>

#include "ringswitch.h"

TestSuite(uring, .timeout = 100);

/* ---- A session ---- */

struct session {
	struct fsb_filesystem *fs;
	struct fsb_server *server;
	struct fsb_device *device;
	char top[64];
	char host[80];
	char mnt[80];
	atomic_uint by_ring;   /* requests that a ring's thread served */
	atomic_uint by_device; /* the same of other threads, without INIT and FORGET */
	char message[512];     /* the last one of the log */
};

/* How a test's session differs from the default. */
struct setup {
	enum fsb_device_io io;
	unsigned int spin_us;
	uint32_t max_write;
	uint64_t disable;
	bool host_locks;
};

static const struct setup ring_setup = { .io = FSB_IO_URING };

static void keep_message(void *opaque, enum fsb_log_level level, const char *message)
{
	struct session *s = opaque;

	if (level == FSB_LOG_ERROR)
		snprintf(s->message, sizeof(s->message), "%s", message);
}

static void count_request(void *opaque, const struct fsb_trace *trace)
{
	struct session *s = opaque;
	uint32_t opcode = trace->request->header.opcode;
	char name[16];

	if (opcode == FUSE_INIT || opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET)
		return;
	pthread_getname_np(pthread_self(), name, sizeof(name));
	atomic_fetch_add(strcmp(name, "fsbackend-ring") ? &s->by_device : &s->by_ring, 1);
}

static void make_directories(struct session *s)
{
	strcpy(s->top, "/var/tmp/fsbackend-uring-XXXXXX");
	cr_assert_not_null(mkdtemp(s->top));
	snprintf(s->host, sizeof(s->host), "%s/host", s->top);
	snprintf(s->mnt, sizeof(s->mnt), "%s/mnt", s->top);
	cr_assert_eq(mkdir(s->host, 0755) | mkdir(s->mnt, 0755), 0);
}

static void make_server(struct session *s, const struct setup *setup)
{
	struct fsb_log log = { .write = keep_message, .opaque = s, .level = FSB_LOG_INFO };
	struct fsb_passthrough_config tree;
	struct fsb_server_config config;

	fsb_passthrough_config_init(&tree);
	tree.source_fd = open(s->host, O_PATH | O_DIRECTORY | O_CLOEXEC);
	tree.cache = FSB_CACHE_NONE;
	tree.locks = setup->host_locks ? FSB_LOCKS_HOST : FSB_LOCKS_LOCAL;
	cr_assert_eq(fsb_passthrough_new(&tree, &s->fs), 0);
	close(tree.source_fd);
	fsb_server_config_init(&config);
	config.filesystem = s->fs;
	config.disable = setup->disable;
	if (setup->max_write)
		config.max_write = setup->max_write;
	config.trace = count_request;
	config.trace_opaque = s;
	config.log = log;
	cr_assert_eq(fsb_server_new(&config, &s->server), 0);
}

/* Return: as fsb_device_wait_ready(). */
static int start(struct session *s, const struct setup *setup)
{
	struct fsb_mount_config config;
	struct fsb_device_config device;
	int fd;

	memset(s, 0, sizeof(*s));
	make_directories(s);
	make_server(s, setup);
	fsb_mount_config_init(&config);
	config.mountpoint = s->mnt;
	config.default_permissions = true;
	cr_assert_eq(fsb_mount(&config, &fd), 0);
	fsb_device_config_init(&device);
	device.server = s->server;
	device.fd = fd;
	device.io = setup->io;
	device.spin_us = setup->spin_us;
	device.log = (struct fsb_log){ .write = keep_message, .opaque = s, .level = FSB_LOG_INFO };
	cr_assert_eq(fsb_device_start(&device, &s->device), 0);
	close(fd);
	return fsb_device_wait_ready(s->device);
}

static void remove_tree(const char *path)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf --one-file-system %s", path);
	cr_expect_eq(system(command), 0);
}

static void finish(struct session *s)
{
	fsb_unmount(s->mnt, true);
	fsb_device_free(s->device);
	fsb_server_free(s->server);
	fsb_passthrough_free(s->fs);
	remove_tree(s->top);
}

/* For tests that are not about who served: all went by the ring. */
static void finish_ring(struct session *s)
{
	cr_expect_gt(s->by_ring, 0);
	cr_expect_eq(s->by_device, 0);
	finish(s);
}

static void start_ring(struct session *s)
{
	cr_assert_eq(start(s, &ring_setup), 0, "%s", s->message);
}

static const char *at(const char *dir, const char *name)
{
	static _Thread_local char paths[4][512];
	static _Thread_local unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static void make_file(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
	close(fd);
}

/* ---- Whether it is used ---- */

Test(uring, requests_come_by_the_ring)
{
	struct session s;

	ring_switch(true);
	start_ring(&s);
	make_file(at(s.mnt, "file"));
	cr_expect_eq(access(at(s.host, "file"), F_OK), 0);
	finish_ring(&s);
}

Test(uring, auto_uses_it_where_the_kernel_offers_it)
{
	struct session s;

	ring_switch(true);
	cr_assert_eq(start(&s, &(struct setup){ .io = FSB_IO_AUTO }), 0);
	make_file(at(s.mnt, "file"));
	finish_ring(&s);
}

static void expect_device(const struct setup *setup)
{
	struct session s;

	cr_assert_eq(start(&s, setup), 0);
	make_file(at(s.mnt, "file"));
	cr_expect_eq(s.by_ring, 0);
	cr_expect_gt(s.by_device, 0);
	finish(&s);
}

static void expect_refusal(const struct setup *setup)
{
	struct session s;

	cr_expect_eq(start(&s, setup), -EOPNOTSUPP);
	cr_expect(strstr(s.message, "io_uring"), "'%s' tells why", s.message);
	cr_expect_eq(fsb_device_wait(s.device), -EOPNOTSUPP);
	finish(&s);
}

Test(uring, without_the_kernels_offer_the_device_serves_or_it_fails_loudly)
{
	ring_switch(false);
	expect_device(&(struct setup){ .io = FSB_IO_AUTO });
	expect_refusal(&(struct setup){ .io = FSB_IO_URING });
}

Test(uring, a_max_write_too_small_for_xattrs_is_for_the_device)
{
	ring_switch(true);
	expect_device(&(struct setup){ .io = FSB_IO_AUTO, .max_write = 65536 });
	expect_refusal(&(struct setup){ .io = FSB_IO_URING, .max_write = 65536 });
}

Test(uring, a_server_that_disables_it_is_obeyed)
{
	ring_switch(true);
	expect_device(&(struct setup){ .io = FSB_IO_AUTO, .disable = FUSE_OVER_IO_URING });
	expect_refusal(&(struct setup){ .io = FSB_IO_URING, .disable = FUSE_OVER_IO_URING });
}

Test(uring, classic_is_classic)
{
	ring_switch(true);
	expect_device(&(struct setup){ .io = FSB_IO_CLASSIC });
}

Test(uring, a_configuration_without_sense_is_refused)
{
	struct fsb_device_config config;
	struct fsb_device *device;
	struct session s = { .message = "" };

	make_directories(&s);
	make_server(&s, &ring_setup);
	fsb_device_config_init(&config);
	config.server = s.server;
	config.fd = 0;
	config.io = FSB_IO_URING + 1;
	cr_expect_eq(fsb_device_start(&config, &device), -EINVAL, "no such way");
	config.io = FSB_IO_AUTO;
	config.spin_us = 1001;
	cr_expect_eq(fsb_device_start(&config, &device), -EINVAL, "that is no spinning any more");
	cr_expect_eq(fsb_server_set_capabilities(s.server, FUSE_ASYNC_READ), -EINVAL);
	cr_expect_eq(fsb_server_set_capabilities(s.server, FUSE_OVER_IO_URING), 0);
	fsb_server_free(s.server);
	fsb_passthrough_free(s.fs);
	remove_tree(s.top);
}

/* ---- What is carried ---- */

static void fill(unsigned char *bytes, size_t size, unsigned int seed)
{
	for (size_t i = 0; i < size; i++) {
		seed = seed * 1103515245u + 12345u;
		bytes[i] = (unsigned char)(seed >> 16);
	}
}

static void expect_content(const char *path, const unsigned char *bytes, size_t size)
{
	unsigned char *read_bytes = malloc(size + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	cr_expect_eq(read(fd, read_bytes, size + 1), (ssize_t)size, "%s, %zu bytes", path, size);
	cr_expect_eq(memcmp(read_bytes, bytes, size), 0, "%s, %zu bytes", path, size);
	close(fd);
	free(read_bytes);
}

static void write_and_compare(const struct session *s, size_t size)
{
	unsigned char *bytes = malloc(size);
	int fd = open(at(s->mnt, "data"), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);

	cr_assert_geq(fd, 0);
	fill(bytes, size, (unsigned int)size);
	cr_expect_eq(write(fd, bytes, size), (ssize_t)size);
	close(fd);
	expect_content(at(s->host, "data"), bytes, size);
	expect_content(at(s->mnt, "data"), bytes, size);
	free(bytes);
}

Test(uring, data_of_all_sizes)
{
	static const size_t sizes[] = { 1,      2,       511,     512,     4095,   4096,
					4097,   8192,    65535,   65536,   131071, 131072,
					262145, 1048575, 1048576, 1048577, 3145733 };
	struct session s;

	ring_switch(true);
	start_ring(&s);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		write_and_compare(&s, sizes[i]);
	finish_ring(&s);
}

Test(uring, the_smallest_max_write)
{
	struct session s;

	ring_switch(true);
	cr_assert_eq(start(&s, &(struct setup){ .io = FSB_IO_URING, .max_write = 131072 }), 0);
	write_and_compare(&s, 1048577);
	finish_ring(&s);
}

Test(uring, xattrs_of_all_sizes)
{
	static const size_t sizes[] = { 0, 1, 255, 3000, 4096, 30000, 65536 };
	static unsigned char bytes[65536], back[65536];
	struct session s;
	char name[256];

	ring_switch(true);
	start_ring(&s);
	make_file(at(s.mnt, "file"));
	memset(name, 'n', sizeof(name) - 1);
	memcpy(name, "user.", 5);
	name[sizeof(name) - 1] = '\0';
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		fill(bytes, sizes[i], 7);
		/* What the host's file system does not hold cannot be tested, but that is told. */
		if (setxattr(at(s.host, "file"), name, bytes, sizes[i], 0) < 0) {
			cr_expect_eq(setxattr(at(s.mnt, "file"), name, bytes, sizes[i], 0), -1);
			cr_expect_eq(errno, ENOSPC);
			continue;
		}
		removexattr(at(s.host, "file"), name);
		cr_expect_eq(setxattr(at(s.mnt, "file"), name, bytes, sizes[i], 0), 0);
		cr_expect_eq(getxattr(at(s.mnt, "file"), name, back, sizeof(back)),
			     (ssize_t)sizes[i]);
		cr_expect_eq(memcmp(back, bytes, sizes[i]), 0);
	}
	finish_ring(&s);
}

Test(uring, names_and_targets_of_all_lengths)
{
	struct session s;
	char name[257], target[4096];

	ring_switch(true);
	start_ring(&s);
	for (size_t length = 1; length <= 255; length++) {
		memset(name, 'a' + (int)(length % 26), length);
		name[length] = '\0';
		make_file(at(s.mnt, name));
		cr_expect_eq(access(at(s.host, name), F_OK), 0, "%zu", length);
	}
	memset(name, 'x', 256);
	name[256] = '\0';
	cr_expect_eq(open(at(s.mnt, name), O_CREAT | O_WRONLY, 0644), -1);
	cr_expect_eq(errno, ENAMETOOLONG);
	memset(target, 't', sizeof(target) - 1);
	target[sizeof(target) - 1] = '\0';
	cr_expect_eq(symlink(target, at(s.mnt, "link")), 0);
	char back[4096] = "";
	cr_expect_eq(readlink(at(s.mnt, "link"), back, sizeof(back)), 4095);
	cr_expect_eq(memcmp(back, target, 4095), 0);
	cr_expect_eq(rename(at(s.mnt, "link"), at(s.mnt, "other")), 0);
	finish_ring(&s);
}

Test(uring, a_long_directory_is_listed_whole)
{
	enum { FILES = 3000 };
	struct session s;
	struct stat st;
	int count = 0;

	ring_switch(true);
	start_ring(&s);
	for (int i = 0; i < FILES; i++) {
		char name[32];
		snprintf(name, sizeof(name), "file-number-%d", i);
		make_file(at(s.host, name));
	}
	DIR *dir = opendir(s.mnt);
	cr_assert_not_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		count += entry->d_name[0] == 'f' && fstatat(dirfd(dir), entry->d_name, &st, 0) == 0;
	closedir(dir);
	cr_expect_eq(count, FILES);
	finish_ring(&s);
}

static void sleep_ms(long ms)
{
	struct timespec span = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&span, NULL);
}

/* ---- Many at once ---- */

struct work {
	pthread_t thread;
	const struct session *session;
	int number;
	int failures;
};

static void *make_change_remove(void *opaque)
{
	struct work *work = opaque;
	char from[32], to[32], bytes[6000], back[6000];

	fill((unsigned char *)bytes, sizeof(bytes), (unsigned int)work->number);
	for (int i = 0; i < 150; i++) {
		snprintf(from, sizeof(from), "f%d.%d", work->number, i);
		snprintf(to, sizeof(to), "t%d.%d", work->number, i);
		int fd = open(at(work->session->mnt, from), O_CREAT | O_EXCL | O_RDWR, 0644);
		bool good = fd >= 0 && write(fd, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes) &&
			    pread(fd, back, sizeof(back), 0) == (ssize_t)sizeof(back) &&
			    memcmp(bytes, back, sizeof(back)) == 0 &&
			    rename(at(work->session->mnt, from), at(work->session->mnt, to)) == 0 &&
			    unlink(at(work->session->mnt, to)) == 0;
		close(fd);
		work->failures += !good;
	}
	return NULL;
}

static void work_in_threads(const struct session *s)
{
	struct work works[8];

	for (int i = 0; i < 8; i++) {
		works[i] = (struct work){ .session = s, .number = i };
		cr_assert_eq(pthread_create(&works[i].thread, NULL, make_change_remove, &works[i]),
			     0);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(works[i].thread, NULL);
		cr_expect_eq(works[i].failures, 0);
	}
}

Test(uring, eight_threads_at_once)
{
	struct session s;

	ring_switch(true);
	start_ring(&s);
	work_in_threads(&s);
	finish_ring(&s);
}

Test(uring, eight_threads_at_once_with_spinning)
{
	struct session s;

	ring_switch(true);
	cr_assert_eq(start(&s, &(struct setup){ .io = FSB_IO_URING, .spin_us = 50 }), 0);
	work_in_threads(&s);
	finish_ring(&s);
}

Test(uring, eight_threads_at_once_on_the_device_with_spinning)
{
	struct session s;

	cr_assert_eq(start(&s, &(struct setup){ .io = FSB_IO_CLASSIC, .spin_us = 50 }), 0);
	work_in_threads(&s);
	finish(&s);
}

/* ---- Fairness ---- */

enum { CLIENTS = 8, FAIR_MS = 3000 };

struct client {
	pthread_t thread;
	const struct session *session;
	atomic_bool *stop;
	unsigned long requests;
	int number;
};

/* Half of them ask, half of them change something. */
static void *ask_until_stopped(void *opaque)
{
	struct client *client = opaque;
	char name[32], value[8];
	struct stat st;

	snprintf(name, sizeof(name), "client%d", client->number);
	int fd = open(at(client->session->mnt, name), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
	while (fd >= 0 && !atomic_load_explicit(client->stop, memory_order_relaxed)) {
		int err = client->number % 2 ? fchmod(fd, 0600 + (client->requests & 7))
					     : fstat(fd, &st);
		if (err || fgetxattr(fd, "user.none", value, sizeof(value)) >= 0)
			break;
		client->requests++;
	}
	close(fd);
	return NULL;
}

/* Among those who ask for the same. */
static void expect_fair(const struct client *clients, int first)
{
	unsigned long sum = 0, least = ULONG_MAX;

	for (int i = first; i < CLIENTS; i += 2) {
		sum += clients[i].requests;
		if (clients[i].requests < least)
			least = clients[i].requests;
	}
	unsigned long mean = sum / (CLIENTS / 2);
	cr_log_info("slowest %lu, mean %lu", least, mean);
	cr_expect_gt(mean, 10);
	/* A quiet machine gives each at least half; a starved one would have next to nothing. */
	cr_expect_geq(least * 10, mean, "slowest %lu, mean %lu", least, mean);
}

static void expect_fairness(const struct setup *setup)
{
	struct client clients[CLIENTS];
	atomic_bool stop = false;
	struct session s;

	cr_assert_eq(start(&s, setup), 0);
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = (struct client){ .session = &s, .stop = &stop, .number = i };
		cr_assert_eq(
			pthread_create(&clients[i].thread, NULL, ask_until_stopped, &clients[i]),
			0);
	}
	sleep_ms(FAIR_MS);
	atomic_store(&stop, true);
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(clients[i].thread, NULL);
	expect_fair(clients, 0);
	expect_fair(clients, 1);
	cr_expect_gt(s.by_ring + s.by_device, clients[0].requests * 2);
	finish(&s);
}

Test(uring, of_eight_busy_clients_none_starves)
{
	ring_switch(true);
	expect_fairness(&(struct setup){ .io = FSB_IO_URING, .spin_us = 50 });
}

Test(uring, of_eight_busy_clients_none_starves_on_the_device)
{
	expect_fairness(&(struct setup){ .io = FSB_IO_CLASSIC, .spin_us = 50 });
}

/* ---- Deferred requests ---- */

static int set_lock(int fd, short type, bool wait)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };

	return fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

static void stay_on_core_0(void)
{
	cpu_set_t cores;

	CPU_ZERO(&cores);
	CPU_SET(0, &cores);
	sched_setaffinity(0, sizeof(cores), &cores);
}

static atomic_int about_to_wait, have_had_it;

static void *wait_for_lock(void *opaque)
{
	const struct session *s = opaque;
	int fd = open(at(s->mnt, "lock"), O_RDWR | O_CLOEXEC);

	stay_on_core_0();
	atomic_fetch_add(&about_to_wait, 1);
	if (set_lock(fd, F_WRLCK, true) == 0 && set_lock(fd, F_UNLCK, false) == 0)
		atomic_fetch_add(&have_had_it, 1);
	close(fd);
	return NULL;
}

/* More than a queue has entries: neither they nor what comes meanwhile may get stuck. */
Test(uring, any_number_of_waiters_for_locks_on_one_core)
{
	enum { WAITERS = 80 };
	pthread_t threads[WAITERS];
	struct session s;
	struct stat st;

	ring_switch(true);
	cr_assert_eq(start(&s, &(struct setup){ .io = FSB_IO_URING, .host_locks = true }), 0);
	make_file(at(s.mnt, "lock"));
	int fd = open(at(s.mnt, "lock"), O_RDWR | O_CLOEXEC);
	cr_assert_eq(set_lock(fd, F_WRLCK, true), 0);
	stay_on_core_0();
	for (int i = 0; i < WAITERS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, wait_for_lock, &s), 0);
	while (atomic_load(&about_to_wait) < WAITERS)
		sleep_ms(5);
	sleep_ms(100);
	cr_expect_eq(stat(at(s.mnt, "lock"), &st), 0);
	cr_expect_eq(atomic_load(&have_had_it), 0);
	cr_expect_eq(set_lock(fd, F_UNLCK, false), 0);
	for (int i = 0; i < WAITERS; i++)
		pthread_join(threads[i], NULL);
	cr_expect_eq(atomic_load(&have_had_it), WAITERS);
	close(fd);
	finish_ring(&s);
}

static void on_signal(int signal)
{
	(void)signal;
}

/* A child that waits for a lock. Its exit status is the errno. */
static pid_t fork_waiter(const struct session *s)
{
	struct sigaction action = { .sa_handler = on_signal };
	pid_t pid = fork();

	if (pid)
		return pid;
	sigaction(SIGUSR1, &action, NULL);
	int fd = open(at(s->mnt, "lock"), O_RDWR);
	_exit(-set_lock(fd, F_WRLCK, true));
}

static int end_waiter(pid_t pid, int signal)
{
	int status;

	sleep_ms(200);
	kill(pid, signal);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status;
}

Test(uring, a_waiter_gives_way_to_signals)
{
	struct session s;

	ring_switch(true);
	cr_assert_eq(start(&s, &(struct setup){ .io = FSB_IO_URING, .host_locks = true }), 0);
	make_file(at(s.mnt, "lock"));
	int fd = open(at(s.mnt, "lock"), O_RDWR | O_CLOEXEC);
	cr_assert_eq(set_lock(fd, F_WRLCK, true), 0);
	int status = end_waiter(fork_waiter(&s), SIGUSR1);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == EINTR, "status %#x", status);
	status = end_waiter(fork_waiter(&s), SIGKILL);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %#x", status);
	cr_expect_eq(set_lock(fd, F_UNLCK, false), 0);
	cr_expect_eq(set_lock(fd, F_WRLCK, false), 0, "nobody holds it who is gone");
	close(fd);
	finish(&s);
}

/* ---- The end ---- */

static int count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

Test(uring, sessions_come_and_go)
{
	struct session s;

	ring_switch(true);
	int before = count_descriptors();
	for (int i = 0; i < 20; i++) {
		start_ring(&s);
		if (i % 2)
			make_file(at(s.mnt, "file"));
		if (i % 4 < 2)
			fsb_device_stop(s.device);
		else
			cr_expect_eq(fsb_unmount(s.mnt, false), 0);
		cr_expect_eq(fsb_device_wait(s.device), 0);
		finish(&s);
	}
	cr_expect_eq(count_descriptors(), before);
}

static void *work_until_it_fails(void *opaque)
{
	const struct session *s = opaque;
	struct stat st;

	while (stat(at(s->mnt, "file"), &st) == 0)
		;
	return NULL;
}

Test(uring, a_stop_under_load_ends_everybody)
{
	struct session s;
	pthread_t threads[4];

	ring_switch(true);
	for (int i = 0; i < 5; i++) {
		start_ring(&s);
		make_file(at(s.mnt, "file"));
		for (int j = 0; j < 4; j++)
			pthread_create(&threads[j], NULL, work_until_it_fails, &s);
		sleep_ms(50);
		fsb_device_stop(s.device);
		cr_expect_eq(fsb_device_wait(s.device), 0);
		for (int j = 0; j < 4; j++)
			pthread_join(threads[j], NULL);
		finish(&s);
	}
}

static void serve_until_killed(struct session *s, int ready)
{
	cr_assert_eq(start(s, &ring_setup), 0);
	make_file(at(s->mnt, "file"));
	if (write(ready, s, sizeof(*s)) == (ssize_t)sizeof(*s))
		fsb_device_wait(s->device);
	_exit(0);
}

Test(uring, a_killed_server_leaves_no_hang)
{
	struct session s;
	pthread_t threads[4];
	int pipes[2];

	ring_switch(true);
	cr_assert_eq(pipe(pipes), 0);
	pid_t pid = fork();
	if (pid == 0)
		serve_until_killed(&s, pipes[1]);
	cr_assert_eq(read(pipes[0], &s, sizeof(s)), (ssize_t)sizeof(s));
	for (int j = 0; j < 4; j++)
		pthread_create(&threads[j], NULL, work_until_it_fails, &s);
	sleep_ms(100);
	kill(pid, SIGKILL);
	cr_expect_eq(waitpid(pid, NULL, 0), pid);
	for (int j = 0; j < 4; j++)
		pthread_join(threads[j], NULL);
	cr_expect_eq(fsb_unmount(s.mnt, true), 0);
	remove_tree(s.top);
}

/* ---- Idle ---- */

/* Voluntary context switches of the library's threads in this process so far. */
static unsigned long switches(void)
{
	DIR *tasks = opendir("/proc/self/task");
	unsigned long sum = 0;

	for (struct dirent *task; (task = readdir(tasks));) {
		char path[300], line[128];
		unsigned long count;
		bool ours = false;
		snprintf(path, sizeof(path), "/proc/self/task/%s/status", task->d_name);
		FILE *status = fopen(path, "re");
		while (status && fgets(line, sizeof(line), status)) {
			ours = ours || !strncmp(line, "Name:\tfsbackend", 15);
			if (ours && sscanf(line, "voluntary_ctxt_switches: %lu", &count) == 1)
				sum += count;
		}
		if (status)
			fclose(status);
	}
	closedir(tasks);
	return sum;
}

static void expect_idle(const struct setup *setup)
{
	struct session s;
	struct stat st;

	cr_assert_eq(start(&s, setup), 0);
	make_file(at(s.mnt, "file"));
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(stat(at(s.mnt, "file"), &st), 0);
	sleep_ms(300);
	/*
	 * The kernel itself may have something to say meanwhile: it forgets inodes when somebody
	 * drops caches. One span without anything is enough to tell.
	 */
	unsigned long before, after = switches();
	cr_expect_gt(after, 0);
	for (int i = 0; i < 5; i++) {
		before = after;
		sleep_ms(3000);
		after = switches();
		if (after == before)
			break;
	}
	cr_expect_eq(after, before);
	finish(&s);
}

Test(uring, an_idle_mount_does_nothing)
{
	ring_switch(true);
	expect_idle(&(struct setup){ .io = FSB_IO_URING, .spin_us = 50 });
}

Test(uring, an_idle_mount_of_the_device_does_nothing)
{
	expect_idle(&(struct setup){ .io = FSB_IO_CLASSIC, .spin_us = 50 });
}
