// SPDX-License-Identifier: BSD-3-Clause
/*
 * The parts of the stream transport that have a contract of their own: frames and what is checked
 * of them, the bytes of a connection, sets of groups, what is kept to be sent again, what is
 * unanswered.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fsbackend/fuse_wire.h>

#include "transport/stream/frame.h"
#include "transport/stream/groups.h"
#include "transport/stream/link.h"
#include "transport/stream/pending.h"
#include "transport/stream/retained.h"

/* ---- Frames ---- */

enum { TYPES = FRAME_BYE + 1, HEADER = sizeof(struct frame_header) };

static int check(enum frame_type type, uint32_t length, bool from_client)
{
	struct frame_header header = { .length = length, .type = (uint8_t)type };

	if (type == FRAME_GROUPS)
		header.groups = 1;
	return frame_check(&header, from_client, MESSAGE_MOST);
}

Test(stream_frame, each_type_is_taken_from_those_who_may_send_it_alone)
{
	static const bool client[TYPES] = {
		[FRAME_HELLO] = true, [FRAME_GROUPS] = true, [FRAME_REQUEST] = true,
		[FRAME_ACK] = true,   [FRAME_PING] = true,   [FRAME_PONG] = true,
		[FRAME_BYE] = true
	};
	static const bool server[TYPES] = {
		[FRAME_WELCOME] = true, [FRAME_REPLY] = true, [FRAME_NOTIFY] = true,
		[FRAME_AGAIN] = true,   [FRAME_ACK] = true,   [FRAME_PING] = true,
		[FRAME_PONG] = true,    [FRAME_BYE] = true
	};
	static const uint32_t bodies[TYPES] = {
		[FRAME_HELLO] = 56, [FRAME_WELCOME] = 88, [FRAME_GROUPS] = 8, [FRAME_REQUEST] = 40,
		[FRAME_REPLY] = 16, [FRAME_NOTIFY] = 16,  [FRAME_AGAIN] = 8,  [FRAME_BYE] = 8
	};

	for (int type = 0; type < 256; type++) {
		uint32_t length = HEADER + (type < TYPES ? bodies[type] : 0);
		bool known = type < TYPES;
		cr_expect_eq(check(type, length, true), known && client[type] ? 0 : -EPROTO,
			     "type %d of a client", type);
		cr_expect_eq(check(type, length, false), known && server[type] ? 0 : -EPROTO,
			     "type %d of a server", type);
	}
}

Test(stream_frame, every_length_but_those_that_a_type_can_have_is_refused)
{
	for (uint32_t length = 0; length < 200; length++) {
		bool whole = length % 8 == 0;
		cr_expect_eq(check(FRAME_HELLO, length, true), length == 72 ? 0 : -EPROTO);
		cr_expect_eq(check(FRAME_WELCOME, length, false), length == 104 ? 0 : -EPROTO);
		cr_expect_eq(check(FRAME_ACK, length, true), length == 16 ? 0 : -EPROTO);
		cr_expect_eq(check(FRAME_AGAIN, length, false), length == 24 ? 0 : -EPROTO);
		cr_expect_eq(check(FRAME_REQUEST, length, true),
			     whole && length >= 56 ? 0 : -EPROTO);
		cr_expect_eq(check(FRAME_REPLY, length, false),
			     whole && length >= 32 ? 0 : -EPROTO);
		cr_expect_eq(check(FRAME_GROUPS, length, true),
			     whole && length >= 24 ? 0 : -EPROTO);
	}
}

Test(stream_frame, a_message_may_be_as_long_as_agreed_and_no_longer)
{
	cr_expect_eq(check(FRAME_REQUEST, HEADER + MESSAGE_MOST, true), 0);
	cr_expect_eq(check(FRAME_REQUEST, HEADER + MESSAGE_MOST + 8, true), -EMSGSIZE);
	cr_expect_eq(check(FRAME_REPLY, HEADER + MESSAGE_MOST + 8, false), -EMSGSIZE);
	cr_expect_eq(check(FRAME_GROUPS, UINT32_MAX - 7, true), -EMSGSIZE);
	cr_expect_eq(check(FRAME_REQUEST, UINT32_MAX - 7, true), -EMSGSIZE);
	cr_expect_eq(check(FRAME_HELLO, UINT32_MAX - 7, true), -EPROTO);
}

Test(stream_frame, bits_that_mean_nothing_are_refused)
{
	struct frame_header header = frame_make(FRAME_REQUEST, 40);

	cr_expect_eq(frame_check(&header, true, MESSAGE_MOST), 0);
	header.flags = 1;
	cr_expect_eq(frame_check(&header, true, MESSAGE_MOST), -EPROTO);
	header.flags = 0;
	header.reserved = 0x100;
	cr_expect_eq(frame_check(&header, true, MESSAGE_MOST), -EPROTO);

	header = frame_make(FRAME_PING, 0);
	header.groups = 1;
	cr_expect_eq(frame_check(&header, true, MESSAGE_MOST), -EPROTO);
	header = frame_make(FRAME_GROUPS, 8);
	cr_expect_eq(frame_check(&header, true, MESSAGE_MOST), -EPROTO, "set 0 is no set");
}

Test(stream_frame, a_set_has_as_many_groups_as_its_body)
{
	for (uint32_t count = 0; count < 10; count++)
		for (size_t length = 8; length < 64; length += 8) {
			struct frame_groups groups = { .count = count };
			bool fits = length == 8 + frame_pad(count * 4);
			cr_expect_eq(frame_check_groups(&groups, length), fits ? 0 : -EPROTO,
				     "%u groups in %zu bytes", count, length);
		}
	cr_expect_eq(frame_check_groups(&(struct frame_groups){ .count = UINT32_MAX }, 8), -EPROTO);
	cr_expect_eq(frame_check_groups(&(struct frame_groups){ .reserved = 1 }, 8), -EPROTO);
}

Test(stream_frame, a_message_fills_its_body)
{
	for (uint32_t length = 0; length < 100; length++)
		for (size_t body = 40; body < 100; body += 8) {
			bool fits = length >= 40 && length <= body && body - length < 8;
			cr_expect_eq(frame_check_message(length, body, 40), fits ? 0 : -EPROTO);
		}
	cr_expect_eq(frame_check_message(UINT32_MAX, 40, 40), -EPROTO);
}

static struct frame_hello good_hello(void)
{
	return (struct frame_hello){ .magic = FRAME_MAGIC,
				     .version = FRAME_VERSION,
				     .max_message = MESSAGE_MOST };
}

static struct frame_welcome good_welcome(void)
{
	return (struct frame_welcome){ .magic = FRAME_MAGIC,
				       .version = FRAME_VERSION,
				       .max_message = MESSAGE_MOST,
				       .channels = 1,
				       .max_requests = 1,
				       .idle_s = 1 };
}

Test(stream_frame, a_hello_of_another_protocol_or_byte_order_is_refused)
{
	struct frame_hello hello = good_hello();

	cr_expect_eq(frame_check_hello(&hello), 0);
	hello.version = FRAME_VERSION + 1;
	cr_expect_eq(frame_check_hello(&hello), 0, "a newer client can speak this version, too");
	hello.version = 0;
	cr_expect_eq(frame_check_hello(&hello), -EPROTO);
	hello = good_hello();
	hello.magic = __builtin_bswap32(FRAME_MAGIC);
	cr_expect_eq(frame_check_hello(&hello), -EPROTONOSUPPORT);
	hello.magic = 0x5353485f;
	cr_expect_eq(frame_check_hello(&hello), -EPROTO);
	hello = good_hello();
	hello.max_message = MESSAGE_LEAST - 1;
	cr_expect_eq(frame_check_hello(&hello), -EPROTO);
}

Test(stream_frame, a_welcome_tells_its_error_or_sensible_limits)
{
	struct frame_welcome welcome = good_welcome();

	cr_expect_eq(frame_check_welcome(&welcome), 0);
	welcome.error = -EPERM;
	cr_expect_eq(frame_check_welcome(&welcome), -EPERM);
	welcome.error = 5;
	cr_expect_eq(frame_check_welcome(&welcome), -EPROTO);
	welcome.error = INT32_MIN;
	cr_expect_eq(frame_check_welcome(&welcome), -EPROTO);

	welcome = good_welcome();
	welcome.version = FRAME_VERSION + 1;
	cr_expect_eq(frame_check_welcome(&welcome), -EPROTONOSUPPORT);
	for (int i = 0; i < 4; i++) {
		welcome = good_welcome();
		*(uint32_t *[]){ &welcome.max_message, &welcome.max_requests, &welcome.channels,
				 &welcome.idle_s }[i] = 0;
		cr_expect_eq(frame_check_welcome(&welcome), -EPROTO, "limit %d", i);
	}
}

/* ---- The bytes of a connection ---- */

struct pair {
	struct link link;
	int other;
};

static struct pair *pair_new(void)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	cr_assert_eq(link_init(&pair->link, fds[0], fds[0]), 0);
	pair->other = fds[1];
	return pair;
}

static void pair_free(struct pair *pair)
{
	link_clear(&pair->link);
	if (pair->other >= 0)
		close(pair->other);
	free(pair);
}

/* A frame with a body of @length bytes that count up. */
static size_t lay_out(uint8_t *at, enum frame_type type, size_t length)
{
	struct frame_header header = frame_make(type, length);

	memcpy(at, &header, sizeof(header));
	for (size_t i = 0; i < length; i++)
		at[sizeof(header) + i] = (uint8_t)(i * 7);
	return header.length;
}

static void must_take(struct link *link, size_t length)
{
	struct frame_header header;
	size_t filled = 0;
	uint8_t *body = malloc(length + 1);

	cr_assert_eq(link_header(link, &header), 0);
	cr_assert_eq(header.length, HEADER + length);
	cr_assert_eq(link_body(link, body, length, &filled), 0);
	for (size_t i = 0; i < length; i++)
		cr_assert_eq(body[i], (uint8_t)(i * 7), "byte %zu of %zu", i, length);
	free(body);
}

Test(stream_link, frames_come_whole_however_they_are_cut)
{
	static const size_t lengths[] = { 0, 40, 8, 4096, 16, 20000, 64, LINK_STAGE - 16, 8 };
	uint8_t *bytes = calloc(1, 65536);
	size_t total = 0;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		total += lay_out(bytes + total, FRAME_REQUEST, lengths[i]);
	for (size_t cut = 1; cut < 6000; cut = cut * 3 / 2 + 1) {
		struct pair *pair = pair_new();
		size_t sent = 0, frame = 0;
		struct frame_header header;
		uint8_t body[32768];
		size_t filled = 0;
		bool has_header = false;
		while (frame < sizeof(lengths) / sizeof(lengths[0])) {
			int err = has_header ? 0 : link_header(&pair->link, &header);
			has_header = !err;
			if (!err)
				err = link_body(&pair->link, body, header.length - HEADER, &filled);
			if (err) {
				size_t step = total - sent < cut ? total - sent : cut;
				cr_assert_eq(err, -EAGAIN);
				cr_assert_gt(step, 0);
				cr_assert_eq(write(pair->other, bytes + sent, step), (ssize_t)step);
				sent += step;
				continue;
			}
			cr_assert_eq(header.length - HEADER, lengths[frame]);
			for (size_t i = 0; i < lengths[frame]; i++)
				cr_assert_eq(body[i], (uint8_t)(i * 7));
			has_header = false;
			filled = 0;
			frame++;
		}
		pair_free(pair);
	}
	free(bytes);
}

Test(stream_link, the_end_within_a_frame_is_told_from_the_end_behind_one)
{
	uint8_t bytes[64];
	size_t total = lay_out(bytes, FRAME_REQUEST, 40);

	for (size_t length = 0; length <= total; length++) {
		struct pair *pair = pair_new();
		struct frame_header header;
		uint8_t body[64];
		size_t filled = 0;
		cr_assert_eq(write(pair->other, bytes, length), (ssize_t)length);
		close(pair->other);
		pair->other = -1;
		int err = link_header(&pair->link, &header);
		if (!err)
			err = link_body(&pair->link, body, 40, &filled);
		if (!err)
			err = link_header(&pair->link, &header);
		cr_expect_eq(err, length == 0 || length == total ? -EPIPE : -EBADMSG,
			     "%zu bytes: %d", length, err);
		pair_free(pair);
	}
}

static unsigned int done;

static void count_done(struct outgoing *outgoing)
{
	(void)outgoing;
	done++;
}

Test(stream_link, what_does_not_fit_is_sent_later_and_in_order)
{
	enum { FRAMES = 9, BODY = 1024 * 1024 };
	struct pair *pair = pair_new(), *reader = calloc(1, sizeof(*reader));
	static uint8_t frames[FRAMES][HEADER + BODY];
	struct outgoing out[FRAMES];

	cr_assert_eq(link_init(&reader->link, pair->other, pair->other), 0);
	pair->other = reader->other = -1;
	for (int i = 0; i < FRAMES; i++) {
		size_t length = lay_out(frames[i], FRAME_REPLY, BODY);
		out[i] = (struct outgoing){ .iov = { { frames[i], 5 },
						     { frames[i] + 5, length - 5 } },
					    .niov = 2,
					    .done = count_done };
		link_queue(&pair->link, &out[i]);
	}
	done = 0;
	cr_assert_eq(link_flush(&pair->link), -EAGAIN);
	cr_assert_lt(done, FRAMES);

	struct frame_header header;
	uint8_t *body = malloc(BODY);
	size_t filled = 0, taken = 0;
	bool has_header = false;
	while (taken < FRAMES) {
		int err = has_header ? 0 : link_header(&reader->link, &header);
		has_header = !err;
		if (!err)
			err = link_body(&reader->link, body, BODY, &filled);
		if (err) {
			cr_assert_eq(err, -EAGAIN);
			link_flush(&pair->link);
			continue;
		}
		cr_assert_eq(memcmp(body, frames[0] + HEADER, BODY), 0);
		has_header = false;
		filled = 0;
		taken++;
	}
	cr_expect_eq(done, FRAMES);
	cr_expect_null(pair->link.first);
	free(body);
	pair_free(reader);
	pair_free(pair);
}

Test(stream_link, bytes_that_were_read_before_come_first)
{
	struct pair *pair = pair_new();
	uint8_t bytes[128];
	size_t first = lay_out(bytes, FRAME_REQUEST, 40);
	size_t second = lay_out(bytes + first, FRAME_REQUEST, 24);

	link_put_back(&pair->link, bytes, first);
	cr_assert_eq(write(pair->other, bytes + first, second), (ssize_t)second);
	must_take(&pair->link, 40);
	must_take(&pair->link, 24);
	pair_free(pair);
}

Test(stream_link, nobody_gets_a_signal_for_a_socket_whose_other_end_is_gone)
{
	struct pair *pair = pair_new();
	uint8_t bytes[64];
	struct outgoing out = { .iov = { { bytes, lay_out(bytes, FRAME_REPLY, 16) } },
				.niov = 1,
				.done = count_done };

	close(pair->other);
	pair->other = -1;
	link_queue(&pair->link, &out);
	cr_expect_eq(link_flush(&pair->link), -EPIPE);
	pair_free(pair);
}

/* ---- Groups ---- */

Test(stream_groups, a_set_is_kept_under_its_number_and_lives_as_long_as_it_is_used)
{
	struct group_sets *sets = calloc(1, sizeof(*sets));
	gid_t groups[] = { 5, 6, 7 };

	cr_assert_eq(group_sets_define(sets, 3, group_set_new(groups, 3)), 0);
	struct group_set *held = group_sets_get(sets, 3);
	cr_assert_eq(group_sets_define(sets, 3, group_set_new(NULL, 0)), 0);
	cr_expect_eq(held->count, 3);
	cr_expect_eq(held->groups[2], 7);
	group_set_put(held);
	struct group_set *none = group_sets_get(sets, 3);
	cr_expect_eq(none->count, 0);
	group_set_put(none);
	cr_expect_null(group_sets_get(sets, 4));
	cr_expect_null(group_sets_get(sets, SETS_MOST + 1));
	cr_expect_null(group_sets_get(sets, UINT32_MAX));
	group_sets_clear(sets);
	free(sets);
}

Test(stream_groups, numbers_and_groups_beyond_what_was_agreed_are_refused)
{
	struct group_sets *sets = calloc(1, sizeof(*sets));
	gid_t *many = calloc(65536, sizeof(*many));
	struct group_set *small = group_set_new(many, 1);

	cr_expect_eq(group_sets_define(sets, 0, small), -EPROTO);
	cr_expect_eq(group_sets_define(sets, SETS_MOST + 1, small), -EPROTO);
	cr_assert_eq(group_sets_define(sets, 1, group_set_new(many, 65536)), 0);
	cr_assert_eq(group_sets_define(sets, 2, group_set_new(many, 65536)), 0);
	cr_expect_eq(group_sets_define(sets, 3, small), -E2BIG);
	cr_expect_eq(group_sets_define(sets, 2, small), 0, "in place of another");
	group_sets_clear(sets);
	free(many);
	free(sets);
}

Test(stream_groups, a_client_tells_each_set_once_and_never_more_than_agreed)
{
	struct group_notes *notes = malloc(sizeof(*notes));
	struct group_sets *sets = calloc(1, sizeof(*sets));

	group_notes_init(notes, 16, 100);
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		gid_t groups[40];
		size_t count = (size_t)(random() % 40);
		for (size_t g = 0; g < count; g++)
			groups[g] = (gid_t)(count * 100 + g);
		bool define;
		uint32_t id = group_notes_find(notes, groups, count, &define);
		if (id == 0)
			continue;
		cr_assert_leq(id, 16);
		if (define)
			cr_assert_eq(group_sets_define(sets, id, group_set_new(groups, count)), 0);
		cr_assert_leq(sets->total, 100);
		struct group_set *set = group_sets_get(sets, id);
		cr_assert_eq(set->count, count);
		cr_assert_eq(memcmp(set->groups, groups, count * sizeof(gid_t)), 0);
		group_set_put(set);
		bool again;
		cr_assert_eq(group_notes_find(notes, groups, count, &again), id);
		cr_assert(!again);
	}
	group_notes_clear(notes);
	group_sets_clear(sets);
	free(sets);
	free(notes);
}

Test(stream_groups, a_set_that_the_server_has_no_room_for_is_not_told)
{
	struct group_notes *notes = malloc(sizeof(*notes));
	gid_t groups[11] = { 0 };
	bool define;

	group_notes_init(notes, 4, 10);
	cr_expect_eq(group_notes_find(notes, groups, 11, &define), 0);
	cr_expect_neq(group_notes_find(notes, groups, 10, &define), 0);
	group_notes_clear(notes);
	group_notes_init(notes, 0, 0);
	cr_expect_eq(group_notes_find(notes, groups, 0, &define), 0);
	group_notes_clear(notes);
	free(notes);
}

/* ---- What may have to be sent again ---- */

Test(stream_retained, what_was_acknowledged_is_not_sent_again)
{
	struct pair *pair = pair_new(), *reader = calloc(1, sizeof(*reader));
	struct retained_list list;

	cr_assert_eq(link_init(&reader->link, pair->other, pair->other), 0);
	pair->other = reader->other = -1;
	retained_init(&list);
	list.acked = list.sent = UINT32_MAX - 2; /* numbers wrap around */
	for (size_t i = 0; i < 6; i++) {
		struct retained *frame = retained_new(HEADER + 8 * i);
		lay_out(frame->bytes, FRAME_REPLY, 8 * i);
		retained_add(&list, frame);
	}
	cr_assert_eq(retained_acknowledge(&list, UINT32_MAX - 2 + 4), 0);
	retained_send_again(&list, &pair->link, 77);
	cr_assert_eq(link_flush(&pair->link), 0);
	must_take(&reader->link, 32);
	must_take(&reader->link, 40);
	cr_assert_eq(retained_acknowledge(&list, UINT32_MAX - 2 + 6), 0);
	cr_expect_eq(list.bytes, 0);
	cr_expect_null(list.first);
	retained_clear(&list);
	pair_free(reader);
	pair_free(pair);
}

Test(stream_retained, one_cannot_acknowledge_what_was_not_sent_nor_take_it_back)
{
	struct retained_list list;

	retained_init(&list);
	retained_add(&list, retained_new(16));
	retained_add(&list, retained_new(16));
	cr_expect_eq(retained_acknowledge(&list, 3), -EPROTO);
	cr_expect_eq(retained_acknowledge(&list, 1), 0);
	cr_expect_eq(retained_acknowledge(&list, 0), -EPROTO);
	cr_expect_eq(retained_acknowledge(&list, UINT32_MAX), -EPROTO);
	retained_clear(&list);
}

Test(stream_retained, a_frame_that_is_being_sent_outlives_its_acknowledgement)
{
	struct pair *pair = pair_new();
	struct retained_list list;
	struct retained *frame = retained_new(HEADER);

	retained_init(&list);
	lay_out(frame->bytes, FRAME_REPLY, 0);
	retained_add(&list, frame);
	retained_send(frame, &pair->link);
	cr_assert_eq(retained_acknowledge(&list, 1), 0);
	cr_assert_eq(link_flush(&pair->link), 0);
	cr_expect_eq(read(pair->other, (uint8_t[64]){ 0 }, 64), HEADER);
	pair_free(pair);
}

/* ---- What is unanswered ---- */

Test(stream_pending, requests_are_found_until_they_are_taken_out)
{
	enum { MOST = 300 };
	struct pending_table table;
	static uint64_t here[MOST];
	size_t count = 0;
	uint64_t next = 2;

	cr_assert_eq(pending_init(&table, MOST), 0);
	srandom(2);
	for (int i = 0; i < 100000; i++) {
		if (count < MOST && random() % 2) {
			/* As ids come, and as a hostile one would choose them. */
			uint64_t unique = random() % 4 ? next : next << 40;
			next += 2;
			struct pending *row = pending_add(&table, unique);
			cr_assert_not_null(row);
			here[count++] = unique;
		} else if (count > 0) {
			size_t which = (size_t)random() % count;
			struct pending *row = pending_find(&table, here[which]);
			cr_assert_not_null(row);
			cr_assert_eq(row->unique, here[which]);
			pending_remove(&table, row);
			cr_assert_null(pending_find(&table, here[which]));
			here[which] = here[--count];
		}
	}
	for (size_t i = 0; i < count; i++)
		cr_expect_not_null(pending_find(&table, here[i]));
	while (pending_any(&table))
		pending_remove(&table, pending_any(&table)), count--;
	cr_expect_eq(count, 0);
	pending_clear(&table);
}

Test(stream_pending, a_full_table_a_known_id_and_no_id_are_refused)
{
	struct pending_table table;

	cr_assert_eq(pending_init(&table, 2), 0);
	cr_expect_null(pending_add(&table, 0));
	cr_expect_not_null(pending_add(&table, 2));
	cr_expect_null(pending_add(&table, 2));
	cr_expect_not_null(pending_add(&table, 4));
	cr_expect_null(pending_add(&table, 6));
	pending_clear(&table);
}
