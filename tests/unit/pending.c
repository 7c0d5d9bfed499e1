/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers that come later, interrupts in every order, and the end of a mount with requests in
 * flight. */
#include "messages.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

/* ---- A file system that keeps whoever asks for a lock waiting ---- */

#define MAX_WAITING 64

/* Waiting calls, with the lock owner of the request, by which tests know it. */
static struct waiting {
	struct fsb_call *call;
	uint64_t owner;
} waiting[MAX_WAITING];
static pthread_mutex_t waiting_lock = PTHREAD_MUTEX_INITIALIZER;

/* Hooks into the life of the operation. */
static void (*before_defer)(void);
static void (*after_defer)(struct fsb_call *call);
static int setlkw_returns = FSB_DEFERRED;
static ssize_t interrupt_result = -EINTR;
static atomic_int interrupts, destroys, lookups, running;
static atomic_bool hold_unlinks;
static char events[1024]; /* in tests of one thread: what happened, in order */

static void happened(const char *what)
{
	strncat(events, what, sizeof(events) - strlen(events) - 1);
	strncat(events, " ", sizeof(events) - strlen(events) - 1);
}

static void wait_in_line(struct fsb_call *call, uint64_t owner)
{
	pthread_mutex_lock(&waiting_lock);
	for (size_t i = 0; i < MAX_WAITING; i++) {
		if (!waiting[i].call) {
			waiting[i] = (struct waiting){ call, owner };
			break;
		}
	}
	pthread_mutex_unlock(&waiting_lock);
}

/* Return: the owner, or 0 when nobody of that name waits. */
static uint64_t leave_line(struct fsb_call *call)
{
	uint64_t owner = 0;

	pthread_mutex_lock(&waiting_lock);
	for (size_t i = 0; i < MAX_WAITING; i++) {
		if (call && waiting[i].call == call) {
			owner = waiting[i].owner;
			waiting[i].call = NULL;
		}
	}
	pthread_mutex_unlock(&waiting_lock);
	return owner;
}

static struct fsb_call *any_waiting(void)
{
	struct fsb_call *call = NULL;

	pthread_mutex_lock(&waiting_lock);
	for (size_t i = 0; i < MAX_WAITING && !call; i++)
		call = waiting[i].call;
	pthread_mutex_unlock(&waiting_lock);
	return call;
}

static bool complete_one(ssize_t result)
{
	struct fsb_call *call = any_waiting();

	if (!call || !leave_line(call))
		return false;
	fsb_call_complete(call, result);
	return true;
}

static int slow_setlkw(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
		       uint64_t fh, const struct fsb_lock_owner *owner, const struct fsb_lock *lock)
{
	(void)fs;
	(void)nodeid;
	(void)fh;
	(void)lock;
	if (before_defer)
		before_defer();
	struct fsb_call *call = fsb_call_defer(ctx);
	if (!call)
		return -EDEADLK;
	cr_assert_eq(fsb_call_defer(ctx), call);
	if (after_defer)
		after_defer(call);
	else
		wait_in_line(call, owner->owner);
	return setlkw_returns;
}

static _Atomic uint64_t
	may_be_interrupted[1 << 16]; /* in tests of threads: the owners that somebody interrupts */
static bool judge_interrupts;

static void slow_interrupt(struct fsb_filesystem *fs, struct fsb_call *call)
{
	(void)fs;
	interrupts++;
	uint64_t owner = leave_line(call);
	if (!owner)
		return;
	if (judge_interrupts)
		cr_assert_eq(may_be_interrupted[owner & 0xffff], 1, "the wrong one: %lu", owner);
	fsb_call_complete(call, interrupt_result);
}

static struct fsb_entry slow_entry = { .nodeid = 9, .attr = { .mode = S_IFREG | 0644 } };
static struct fsb_entry *entry_to_fill;

static int slow_lookup(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent,
		       const char *name, struct fsb_entry *entry)
{
	(void)fs;
	(void)parent;
	(void)name;
	lookups++;
	entry_to_fill = entry;
	*entry = slow_entry;
	wait_in_line(fsb_call_defer(ctx), 1);
	return FSB_DEFERRED;
}

static int slow_readdirplus(struct fsb_filesystem *fs, const struct fsb_context *ctx,
			    uint64_t nodeid, uint64_t fh, uint64_t offset, struct fsb_dirlist *list)
{
	struct fsb_dirent dirent = { .name = "name", .namelen = 4, .next = 1, .type = DT_REG };

	(void)fs;
	(void)nodeid;
	(void)fh;
	(void)offset;
	for (uint64_t i = 0; i < 3; i++) {
		slow_entry.nodeid = 20 + i;
		cr_assert_eq(list->add(list, &dirent, &slow_entry), 0);
	}
	wait_in_line(fsb_call_defer(ctx), 1);
	return FSB_DEFERRED;
}

/* An operation that holds its thread. */
static int slow_unlink(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent,
		       const char *name)
{
	(void)fs;
	(void)ctx;
	(void)parent;
	(void)name;
	running++;
	while (hold_unlinks)
		usleep(1000);
	running--;
	happened("unlinked");
	return 0;
}

static void slow_forget(struct fsb_filesystem *fs, uint64_t nodeid, uint64_t nlookup)
{
	char text[64];

	(void)fs;
	snprintf(text, sizeof(text), "forget-%lu-%lu", nodeid, nlookup);
	happened(text);
}

static void slow_destroy(struct fsb_filesystem *fs)
{
	(void)fs;
	cr_assert_eq(running, 0);
	cr_assert_null(any_waiting());
	destroys++;
	happened("destroy");
}

static struct fsb_filesystem_ops ops = {
	.size = sizeof(ops),
	.destroy = slow_destroy,
	.lookup = slow_lookup,
	.forget = slow_forget,
	.readdirplus = slow_readdirplus,
	.unlink = slow_unlink,
	.setlkw = slow_setlkw,
	.interrupt = slow_interrupt,
};

static struct fsb_filesystem slow = { .ops = &ops };

/* ---- A client with many messages ---- */

/** A message with a buffer of its own. */
struct slot {
	struct fsb_message message;
	struct bytes bytes;
	struct iovec request, payload;
	uint8_t room[4096];
	int undeliverable;
	void (*on_reply)(struct slot *slot);
	atomic_int replies;
	_Atomic int error;
	_Atomic uint64_t unique;
};

static struct fsb_server *server;

static int slot_reply(struct fsb_message *message, const struct fuse_out_header *out)
{
	struct slot *slot = message->owner;
	int err = slot->undeliverable;
	char text[64];

	slot->error = out->error;
	slot->unique = out->unique;
	snprintf(text, sizeof(text), "reply-%d", out->error);
	happened(text);
	slot->replies++;
	if (slot->on_reply)
		slot->on_reply(slot);
	return err;
}

static struct slot *slot_new(void)
{
	struct slot *slot = calloc(1, sizeof(*slot));

	fsb_message_init(&slot->message, slot_reply, slot);
	slot->message.request = &slot->request;
	slot->message.nrequest = 1;
	slot->message.payload = &slot->payload;
	slot->message.npayload = 1;
	slot->payload = (struct iovec){ slot->room, sizeof(slot->room) };
	return slot;
}

static void slot_free(struct slot *slot)
{
	fsb_message_clear(&slot->message);
	free(slot);
}

static int slot_send(struct slot *slot)
{
	slot->request = (struct iovec){ slot->bytes.at, slot->bytes.length };
	return fsb_server_handle(server, &slot->message);
}

static int send_sample(struct slot *slot, uint32_t opcode, uint64_t unique)
{
	sample(&slot->bytes, opcode);
	header_of(&slot->bytes)->unique = unique;
	return slot_send(slot);
}

/* The lock owner is the id, so that the file system knows it, with a bit that makes it something in
 * any case. */
static int send_lock(struct slot *slot, uint64_t unique)
{
	struct fuse_lk_in in = { .owner = (unique & ~FUSE_UNIQUE_RESEND) | 1ull << 40,
				 .lk = { .end = INT64_MAX, .type = F_WRLCK } };

	BUILD(&slot->bytes, FUSE_SETLKW, 5, in, NULL);
	header_of(&slot->bytes)->unique = unique;
	return slot_send(slot);
}

static int send_interrupt(struct slot *slot, uint64_t unique)
{
	struct fuse_interrupt_in in = { .unique = unique };

	BUILD(&slot->bytes, FUSE_INTERRUPT, 0, in, NULL);
	header_of(&slot->bytes)->unique = unique | 1;
	return slot_send(slot);
}

static struct slot *a, *b, *c;

static void start(void)
{
	cr_assert_eq(send_sample(a, FUSE_INIT, 2), 0);
	cr_assert_eq(a->error, 0);
	a->replies = 0;
	events[0] = '\0';
}

static void set_up(void)
{
	struct fsb_server_config config;

	fsb_server_config_init(&config);
	config.filesystem = &slow;
	cr_assert_eq(fsb_server_new(&config, &server), 0);
	a = slot_new();
	b = slot_new();
	c = slot_new();
	start();
}

static void tear_down(void)
{
	fsb_server_disconnect(server);
	slot_free(a);
	slot_free(b);
	slot_free(c);
	fsb_server_free(server);
}

TestSuite(pending, .init = set_up, .fini = tear_down, .timeout = 100);

/* ---- Answering later ---- */

Test(pending, deferred_request_is_answered_when_it_is_completed)
{
	cr_assert_eq(send_lock(a, 100), FSB_DEFERRED);
	cr_assert_eq(a->replies, 0);
	cr_assert(complete_one(0));
	cr_assert_eq(a->replies, 1);
	cr_assert_eq(a->error, 0);
	cr_assert_eq(a->unique, 100);
}

static void complete_at_once(struct fsb_call *call)
{
	fsb_call_complete(call, -EDEADLK);
}

Test(pending, answer_may_come_before_the_operation_has_returned)
{
	after_defer = complete_at_once;
	cr_assert_eq(send_lock(a, 100), 0);
	cr_assert_eq(a->replies, 1);
	cr_assert_eq(a->error, -EDEADLK);
}

Test(pending, reply_function_s_error_comes_back_when_the_answer_came_first)
{
	after_defer = complete_at_once;
	a->undeliverable = -ENOENT;
	cr_assert_eq(send_lock(a, 100), -ENOENT);
}

Test(pending, deferred_request_waits_whatever_its_operation_returns)
{
	setlkw_returns = -EIO;
	cr_assert_eq(send_lock(a, 100), FSB_DEFERRED);
	cr_assert(complete_one(0));
	cr_assert_eq(a->error, 0);
}

static int defer_in_words_only(struct fsb_filesystem *fs, const struct fsb_context *ctx,
			       uint64_t parent, const char *name)
{
	(void)fs;
	(void)ctx;
	(void)parent;
	(void)name;
	return FSB_DEFERRED;
}

Test(pending, deferral_in_words_only_is_an_error)
{
	static struct fsb_filesystem_ops words;
	static struct fsb_filesystem fs = { .ops = &words };
	struct fsb_server_config config;

	words = ops;
	words.unlink = defer_in_words_only;
	fsb_server_free(server);
	fsb_server_config_init(&config);
	config.filesystem = &fs;
	cr_assert_eq(fsb_server_new(&config, &server), 0);
	start();
	cr_assert_eq(send_sample(a, FUSE_UNLINK, 100), 0);
	cr_assert_eq(a->error, -EIO);
}

Test(pending, nothing_is_deferred_where_there_is_no_request)
{
	struct fsb_context ctx;
	struct fsb_lock_owner owner = { 0 };
	struct fsb_lock lock = { 0 };

	fsb_context_init(&ctx, 0, 0, 0);
	cr_assert_null(fsb_call_defer(&ctx));
	cr_assert_eq(ops.setlkw(&slow, &ctx, 1, 1, &owner, &lock), -EDEADLK);
}

Test(pending, other_requests_are_served_meanwhile)
{
	cr_assert_eq(send_lock(a, 100), FSB_DEFERRED);
	cr_assert_eq(send_sample(b, FUSE_UNLINK, 102), 0);
	cr_assert_eq(b->replies, 1);
	cr_assert_eq(a->replies, 0);
}

Test(pending, arguments_stay_until_the_answer)
{
	struct fuse_entry_out out;

	cr_assert_eq(send_sample(a, FUSE_LOOKUP, 100), FSB_DEFERRED);
	/* What other requests do does not touch them. */
	cr_assert_eq(send_sample(b, FUSE_UNLINK, 102), 0);
	entry_to_fill->generation = 4711;
	cr_assert(complete_one(0));
	memcpy(&out, a->room, sizeof(out));
	cr_assert_eq(out.generation, 4711);
	cr_assert_eq(out.nodeid, 9);
}

/* ---- Answers that do not arrive ---- */

Test(pending, deferred_entry_is_taken_back_when_its_answer_fails_and_not_before)
{
	a->undeliverable = -ENOENT;
	cr_assert_eq(send_sample(a, FUSE_LOOKUP, 100), FSB_DEFERRED);
	cr_assert_str_eq(events, "");
	cr_assert(complete_one(0));
	cr_assert_str_eq(events, "reply-0 forget-9-1 ");
}

Test(pending, deferred_failure_takes_nothing_back)
{
	a->undeliverable = -ENOENT;
	cr_assert_eq(send_sample(a, FUSE_LOOKUP, 100), FSB_DEFERRED);
	cr_assert(complete_one(-EACCES));
	cr_assert_str_eq(events, "reply--13 ");
}

static void free_at_once(struct slot *slot)
{
	slot_free(slot);
}

Test(pending, message_may_be_freed_by_the_reply_function)
{
	cr_assert_eq(send_sample(a, FUSE_READDIRPLUS, 100), FSB_DEFERRED);
	a->on_reply = free_at_once;
	a->undeliverable = -ENOENT;
	cr_assert(complete_one(0));
	cr_assert_str_eq(events, "reply-0 forget-20-1 forget-21-1 forget-22-1 ");
	a = slot_new();
}

static void send_again(struct slot *slot)
{
	slot->on_reply = NULL;
	cr_assert_eq(send_lock(slot, 104), FSB_DEFERRED);
}

Test(pending, message_may_be_used_again_by_the_reply_function)
{
	cr_assert_eq(send_lock(a, 100), FSB_DEFERRED);
	a->on_reply = send_again;
	cr_assert(complete_one(0));
	cr_assert_eq(a->unique, 100);
	cr_assert(complete_one(-EAGAIN));
	cr_assert_eq(a->unique, 104);
	cr_assert_eq(a->error, -EAGAIN);
	cr_assert_eq(a->replies, 2);
}

/* ---- Interrupts ---- */

Test(pending, interrupt_ends_a_deferred_request_without_an_answer_of_its_own)
{
	cr_assert_eq(send_lock(a, 100), FSB_DEFERRED);
	cr_assert_eq(send_interrupt(b, 100), 0);
	cr_assert_eq(a->replies, 1);
	cr_assert_eq(a->error, -EINTR);
	cr_assert_eq(b->replies, 0);
}

Test(pending, interrupted_request_may_still_succeed)
{
	interrupt_result = 0;
	cr_assert_eq(send_lock(a, 100), FSB_DEFERRED);
	cr_assert_eq(send_interrupt(b, 100), 0);
	cr_assert_eq(a->error, 0);
}

Test(pending, interrupt_that_outruns_its_request_is_remembered)
{
	cr_assert_eq(send_interrupt(b, 100), 0);
	cr_assert_eq(b->replies, 0);
	cr_assert_eq(send_lock(a, 100), 0);
	cr_assert_eq(a->replies, 1);
	cr_assert_eq(a->error, -EINTR);
	/* Once. */
	cr_assert_eq(send_lock(a, 100), FSB_DEFERRED);
}

static void interrupt_now(void)
{
	cr_assert_eq(send_interrupt(b, 100), 0);
}

Test(pending, interrupt_before_the_operation_defers_comes_after_it_has_returned)
{
	before_defer = interrupt_now;
	cr_assert_eq(send_lock(a, 100), 0);
	cr_assert_eq(interrupts, 1);
	cr_assert_eq(a->error, -EINTR);
}

static void interrupt_then_wait(struct fsb_call *call)
{
	/* Here the file system does not know the call yet, and would not find it. */
	interrupt_now();
	cr_assert_eq(interrupts, 0);
	wait_in_line(call, 100);
}

Test(pending, interrupt_between_deferring_and_returning_is_not_lost)
{
	after_defer = interrupt_then_wait;
	cr_assert_eq(send_lock(a, 100), 0);
	cr_assert_eq(interrupts, 1);
	cr_assert_eq(a->error, -EINTR);
}

Test(pending, interrupt_of_an_answered_request_meets_nobody)
{
	cr_assert_eq(send_lock(a, 100), FSB_DEFERRED);
	cr_assert(complete_one(0));
	cr_assert_eq(send_interrupt(b, 100), 0);
	cr_assert_eq(interrupts, 0);
	cr_assert_eq(send_lock(a, 102), FSB_DEFERRED);
	cr_assert_eq(interrupts, 0);
	cr_assert_eq(a->replies, 1);
}

Test(pending, interrupt_meets_its_own_request_alone)
{
	cr_assert_eq(send_lock(a, 100), FSB_DEFERRED);
	cr_assert_eq(send_lock(c, 102), FSB_DEFERRED);
	cr_assert_eq(send_interrupt(b, 104), 0);
	cr_assert_eq(interrupts, 0);
	cr_assert_eq(send_interrupt(b, 102), 0);
	cr_assert_eq(c->error, -EINTR);
	cr_assert_eq(a->replies, 0);
}

static int unlink_interrupted(struct fsb_filesystem *fs, const struct fsb_context *ctx,
			      uint64_t parent, const char *name)
{
	(void)fs;
	(void)ctx;
	(void)parent;
	(void)name;
	interrupt_now();
	return 0;
}

Test(pending, interrupt_of_a_request_that_is_never_deferred_harms_nobody)
{
	static struct fsb_filesystem_ops quick;
	static struct fsb_filesystem fs = { .ops = &quick };
	struct fsb_server_config config;

	quick = ops;
	quick.unlink = unlink_interrupted;
	fsb_server_free(server);
	fsb_server_config_init(&config);
	config.filesystem = &fs;
	cr_assert_eq(fsb_server_new(&config, &server), 0);
	start();
	cr_assert_eq(send_sample(a, FUSE_UNLINK, 100), 0);
	cr_assert_eq(a->error, 0);
	cr_assert_eq(send_lock(a, 102), FSB_DEFERRED);
	cr_assert_eq(interrupts, 0);
}

Test(pending, request_that_is_sent_again_is_known_by_its_id)
{
	cr_assert_eq(send_lock(a, 100 | FUSE_UNIQUE_RESEND), FSB_DEFERRED);
	cr_assert_eq(send_interrupt(b, 100), 0);
	cr_assert_eq(a->error, -EINTR);
	cr_assert_eq(a->unique, 100 | FUSE_UNIQUE_RESEND);
	cr_assert_eq(send_lock(a, 102), FSB_DEFERRED);
	cr_assert_eq(send_interrupt(b, 102 | FUSE_UNIQUE_RESEND), 0);
	cr_assert_eq(a->error, -EINTR);
}

Test(pending, interrupt_meets_a_request_and_its_second_copy)
{
	cr_assert_eq(send_lock(a, 100), FSB_DEFERRED);
	cr_assert_eq(send_lock(c, 100 | FUSE_UNIQUE_RESEND), FSB_DEFERRED);
	cr_assert_eq(send_interrupt(b, 100), 0);
	cr_assert_eq(interrupts, 2);
	cr_assert_eq(a->error, -EINTR);
	cr_assert_eq(c->error, -EINTR);
}

Test(pending, file_system_that_cannot_be_interrupted_says_so)
{
	static struct fsb_filesystem_ops deaf;
	static struct fsb_filesystem fs = { .ops = &deaf };
	struct fsb_server_config config;

	deaf = ops;
	deaf.interrupt = NULL;
	fsb_server_free(server);
	fsb_server_config_init(&config);
	config.filesystem = &fs;
	cr_assert_eq(fsb_server_new(&config, &server), 0);
	start();
	cr_assert_eq(send_lock(a, 100), FSB_DEFERRED);
	cr_assert_eq(send_interrupt(b, 100), 0);
	/* The client's kernel then sends no more of them. */
	cr_assert_eq(b->replies, 1);
	cr_assert_eq(b->error, -ENOSYS);
	cr_assert_eq(a->replies, 0);
	cr_assert(complete_one(0));
}

Test(pending, remembered_interrupts_end_with_their_client)
{
	for (int how = 0; how < 2; how++) {
		cr_assert_eq(send_interrupt(b, 100), 0);
		if (how == 0)
			cr_assert_eq(send_sample(a, FUSE_DESTROY, 102), 0);
		else
			fsb_server_disconnect(server);
		start();
		/* The next client counts from the start again. */
		cr_assert_eq(send_lock(a, 100), FSB_DEFERRED);
		cr_assert_eq(interrupts, 0);
		cr_assert(complete_one(0));
	}
}

Test(pending, marked_requests_end_with_their_client)
{
	hold_unlinks = false;
	before_defer = interrupt_now;
	cr_assert_eq(send_lock(a, 100), 0);
	before_defer = NULL;
	cr_assert_eq(interrupts, 1);
	fsb_server_disconnect(server);
	start();
	cr_assert_eq(send_lock(a, 100), FSB_DEFERRED);
	cr_assert_eq(interrupts, 1);
}

Test(pending, only_the_latest_of_many_unknown_interrupts_are_remembered)
{
	for (uint64_t unique = 1000; unique < 21000; unique += 2)
		cr_assert_eq(send_interrupt(b, unique), 0);
	cr_assert_eq(send_lock(a, 20998), 0);
	cr_assert_eq(a->error, -EINTR);
	cr_assert_eq(send_lock(a, 20500), 0);
	cr_assert_eq(a->error, -EINTR);
	cr_assert_eq(send_lock(a, 1000), FSB_DEFERRED);
}

Test(pending, interrupt_of_itself_or_of_nothing_is_harmless)
{
	struct fuse_interrupt_in in = { .unique = 100 };

	cr_assert_eq(send_interrupt(b, 0), 0);
	BUILD(&b->bytes, FUSE_INTERRUPT, 0, in, NULL);
	header_of(&b->bytes)->unique = 100;
	cr_assert_eq(slot_send(b), 0);
	cr_assert_eq(b->replies, 0);
	cr_assert_eq(send_lock(a, 0), FSB_DEFERRED);
	cr_assert_eq(interrupts, 0);
}

/* ---- The end ---- */

Test(pending, destroy_interrupts_and_answers_what_is_deferred)
{
	cr_assert_eq(send_lock(a, 100), FSB_DEFERRED);
	cr_assert_eq(send_lock(c, 102), FSB_DEFERRED);
	cr_assert_eq(send_sample(b, FUSE_DESTROY, 104), 0);
	cr_assert_str_eq(events, "reply--4 reply--4 destroy reply-0 ");
	cr_assert_eq(a->replies, 1);
	cr_assert_eq(c->replies, 1);
}

Test(pending, disconnecting_drops_the_answers_and_takes_back)
{
	interrupt_result = 0;
	cr_assert_eq(send_sample(a, FUSE_LOOKUP, 100), FSB_DEFERRED);
	cr_assert_eq(send_sample(c, FUSE_READDIRPLUS, 102), FSB_DEFERRED);
	fsb_server_disconnect(server);
	cr_assert_eq(a->replies, 0);
	cr_assert_eq(c->replies, 0);
	/* In whatever order the two end. */
	cr_assert_not_null(strstr(events, "forget-9-1 "));
	cr_assert_not_null(strstr(events, "forget-20-1 forget-21-1 forget-22-1 "));
	cr_assert_str_eq(events + strlen(events) - strlen("destroy "), "destroy ");
	cr_assert_eq(destroys, 1);
	/* The messages are free for the next client. */
	start();
	cr_assert_eq(send_lock(a, 100), FSB_DEFERRED);
	cr_assert(complete_one(0));
}

static void *complete_after_a_while(void *unused)
{
	(void)unused;
	usleep(50000);
	cr_assert(complete_one(0));
	return NULL;
}

Test(pending, disconnecting_waits_for_a_call_that_cannot_be_interrupted)
{
	static struct fsb_filesystem_ops deaf;
	static struct fsb_filesystem fs = { .ops = &deaf };
	struct fsb_server_config config;
	pthread_t thread;

	deaf = ops;
	deaf.interrupt = NULL;
	fsb_server_free(server);
	fsb_server_config_init(&config);
	config.filesystem = &fs;
	cr_assert_eq(fsb_server_new(&config, &server), 0);
	destroys = 0;
	start();
	cr_assert_eq(send_lock(a, 100), FSB_DEFERRED);
	pthread_create(&thread, NULL, complete_after_a_while, NULL);
	fsb_server_disconnect(server);
	cr_assert_eq(destroys, 1);
	cr_assert_eq(a->replies, 0);
	pthread_join(thread, NULL);
}

static void *unlink_in_thread(void *slot)
{
	send_sample(slot, FUSE_UNLINK, 100);
	return NULL;
}

static void *let_unlinks_end(void *unused)
{
	(void)unused;
	usleep(50000);
	cr_assert_eq(destroys, 0);
	hold_unlinks = false;
	return NULL;
}

Test(pending, destroy_waits_for_whoever_is_still_at_work)
{
	pthread_t worker, ender;

	hold_unlinks = true;
	pthread_create(&worker, NULL, unlink_in_thread, a);
	while (!running)
		usleep(100);
	pthread_create(&ender, NULL, let_unlinks_end, NULL);
	cr_assert_eq(send_sample(b, FUSE_DESTROY, 104), 0);
	cr_assert_eq(destroys, 1);
	pthread_join(worker, NULL);
	pthread_join(ender, NULL);
	cr_assert_eq(a->error, 0);
}

static void *destroy_in_thread(void *slot)
{
	send_sample(slot, FUSE_DESTROY, 104);
	return NULL;
}

Test(pending, two_destroys_at_once_destroy_once)
{
	pthread_t worker, first;

	hold_unlinks = true;
	pthread_create(&worker, NULL, unlink_in_thread, a);
	while (!running)
		usleep(100);
	pthread_create(&first, NULL, destroy_in_thread, c);
	/* Until the first has begun to wait, nothing tells it from the second. */
	struct slot *probe = slot_new();
	do
		send_sample(probe, FUSE_GETATTR, 106);
	while (probe->error != -ENODEV);
	cr_assert_eq(send_sample(b, FUSE_DESTROY, 108), -ENODEV);
	cr_assert_eq(b->error, -ENODEV);
	cr_assert_eq(destroys, 0);
	hold_unlinks = false;
	pthread_join(first, NULL);
	pthread_join(worker, NULL);
	cr_assert_eq(c->error, 0);
	cr_assert_eq(destroys, 1);
	slot_free(probe);
}

/* ---- Threads ---- */

enum { PAIRS = 3, ROUNDS = 1500 };

static void doze(unsigned *seed)
{
	/* Anything from no time at all to a few microseconds: around the time that a request takes.
	 */
	for (volatile int i = rand_r(seed) % 2000; i > 0; i--)
		;
}

static void await_reply(struct slot *slot)
{
	while (slot->replies == 0)
		sched_yield();
	slot->replies = 0;
}

/** Two threads, one sending requests that only an interrupt ends, the other sending the interrupts,
 * whenever. */
struct pair {
	pthread_t requester, interrupter;
	uint64_t base;
	atomic_uint round; /* of the requester */
};

static int pair_reply(struct fsb_message *message, const struct fuse_out_header *out)
{
	struct slot *slot = message->owner;

	slot->error = out->error;
	slot->unique = out->unique;
	slot->replies++; /* last: whoever waits for it uses the slot again */
	return 0;
}

static struct slot *pair_slot(void)
{
	struct slot *slot = slot_new();

	slot->message.reply = pair_reply;
	return slot;
}

static uint64_t unique_of(const struct pair *pair, unsigned round)
{
	return pair->base + 2 * round;
}

static void *request_interrupted(void *opaque)
{
	struct pair *pair = opaque;
	struct slot *slot = pair_slot();
	unsigned seed = (unsigned)pair->base;

	for (unsigned round = 1; round <= ROUNDS; round++) {
		pair->round = round;
		doze(&seed);
		int err = send_lock(slot, unique_of(pair, round));
		cr_assert(err == 0 || err == FSB_DEFERRED);
		await_reply(slot);
		cr_assert_eq(slot->unique, unique_of(pair, round));
		cr_assert(slot->error == -EINTR);
	}
	slot_free(slot);
	return NULL;
}

static void *interrupt_each(void *opaque)
{
	struct pair *pair = opaque;
	struct slot *slot = pair_slot();
	unsigned seed = (unsigned)pair->base + 1;

	for (unsigned round = 1; round <= ROUNDS; round++) {
		while (pair->round < round)
			sched_yield();
		doze(&seed);
		may_be_interrupted[unique_of(pair, round) & 0xffff] = 1;
		cr_assert_eq(send_interrupt(slot, unique_of(pair, round)), 0);
	}
	slot_free(slot);
	return NULL;
}

Test(pending, no_interrupt_is_lost_between_threads)
{
	static struct pair pairs[PAIRS];

	judge_interrupts = true;
	for (int i = 0; i < PAIRS; i++) {
		pairs[i].base = 1000 + (uint64_t)i * 10000;
		pthread_create(&pairs[i].requester, NULL, request_interrupted, &pairs[i]);
		pthread_create(&pairs[i].interrupter, NULL, interrupt_each, &pairs[i]);
	}
	for (int i = 0; i < PAIRS; i++) {
		pthread_join(pairs[i].requester, NULL);
		pthread_join(pairs[i].interrupter, NULL);
	}
}

static atomic_bool complete_on;

static void *complete_all_the_time(void *unused)
{
	(void)unused;
	while (complete_on)
		if (!complete_one(0))
			sched_yield();
	return NULL;
}

static void *request_either(void *opaque)
{
	struct pair *pair = opaque;
	struct slot *slot = pair_slot();

	for (unsigned round = 1; round <= ROUNDS; round++) {
		pair->round = round;
		int err = send_lock(slot, unique_of(pair, round));
		cr_assert(err == 0 || err == FSB_DEFERRED);
		await_reply(slot);
		cr_assert_eq(slot->unique, unique_of(pair, round));
		cr_assert(slot->error == -EINTR || slot->error == 0);
		/* Nobody interrupts the odd ones. */
		cr_assert(slot->error == 0 || round % 2 == 0);
	}
	pair->round = ROUNDS + 1;
	slot_free(slot);
	return NULL;
}

static void *interrupt_every_second(void *opaque)
{
	struct pair *pair = opaque;
	struct slot *slot = pair_slot();
	unsigned seed = (unsigned)pair->base + 1;

	for (unsigned round = 2; round <= ROUNDS; round += 2) {
		while (pair->round < round)
			sched_yield();
		doze(&seed);
		may_be_interrupted[unique_of(pair, round) & 0xffff] = 1;
		cr_assert_eq(send_interrupt(slot, unique_of(pair, round)), 0);
	}
	slot_free(slot);
	return NULL;
}

Test(pending, answers_and_interrupts_that_race_give_one_answer_to_the_right_one)
{
	static struct pair pairs[PAIRS];
	pthread_t completer;

	judge_interrupts = true;
	complete_on = true;
	pthread_create(&completer, NULL, complete_all_the_time, NULL);
	for (int i = 0; i < PAIRS; i++) {
		pairs[i].base = 1000 + (uint64_t)i * 10000;
		pthread_create(&pairs[i].requester, NULL, request_either, &pairs[i]);
		pthread_create(&pairs[i].interrupter, NULL, interrupt_every_second, &pairs[i]);
	}
	for (int i = 0; i < PAIRS; i++) {
		pthread_join(pairs[i].requester, NULL);
		pthread_join(pairs[i].interrupter, NULL);
	}
	complete_on = false;
	pthread_join(completer, NULL);
}

static atomic_bool clients_go_on;

static void *request_until_the_end(void *opaque)
{
	struct slot *slot = pair_slot();
	uint64_t unique = (uint64_t)(uintptr_t)opaque;

	while (clients_go_on) {
		int err = send_lock(slot, unique += 2);
		cr_assert(err == 0 || err == FSB_DEFERRED || err == -ENODEV);
		await_reply(slot);
		cr_assert(slot->error == 0 || slot->error == -EINTR || slot->error == -ENODEV ||
			  slot->error == -ENOTCONN);
	}
	slot_free(slot);
	return NULL;
}

Test(pending, mounts_end_and_begin_among_requests)
{
	pthread_t threads[PAIRS], completer;
	struct slot *control = pair_slot();

	complete_on = true;
	clients_go_on = true;
	pthread_create(&completer, NULL, complete_all_the_time, NULL);
	for (uintptr_t i = 0; i < PAIRS; i++)
		pthread_create(&threads[i], NULL, request_until_the_end, (void *)(i * 1000000 + 2));
	for (int i = 0; i < 200; i++) {
		cr_assert_eq(send_sample(control, FUSE_DESTROY, 2), 0);
		cr_assert_eq(control->error, 0);
		cr_assert_eq(destroys, i + 1);
		cr_assert_eq(send_sample(control, FUSE_INIT, 4), 0);
		cr_assert_eq(control->error, 0);
		usleep(500);
	}
	clients_go_on = false;
	for (int i = 0; i < PAIRS; i++)
		pthread_join(threads[i], NULL);
	complete_on = false;
	pthread_join(completer, NULL);
	slot_free(control);
}
