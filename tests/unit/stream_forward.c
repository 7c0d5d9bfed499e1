// SPDX-License-Identifier: BSD-3-Clause
/*
 * The client's side of a stream between a kernel that is played by the test (a socket that brings
 * and takes whole messages) and a real server in the same process. Connections can be cut at any
 * time.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "streaming.h"

TestSuite(stream_forward, .timeout = 120);

enum { MAX_CHANNELS = 4, LONGEST = 1024 * 1024 + 4096 };

/* ---- The connections ---- */

static struct wires {
	pthread_mutex_t lock;
	int cutters[MAX_CHANNELS]; /* duplicates of our ends, to shut them down; -1: none */
	atomic_int dialled;
	atomic_bool dead; /* nobody is there any more */
} wires = { .lock = PTHREAD_MUTEX_INITIALIZER, .cutters = { -1, -1, -1, -1 } };

static int dial(void *opaque, unsigned int channel, int *in, int *out)
{
	(void)opaque;
	pthread_mutex_lock(&wires.lock);
	if (atomic_load(&wires.dead)) {
		pthread_mutex_unlock(&wires.lock);
		return -ECONNREFUSED;
	}
	*in = *out = hand_connect();
	if (wires.cutters[channel] >= 0)
		close(wires.cutters[channel]);
	wires.cutters[channel] = fcntl(*in, F_DUPFD_CLOEXEC, 0);
	pthread_mutex_unlock(&wires.lock);
	atomic_fetch_add(&wires.dialled, 1);
	return 0;
}

static void cut(unsigned int channel)
{
	pthread_mutex_lock(&wires.lock);
	if (wires.cutters[channel] >= 0) {
		shutdown(wires.cutters[channel], SHUT_RDWR);
		close(wires.cutters[channel]);
		wires.cutters[channel] = -1;
	}
	pthread_mutex_unlock(&wires.lock);
}

/* ---- The kernel ---- */

static int kernel = -1;
static struct fsb_stream_forward *forward;
static atomic_int complaints;

static void listen_in(void *opaque, enum fsb_log_level level, const char *message)
{
	(void)opaque;
	(void)message;
	if (level == FSB_LOG_ERROR)
		atomic_fetch_add(&complaints, 1);
}

static int give_groups(void *opaque, struct fsb_context *ctx)
{
	gid_t groups[] = { 60, 61, (gid_t)ctx->pid };

	(void)opaque;
	return ctx->pid ? fsb_context_set_groups(ctx, 3, groups) : -ESRCH;
}

static void configure(struct fsb_stream_forward_config *config, unsigned int connections,
		      bool reconnect)
{
	fsb_stream_forward_config_init(config);
	config->dial = dial;
	config->connections = connections;
	config->reconnect = reconnect;
	config->groups = give_groups;
	config->log = (struct fsb_log){ .write = listen_in, .level = FSB_LOG_ERROR };
}

static void ask(uint32_t opcode, uint64_t unique, uint64_t nodeid, uint32_t pid, const void *body,
		size_t length)
{
	static uint8_t message[LONGEST];
	struct fuse_in_header header = { .len = (uint32_t)(sizeof(header) + length),
					 .opcode = opcode,
					 .unique = unique,
					 .nodeid = nodeid,
					 .uid = 1000,
					 .gid = 100,
					 .pid = pid };

	memcpy(message, &header, sizeof(header));
	if (length > 0)
		memcpy(message + sizeof(header), body, length);
	cr_assert_eq(send(kernel, message, header.len, 0), header.len, "%s", strerror(errno));
}

static void ask_lookup(uint64_t unique, uint32_t pid, const char *name)
{
	ask(FUSE_LOOKUP, unique, 1, pid, name, strlen(name) + 1);
}

/* Return: the length of the answer; its header is in front. */
static size_t take(void *answer)
{
	struct pollfd readable = { .fd = kernel, .events = POLLIN };

	cr_assert_eq(poll(&readable, 1, 30000), 1, "no answer");
	ssize_t length = recv(kernel, answer, LONGEST, 0);
	cr_assert_geq(length, (ssize_t)sizeof(struct fuse_out_header));
	cr_assert_eq(((struct fuse_out_header *)answer)->len, length);
	return (size_t)length;
}

static int take_answer(uint64_t unique)
{
	static uint8_t answer[LONGEST];
	struct fuse_out_header header;

	take(answer);
	memcpy(&header, answer, sizeof(header));
	cr_assert_eq(header.unique, unique);
	return header.error;
}

static struct fuse_init_out initialise(void)
{
	struct fuse_init_in in = { .major = 7,
				   .minor = 45,
				   .max_readahead = 131072,
				   .flags = UINT32_MAX & ~(1u << 31),
				   .flags2 = UINT32_MAX };
	struct {
		struct fuse_out_header header;
		struct fuse_init_out out;
		uint8_t more[256];
	} answer;
	static uint8_t bytes[LONGEST];

	ask(FUSE_INIT, 2, 0, 0, &in, sizeof(in));
	take(bytes);
	memcpy(&answer, bytes, sizeof(answer));
	cr_assert_eq(answer.header.error, 0);
	cr_assert_eq(fsb_stream_forward_wait_ready(forward), 0);
	return answer.out;
}

static void attach(unsigned int connections, bool reconnect)
{
	struct fsb_stream_forward_config config;
	int ends[2], size = 4 * 1024 * 1024;

	configure(&config, connections, reconnect);
	cr_assert_eq(fsb_stream_forward_connect(&config, &forward), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	for (int i = 0; i < 2; i++)
		if (setsockopt(ends[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
			setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	kernel = ends[0];
	cr_assert_eq(fsb_stream_forward_start(forward, ends[1]), 0);
	close(ends[1]);
}

static void detach(void)
{
	fsb_stream_forward_stop(forward);
	cr_expect_eq(fsb_stream_forward_wait(forward), 0);
	fsb_stream_forward_free(forward);
	close(kernel);
	streaming_stop();
}

static void begin(unsigned int connections, bool reconnect)
{
	streaming_start(NULL);
	attach(connections, reconnect);
	initialise();
}

/* ---- Passing on ---- */

Test(stream_forward, init_agrees_on_what_a_stream_can_carry)
{
	streaming_start(NULL);
	attach(1, false);
	struct fuse_init_out out = initialise();
	uint64_t flags = out.flags | (uint64_t)out.flags2 << 32;

	cr_expect_eq(out.minor, 45);
	cr_expect_eq(out.max_write, 1024 * 1024);
	cr_expect_eq(flags & (FUSE_OVER_IO_URING | FUSE_PASSTHROUGH | FUSE_MAP_ALIGNMENT |
			      FUSE_HAS_INODE_DAX),
		     0);
	cr_expect_neq(flags & FUSE_MAX_PAGES, 0);
	detach();
}

static void small_messages(struct fsb_stream_serve_config *config)
{
	config->max_write = 128 * 1024;
}

Test(stream_forward, the_smaller_message_decides_how_much_the_kernel_writes)
{
	struct fsb_stream_forward_config config;

	/* The server of the session would take a megabyte. */
	streaming_start(NULL);
	configure(&config, 1, false);
	config.max_write = 256 * 1024;
	cr_assert_eq(fsb_stream_forward_connect(&config, &forward), 0);
	int ends[2];
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	kernel = ends[0];
	cr_assert_eq(fsb_stream_forward_start(forward, ends[1]), 0);
	close(ends[1]);
	struct fuse_init_out out = initialise();
	cr_expect_eq(out.max_write, 256 * 1024);
	cr_expect_eq(out.max_pages, 256 * 1024 / sysconf(_SC_PAGESIZE));
	detach();
	/* Nor does a session come about whose server takes more than its transport. */
	streaming_start(small_messages);
	configure(&config, 1, false);
	cr_expect_eq(fsb_stream_forward_connect(&config, &forward), 0);
	fsb_stream_forward_free(forward);
	streaming_stop();
}

Test(stream_forward, requests_go_with_their_callers_groups)
{
	begin(1, false);
	ask_lookup(4, 1234, "file");
	cr_expect_eq(take_answer(4), 0);
	cr_expect_eq(atomic_load(&streaming.ngroups), 3);
	cr_expect_eq(atomic_load(&streaming.last_group), 1234);
	ask_lookup(6, 0, "file");
	cr_expect_eq(take_answer(6), 0);
	cr_expect_eq(atomic_load(&streaming.ngroups), UINT32_MAX, "unknown");
	for (uint32_t pid = 1; pid < 2000; pid++) {
		ask_lookup(4 + 4ull * pid, pid, "file");
		cr_assert_eq(take_answer(4 + 4ull * pid), 0);
		cr_assert_eq(atomic_load(&streaming.last_group), pid);
	}
	detach();
}

Test(stream_forward, answers_come_in_any_order_and_what_has_none_is_passed_on)
{
	struct fuse_forget_in forget = { .nlookup = 1 };

	begin(2, false);
	ask_lookup(4, 1, "late");
	ask_lookup(6, 1, "7");
	cr_expect_eq(take_answer(6), 0);
	ask(FUSE_FORGET, 0, 17, 0, &forget, sizeof(forget));
	await(&streaming.runs[17], 1000);
	await(&streaming.nlate, 1);
	late_release();
	cr_expect_eq(take_answer(4), 0);
	detach();
}

Test(stream_forward, an_interrupt_finds_its_request_on_another_connection)
{
	struct fuse_interrupt_in interrupt = { .unique = 4 };

	begin(2, false);
	ask_lookup(4, 1, "late");
	await(&streaming.nlate, 1);
	ask(FUSE_INTERRUPT, 5, 0, 0, &interrupt, sizeof(interrupt));
	cr_expect_eq(take_answer(4), -EINTR);
	detach();
}

Test(stream_forward, notifications_reach_the_kernel)
{
	static uint8_t message[LONGEST];

	begin(1, false);
	cr_expect_eq(fsb_server_notify_inval_inode(atomic_load(&streaming.server), 77, 0, 0), 0);
	take(message);
	cr_expect_eq(((struct fuse_out_header *)(void *)message)->unique, 0);
	cr_expect_eq(((struct fuse_out_header *)(void *)message)->error, FUSE_NOTIFY_INVAL_INODE);
	detach();
}

static void write_and_check(uint64_t unique, size_t size)
{
	static struct {
		struct fuse_write_in in;
		uint8_t data[1024 * 1024];
	} body;

	body.in = (struct fuse_write_in){ .size = (uint32_t)size };
	memset(body.data, 0x55, size);
	ask(FUSE_WRITE, unique, 0x55, 0, &body, sizeof(body.in) + size);
	cr_assert_eq(take_answer(unique), 0);
}

static void read_and_check(uint64_t unique, uint32_t size, uint8_t value)
{
	struct fuse_read_in in = { .size = size, .offset = value };
	static uint8_t answer[LONGEST];

	ask(FUSE_READ, unique, 2, 0, &in, sizeof(in));
	cr_assert_eq(take(answer), sizeof(struct fuse_out_header) + size);
	cr_assert_eq(((struct fuse_out_header *)(void *)answer)->unique, unique);
	for (size_t i = 0; i < size; i++)
		cr_assert_eq(answer[sizeof(struct fuse_out_header) + i], value);
}

Test(stream_forward, data_of_every_size_arrives_as_it_was_sent)
{
	static const size_t sizes[] = {
		0, 1, 7, 8, 4095, 4096, 8192, 65537, 131072, 999999, 1048576
	};

	begin(1, false);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		write_and_check(100 + 4 * i, sizes[i]);
		read_and_check(102 + 4 * i, (uint32_t)sizes[i], (uint8_t)(i + 1));
	}
	detach();
}

/* ---- Lost connections ---- */

Test(stream_forward, without_reconnect_a_lost_connection_fails_what_waits_and_what_comes)
{
	struct fuse_forget_in forget = { .nlookup = 1 };

	begin(2, false);
	ask_lookup(4, 1, "late");
	await(&streaming.nlate, 1);
	cr_expect(fsb_stream_forward_is_connected(forward));
	cut(0);
	cr_expect_eq(take_answer(4), -ENOTCONN);
	for (uint64_t unique = 6; unique < 40; unique += 2) {
		ask(FUSE_FORGET, 0, 17, 0, &forget, sizeof(forget));
		ask_lookup(unique, 1, "file");
		cr_expect_eq(take_answer(unique), -ENOTCONN);
	}
	cr_expect(!fsb_stream_forward_is_connected(forward));
	cr_expect_eq(atomic_load(&complaints), 1);
	await(&streaming.closed, 1);
	detach();
}

Test(stream_forward, a_server_that_ends_is_not_waited_for)
{
	begin(1, true);
	ask_lookup(4, 1, "file");
	cr_expect_eq(take_answer(4), 0);
	atomic_store(&wires.dead, true);
	fsb_stream_serve_stop(streaming.serve);
	await(&streaming.closed, 1);
	ask_lookup(6, 1, "file");
	cr_expect_eq(take_answer(6), -ENOTCONN);
	detach();
}

Test(stream_forward, a_server_that_comes_anew_gets_a_new_session_and_the_mount_goes_on)
{
	begin(3, true);
	ask_lookup(4, 1, "file");
	cr_expect_eq(take_answer(4), 0);
	atomic_store(&wires.dead, true);
	streaming_stop();
	ask_lookup(6, 1, "file");
	cr_expect_eq(take_answer(6), -ENOTCONN);
	streaming_start(NULL);
	atomic_store(&wires.dead, false);
	int err = -ENOTCONN;
	for (uint64_t unique = 8; err == -ENOTCONN && unique < 2000; unique += 2) {
		nanosleep(&(struct timespec){ 0, 20 * 1000 * 1000 }, NULL);
		ask_lookup(unique, 1, "file");
		err = take_answer(unique);
	}
	cr_expect_eq(err, 0);
	cr_expect_eq(atomic_load(&streaming.opened), 1);
	for (int i = 0; i < 300 && !fsb_stream_forward_is_connected(forward); i++)
		nanosleep(&(struct timespec){ 0, 20 * 1000 * 1000 }, NULL);
	cr_expect(fsb_stream_forward_is_connected(forward), "all channels are back");
	/* And its connections can be lost like those of the first one. */
	for (unsigned int i = 0; i < 30; i++) {
		cut(i % 3);
		ask_lookup(3000 + 2 * i, i + 1, "7");
		cr_assert_eq(take_answer(3000 + 2 * i), 0);
	}
	cr_expect_eq(atomic_load(&streaming.runs[7]), 30);
	cr_expect_eq(atomic_load(&streaming.opened), 1);
	detach();
}

/* ---- Another process of the server ---- */

static char state_path[] = "/tmp/fsbackend-kept-XXXXXX";
static int state_dir = -1;

static void keep_state(struct fsb_stream_serve_config *config)
{
	config->state_dir = state_dir;
}

static void begin_with_state(unsigned int connections)
{
	cr_assert_not_null(mkdtemp(state_path));
	state_dir = open(state_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(state_dir, 0);
	streaming_start(keep_state);
	attach(connections, true);
	initialise();
}

/* @meanwhile: what comes while there is no server. */
static void serve_anew(void (*meanwhile)(void))
{
	/* Nobody is on its way to it. */
	pthread_mutex_lock(&wires.lock);
	atomic_store(&wires.dead, true);
	pthread_mutex_unlock(&wires.lock);
	streaming_stop();
	if (meanwhile)
		meanwhile();
	streaming_start(keep_state);
	atomic_store(&wires.dead, false);
}

/* Sessions that end in order leave nothing. */
static void end_with_state(void)
{
	fsb_stream_forward_stop(forward);
	cr_expect_eq(fsb_stream_forward_wait(forward), 0);
	await(&streaming.closed, 1);
	detach();
	cr_expect_eq(rmdir(state_path), 0, "%s", strerror(errno));
	close(state_dir);
}

static void ask_rmdir(uint64_t unique, uint32_t pid, const char *name)
{
	ask(FUSE_RMDIR, unique, 1, pid, name, strlen(name) + 1);
}

Test(stream_forward, the_session_goes_on_in_another_process_of_the_server)
{
	begin_with_state(3);
	for (unsigned int i = 0; i < 10; i++) {
		ask_lookup(4 + 2 * i, i + 1, "7");
		cr_assert_eq(take_answer(4 + 2 * i), 0);
		if (i % 3 == 2)
			serve_anew(NULL);
	}
	cr_expect_eq(atomic_load(&complaints), 0);
	cr_expect_eq(atomic_load(&streaming.opened), 1);
	end_with_state();
}

Test(stream_forward, what_may_have_run_is_asked_again_if_that_does_no_harm_and_fails_otherwise)
{
	begin_with_state(1);
	ask_rmdir(4, 1, "late");
	await(&streaming.nlate, 1);
	ask_lookup(6, 2, "late");
	await(&streaming.nlate, 2);
	serve_anew(NULL);
	cr_expect_eq(take_answer(4), -ENOTCONN);
	/* With its groups, which the new one was told of. */
	await(&streaming.nlate, 1);
	cr_expect_eq(atomic_load(&streaming.last_group), 2);
	late_release();
	cr_expect_eq(take_answer(6), 0);
	end_with_state();
}

static void ask_for_much(void)
{
	for (uint32_t i = 0; i < 50; i++)
		ask_rmdir(100 + 2 * i, i + 1, "8");
}

Test(stream_forward, what_was_never_received_runs_once)
{
	begin_with_state(1);
	ask_lookup(4, 1, "file");
	cr_expect_eq(take_answer(4), 0);
	serve_anew(ask_for_much);
	for (uint32_t i = 0; i < 50; i++)
		cr_assert_eq(take_answer(100 + 2 * i), 0);
	cr_expect_eq(atomic_load(&streaming.runs[8]), 50);
	cr_expect_eq(atomic_load(&streaming.last_group), 50);
	end_with_state();
}

static void nothing_listens(void)
{
	ask_rmdir(200, 9, "9");
	nanosleep(&(struct timespec){ 0, 300 * 1000 * 1000 }, NULL);
}

Test(stream_forward, a_second_death_before_the_first_was_noticed_is_none_the_worse)
{
	begin_with_state(2);
	ask_lookup(4, 1, "late");
	await(&streaming.nlate, 1);
	serve_anew(nothing_listens);
	serve_anew(NULL);
	serve_anew(NULL);
	await(&streaming.nlate, 1);
	late_release();
	int first = 0, answers = 0;
	static uint8_t answer[LONGEST];
	for (; answers < 2; answers++) {
		struct fuse_out_header header;
		take(answer);
		memcpy(&header, answer, sizeof(header));
		first += header.unique == 4;
		/* The other one may have run in one of them. */
		cr_expect(header.error == 0 || (header.unique == 200 && header.error == -ENOTCONN));
	}
	cr_expect_eq(first, 1);
	cr_expect_leq(atomic_load(&streaming.runs[9]), 1);
	end_with_state();
}

Test(stream_forward, a_session_whose_file_is_gone_begins_anew)
{
	char command[64];

	begin_with_state(1);
	atomic_store(&wires.dead, true);
	streaming_stop();
	snprintf(command, sizeof(command), "rm -f %s/*", state_path);
	cr_assert_eq(system(command), 0);
	streaming_start(keep_state);
	atomic_store(&wires.dead, false);
	int err = -ENOTCONN;
	for (uint64_t unique = 8; err == -ENOTCONN && unique < 2000; unique += 2) {
		nanosleep(&(struct timespec){ 0, 20 * 1000 * 1000 }, NULL);
		ask_lookup(unique, 1, "file");
		err = take_answer(unique);
	}
	cr_expect_eq(err, 0);
	/* And that session is kept as well. */
	serve_anew(NULL);
	ask_lookup(4000, 1, "file");
	cr_expect_eq(take_answer(4000), 0);
	end_with_state();
}

static void short_grace(struct fsb_stream_serve_config *config)
{
	config->grace_s = 1;
}

Test(stream_forward, requests_wait_no_longer_than_the_server_keeps_the_session)
{
	streaming_start(short_grace);
	attach(1, true);
	initialise();
	atomic_store(&wires.dead, true);
	ask_lookup(4, 1, "late");
	await(&streaming.nlate, 1);
	cut(0);
	ask_lookup(6, 1, "file");
	/* In any order: one was sent, the other not. */
	static uint8_t answer[LONGEST];
	for (int i = 0; i < 2; i++) {
		take(answer);
		cr_expect_eq(((struct fuse_out_header *)(void *)answer)->error, -ENOTCONN);
	}
	detach();
}

Test(stream_forward, what_waits_survives_a_cut)
{
	begin(1, true);
	ask_lookup(4, 1, "late");
	await(&streaming.nlate, 1);
	cut(0);
	await(&wires.dialled, 2);
	late_release();
	cr_expect_eq(take_answer(4), 0);
	cr_expect_eq(atomic_load(&complaints), 0);
	detach();
}

static atomic_bool storm;

static void *cut_now_and_then(void *opaque)
{
	unsigned int seed = 7;

	(void)opaque;
	while (atomic_load(&storm)) {
		nanosleep(&(struct timespec){ 0, (long)(rand_r(&seed) % 4000) * 1000 }, NULL);
		cut((unsigned int)rand_r(&seed) % 3);
	}
	return NULL;
}

enum { LOOKUPS = 3000, WINDOW = 30 };

/* As a kernel with many processes: several in flight, FORGETs in between, each answer checked. */
static void ask_and_take(void)
{
	static uint8_t answer[LONGEST];
	static bool answered[LOOKUPS];
	struct fuse_forget_in forget = { .nlookup = 1 };
	int asked = 0, taken = 0;

	while (taken < LOOKUPS) {
		if (asked < LOOKUPS && asked - taken < WINDOW) {
			char name[16];
			snprintf(name, sizeof(name), "%d", asked);
			ask_lookup(4 + 2 * (uint64_t)asked, (uint32_t)asked % 7 + 1, name);
			asked++;
			continue;
		}
		take(answer);
		struct fuse_out_header *header = (void *)answer;
		size_t which = (size_t)(header->unique - 4) / 2;
		cr_assert_lt(which, LOOKUPS);
		cr_assert_eq(header->error, 0);
		cr_assert(!answered[which], "%zu was answered twice", which);
		answered[which] = true;
		taken++;
		ask(FUSE_FORGET, 0, 20000 + which, 0, &forget, sizeof(forget));
	}
}

Test(stream_forward, in_a_storm_of_cuts_everything_runs_once_and_nothing_is_lost)
{
	pthread_t cutter;

	begin(3, true);
	atomic_store(&storm, true);
	cr_assert_eq(pthread_create(&cutter, NULL, cut_now_and_then, NULL), 0);
	ask_and_take();
	for (uint64_t i = 0; i < 40; i++) {
		write_and_check(100000 + 4 * i, 300000);
		read_and_check(100002 + 4 * i, 300000, (uint8_t)(i + 1));
	}
	atomic_store(&storm, false);
	pthread_join(cutter, NULL);
	for (size_t i = 0; i < LOOKUPS; i++) {
		cr_expect_eq(atomic_load(&streaming.runs[i]), 1, "lookup %zu ran %d times", i,
			     atomic_load(&streaming.runs[i]));
		await(&streaming.runs[20000 + i], 1000);
	}
	cr_expect_gt(atomic_load(&wires.dialled), 5);
	cr_expect_eq(atomic_load(&streaming.opened), 1);
	detach();
}

/* ---- Connecting ---- */

static int dial_nobody(void *opaque, unsigned int channel, int *in, int *out)
{
	(void)opaque, (void)channel, (void)in, (void)out;
	return -ENOENT;
}

static int dial_and_hang_up(void *opaque, unsigned int channel, int *in, int *out)
{
	int ends[2];

	(void)opaque, (void)channel;
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	close(ends[1]);
	*in = *out = ends[0];
	return 0;
}

static int dial_another_protocol(void *opaque, unsigned int channel, int *in, int *out)
{
	static const char banner[] = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n";
	int ends[2];

	(void)opaque, (void)channel;
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	cr_assert_gt(send(ends[1], banner, sizeof(banner), 0), 0);
	*in = *out = ends[0];
	return 0;
}

static int dial_silence(void *opaque, unsigned int channel, int *in, int *out)
{
	static int ends[2]; /* stays open */

	(void)opaque, (void)channel;
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	*in = *out = ends[0];
	return 0;
}

Test(stream_forward, who_is_no_server_is_told_from_one_that_is_not_there)
{
	static const struct {
		int (*dial)(void *, unsigned int, int *, int *);
		int error;
	} cases[] = { { dial_nobody, -ENOENT },
		      { dial_and_hang_up, -EPIPE },
		      { dial_another_protocol, -EPROTO },
		      { dial_silence, -ETIMEDOUT } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fsb_stream_forward_config config;
		configure(&config, 1, false);
		config.dial = cases[i].dial;
		config.hello_s = 1;
		cr_expect_eq(fsb_stream_forward_connect(&config, &forward), cases[i].error,
			     "case %zu", i);
	}
}

Test(stream_forward, senseless_configurations_are_refused)
{
	struct fsb_stream_forward_config config;

	configure(&config, 0, false);
	cr_expect_eq(fsb_stream_forward_connect(&config, &forward), -EINVAL);
	configure(&config, 17, false);
	cr_expect_eq(fsb_stream_forward_connect(&config, &forward), -EINVAL);
	configure(&config, 1, false);
	config.max_write = 65536;
	cr_expect_eq(fsb_stream_forward_connect(&config, &forward), -EINVAL);
	configure(&config, 1, false);
	config.dial = NULL;
	cr_expect_eq(fsb_stream_forward_connect(&config, &forward), -EINVAL);
}

Test(stream_forward, the_end_comes_while_it_dials)
{
	begin(1, true);
	atomic_store(&wires.dead, true);
	cut(0);
	ask_lookup(4, 1, "file");
	nanosleep(&(struct timespec){ 0, 50 * 1000 * 1000 }, NULL);
	detach();
}
