// SPDX-License-Identifier: BSD-3-Clause
/*
 * The session on /dev/fuse, and mounting: a tiny file system in the test's own process, used by its
 * threads and children. What only needs a descriptor that brings messages uses a socket pair.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <fsbackend/fsbackend.h>

#include "ringswitch.h"

/*
 * With FSB_TEST_IO=uring in the environment, requests of mounts come by io_uring, where the kernel
 * has it.
 */
static enum fsb_device_io io = FSB_IO_CLASSIC;

static void choose_io(void)
{
	const char *wanted = getenv("FSB_TEST_IO");

	if (!wanted || strcmp(wanted, "uring") != 0)
		return;
	ring_switch(true);
	io = FSB_IO_AUTO;
}

TestSuite(device, .timeout = 60, .init = choose_io);
TestSuite(mount, .timeout = 60);

/* ---- A tiny file system ---- */

/*
 * Each name is a file, and says how it answers.
 * file:  at once.
 * late:  its lookup is deferred until release_held().
 * held:  each read is deferred until release_held() or an interrupt.
 * early: each read is deferred, and answered by another thread before the operation returns.
 */
enum { ROOT = FSB_ROOT_NODEID, PLAIN, LATE, HELD, EARLY, NNODES };
static const char *const names[NNODES] = {
	[PLAIN] = "file", [LATE] = "late", [HELD] = "held", [EARLY] = "early"
};
static const char content[] = "some bytes\n";
enum { CONTENT = sizeof(content) - 1, MAX_HELD = 64 };

struct held {
	struct fsb_call *call;
	struct fsb_transfer *to;
	struct fsb_entry *entry;
};

struct tiny {
	struct fsb_filesystem base;
	pthread_mutex_t lock;
	struct held held[MAX_HELD];
	atomic_int nheld;
	atomic_int lookups[NNODES];
	atomic_int forgets[NNODES];
	atomic_int interrupts;
	atomic_int destroys;
};

static void fill_attr(uint64_t nodeid, struct fsb_attr *attr)
{
	*attr = (struct fsb_attr){ .ino = nodeid,
				   .nlink = 1,
				   .size = CONTENT,
				   .mode = S_IFREG | 0644,
				   .blksize = 4096,
				   .uid = getuid(),
				   .gid = getgid() };
	if (nodeid == ROOT)
		attr->mode = S_IFDIR | 0755;
}

static void fill_entry(uint64_t nodeid, struct fsb_entry *entry)
{
	*entry = (struct fsb_entry){ .nodeid = nodeid,
				     .entry_timeout_ns = 3600000000000ull,
				     .attr_timeout_ns = 3600000000000ull };
	fill_attr(nodeid, &entry->attr);
}

static int hold(struct tiny *tiny, struct held held)
{
	pthread_mutex_lock(&tiny->lock);
	cr_assert(tiny->nheld < MAX_HELD);
	tiny->held[tiny->nheld] = held;
	tiny->nheld++;
	pthread_mutex_unlock(&tiny->lock);
	return FSB_DEFERRED;
}

static void answer(const struct held *held)
{
	if (held->entry) {
		fill_entry(LATE, held->entry);
		fsb_call_complete(held->call, 0);
	} else {
		fsb_call_complete(held->call,
				  (ssize_t)fsb_transfer_put(held->to, content, CONTENT));
	}
}

static void release_held(struct tiny *tiny)
{
	struct held list[MAX_HELD];

	pthread_mutex_lock(&tiny->lock);
	int count = tiny->nheld;
	memcpy(list, tiny->held, sizeof(list));
	tiny->nheld = 0;
	pthread_mutex_unlock(&tiny->lock);
	for (int i = 0; i < count; i++)
		answer(&list[i]);
}

static int tiny_lookup(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent,
		       const char *name, struct fsb_entry *entry)
{
	struct tiny *tiny = (struct tiny *)fs;

	for (uint64_t nodeid = PLAIN; nodeid < NNODES; nodeid++) {
		if (parent != ROOT || strcmp(names[nodeid], name))
			continue;
		tiny->lookups[nodeid]++;
		if (nodeid == LATE)
			return hold(tiny,
				    (struct held){ .call = fsb_call_defer(ctx), .entry = entry });
		fill_entry(nodeid, entry);
		return 0;
	}
	return -ENOENT;
}

static void tiny_forget(struct fsb_filesystem *fs, uint64_t nodeid, uint64_t nlookup)
{
	if (nodeid < NNODES)
		((struct tiny *)fs)->forgets[nodeid] += (int)nlookup;
}

static void tiny_destroy(struct fsb_filesystem *fs)
{
	((struct tiny *)fs)->destroys++;
}

static int tiny_getattr(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
			const uint64_t *fh, struct fsb_attr *attr, uint64_t *timeout_ns)
{
	(void)fs, (void)ctx, (void)fh;
	fill_attr(nodeid, attr);
	*timeout_ns = 0;
	return 0;
}

static int tiny_open(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
		     int flags, bool kill_suidgid, struct fsb_open *opened)
{
	(void)fs, (void)ctx, (void)nodeid, (void)flags, (void)kill_suidgid;
	/* Every read reaches us, and a signal can end it. */
	*opened = (struct fsb_open){ .flags = FSB_OPEN_DIRECT_IO };
	return 0;
}

static void *answer_thread(void *held)
{
	answer(held);
	return NULL;
}

static ssize_t tiny_read(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
			 uint64_t fh, uint64_t offset, size_t size, int flags, uint64_t lock_owner,
			 struct fsb_transfer *to)
{
	(void)fh, (void)flags, (void)lock_owner;
	if (offset >= CONTENT)
		return 0;
	if (nodeid == PLAIN)
		return (ssize_t)fsb_transfer_put(to, content + offset,
						 CONTENT - offset < size ? CONTENT - offset : size);

	struct held held = { .call = fsb_call_defer(ctx), .to = to };
	if (nodeid == HELD)
		return hold((struct tiny *)fs, held);
	pthread_t thread;
	cr_assert_eq(pthread_create(&thread, NULL, answer_thread, &held), 0);
	pthread_join(thread, NULL);
	return FSB_DEFERRED;
}

static void tiny_interrupt(struct fsb_filesystem *fs, struct fsb_call *call)
{
	struct tiny *tiny = (struct tiny *)fs;
	bool found = false;

	tiny->interrupts++;
	pthread_mutex_lock(&tiny->lock);
	for (int i = 0; i < tiny->nheld && !found; i++) {
		if (tiny->held[i].call != call)
			continue;
		tiny->nheld--;
		tiny->held[i] = tiny->held[tiny->nheld];
		found = true;
	}
	pthread_mutex_unlock(&tiny->lock);
	if (found)
		fsb_call_complete(call, -EINTR);
}

static const struct fsb_filesystem_ops tiny_ops = {
	.size = sizeof(tiny_ops),
	.destroy = tiny_destroy,
	.lookup = tiny_lookup,
	.forget = tiny_forget,
	.getattr = tiny_getattr,
	.open = tiny_open,
	.read = tiny_read,
	.interrupt = tiny_interrupt,
};

/* ---- A session on it ---- */

struct session {
	struct tiny tiny;
	struct fsb_server *server;
	struct fsb_device *device;
	char dir[64];
};

static char last_message[512];

static void keep_message(void *opaque, enum fsb_log_level level, const char *message)
{
	(void)opaque, (void)level;
	snprintf(last_message, sizeof(last_message), "%s", message);
}

static const struct fsb_log log_sink = { .write = keep_message, .level = FSB_LOG_WARNING };

static void make_directory(char *dir)
{
	strcpy(dir, "/tmp/fsbackend-device-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
}

/*
 * A test that fails dies with threads of its own waiting for its own mount, for ever: their files
 * are its files, so the connection stays. A child that outlives it forces the unmount.
 */
static void guard_mount(const char *dir)
{
	sigset_t term;
	int signal;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	if (fork() > 0)
		return;
	sigprocmask(SIG_BLOCK, &term, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	close_range(0, ~0U, 0);
	sigwait(&term, &signal);
	umount2(dir, MNT_FORCE);
	umount2(dir, MNT_DETACH);
	rmdir(dir);
	_exit(0);
}

static void make_server(struct session *s)
{
	struct fsb_server_config config;

	memset(s, 0, sizeof(*s));
	s->tiny.base.ops = &tiny_ops;
	pthread_mutex_init(&s->tiny.lock, NULL);
	fsb_server_config_init(&config);
	config.filesystem = &s->tiny.base;
	cr_assert_eq(fsb_server_new(&config, &s->server), 0);
}

static void start_on(struct session *s, int fd)
{
	struct fsb_device_config config;

	fsb_device_config_init(&config);
	config.server = s->server;
	config.fd = fd;
	config.threads = 2;
	config.io = io;
	int err = fsb_device_start(&config, &s->device);
	cr_assert_eq(err, 0, "fsb_device_start: %s", strerror(-err));
	close(fd);
}

static void start(struct session *s)
{
	struct fsb_mount_config config;
	int fd;

	make_server(s);
	make_directory(s->dir);
	guard_mount(s->dir);
	fsb_mount_config_init(&config);
	config.mountpoint = s->dir;
	config.allow_other = geteuid() == 0;
	config.log = log_sink;
	int err = fsb_mount(&config, &fd);
	cr_assert_eq(err, 0, "fsb_mount: %s", strerror(-err));
	start_on(s, fd);
	cr_assert_eq(fsb_device_wait_ready(s->device), 0);
}

static void finish(struct session *s)
{
	if (s->dir[0])
		fsb_unmount(s->dir, true);
	fsb_device_free(s->device);
	fsb_server_free(s->server);
	if (s->dir[0])
		cr_expect_eq(rmdir(s->dir), 0, "%s: %s", s->dir, strerror(errno));
}

static const char *path_of(const struct session *s, uint64_t nodeid)
{
	static _Thread_local char path[128];

	snprintf(path, sizeof(path), "%s/%s", s->dir, names[nodeid]);
	return path;
}

/* Open and read. Return: how many bytes, which must be the right ones, or a negative errno. */
static ssize_t read_node(const struct session *s, uint64_t nodeid)
{
	char bytes[64];
	int fd = open(path_of(s, nodeid), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ssize_t length = read(fd, bytes, sizeof(bytes));
	if (length < 0)
		length = -errno;
	else if (length != CONTENT || memcmp(bytes, content, CONTENT))
		length = -EIO;
	close(fd);
	return length;
}

struct reader {
	pthread_t thread;
	const struct session *session;
	uint64_t nodeid;
	int times;
	ssize_t result;
};

static void *read_in_thread(void *opaque)
{
	struct reader *reader = opaque;

	reader->result = CONTENT;
	for (int i = 0; i < reader->times && reader->result == CONTENT; i++)
		reader->result = read_node(reader->session, reader->nodeid);
	return NULL;
}

static void start_reader(struct reader *reader, const struct session *s, uint64_t nodeid, int times)
{
	*reader = (struct reader){ .session = s, .nodeid = nodeid, .times = times };
	cr_assert_eq(pthread_create(&reader->thread, NULL, read_in_thread, reader), 0);
}

static ssize_t join_reader(struct reader *reader)
{
	pthread_join(reader->thread, NULL);
	return reader->result;
}

static void sleep_ms(long ms)
{
	struct timespec span = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&span, NULL);
}

/* Wait, up to ten seconds, until a counter has reached a value. */
static void await(const atomic_int *counter, int value)
{
	for (int i = 0; i < 2000 && *counter < value; i++)
		sleep_ms(5);
	cr_assert_geq(*counter, value);
}

static int count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	cr_assert_not_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* ---- Requests and replies ---- */

Test(device, a_file_is_read_through_the_mount)
{
	struct session s;

	start(&s);
	cr_expect_eq(read_node(&s, PLAIN), CONTENT);
	cr_expect_eq(access(s.dir, F_OK), 0);
	char missing[128];
	snprintf(missing, sizeof(missing), "%s/missing", s.dir);
	cr_expect_eq(access(missing, F_OK), -1);
	cr_expect_eq(errno, ENOENT);
	finish(&s);
}

Test(device, a_deferred_request_is_answered_by_another_thread)
{
	struct session s;
	struct reader reader;

	start(&s);
	start_reader(&reader, &s, HELD, 1);
	await(&s.tiny.nheld, 1);
	release_held(&s.tiny);
	cr_expect_eq(join_reader(&reader), CONTENT);
	finish(&s);
}

Test(device, an_answer_may_come_before_the_operation_returns)
{
	struct session s;

	start(&s);
	for (int i = 0; i < 200; i++)
		cr_assert_eq(read_node(&s, EARLY), CONTENT);
	finish(&s);
}

Test(device, deferred_requests_hold_no_worker)
{
	struct session s;
	struct reader readers[20];

	start(&s);
	for (int i = 0; i < 20; i++)
		start_reader(&readers[i], &s, HELD, 1);
	await(&s.tiny.nheld, 20);
	cr_expect_eq(read_node(&s, PLAIN), CONTENT);
	release_held(&s.tiny);
	for (int i = 0; i < 20; i++)
		cr_expect_eq(join_reader(&readers[i]), CONTENT);
	cr_expect_eq(read_node(&s, PLAIN), CONTENT);
	finish(&s);
}

Test(device, eight_threads_are_served_at_once)
{
	struct session s;
	struct reader readers[8];

	start(&s);
	for (int i = 0; i < 8; i++)
		start_reader(&readers[i], &s, i % 4 ? PLAIN : EARLY, i % 4 ? 500 : 50);
	for (int i = 0; i < 8; i++)
		cr_expect_eq(join_reader(&readers[i]), CONTENT);
	finish(&s);
}

static void on_signal(int signal)
{
	(void)signal;
}

/*
 * A child that reads a held file; a signal with a handler interrupts it. Its exit status is the
 * errno.
 */
static pid_t fork_reader(const struct session *s)
{
	const char *path = path_of(s, HELD);
	pid_t pid = fork();

	if (pid)
		return pid;
	struct sigaction action = { .sa_handler = on_signal };
	char byte;
	sigaction(SIGUSR1, &action, NULL);
	int fd = open(path, O_RDONLY);
	_exit(fd >= 0 && read(fd, &byte, 1) == 1 ? 0 : errno);
}

Test(device, a_signal_interrupts_a_deferred_request)
{
	struct session s;
	int status;

	start(&s);
	pid_t pid = fork_reader(&s);
	await(&s.tiny.nheld, 1);
	kill(pid, SIGUSR1);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == EINTR, "status %#x", status);
	cr_expect_eq(s.tiny.interrupts, 1);
	finish(&s);
}

Test(device, a_killed_caller_goes)
{
	struct session s;
	int status;

	start(&s);
	pid_t pid = fork_reader(&s);
	await(&s.tiny.nheld, 1);
	kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %#x", status);
	cr_expect_eq(read_node(&s, PLAIN), CONTENT);
	finish(&s);
}

Test(device, notifications_reach_the_kernel)
{
	struct session s;

	start(&s);
	cr_expect_eq(read_node(&s, PLAIN), CONTENT);
	cr_expect_eq(read_node(&s, PLAIN), CONTENT);
	cr_expect_eq(s.tiny.lookups[PLAIN], 1);
	cr_expect_eq(fsb_server_notify_inval_entry(s.server, ROOT, names[PLAIN], 0), 0);
	cr_expect_eq(read_node(&s, PLAIN), CONTENT);
	cr_expect_eq(s.tiny.lookups[PLAIN], 2);
	finish(&s);
}

/* ---- The end of a session ---- */

Test(device, an_unmount_ends_the_session)
{
	struct session s;

	start(&s);
	cr_expect_eq(read_node(&s, PLAIN), CONTENT);
	cr_expect_eq(fsb_unmount(s.dir, false), 0);
	cr_expect_eq(fsb_device_wait(s.device), 0);
	cr_expect_eq(s.tiny.destroys, 1);
	finish(&s);
}

Test(device, a_stop_ends_the_session_and_leaves_the_mount_dead)
{
	struct session s;

	start(&s);
	fsb_device_stop(s.device);
	fsb_device_stop(s.device);
	cr_expect_eq(fsb_device_wait(s.device), 0);
	cr_expect_eq(s.tiny.destroys, 1);
	/* A ring's threads let go of it a moment later, and the kernel has other words for that. */
	ssize_t result = read_node(&s, PLAIN);
	cr_expect(result == -ENOTCONN ||
			  (io != FSB_IO_CLASSIC && (result == -ECONNABORTED || result == -ECANCELED)),
		  "%zd", result);
	cr_expect_eq(fsb_device_wait(s.device), 0, "a second wait gives the same");
	finish(&s);
}

Test(device, a_stop_interrupts_deferred_requests)
{
	struct session s;
	struct reader readers[3];

	start(&s);
	for (int i = 0; i < 3; i++)
		start_reader(&readers[i], &s, HELD, 1);
	await(&s.tiny.nheld, 3);
	fsb_device_stop(s.device);
	cr_expect_eq(fsb_device_wait(s.device), 0);
	for (int i = 0; i < 3; i++) {
		ssize_t result = join_reader(&readers[i]);
		cr_expect(result == -EINTR || result == -ECONNABORTED || result == -ENOTCONN, "%zd",
			  result);
	}
	finish(&s);
}

Test(device, an_unmount_waits_for_deferred_requests)
{
	struct session s;
	struct reader reader;

	start(&s);
	start_reader(&reader, &s, HELD, 1);
	await(&s.tiny.nheld, 1);
	cr_expect_eq(fsb_unmount(s.dir, false), -EBUSY);
	cr_expect_eq(fsb_unmount(s.dir, true), 0);
	release_held(&s.tiny);
	cr_expect_eq(join_reader(&reader), CONTENT);
	cr_expect_eq(fsb_device_wait(s.device), 0);
	finish(&s);
}

/* What aborts the connection of a mount, in the kernel's control file system. */
static int open_abort(const char *dir)
{
	static const char control[] = "/sys/fs/fuse/connections";
	struct stat st;
	char path[64];

	cr_assert_eq(stat(dir, &st), 0);
	snprintf(path, sizeof(path), "%s/%u/abort", control, minor(st.st_dev));
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && mount("fusectl", control, "fusectl", 0, NULL) == 0) {
		fd = open(path, O_WRONLY | O_CLOEXEC);
		umount2(control, MNT_DETACH);
	}
	return fd;
}

Test(device, an_abort_ends_the_session)
{
	struct session s;

	start(&s);
	int abort_fd = open_abort(s.dir);
	if (abort_fd < 0) {
		finish(&s);
		cr_skip_test("/sys/fs/fuse/connections cannot be mounted");
	}
	cr_expect_eq(write(abort_fd, "1", 1), 1);
	close(abort_fd);
	cr_expect_eq(fsb_device_wait(s.device), -ECONNABORTED);
	cr_expect_eq(s.tiny.destroys, 1);
	finish(&s);
}

/* The kernel did not take the reference that the reply would have given. */
Test(device, a_reply_that_nobody_takes_is_undone)
{
	struct session s;
	struct reader reader;

	start(&s);
	int abort_fd = open_abort(s.dir);
	if (abort_fd < 0) {
		finish(&s);
		cr_skip_test("/sys/fs/fuse/connections cannot be mounted");
	}
	start_reader(&reader, &s, LATE, 1);
	await(&s.tiny.nheld, 1);
	cr_expect_eq(write(abort_fd, "1", 1), 1);
	close(abort_fd);
	cr_expect_lt(join_reader(&reader), 0);
	release_held(&s.tiny);
	fsb_device_wait(s.device);
	cr_expect_eq(s.tiny.lookups[LATE], 1);
	cr_expect_eq(s.tiny.forgets[LATE], 1);
	finish(&s);
}

Test(device, nothing_is_left_open)
{
	int before = count_descriptors();
	struct session s;

	start(&s);
	cr_expect_eq(read_node(&s, EARLY), CONTENT);
	finish(&s);
	cr_expect_eq(count_descriptors(), before);
}

/* ---- Descriptors from elsewhere ---- */

Test(device, a_mount_made_elsewhere_is_served)
{
	struct session s;
	char options[128];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	make_server(&s);
	make_directory(s.dir);
	guard_mount(s.dir);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	cr_assert_eq(mount("elsewhere", s.dir, "fuse", 0, options), 0);
	start_on(&s, fd);
	cr_expect_eq(fsb_device_wait_ready(s.device), 0);
	cr_expect_eq(read_node(&s, PLAIN), CONTENT);
	finish(&s);
}

Test(device, a_device_without_a_mount_ends_at_once)
{
	struct session s;
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	make_server(&s);
	start_on(&s, fd);
	cr_expect_eq(fsb_device_wait_ready(s.device), -ENODEV);
	cr_expect_eq(fsb_device_wait(s.device), -EPERM);
	finish(&s);
}

static int start_on_socket(struct session *s)
{
	int pair[2];

	make_server(s);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	start_on(s, pair[1]);
	return pair[0];
}

/* Send INIT, and read its answer. Return: the error of the answer. */
static int say_hello(int fd, uint32_t minor)
{
	struct {
		struct fuse_in_header header;
		struct fuse_init_in init;
	} request = { .header = { .len = sizeof(request), .opcode = FUSE_INIT, .unique = 2 },
		      .init = { .major = FUSE_KERNEL_VERSION, .minor = minor } };
	struct {
		struct fuse_out_header header;
		struct fuse_init_out init;
	} reply = { .header = { .len = 0 } };

	cr_assert_eq(write(fd, &request, sizeof(request)), (ssize_t)sizeof(request));
	cr_assert_geq(read(fd, &reply, sizeof(reply)), (ssize_t)sizeof(reply.header));
	cr_expect_eq(reply.header.unique, 2);
	return reply.header.error;
}

Test(device, workers_share_a_descriptor_that_cannot_be_cloned)
{
	struct session s;
	int fd = start_on_socket(&s);

	cr_expect_eq(say_hello(fd, FUSE_KERNEL_MINOR_VERSION), 0);
	cr_expect_eq(fsb_device_wait_ready(s.device), 0);
	close(fd);
	cr_expect_eq(fsb_device_wait(s.device), 0);
	finish(&s);
}

Test(device, a_refused_protocol_is_told)
{
	struct session s;
	int fd = start_on_socket(&s);

	cr_expect_eq(say_hello(fd, 30), -EPROTO);
	cr_expect_eq(fsb_device_wait_ready(s.device), -EPROTO);
	close(fd);
	finish(&s);
}

Test(device, a_session_that_ends_before_it_began_is_told)
{
	struct session s;
	int fd = start_on_socket(&s);

	close(fd);
	cr_expect_eq(fsb_device_wait_ready(s.device), -ENODEV);
	finish(&s);
}

Test(device, a_configuration_without_sense_is_refused)
{
	struct session s;
	struct fsb_device_config config;

	make_server(&s);
	fsb_device_config_init(&config);
	config.server = s.server;
	cr_expect_eq(fsb_device_start(&config, &s.device), -EINVAL, "no descriptor");
	config.fd = 0;
	config.threads = 257;
	cr_expect_eq(fsb_device_start(&config, &s.device), -EINVAL, "too many threads");
	config.threads = 1;
	config.server = NULL;
	cr_expect_eq(fsb_device_start(&config, &s.device), -EINVAL, "no server");
	fsb_server_free(s.server);
}

/* ---- A mount inside of its own source ---- */

static void *look_at_own_mount(void *path)
{
	struct stat st;

	return (void *)(intptr_t)(stat(path, &st) < 0 ? errno : 0);
}

Test(device, a_server_does_not_wait_for_itself)
{
	struct fsb_passthrough_config tree;
	struct fsb_server_config server;
	struct fsb_mount_config mount;
	struct session s = { .server = NULL };
	char own[80], below[96];
	pthread_t threads[8];
	struct stat st;
	int fd;

	make_directory(s.dir);
	snprintf(own, sizeof(own), "%s/own", s.dir);
	snprintf(below, sizeof(below), "%s/own", own);
	cr_assert_eq(mkdir(own, 0755), 0);
	guard_mount(own);
	fsb_passthrough_config_init(&tree);
	tree.source = s.dir;
	fsb_server_config_init(&server);
	cr_assert_eq(fsb_passthrough_new(&tree, &server.filesystem), 0);
	cr_assert_eq(fsb_server_new(&server, &s.server), 0);
	fsb_mount_config_init(&mount);
	mount.mountpoint = own;
	cr_assert_eq(fsb_mount(&mount, &fd), 0);

	struct statx stx;
	cr_assert_eq(statx(AT_FDCWD, own, AT_STATX_DONT_SYNC, 0, &stx), 0);
	fsb_passthrough_avoid(server.filesystem, makedev(stx.stx_dev_major, stx.stx_dev_minor));
	start_on(&s, fd);
	cr_expect_eq(stat(own, &st), 0);
	/* More of them than there are workers. */
	for (int i = 0; i < 8; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, look_at_own_mount, below), 0);
	for (int i = 0; i < 8; i++) {
		void *error;
		pthread_join(threads[i], &error);
		cr_expect_eq((intptr_t)error, ELOOP);
	}
	cr_expect_eq(fsb_unmount(own, false), 0);
	cr_expect_eq(rmdir(own), 0);
	finish(&s);
	fsb_passthrough_free(server.filesystem);
}

/* ---- Mounting ---- */

/* What fsb_mount() says to a mount point. It must not succeed. */
static int mount_error(const char *mountpoint)
{
	struct fsb_mount_config config;
	int fd = -1;

	fsb_mount_config_init(&config);
	config.mountpoint = mountpoint;
	config.log = log_sink;
	last_message[0] = '\0';
	int err = fsb_mount(&config, &fd);
	cr_expect_eq(fd, -1);
	cr_expect(strstr(last_message, mountpoint), "'%s' names %s", last_message, mountpoint);
	return err;
}

Test(mount, a_missing_mount_point_is_told)
{
	cr_expect_eq(mount_error("/tmp/fsbackend-is-not-there"), -ENOENT);
}

Test(mount, a_file_is_no_mount_point)
{
	char path[] = "/tmp/fsbackend-device-XXXXXX";

	close(mkstemp(path));
	cr_expect_eq(mount_error(path), -ENOTDIR);
	unlink(path);
}

Test(mount, a_mount_point_in_use_is_told)
{
	struct session s;

	start(&s);
	cr_expect_eq(mount_error(s.dir), -EBUSY);
	fsb_device_stop(s.device);
	fsb_device_wait(s.device);
	cr_expect_eq(mount_error(s.dir), -EBUSY, "whose server is gone, too");
	finish(&s);
}

Test(mount, a_configuration_without_sense_is_refused)
{
	struct fsb_mount_config config;
	int fd;

	fsb_mount_config_init(&config);
	config.log = log_sink;
	cr_expect_eq(fsb_mount(&config, &fd), -EINVAL, "no mount point");
	config.mountpoint = "/tmp";
	config.flags = MS_REMOUNT;
	cr_expect_eq(fsb_mount(&config, &fd), -EINVAL, "a flag that is no option");
	config.flags = 0;
	config.root_mode = S_IFDIR | 0755;
	cr_expect_eq(fsb_mount(&config, &fd), -EINVAL, "permissions in the type");
}

Test(mount, options_as_in_fstab)
{
	struct fsb_mount_config config;

	fsb_mount_config_init(&config);
	cr_expect_eq(fsb_mount_config_option(&config, "ro"), 0);
	cr_expect_eq(fsb_mount_config_option(&config, "nosuid"), 0);
	cr_expect_eq(fsb_mount_config_option(&config, "noatime"), 0);
	cr_expect_eq(config.flags, MS_RDONLY | MS_NOSUID | MS_NOATIME);
	cr_expect_eq(fsb_mount_config_option(&config, "rw"), 0);
	cr_expect_eq(fsb_mount_config_option(&config, "relatime"), 0);
	cr_expect_eq(config.flags, MS_NOSUID | MS_RELATIME);
	cr_expect_eq(fsb_mount_config_option(&config, "allow_other"), 0);
	cr_expect_eq(fsb_mount_config_option(&config, "default_permissions"), 0);
	cr_expect_eq(fsb_mount_config_option(&config, "max_read=65536"), 0);
	cr_expect(config.allow_other && config.default_permissions && config.max_read == 65536);
	cr_expect_eq(fsb_mount_config_option(&config, "max_read=-1"), -EINVAL);
	cr_expect_eq(fsb_mount_config_option(&config, "max_read="), -EINVAL);
	cr_expect_eq(fsb_mount_config_option(&config, "max_read=4294967296"), -EINVAL);
	cr_expect_eq(fsb_mount_config_option(&config, "cache"), -ENOENT);
	cr_expect_eq(fsb_mount_config_option(&config, ""), -ENOENT);
}

Test(mount, what_is_shown_is_what_was_asked)
{
	struct fsb_mount_config config;
	char dir[64], line[512], wanted[128];
	bool found = false;
	int fd;

	make_directory(dir);
	fsb_mount_config_init(&config);
	config.mountpoint = dir;
	config.source = "a,source";
	config.subtype = "kind";
	config.flags = MS_RDONLY | MS_NOSUID;
	cr_assert_eq(fsb_mount(&config, &fd), 0);
	cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);

	snprintf(wanted, sizeof(wanted), "a,source %s fuse.kind ro,nosuid", dir);
	FILE *mounts = fopen("/proc/self/mounts", "re");
	while (fgets(line, sizeof(line), mounts))
		found = found || !strncmp(line, wanted, strlen(wanted));
	fclose(mounts);
	cr_expect(found);
	cr_expect_eq(fsb_unmount(dir, true), 0);
	close(fd);
	cr_expect_eq(rmdir(dir), 0);
}

Test(mount, unmounting_what_is_not_mounted_is_an_error)
{
	char dir[64];

	make_directory(dir);
	cr_expect_eq(fsb_unmount(dir, false), -EINVAL);
	cr_expect_eq(fsb_unmount("/tmp/fsbackend-is-not-there", false), -ENOENT);
	rmdir(dir);
}

/* ---- Without root ---- */

enum { NOBODY = 65534 };

static void become_nobody(void)
{
	cr_assert_eq(setgroups(0, NULL), 0);
	cr_assert_eq(setresgid(NOBODY, NOBODY, NOBODY), 0);
	cr_assert_eq(setresuid(NOBODY, NOBODY, NOBODY), 0);
}

/*
 * On some machines /dev/fuse is root's alone. In a mount namespace of our own another node is bound
 * over it. Mounts are seen here only.
 */
static void open_fuse_to_users(void)
{
	char dir[64], node[80];

	cr_assert_eq(unshare(CLONE_NEWNS), 0);
	cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	make_directory(dir);
	snprintf(node, sizeof(node), "%s/fuse", dir);
	cr_assert_eq(mknod(node, S_IFCHR, makedev(10, 229)), 0);
	cr_assert_eq(chmod(node, 0666), 0);
	cr_assert_eq(mount(node, "/dev/fuse", NULL, MS_BIND, NULL), 0);
	cr_assert_eq(unlink(node) | rmdir(dir), 0);
}

static bool helper_is_installed(void)
{
	struct stat st;

	return (stat("/usr/bin/fusermount3", &st) == 0 || stat("/bin/fusermount3", &st) == 0) &&
	       st.st_mode & S_ISUID;
}

Test(mount, a_user_mounts_by_fusermount3)
{
	struct session s;

	if (!helper_is_installed())
		cr_skip_test("fusermount3 is not installed set-uid");
	open_fuse_to_users();
	become_nobody();
	int before = count_descriptors();
	start(&s);
	cr_expect_eq(read_node(&s, PLAIN), CONTENT);

	int fd = open(s.dir, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	cr_expect_eq(fsb_unmount(s.dir, false), -EBUSY);
	close(fd);
	cr_expect_eq(fsb_unmount(s.dir, false), 0);
	cr_expect_eq(fsb_device_wait(s.device), 0);
	cr_expect_eq(fsb_unmount(s.dir, false), -EINVAL);
	finish(&s);
	cr_expect_eq(count_descriptors(), before);
}

Test(mount, what_fusermount3_refuses_is_told_in_its_words)
{
	char dir[64];

	if (!helper_is_installed())
		cr_skip_test("fusermount3 is not installed set-uid");
	open_fuse_to_users();
	make_directory(dir); /* root's */
	cr_assert_eq(chmod(dir, 0755), 0);
	pid_t pid = fork();
	if (pid == 0) {
		become_nobody();
		_exit(mount_error(dir) == -EPERM && strstr(last_message, "fusermount3") ? 0 : 1);
	}
	int status;
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
	rmdir(dir);
}

Test(mount, a_missing_fusermount3_is_told)
{
	char dir[64];

	make_directory(dir);
	cr_assert_eq(chown(dir, NOBODY, NOBODY), 0);
	setenv("PATH", "/nonexistent", 1);
	pid_t pid = fork();
	if (pid == 0) {
		become_nobody();
		_exit(mount_error(dir) == -EPERM && strstr(last_message, "fuse3") ? 0 : 1);
	}
	int status;
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
	rmdir(dir);
}
