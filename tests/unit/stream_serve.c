// SPDX-License-Identifier: BSD-3-Clause
/* The serving side of a stream, as a client sees it that speaks frames by hand. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "streaming.h"

static void start(void)
{
	streaming_start(NULL);
}

TestSuite(stream_serve, .timeout = 60, .init = start, .fini = streaming_stop);
TestSuite(stream_terms, .timeout = 60, .fini = streaming_stop);

static const uint64_t resume = FEATURE_RESUME;

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- Beginning and ending ---- */

Test(stream_serve, requests_are_answered)
{
	struct hand hand = { 0 };

	cr_assert_eq(hand_greet(&hand, 0, 0), 0);
	hand_init(&hand);
	hand_lookup(&hand, 0, 4, "file");
	hand_lookup(&hand, 0, 6, "absent");
	cr_expect_eq(hand_answer(&hand, 4), 0);
	cr_expect_eq(hand_answer(&hand, 6), -ENOENT);
	close(hand.fd);
	await(&streaming.destroyed, 1);
	await(&streaming.closed, 1);
}

Test(stream_serve, a_goodbye_ends_the_session_at_once)
{
	struct hand hand = { 0 };
	struct frame_bye bye = { 0 };

	cr_assert_eq(hand_greet(&hand, resume, 0), 0);
	hand_init(&hand);
	hand_send(&hand, FRAME_BYE, 0, &bye, sizeof(bye));
	await(&streaming.closed, 1);
	hand_must_be_cut_off(&hand);
}

Test(stream_serve, a_session_that_nobody_knows_is_refused)
{
	struct hand hand = { .token = "0123456789abcde" };

	cr_expect_eq(hand_greet(&hand, resume, 0), -ESTALE);
	hand_must_be_cut_off(&hand);
}

Test(stream_serve, connections_of_one_session_share_its_file_system)
{
	struct hand first = { 0 };

	cr_assert_eq(hand_greet(&first, 0, 0), 0);
	struct hand second = first, again = first, beyond = first;
	hand_init(&first);
	cr_assert_eq(hand_greet(&second, 0, 1), 0);
	hand_lookup(&second, 0, 4, "file");
	cr_expect_eq(hand_answer(&second, 4), 0);
	cr_expect_eq(atomic_load(&streaming.opened), 1);

	cr_expect_eq(hand_greet(&again, 0, 1), -EBUSY, "a channel has one connection");
	cr_expect_eq(hand_greet(&beyond, 0, 16), -ECHRNG);
	hand_must_be_cut_off(&again);
	hand_must_be_cut_off(&beyond);
	close(second.fd);
	await(&streaming.closed, 1);
	hand_must_be_cut_off(&first);
}

Test(stream_serve, sessions_have_file_systems_of_their_own)
{
	struct hand first = { 0 }, second = { 0 };

	cr_assert_eq(hand_greet(&first, 0, 0), 0);
	cr_assert_eq(hand_greet(&second, 0, 0), 0);
	cr_expect_eq(atomic_load(&streaming.opened), 2);
	cr_expect_neq(memcmp(first.token, second.token, TOKEN_SIZE), 0);
	hand_init(&first);
	hand_lookup(&second, 0, 4, "file");
	cr_expect_eq(hand_answer(&second, 4), -ENOTCONN, "the other's INIT is not this one's");
	close(first.fd);
	close(second.fd);
}

Test(stream_serve, descriptors_that_cannot_be_waited_for_are_refused)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	cr_expect_eq(fsb_stream_serve_add(streaming.serve, fd, fd), -EINVAL);
	cr_expect_eq(fcntl(fd, F_GETFD), -1, "it is closed in any case");
}

Test(stream_serve, a_pair_of_pipes_does_as_well)
{
	struct frame_hello hello = { .magic = FRAME_MAGIC,
				     .version = 1,
				     .max_message = MESSAGE_MOST };
	struct frame_header header = frame_make(FRAME_HELLO, sizeof(hello));
	uint8_t answer[104];
	int to[2], from[2];

	cr_assert_eq(pipe2(to, O_CLOEXEC), 0);
	cr_assert_eq(pipe2(from, O_CLOEXEC), 0);
	cr_assert_eq(fsb_stream_serve_add(streaming.serve, to[0], from[1]), 0);
	cr_assert_eq(write(to[1], &header, sizeof(header)), sizeof(header));
	cr_assert_eq(write(to[1], &hello, sizeof(hello)), sizeof(hello));
	for (size_t have = 0; have < sizeof(answer);) {
		ssize_t step = read(from[0], answer + have, sizeof(answer) - have);
		cr_assert_gt(step, 0);
		have += (size_t)step;
	}
	cr_expect_eq(((struct frame_header *)answer)->type, FRAME_WELCOME);
	close(to[1]);
	cr_expect_eq(read(from[0], answer, 1), 0);
	close(from[0]);
	await(&streaming.closed, 1);
}

/* ---- Groups ---- */

static void send_groups(struct hand *hand, uint32_t id, uint32_t count, uint32_t first)
{
	struct {
		struct frame_groups fixed;
		uint32_t ids[16];
	} groups = { .fixed.count = count };

	for (uint32_t i = 0; i < count; i++)
		groups.ids[i] = first + i;
	hand_send(hand, FRAME_GROUPS, id, &groups, sizeof(groups.fixed) + count * 4);
}

Test(stream_serve, each_request_has_the_groups_that_it_names)
{
	struct hand hand = { 0 };

	cr_assert_eq(hand_greet(&hand, 0, 0), 0);
	hand_init(&hand);
	send_groups(&hand, 1, 3, 500);
	send_groups(&hand, 2, 0, 0);
	hand_lookup(&hand, 1, 4, "file");
	hand_answer(&hand, 4);
	cr_expect_eq(atomic_load(&streaming.ngroups), 3);
	cr_expect_eq(atomic_load(&streaming.last_group), 502);
	hand_lookup(&hand, 2, 6, "file");
	hand_answer(&hand, 6);
	cr_expect_eq(atomic_load(&streaming.ngroups), 0, "known, and none");
	hand_lookup(&hand, 0, 8, "file");
	hand_answer(&hand, 8);
	cr_expect_eq(atomic_load(&streaming.ngroups), UINT32_MAX, "unknown");
	send_groups(&hand, 1, 1, 700);
	hand_lookup(&hand, 1, 10, "file");
	hand_answer(&hand, 10);
	cr_expect_eq(atomic_load(&streaming.last_group), 700, "the number has another meaning");
	close(hand.fd);
}

static const struct fsb_stream_ids some_uids[] = { { 1000, 10 }, { 2000, 1 } };
static const struct fsb_stream_ids some_gids[] = { { 100, 1 }, { 500, 3 } };

static int limit(void *opaque, const struct fsb_stream_peer *peer, struct fsb_stream_terms *terms)
{
	(void)opaque;
	cr_assert_eq(peer->kind, FSB_STREAM_UNIX);
	cr_assert_eq(peer->uid, geteuid());
	cr_assert_eq(peer->pid, getpid());
	terms->uids = some_uids;
	terms->nuids = 2;
	terms->gids = some_gids;
	terms->ngids = 2;
	return 0;
}

static void set_limits(struct fsb_stream_serve_config *config)
{
	config->admit = limit;
}

Test(stream_terms, whoever_a_client_must_not_speak_for_is_refused_and_nobody_else)
{
	struct hand hand = { 0 };
	struct fuse_in_header root = { .len = sizeof(root) + 5,
				       .opcode = FUSE_LOOKUP,
				       .unique = 8 };
	struct fuse_in_header forget = { .len = sizeof(forget) + 8, .opcode = FUSE_FORGET };
	uint8_t message[sizeof(root) + 8] = { 0 };

	streaming_start(set_limits);
	cr_assert_eq(hand_greet(&hand, 0, 0), 0);
	hand_init(&hand);
	send_groups(&hand, 1, 3, 500);
	send_groups(&hand, 2, 4, 500);
	hand_lookup(&hand, 1, 4, "file");
	cr_expect_eq(hand_answer(&hand, 4), 0);
	hand_lookup(&hand, 2, 6, "1");
	cr_expect_eq(hand_answer(&hand, 6), -EPERM, "one of its groups is not allowed");
	memcpy(message, &root, sizeof(root));
	memcpy(message + sizeof(root), "2222", 5);
	hand_send(&hand, FRAME_REQUEST, 0, message, root.len);
	cr_expect_eq(hand_answer(&hand, 8), -EPERM, "root is not allowed");
	/* Nobody asks for it. */
	memcpy(message, &forget, sizeof(forget));
	*(uint64_t *)(void *)(message + sizeof(forget)) = 1;
	hand_send(&hand, FRAME_REQUEST, 0, message, forget.len);
	hand_lookup(&hand, 1, 10, "file");
	cr_expect_eq(hand_answer(&hand, 10), 0);
	cr_expect_eq(atomic_load(&streaming.runs[1]), 0);
	cr_expect_eq(atomic_load(&streaming.runs[2222]), 0);
	cr_expect_eq(atomic_load(&streaming.runs[0]), 1000, "the FORGET was heard");
	close(hand.fd);
}

static int admit_nobody(void *opaque, const struct fsb_stream_peer *peer,
			struct fsb_stream_terms *terms)
{
	(void)opaque;
	(void)peer;
	(void)terms;
	return -EPERM;
}

static void let_nobody_in(struct fsb_stream_serve_config *config)
{
	config->admit = admit_nobody;
}

Test(stream_terms, a_peer_that_may_not_come_is_told_so)
{
	struct hand hand = { 0 };

	streaming_start(let_nobody_in);
	cr_expect_eq(hand_greet(&hand, 0, 0), -EPERM);
	hand_must_be_cut_off(&hand);
	cr_expect_eq(atomic_load(&streaming.opened), 0);
}

static void one_session(struct fsb_stream_serve_config *config)
{
	config->max_sessions = 1;
}

Test(stream_terms, one_client_too_many_is_told_to_come_back_later)
{
	struct hand first = { 0 }, second = { 0 };

	streaming_start(one_session);
	cr_assert_eq(hand_greet(&first, 0, 0), 0);
	cr_expect_eq(hand_greet(&second, 0, 0), -EAGAIN);
	close(second.fd);
	close(first.fd);
	await(&streaming.closed, 1);
	struct hand third = { 0 };
	cr_expect_eq(hand_greet(&third, 0, 0), 0);
	close(third.fd);
}

Test(stream_terms, a_client_that_is_away_makes_room_for_one_that_comes)
{
	struct hand away = { 0 }, here = { 0 };

	streaming_start(one_session);
	cr_assert_eq(hand_greet(&away, resume, 0), 0);
	hand_init(&away);
	close(away.fd);
	int err = -EAGAIN;
	for (int i = 0; i < 200 && err == -EAGAIN; i++) {
		struct timespec pause = { 0, 10 * 1000 * 1000 };
		nanosleep(&pause, NULL);
		memset(&here, 0, sizeof(here));
		err = hand_greet(&here, resume, 0);
		if (err)
			close(here.fd);
	}
	cr_expect_eq(err, 0);
	cr_expect_eq(atomic_load(&streaming.opened), 2);
	struct hand back = away;
	cr_expect_eq(hand_greet(&back, resume, 0), -ESTALE, "its session is gone");
	close(back.fd);
	close(here.fd);
}

Test(stream_terms, a_group_within_a_message_is_looked_at_as_well)
{
	struct {
		struct fuse_mkdir_in in;
		char name[5];
		struct fuse_ext_header header;
		uint32_t nr_groups; /* struct fuse_supp_groups */
		uint32_t group;
	} __attribute__((packed)) body = {
		.in = { .mode = 0755 },
		.name = "made",
		.header = { .size = 16, .type = FUSE_EXT_GROUPS },
		.nr_groups = 1,
	};
	struct hand hand = { 0 };
	struct fuse_init_in init = { .major = 7,
				     .minor = 45,
				     .flags = FUSE_INIT_EXT,
				     .flags2 = (uint32_t)(FUSE_CREATE_SUPP_GROUP >> 32) };

	streaming_start(set_limits);
	cr_assert_eq(hand_greet(&hand, 0, 0), 0);
	hand_ask(&hand, 0, FUSE_INIT, 2, &init, sizeof(init));
	cr_assert_eq(hand_answer(&hand, 2), 0);
	static const uint32_t groups[] = { 501, 50 };
	static const int errors[] = { -ENOSYS, -EPERM }; /* this file system has no mkdir */
	for (int i = 0; i < 2; i++) {
		struct fuse_in_header header = { .len = sizeof(header) + sizeof(body),
						 .opcode = FUSE_MKDIR,
						 .unique = 4,
						 .nodeid = 1,
						 .uid = 1000,
						 .gid = 100,
						 .total_extlen = 2 };
		uint8_t message[sizeof(header) + sizeof(body)];
		body.group = groups[i];
		memcpy(message, &header, sizeof(header));
		memcpy(message + sizeof(header), &body, sizeof(body));
		hand_send(&hand, FRAME_REQUEST, 0, message, sizeof(message));
		cr_expect_eq(hand_answer(&hand, 4), errors[i]);
	}
	close(hand.fd);
}

/* ---- Lost connections ---- */

static void lose(struct hand *hand)
{
	close(hand->fd);
}

Test(stream_serve, an_answer_that_was_not_received_comes_again_and_runs_once)
{
	struct hand hand = { 0 };

	cr_assert_eq(hand_greet(&hand, resume, 0), 0);
	hand_init(&hand);
	hand_lookup(&hand, 0, 4, "4");
	hand_lookup(&hand, 0, 6, "6");
	cr_assert_eq(hand_answer(&hand, 4), 0);
	await(&streaming.runs[6], 1);
	lose(&hand);
	cr_assert_eq(hand_greet(&hand, resume, 0), 0);
	cr_expect_eq(hand.welcome.received, 3, "INIT and both lookups had arrived");
	cr_expect_eq(hand_answer(&hand, 6), 0);
	cr_expect_eq(atomic_load(&streaming.runs[4]), 1);
	cr_expect_eq(atomic_load(&streaming.runs[6]), 1);
	hand_lookup(&hand, 0, 8, "8");
	cr_expect_eq(hand_answer(&hand, 8), 0);
	cr_expect_eq(atomic_load(&streaming.opened), 1);
	close(hand.fd);
}

Test(stream_serve, a_frame_that_was_cut_never_ran)
{
	struct hand hand = { 0 };
	struct frame_header header = frame_make(FRAME_REQUEST, sizeof(struct fuse_in_header) + 3);

	cr_assert_eq(hand_greet(&hand, resume, 0), 0);
	hand_init(&hand);
	cr_assert_eq(send(hand.fd, &header, sizeof(header), 0), sizeof(header));
	lose(&hand);
	cr_assert_eq(hand_greet(&hand, resume, 0), 0);
	cr_expect_eq(hand.welcome.received, 1);
	hand_lookup(&hand, 0, 4, "44");
	cr_expect_eq(hand_answer(&hand, 4), 0);
	cr_expect_eq(atomic_load(&streaming.runs[44]), 1);
	close(hand.fd);
}

Test(stream_serve, what_was_read_is_not_kept_but_asked_for_again)
{
	struct hand hand = { 0 };
	struct fuse_read_in in = { .size = 4096, .offset = 5 };
	uint8_t body[4096];

	cr_assert_eq(hand_greet(&hand, resume, 0), 0);
	hand_init(&hand);
	hand_ask(&hand, 0, FUSE_READ, 4, &in, sizeof(in));
	/* It is on its way, but will not be received. */
	cr_assert_eq(recv(hand.fd, body, 1, MSG_PEEK), 1);
	lose(&hand);
	cr_assert_eq(hand_greet(&hand, resume, 0), 0);
	cr_assert_eq(hand_receive(&hand, body), FRAME_AGAIN);
	cr_expect_eq(((struct frame_again *)(void *)body)->unique, 4);
	hand_ask(&hand, 0, FUSE_READ, 4, &in, sizeof(in));
	cr_expect_eq(hand_answer(&hand, 4), 0);
	close(hand.fd);
}

Test(stream_serve, an_answer_of_the_meantime_waits_for_its_client)
{
	struct hand hand = { 0 };

	cr_assert_eq(hand_greet(&hand, resume, 0), 0);
	hand_init(&hand);
	hand_lookup(&hand, 0, 4, "late");
	await(&streaming.nlate, 1);
	lose(&hand);
	late_release();
	cr_assert_eq(hand_greet(&hand, resume, 0), 0);
	cr_expect_eq(hand_answer(&hand, 4), 0);
	hand_lookup(&hand, 0, 6, "late");
	await(&streaming.nlate, 1);
	lose(&hand);
	cr_assert_eq(hand_greet(&hand, resume, 0), 0);
	late_release();
	cr_expect_eq(hand_answer(&hand, 6), 0, "also when it comes after the client");
	close(hand.fd);
}

Test(stream_serve, groups_outlive_their_connection)
{
	struct hand hand = { 0 };

	cr_assert_eq(hand_greet(&hand, resume, 0), 0);
	hand_init(&hand);
	send_groups(&hand, 9, 2, 40);
	hand_lookup(&hand, 9, 4, "file");
	cr_assert_eq(hand_answer(&hand, 4), 0);
	lose(&hand);
	cr_assert_eq(hand_greet(&hand, resume, 0), 0);
	hand_lookup(&hand, 9, 6, "file");
	cr_expect_eq(hand_answer(&hand, 6), 0);
	cr_expect_eq(atomic_load(&streaming.last_group), 41);
	close(hand.fd);
}

Test(stream_serve, a_client_that_claims_to_have_more_than_was_sent_is_refused)
{
	struct hand hand = { 0 };

	cr_assert_eq(hand_greet(&hand, resume, 0), 0);
	hand_init(&hand);
	lose(&hand);
	hand.received += 5;
	cr_expect_eq(hand_greet(&hand, resume, 0), -EPROTO);
	hand_must_be_cut_off(&hand);
	hand.received -= 5;
	cr_expect_eq(hand_greet(&hand, resume, 0), 0);
	close(hand.fd);
}

Test(stream_serve, a_newer_connection_of_a_channel_takes_the_place_of_the_older)
{
	struct hand older = { 0 };

	cr_assert_eq(hand_greet(&older, resume, 0), 0);
	hand_init(&older);
	struct hand newer = older;
	cr_assert_eq(hand_greet(&newer, resume, 0), 0);
	hand_lookup(&newer, 0, 4, "file");
	cr_expect_eq(hand_answer(&newer, 4), 0);
	hand_must_be_cut_off(&older);
	close(newer.fd);
}

Test(stream_serve, notifications_are_kept_as_well)
{
	struct hand hand = { 0 };
	uint8_t body[4096];

	cr_assert_eq(hand_greet(&hand, resume, 0), 0);
	hand_init(&hand);
	struct fsb_server *server = atomic_load(&streaming.server);
	cr_expect_eq(fsb_server_notify_inval_inode(server, 7, 0, 0), 0);
	cr_assert_eq(hand_receive(&hand, body), FRAME_NOTIFY);
	lose(&hand);
	cr_expect_eq(fsb_server_notify_inval_inode(server, 8, 0, 0), 0);
	cr_assert_eq(hand_greet(&hand, resume, 0), 0);
	cr_assert_eq(hand_receive(&hand, body), FRAME_NOTIFY);
	cr_expect_eq(((struct fuse_notify_inval_inode_out *)(void *)(body + 16))->ino, 8);
	close(hand.fd);
}

static void short_grace(struct fsb_stream_serve_config *config)
{
	config->grace_s = 1;
}

Test(stream_terms, a_client_that_stays_away_for_too_long_has_lost_its_session)
{
	struct hand hand = { 0 };

	streaming_start(short_grace);
	cr_assert_eq(hand_greet(&hand, resume, 0), 0);
	cr_expect_eq(hand.welcome.grace_s, 1);
	hand_init(&hand);
	hand_lookup(&hand, 0, 4, "late");
	await(&streaming.nlate, 1);
	lose(&hand);
	await(&streaming.closed, 1);
	cr_expect_eq(hand_greet(&hand, resume, 0), -ESTALE);
	close(hand.fd);
}

static void no_grace(struct fsb_stream_serve_config *config)
{
	config->grace_s = 0;
}

Test(stream_terms, a_server_need_not_keep_sessions)
{
	struct hand hand = { 0 };

	streaming_start(no_grace);
	cr_assert_eq(hand_greet(&hand, resume, 0), 0);
	cr_expect_eq(hand.welcome.features, 0);
	close(hand.fd);
	await(&streaming.closed, 1);
}

/* ---- Time ---- */

Test(stream_serve, work_that_takes_long_does_not_hold_up_what_comes_behind)
{
	struct hand hand = { 0 };

	cr_assert_eq(hand_greet(&hand, 0, 0), 0);
	hand_init(&hand);
	uint64_t begun = now_ms();
	hand_lookup(&hand, 0, 4, "slow");
	hand_lookup(&hand, 0, 6, "file");
	cr_expect_eq(hand_answer(&hand, 6), 0, "in the same segment");
	cr_expect_lt(now_ms() - begun, 1200);
	hand_lookup(&hand, 0, 8, "file");
	cr_expect_eq(hand_answer(&hand, 8), 0, "read later");
	cr_expect_lt(now_ms() - begun, 1300);
	cr_expect_eq(hand_answer(&hand, 4), 0);
	close(hand.fd);
}

Test(stream_serve, much_work_that_takes_long_leaves_threads_to_others_and_is_done_in_turn)
{
	struct hand slow = { 0 }, other = { 0 };

	cr_assert_eq(hand_greet(&slow, 0, 0), 0);
	cr_assert_eq(hand_greet(&other, 0, 0), 0);
	hand_init(&slow);
	hand_init(&other);
	for (uint64_t i = 0; i < 6; i++)
		hand_lookup(&slow, 0, 10 + 2 * i, "slow");
	uint64_t begun = now_ms();
	for (int i = 0; i < 20; i++) {
		hand_lookup(&other, 0, 4, "file");
		cr_assert_eq(hand_answer(&other, 4), 0);
	}
	cr_expect_lt(now_ms() - begun, 1400);
	uint8_t body[4096];
	for (int i = 0; i < 6; i++)
		cr_expect_eq(hand_receive(&slow, body), FRAME_REPLY);
	close(slow.fd);
	close(other.fd);
}

static void hasty(struct fsb_stream_serve_config *config)
{
	config->stall_s = 1;
	config->idle_s = 1;
}

Test(stream_terms, half_a_hello_half_a_frame_and_silence_end_a_connection)
{
	struct frame_header header = frame_make(FRAME_REQUEST, 40);
	struct hand mute = { 0 }, half = { 0 }, silent = { 0 };

	streaming_start(hasty);
	mute.fd = hand_connect();
	cr_assert_eq(send(mute.fd, &header, 5, 0), 5);
	cr_assert_eq(hand_greet(&half, 0, 0), 0);
	cr_assert_eq(send(half.fd, &header, sizeof(header), 0), sizeof(header));
	cr_assert_eq(hand_greet(&silent, 0, 0), 0);
	hand_must_be_cut_off(&mute);
	hand_must_be_cut_off(&half);
	hand_must_be_cut_off(&silent); /* which gets a PING first */
	await(&streaming.closed, 2);
}

Test(stream_terms, a_client_that_takes_no_answers_is_cut_off_and_others_go_on)
{
	struct hand deaf = { 0 }, other = { 0 };
	struct fuse_read_in in = { .size = 1024 * 1024 };

	streaming_start(hasty);
	cr_assert_eq(hand_greet(&deaf, 0, 0), 0);
	cr_assert_eq(hand_greet(&other, 0, 0), 0);
	hand_init(&deaf);
	hand_init(&other);
	fcntl(deaf.fd, F_SETFL, O_NONBLOCK);
	for (uint64_t i = 0; i < 200; i++)
		hand_ask(&deaf, 0, FUSE_READ, 100 + 2 * i, &in, sizeof(in));
	for (uint64_t begun = now_ms(); now_ms() - begun < 1500;) {
		uint64_t asked = now_ms();
		hand_lookup(&other, 0, 4, "file");
		cr_assert_eq(hand_answer(&other, 4), 0);
		cr_assert_lt(now_ms() - asked, 900);
	}
	struct fsb_stream_usage usage;
	fsb_stream_serve_usage(streaming.serve, &usage);
	cr_expect_lt(usage.requests, 20, "%llu are held", (unsigned long long)usage.requests);
	await(&streaming.closed, 1);
	close(deaf.fd);
	close(other.fd);
}

/* ---- Breaking the rules ---- */

static void few_requests(struct fsb_stream_serve_config *config)
{
	config->max_requests = 4;
}

Test(stream_terms, more_requests_than_agreed_cut_a_client_off)
{
	struct hand hand = { 0 };

	streaming_start(few_requests);
	cr_assert_eq(hand_greet(&hand, 0, 0), 0);
	cr_expect_eq(hand.welcome.max_requests, 4);
	hand_init(&hand);
	for (uint64_t i = 0; i < 5; i++)
		hand_lookup(&hand, 0, 4 + 2 * i, "late");
	hand_must_be_cut_off(&hand);
	await(&streaming.closed, 1);
}

static void break_rule(struct hand *hand, unsigned int rule)
{
	struct frame_header header = frame_make(FRAME_REQUEST, 40);
	struct fuse_in_header request = { .len = 39, .opcode = FUSE_GETATTR, .unique = 4 };
	uint64_t zeroes[16] = { 0 };

	switch (rule) {
	case 0: /* a type of the server's */
		hand_send(hand, FRAME_REPLY, 0, zeroes, 16);
		break;
	case 1: /* no type */
		hand_send(hand, 99, 0, zeroes, 16);
		break;
	case 2: /* hello once more */
		hand_send(hand, FRAME_HELLO, 0, zeroes, 56);
		break;
	case 3: /* longer than agreed */
		header.length = 16 * 1024 * 1024;
		send(hand->fd, &header, sizeof(header), MSG_NOSIGNAL);
		break;
	case 4: /* shorter than a header */
		header.length = 8;
		send(hand->fd, &header, sizeof(header), MSG_NOSIGNAL);
		break;
	case 5: /* a message that says another length */
		hand_send(hand, FRAME_REQUEST, 0, &request, sizeof(request));
		break;
	case 6: /* a set that was not defined */
		request.len = 40;
		hand_send(hand, FRAME_REQUEST, 7, &request, sizeof(request));
		break;
	case 7: /* a set beyond the last */
		hand_send(hand, FRAME_GROUPS, 257, zeroes, 8);
		break;
	case 8: /* more groups than there are */
		zeroes[0] = 1000;
		hand_send(hand, FRAME_GROUPS, 1, zeroes, 16);
		break;
	case 9: /* bits that mean nothing */
		header.flags = 1;
		send(hand->fd, &header, sizeof(header), MSG_NOSIGNAL);
		break;
	default: /* acknowledging what was not sent */
		hand->received += 100;
		hand_send(hand, FRAME_ACK, 0, NULL, 0);
	}
}

Test(stream_serve, whoever_breaks_a_rule_loses_its_connection_and_nobody_else)
{
	struct hand honest = { 0 };

	cr_assert_eq(hand_greet(&honest, 0, 0), 0);
	hand_init(&honest);
	for (unsigned int rule = 0; rule <= 10; rule++) {
		struct hand hostile = { 0 };
		cr_assert_eq(hand_greet(&hostile, resume, 0), 0);
		hand_init(&hostile);
		break_rule(&hostile, rule);
		hand_must_be_cut_off(&hostile);
		hand_lookup(&honest, 0, 4, "file");
		cr_expect_eq(hand_answer(&honest, 4), 0, "after rule %u", rule);
	}
	close(honest.fd);
}

Test(stream_serve, a_request_whose_id_is_in_use_is_answered_like_any_other)
{
	struct hand hand = { 0 };

	cr_assert_eq(hand_greet(&hand, 0, 0), 0);
	hand_init(&hand);
	hand_lookup(&hand, 0, 4, "late");
	hand_lookup(&hand, 0, 4, "late");
	await(&streaming.nlate, 2);
	late_release();
	cr_expect_eq(hand_answer(&hand, 4), 0);
	cr_expect_eq(hand_answer(&hand, 4), 0);
	close(hand.fd);
}

Test(stream_serve, noise_instead_of_a_hello_does_no_harm)
{
	struct hand honest = { 0 };

	srandom(3);
	cr_assert_eq(hand_greet(&honest, 0, 0), 0);
	hand_init(&honest);
	for (int round = 0; round < 300; round++) {
		uint8_t noise[256];
		struct hand noisy = { .fd = hand_connect() };
		size_t length = (size_t)(random() % 256);
		for (size_t i = 0; i < length; i++)
			noise[i] = (uint8_t)random();
		if (round % 3 == 0 && length >= 16) {
			struct frame_header header = frame_make(FRAME_HELLO, 56);
			memcpy(noise, &header, sizeof(header));
		}
		send(noisy.fd, noise, length, MSG_NOSIGNAL);
		close(noisy.fd);
	}
	hand_lookup(&honest, 0, 4, "file");
	cr_expect_eq(hand_answer(&honest, 4), 0);
	close(honest.fd);
}

Test(stream_serve, those_who_do_not_say_hello_do_not_keep_others_out)
{
	int mute[200];
	struct hand hand = { 0 };

	for (int i = 0; i < 200; i++)
		mute[i] = hand_connect();
	cr_expect_eq(hand_greet(&hand, 0, 0), 0);
	for (int i = 0; i < 200; i++)
		close(mute[i]);
	close(hand.fd);
}
