// SPDX-License-Identifier: BSD-3-Clause
/*
 * Clients that break the protocol, or use it to do harm, each while a mount of the same server is in use: they lose their
 * own connection, or get nowhere, the server's memory stays bounded, and the others go on. Run by ../integration/run
 * in a stream configuration.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/xattr.h>
#include <time.h>

#include "../integration/testing.h"
#include "peer.h"

/* MiB that the server may ever take, whatever these do, and all at a time. */
enum { MOST_MEMORY = 128, CUT_MS = 5000 };

static long memory_of_server(void)
{
	char path[64], line[256];
	long kib = -1;

	snprintf(path, sizeof(path), "/proc/%s/status", getenv("FSBACKEND_TEST_SERVE_PID"));
	FILE *status = fopen(path, "r");
	cr_assert(status, "the server is gone");
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "VmHWM: %ld", &kib) == 1)
			break;
	fclose(status);
	return kib / 1024;
}

/* A sanitizer's own memory is not the server's. */
static bool is_sanitized(void)
{
	char path[64], line[1024];
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%s/maps", getenv("FSBACKEND_TEST_SERVE_PID"));
	FILE *maps = fopen(path, "r");
	cr_assert(maps, "the server is gone");
	while (!found && fgets(line, sizeof(line), maps))
		found = strstr(line, "libasan") || strstr(line, "libtsan");
	fclose(maps);
	return found;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Round trips of the mount in so many seconds, and the longest of them in @longest. */
static unsigned long speed_of_others(double seconds, double *longest)
{
	unsigned long count = 0;
	double end = now() + seconds;
	char value[16];

	*longest = 0;
	for (double before = now(); before < end; count++) {
		/* No cache keeps what is not there. */
		cr_assert_lt(fgetxattr(mnt, "user.none", value, sizeof(value)), 0);
		double after = now();
		if (after - before > *longest)
			*longest = after - before;
		before = after;
	}
	return count;
}

/* Others are served while this is done, without a gap that a person would notice. */
static void others_must_be_fast(void)
{
	double longest;
	unsigned long count = speed_of_others(0.3, &longest);

	/* Tens of thousands are usual; all tests run at the same time. */
	cr_expect_gt(count, 20, "the mount made %lu round trips in 0.3 s", count);
	cr_expect_lt(longest, 0.5, "one took %.3f s", longest);
}

static void others_must_go_on(void)
{
	double longest;

	put_text(mnt, "after", "still served");
	must_hold_text(host, "after", "still served");
	speed_of_others(0.05, &longest);
	cr_expect_lt(longest, 1.0, "a round trip of the mount took %.3f s", longest);
	if (!is_sanitized())
		cr_expect_leq(memory_of_server(), MOST_MEMORY, "the server took %ld MiB", memory_of_server());
	/* And whoever comes now is served. */
	struct peer peer = peer_come(0);
	peer_close(&peer);
}

TestSuite(hostile, .init = enter_fresh_directory, .fini = others_must_go_on, .timeout = 60);

static void must_be_cut(struct peer *peer, const char *why)
{
	cr_expect(peer_is_cut(peer, CUT_MS), "it is still connected: %s", why);
	peer_close(peer);
}

/* ---- Hello ---- */

Test(hostile, half_a_hello_and_then_the_end)
{
	struct wire_hello hello = hello_of(0);

	for (size_t length = 1; length < sizeof(struct wire_header) + sizeof(hello); length += 5) {
		struct peer peer = peer_dial();
		struct wire_header header = header_of(&peer, WIRE_HELLO, sizeof(hello));
		uint8_t frame[sizeof(header) + sizeof(hello)];
		memcpy(frame, &header, sizeof(header));
		memcpy(frame + sizeof(header), &hello, sizeof(hello));
		cr_expect(peer_send(&peer, frame, length));
		peer_close(&peer);
	}
}

Test(hostile, noise_in_place_of_a_hello)
{
	for (unsigned int seed = 1; seed <= 20; seed++) {
		struct peer peer = peer_dial();
		uint8_t noise[4096];
		fill_pattern(noise, sizeof(noise), seed * 7919);
		peer_send(&peer, noise, sizeof(noise));
		must_be_cut(&peer, "noise");
	}
}

static void must_be_refused(struct wire_hello hello, const char *why)
{
	struct peer peer = peer_dial();

	cr_expect_lt(peer_greet(&peer, &hello), 0, "welcome in spite of %s", why);
	must_be_cut(&peer, why);
}

Test(hostile, a_hello_that_no_client_says)
{
	struct wire_hello hello = hello_of(0);

	hello.magic = 0x46534253;
	must_be_refused(hello, "the other byte order");
	hello.magic = 1;
	must_be_refused(hello, "another magic");
	hello = hello_of(0);
	hello.version = 0;
	must_be_refused(hello, "version 0");
	hello = hello_of(0);
	hello.max_message = 100;
	must_be_refused(hello, "a limit that no message fits in");
	hello = hello_of(0);
	hello.channel = 0xffffffff;
	must_be_refused(hello, "a channel beyond all");
	hello = hello_of(WIRE_RESUME);
	memset(hello.token, 0xa5, sizeof(hello.token));
	must_be_refused(hello, "a token that is nobody's");
	hello = hello_of(0);
	hello.received = 77;
	must_be_refused(hello, "frames received before there was a session");
}

Test(hostile, a_request_in_place_of_a_hello)
{
	struct peer peer = peer_dial();

	peer_ask(&peer, FUSE_GETATTR, FUSE_ROOT_ID, &(struct fuse_getattr_in){ 0 }, sizeof(struct fuse_getattr_in));
	must_be_cut(&peer, "no hello");
}

Test(hostile, a_second_hello)
{
	struct peer peer = peer_come(0);
	struct wire_hello hello = hello_of(0);

	peer_send_frame(&peer, WIRE_HELLO, 0, &hello, sizeof(hello));
	must_be_cut(&peer, "hello again");
}

/* The socket is open to all for this, as a host may decide. */
static int join_as_a_user(void *opaque)
{
	const struct wire_hello *hello = opaque;
	struct peer peer = peer_dial();

	return -peer_greet(&peer, hello);
}

Test(hostile, another_user_with_the_token_of_a_session)
{
	const struct user thief = { .uid = 1234, .gid = 1234 };
	struct peer peer = peer_come(WIRE_RESUME);
	struct wire_hello hello = hello_of(WIRE_RESUME);

	memcpy(hello.token, peer.welcome.token, sizeof(hello.token));
	hello.channel = 1;
	must(chmod(getenv("FSBACKEND_TEST_ADDRESS") + 5, 0666));
	cr_expect_eq(as_user(&thief, join_as_a_user, &hello), EPERM);
	peer_close(&peer);
}

Test(hostile, many_who_connect_and_say_nothing)
{
	struct peer silent[300];

	for (size_t i = 0; i < 300; i++)
		silent[i] = peer_dial();
	others_must_be_fast();
	struct peer peer = peer_come(0);
	peer_close(&peer);
	for (size_t i = 0; i < 300; i++)
		peer_close(&silent[i]);
}

/* ---- Frames ---- */

static struct wire_header header_with(struct peer *peer, uint32_t length)
{
	struct wire_header header = header_of(peer, WIRE_REQUEST, 40);

	header.length = length;
	return header;
}

Test(hostile, lengths_that_no_frame_has)
{
	static const uint32_t lengths[] = { 0, 8, 15, 16, 24, 57, 60, 0x110000, 0x7ffffff8, 0xfffffff8, 0xffffffff };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct peer peer = peer_come(0);
		struct wire_header header = header_with(&peer, lengths[i]);
		uint8_t body[64] = { 0 };
		peer_send(&peer, &header, sizeof(header));
		peer_send(&peer, body, sizeof(body));
		must_be_cut(&peer, "an impossible length");
	}
}

Test(hostile, types_that_no_client_sends)
{
	static const uint8_t types[] = { 0, WIRE_WELCOME, WIRE_REPLY, WIRE_NOTIFY, WIRE_AGAIN, 12, 13, 127, 255 };

	for (size_t i = 0; i < sizeof(types); i++) {
		struct peer peer = peer_come(0);
		uint8_t body[88] = { 0 };
		peer_send_frame(&peer, types[i], 0, body, sizeof(body));
		must_be_cut(&peer, "an impossible type");
	}
}

Test(hostile, bits_that_must_be_zero)
{
	for (int which = 0; which < 3; which++) {
		struct peer peer = peer_come(0);
		struct wire_header header = header_of(&peer, WIRE_PING, 0);
		if (which == 0)
			header.flags = 0x80;
		else if (which == 1)
			header.reserved = 1;
		else
			header.groups = 1;
		peer_send(&peer, &header, sizeof(header));
		must_be_cut(&peer, "reserved bits");
	}
}

Test(hostile, a_message_that_is_not_as_long_as_its_frame)
{
	static const uint32_t lengths[] = { 0, 39, 41, 64, 4096, 0xffffffff };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct peer peer = peer_come(0);
		uint8_t frame[512];
		size_t length = frame_of_request(&peer, FUSE_READLINK, FUSE_ROOT_ID, NULL, 0, frame);
		memcpy(frame + sizeof(struct wire_header), &lengths[i], sizeof(lengths[i]));
		peer_send(&peer, frame, length);
		must_be_cut(&peer, "a length that does not agree");
	}
}

Test(hostile, a_request_cut_off_anywhere)
{
	struct fuse_getattr_in getattr = { 0 };
	uint8_t frame[512];

	for (size_t left = 1; left < sizeof(struct wire_header) + 56; left += 3) {
		struct peer peer = peer_come(0);
		size_t length = frame_of_request(&peer, FUSE_GETATTR, FUSE_ROOT_ID, &getattr, sizeof(getattr), frame);
		peer_send(&peer, frame, length - left);
		peer_close(&peer);
	}
}

Test(hostile, some_that_stop_within_a_frame_and_stay)
{
	struct fuse_getattr_in getattr = { 0 };
	uint8_t frame[512];
	struct peer stalled[30];

	for (size_t i = 0; i < 30; i++) {
		stalled[i] = peer_come(0);
		size_t length = frame_of_request(&stalled[i], FUSE_GETATTR, FUSE_ROOT_ID, &getattr, sizeof(getattr),
						 frame);
		cr_expect(peer_send(&stalled[i], frame, 1 + i * (length - 2) / 30));
	}
	others_must_be_fast();
	for (size_t i = 0; i < 30; i++)
		peer_close(&stalled[i]);
}

Test(hostile, two_connections_of_a_session_whose_frames_interleave)
{
	struct fuse_getattr_in getattr = { 0 };
	struct peer first = peer_come(0), second = peer_dial();
	struct wire_hello hello = hello_of(0);
	uint8_t frame[512];

	memcpy(hello.token, first.welcome.token, sizeof(hello.token));
	hello.channel = 1;
	cr_assert_eq(peer_greet(&second, &hello), 0);
	second.unique = 1000;
	size_t length = frame_of_request(&first, FUSE_GETATTR, FUSE_ROOT_ID, &getattr, sizeof(getattr), frame);
	cr_assert(peer_send(&first, frame, length / 2));
	for (int i = 0; i < 100; i++)
		cr_assert_eq(peer_call(&second, FUSE_GETATTR, FUSE_ROOT_ID, &getattr, sizeof(getattr), NULL), 0);
	cr_assert(peer_send(&first, frame + length / 2, length - length / 2));
	const struct fuse_out_header *answer = peer_answer(&first);
	cr_assert(answer);
	cr_assert_eq(answer->error, 0);
	peer_close(&first);
	peer_close(&second);
}

/* Valid conversations in which some bytes are others. */
Test(hostile, frames_with_random_damage)
{
	static const uint32_t opcodes[] = { FUSE_LOOKUP, FUSE_GETATTR, FUSE_OPEN, FUSE_READ,   FUSE_CREATE, FUSE_READDIRPLUS,
					    FUSE_WRITE,	 FUSE_SETLKW, FUSE_IOCTL, FUSE_BATCH_FORGET };
	uint32_t random = 12345;
	uint8_t frame[1024], arguments[128];

	for (int round = 0; round < 300; round++) {
		struct peer peer = peer_come(round % 2 ? WIRE_RESUME : 0);
		for (int i = 0; i < 20; i++) {
			fill_pattern(arguments, sizeof(arguments), random);
			size_t length = frame_of_request(&peer, opcodes[i % 10], FUSE_ROOT_ID, arguments,
							 random % sizeof(arguments), frame);
			for (int flip = 0; flip < 2; flip++) {
				random = random * 1664525 + 1013904223;
				frame[(random >> 8) % length] ^= (uint8_t)(random >> 24);
			}
			if (!peer_send(&peer, frame, length))
				break;
		}
		peer_close(&peer);
	}
}

/* ---- Requests ---- */

Test(hostile, requests_before_INIT_and_after_DESTROY)
{
	struct fuse_getattr_in getattr = { 0 };
	struct wire_hello hello = hello_of(0);
	struct peer peer = peer_dial();

	cr_assert_eq(peer_greet(&peer, &hello), 0);
	cr_expect_lt(peer_call(&peer, FUSE_GETATTR, FUSE_ROOT_ID, &getattr, sizeof(getattr), NULL), 0);
	peer_close(&peer);

	peer = peer_come(0);
	peer_call(&peer, FUSE_DESTROY, 0, NULL, 0, NULL);
	cr_expect_lt(peer_call(&peer, FUSE_GETATTR, FUSE_ROOT_ID, &getattr, sizeof(getattr), NULL), 0);
	peer_close(&peer);
}

Test(hostile, the_same_number_for_many_requests)
{
	struct fuse_getattr_in getattr = { 0 };
	struct peer peer = peer_come(0);
	uint8_t frame[512];
	struct wire_header header;
	size_t length = frame_of_request(&peer, FUSE_GETATTR, FUSE_ROOT_ID, &getattr, sizeof(getattr), frame);

	for (int i = 0; i < 200; i++)
		if (!peer_send(&peer, frame, length))
			break;
	/* They are answered, or it is cut off. */
	for (int i = 0; i < 200 && peer_receive(&peer, &header); i++)
		;
	peer_close(&peer);
}

static struct fuse_lk_in lock_of(uint64_t handle, uint64_t owner)
{
	return (struct fuse_lk_in){
		.fh = handle, .owner = owner, .lk = { .start = 0, .end = 0x7fffffffffffffff, .type = F_WRLCK, .pid = 1 }
	};
}

/* A peer whose first owner has the lock, so that others wait. */
static struct peer come_with_a_lock(uint64_t *nodeid, struct fuse_lk_in *lock)
{
	put_text(host, "locked", "");
	struct peer peer = peer_come(0);
	*nodeid = peer_lookup(&peer, peer_directory(&peer), "locked");
	*lock = lock_of(peer_open(&peer, *nodeid, O_RDWR), 1);
	cr_assert_eq(peer_call(&peer, FUSE_SETLK, *nodeid, lock, sizeof(*lock), NULL), 0);
	return peer;
}

Test(hostile, the_same_number_for_requests_that_wait)
{
	uint64_t nodeid;
	struct fuse_lk_in lock;

	if (!config_has_host_locks())
		cr_skip("no request waits");
	struct peer peer = come_with_a_lock(&nodeid, &lock);
	for (int i = 0; i < 10; i++) {
		lock.owner = 2 + (uint64_t)i;
		peer.unique = 500;
		if (!peer_ask(&peer, FUSE_SETLKW, nodeid, &lock, sizeof(lock)))
			break;
	}
	struct fuse_interrupt_in interrupt = { .unique = 501 * 2 };
	for (int i = 0; i < 20; i++)
		peer_ask(&peer, FUSE_INTERRUPT, 0, &interrupt, sizeof(interrupt));
	peer_is_cut(&peer, 100);
	peer_close(&peer);
}

Test(hostile, more_waiting_requests_than_agreed)
{
	uint64_t nodeid;
	struct fuse_lk_in lock;

	if (!config_has_host_locks())
		cr_skip("no request waits");
	struct peer peer = come_with_a_lock(&nodeid, &lock);
	for (uint32_t i = 0; i < peer.welcome.max_requests + 100; i++) {
		lock.owner = 2 + i;
		if (!peer_ask(&peer, FUSE_SETLKW, nodeid, &lock, sizeof(lock)))
			break;
	}
	must_be_cut(&peer, "more than agreed in flight");
	/* What it had is free again. */
	int fd = (int)must(openat(host, "locked", O_RDWR));
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	cr_expect(eventually(fcntl(fd, F_OFD_SETLK, &whole) == 0));
	close(fd);
}

Test(hostile, interrupts_of_what_is_not_there)
{
	struct peer peer = peer_come(0);
	struct fuse_interrupt_in interrupt = { 0 };

	for (uint64_t i = 0; i < 50000; i++) {
		interrupt.unique = 1000000 + i * 2;
		if (!peer_ask(&peer, FUSE_INTERRUPT, 0, &interrupt, sizeof(interrupt)))
			break;
	}
	peer_close(&peer);
}

Test(hostile, many_who_hang_up_without_reading_their_answers)
{
	struct fuse_getattr_in getattr = { 0 };

	for (int round = 0; round < 100; round++) {
		struct peer peer = peer_come(round % 2 ? WIRE_RESUME : 0);
		for (int i = 0; i < 50; i++)
			peer_ask(&peer, FUSE_GETATTR, FUSE_ROOT_ID, &getattr, sizeof(getattr));
		peer_close(&peer);
	}
}

/* ---- Floods ---- */

/* Sends a frame until nothing goes out any more, or a second is over. Return: how many went. */
static unsigned long flood(struct peer *peer, const uint8_t *frame, size_t length)
{
	unsigned long count = 0;

	for (double end = now() + 1; now() < end; count++)
		if (!peer_send(peer, frame, length))
			break;
	return count;
}

static int flood_by(struct peer *peer, uint32_t opcode, uint64_t nodeid, const void *arguments, size_t size)
{
	uint8_t *frame = malloc(size + 256);
	pid_t child;

	cr_assert(frame);
	size_t length = frame_of_request(peer, opcode, nodeid, arguments, size, frame);
	child = (pid_t)must(fork());
	if (child == 0) {
		flood(peer, frame, length);
		_exit(0);
	}
	others_must_be_fast();
	int status = result_of(child);
	free(frame);
	return status;
}

Test(hostile, a_flood_of_small_requests_whose_answers_are_not_read)
{
	struct fuse_getattr_in getattr = { 0 };
	struct peer peer = peer_come(0);

	flood_by(&peer, FUSE_GETATTR, FUSE_ROOT_ID, &getattr, sizeof(getattr));
	peer_close(&peer);
}

Test(hostile, floods_of_large_reads_whose_answers_are_not_read)
{
	struct peer peers[8];
	struct fuse_read_in read_in = { .size = 1024 * 1024 };

	put_text(host, "file", "");
	must(truncate(host_path("file"), 64 << 20));
	for (int i = 0; i < 8; i++) {
		peers[i] = peer_come(i % 2 ? WIRE_RESUME : 0);
		uint64_t nodeid = peer_lookup(&peers[i], peer_directory(&peers[i]), "file");
		read_in.fh = peer_open(&peers[i], nodeid, O_RDONLY);
		for (int n = 0; n < 64; n++)
			if (!peer_ask(&peers[i], FUSE_READ, nodeid, &read_in, sizeof(read_in)))
				break;
	}
	others_must_be_fast();
	for (int i = 0; i < 8; i++)
		peer_close(&peers[i]);
}

Test(hostile, a_flood_of_large_writes)
{
	struct fuse_write_in write_in = { .size = 1024 * 1024 };
	struct peer peer = peer_come(0);
	uint8_t *arguments = calloc(1, sizeof(write_in) + write_in.size);

	cr_assert(arguments);
	/* To a handle that is nobody's. */
	write_in.fh = 123456;
	memcpy(arguments, &write_in, sizeof(write_in));
	flood_by(&peer, FUSE_WRITE, FUSE_ROOT_ID, arguments, sizeof(write_in) + write_in.size);
	free(arguments);
	peer_close(&peer);
}

Test(hostile, a_flood_of_questions_whether_the_server_lives)
{
	struct peer peer = peer_come(0);
	struct wire_header header = header_of(&peer, WIRE_PING, 0);

	flood(&peer, (uint8_t *)&header, sizeof(header));
	others_must_be_fast();
	peer_close(&peer);
}

Test(hostile, answers_that_are_never_acknowledged)
{
	struct fuse_getattr_in getattr = { 0 };
	struct peer peer = peer_come(WIRE_RESUME);
	unsigned long count;

	for (count = 0; count < 400000; count++) {
		peer.received = 1;
		if (peer_call(&peer, FUSE_GETATTR, FUSE_ROOT_ID, &getattr, sizeof(getattr), NULL) == -EPIPE)
			break;
	}
	cr_expect_lt(count, 400000, "all that is not acknowledged is kept");
	peer_close(&peer);
}

Test(hostile, acknowledgements_of_what_was_not_sent)
{
	struct fuse_getattr_in getattr = { 0 };
	struct peer peer = peer_come(WIRE_RESUME);

	peer.received = 1000000;
	peer_ask(&peer, FUSE_GETATTR, FUSE_ROOT_ID, &getattr, sizeof(getattr));
	must_be_cut(&peer, "an acknowledgement of what was never sent");
}

/* ---- Open files ---- */

struct greedy {
	struct peer peer;
	uint64_t directory;
	uint64_t file;
	atomic_bool over;
	atomic_uint refused;
	atomic_int error;
};

static int open_once(struct greedy *greedy, uint64_t *fh)
{
	struct fuse_open_in open_in = { .flags = O_RDWR };
	const void *answer;
	int err = peer_call(&greedy->peer, FUSE_OPEN, greedy->file, &open_in, sizeof(open_in), &answer);

	if (!err)
		*fh = ((const struct fuse_open_out *)answer)->fh;
	return err;
}

static int release_once(struct greedy *greedy, uint64_t fh)
{
	struct fuse_release_in release = { .fh = fh };

	return peer_call(&greedy->peer, FUSE_RELEASE, greedy->file, &release, sizeof(release), NULL);
}

static void greedy_come(struct greedy *greedy)
{
	put_text(host, "opened", "");
	*greedy = (struct greedy){ .peer = peer_come(0) };
	greedy->directory = peer_directory(&greedy->peer);
	greedy->file = peer_lookup(&greedy->peer, greedy->directory, "opened");
}

/* Open as many as there are, and go on asking. */
static void *open_without_end(void *arg)
{
	struct greedy *greedy = arg;
	uint64_t fh;

	while (!atomic_load(&greedy->over)) {
		int err = open_once(greedy, &fh);
		if (!err)
			continue;
		if (err != -ENFILE)
			atomic_store(&greedy->error, err);
		atomic_fetch_add(&greedy->refused, 1);
	}
	return NULL;
}

/* Directories with files in them, all of which are open at the same time. */
static void copy_a_tree(void)
{
	enum { DIRECTORIES = 20, FILES = 20 };
	static int fds[DIRECTORIES * FILES];
	char name[32], text[32];

	for (int i = 0; i < DIRECTORIES * FILES; i++) {
		snprintf(name, sizeof(name), "d%d", i / FILES);
		if (i % FILES == 0)
			must(mkdirat(mnt, name, 0755));
		snprintf(name, sizeof(name), "d%d/f%d", i / FILES, i);
		fds[i] = (int)must(openat(mnt, name, O_CREAT | O_EXCL | O_RDWR, 0644));
		must(write(fds[i], name, strlen(name)));
	}
	for (int i = 0; i < DIRECTORIES * FILES; i++) {
		snprintf(name, sizeof(name), "d%d/f%d", i / FILES, i);
		ssize_t length = must(pread(fds[i], text, sizeof(text) - 1, 0));
		text[length] = '\0';
		cr_expect_str_eq(text, name);
		must(close(fds[i]));
		must_hold_text(host, name, name);
	}
	must_fail(unlinkat(mnt, "d0", AT_REMOVEDIR), ENOTEMPTY);
}

Test(hostile, one_that_opens_files_without_end)
{
	struct greedy greedy;
	pthread_t thread;

	greedy_come(&greedy);
	cr_assert_eq(pthread_create(&thread, NULL, open_without_end, &greedy), 0);
	cr_expect(eventually(atomic_load(&greedy.refused) > 0), "nothing was refused");
	copy_a_tree();
	others_must_be_fast();
	atomic_store(&greedy.over, true);
	pthread_join(thread, NULL);
	cr_expect_eq(greedy.error, 0, "%d", greedy.error);
	struct peer peer = peer_come(0);
	peer_close(&peer);
	peer_close(&greedy.peer);
}

Test(hostile, one_that_has_opened_all_it_can_is_served_once_it_closes_some)
{
	enum { SOME = 10, MANY = 20000 };
	uint64_t fh, last[SOME];
	struct greedy greedy;
	int count = 0, err;

	greedy_come(&greedy);
	while (!(err = open_once(&greedy, &fh)) && count < MANY)
		last[count++ % SOME] = fh;
	cr_assert_eq(err, -ENFILE, "%d after %d", err, count);
	cr_assert_geq(count, SOME);
	/* What is not open gives nothing back. */
	cr_expect_eq(release_once(&greedy, UINT64_MAX), -EBADF);
	cr_expect_eq(open_once(&greedy, &fh), -ENFILE);
	for (int i = 0; i < SOME; i++)
		cr_expect_eq(release_once(&greedy, last[i]), 0);
	cr_expect_eq(open_once(&greedy, &fh), 0);
	/* And all else goes on: names, attributes, what is open. */
	struct fuse_getattr_in getattr = { 0 };
	cr_expect_eq(peer_call(&greedy.peer, FUSE_GETATTR, greedy.file, &getattr, sizeof(getattr), NULL), 0);
	cr_expect_eq(peer_lookup(&greedy.peer, greedy.directory, "opened"), greedy.file);
	peer_close(&greedy.peer);
}

static int make_and_remove(struct greedy *greedy, int number, uint64_t *nodeid)
{
	struct {
		struct fuse_mknod_in in;
		char name[16];
	} mknod_in = { .in = { .mode = S_IFREG | 0600 } };
	int length = snprintf(mknod_in.name, sizeof(mknod_in.name), "r%d", number) + 1;
	const void *answer;
	int err = peer_call(&greedy->peer, FUSE_MKNOD, greedy->directory, &mknod_in,
			    sizeof(mknod_in.in) + (size_t)length, &answer);

	if (err)
		return err;
	*nodeid = ((const struct fuse_entry_out *)answer)->nodeid;
	return peer_call(&greedy->peer, FUSE_UNLINK, greedy->directory, mknod_in.name, (size_t)length, NULL);
}

/* Each takes a descriptor, as nothing else leads to it any more. */
Test(hostile, one_that_removes_files_without_end_and_forgets_none)
{
	enum { MANY = 20000, SOME = 10 };
	struct greedy greedy;
	uint64_t nodeids[SOME], nodeid;
	int err, count = 0;

	greedy_come(&greedy);
	while (!(err = make_and_remove(&greedy, count, &nodeid)) && count < MANY)
		nodeids[count++ % SOME] = nodeid;
	cr_assert_eq(err, -ENFILE, "%d after %d", err, count);
	cr_assert_geq(count, SOME);
	copy_a_tree();
	for (int i = 0; i < SOME; i++) {
		struct fuse_forget_in forget = { .nlookup = 1 };
		cr_assert(peer_ask(&greedy.peer, FUSE_FORGET, nodeids[i], &forget, sizeof(forget)));
	}
	cr_expect_eq(make_and_remove(&greedy, MANY + 1, &nodeid), 0);
	peer_close(&greedy.peer);
}

/* Whoever removes more than it forgets is waited for; that keeps nobody else waiting. */
Test(hostile, some_that_ask_for_more_than_they_may_have_and_forget_nothing)
{
	enum { CLIENTS = 4, MANY = 20000, ASKED = 50 };
	static struct greedy greedy[CLIENTS];
	uint64_t nodeid, fh;

	for (int i = 0; i < CLIENTS; i++) {
		greedy_come(&greedy[i]);
		int count = 0, err = make_and_remove(&greedy[i], i * MANY, &nodeid);
		while (!err && count++ < MANY)
			err = open_once(&greedy[i], &fh);
		cr_assert_eq(err, -ENFILE, "%d after %d", err, count);
	}
	for (int i = 0; i < CLIENTS * ASKED; i++) {
		struct fuse_open_in open_in = { .flags = O_RDWR };
		cr_assert(peer_ask(&greedy[i % CLIENTS].peer, FUSE_OPEN, greedy[i % CLIENTS].file, &open_in,
				   sizeof(open_in)));
	}
	others_must_be_fast();
	for (int i = 0; i < CLIENTS; i++)
		peer_close(&greedy[i].peer);
}

/* ---- Groups ---- */

Test(hostile, a_set_of_groups_that_was_not_defined)
{
	struct fuse_getattr_in getattr = { 0 };
	struct peer peer = peer_come(0);

	peer.groups = 3;
	peer_ask(&peer, FUSE_GETATTR, FUSE_ROOT_ID, &getattr, sizeof(getattr));
	must_be_cut(&peer, "groups that were not defined");
}

Test(hostile, sets_of_groups_beyond_what_was_agreed)
{
	gid_t *groups = calloc(65537, sizeof(*groups));
	struct peer peer = peer_come(0);

	cr_assert(groups);
	peer_define_groups(&peer, peer.welcome.max_sets + 1, groups, 1);
	must_be_cut(&peer, "a number beyond all");
	peer = peer_come(0);
	peer_define_groups(&peer, 0, groups, 1);
	must_be_cut(&peer, "a set without a number");
	peer = peer_come(0);
	peer_define_groups(&peer, 1, groups, 65537);
	must_be_cut(&peer, "more groups than a process has");
	peer = peer_come(0);
	for (uint32_t i = 1; i <= peer.welcome.max_sets; i++)
		if (!peer_define_groups(&peer, i, groups, 65536))
			break;
	must_be_cut(&peer, "more groups in all than agreed");
	free(groups);
}

Test(hostile, a_count_of_groups_that_does_not_agree_with_the_frame)
{
	static const uint32_t counts[] = { 0, 1, 5, 0x3fffffff, 0xffffffff };

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct peer peer = peer_come(0);
		uint32_t body[2 + 4] = { counts[i] };
		peer_send_frame(&peer, WIRE_GROUPS, 1, body, sizeof(body));
		must_be_cut(&peer, "a count that does not agree");
	}
}

Test(hostile, sets_that_are_replaced_again_and_again)
{
	struct fuse_getattr_in getattr = { 0 };
	gid_t *groups = calloc(60000, sizeof(*groups));
	struct peer peer = peer_come(0);

	cr_assert(groups);
	peer.groups = 1;
	for (int i = 0; i < 300; i++) {
		cr_assert(peer_define_groups(&peer, 1, groups, 60000));
		cr_assert_eq(peer_call(&peer, FUSE_GETATTR, FUSE_ROOT_ID, &getattr, sizeof(getattr), NULL), 0);
	}
	peer_close(&peer);
	free(groups);
}
