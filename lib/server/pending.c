// SPDX-License-Identifier: BSD-3-Clause
/*
 * What is in flight: calls, deferral, interrupts, and the end of it all.
 *
 * Entering and leaving. A thread that works on a request says so in its own call (busy), then looks
 * at the server's state. Whoever changes the state does it first, then looks at all calls. Both are
 * sequentially consistent, so that at least one of them sees the other, and no line of memory is
 * shared by threads that work on requests.
 *
 * Deferral. A deferred call has two holds on it: the operation that has not returned yet, and the
 * answer that has not come yet. Somebody who interrupts it takes one more. Who lets go of the last
 * one gives the answer, and the call is the transport's again. So an answer may come before its
 * operation has returned, an interrupt may answer the very call that it interrupts, and a call is
 * never used for another request while an interrupt of it runs.
 *
 * Interrupts. The file system hears of one only after its operation has returned FSB_DEFERRED:
 * before that it could not know the call. An INTERRUPT for a call that has not come so far marks
 * it. One for a request that nobody has seen is remembered: with several readers of a device it may
 * be read by one thread while the thread that has read the request has not come here yet.
 * (Answering -EAGAIN, which makes the kernel send it again, does not help there: the kernel looks
 * for the request among those of the descriptor that the answer is written to.) Most of the
 * remembered ones belong to requests that were answered meanwhile. Their ids are not used again by
 * the client, so they do no harm, until newer ones take their place. They are forgotten when the
 * client goes, as the next one counts from the start.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "server/server.h"

/* ---- Calls ---- */

/* Requests without file data are hardly ever longer. */
#define USUAL_REQUEST 4096

int call_attach(struct fsb_server *server, struct fsb_message *message)
{
	if (message->call)
		call_free(message->call);
	message->call = NULL;

	struct fsb_call *call = calloc(1, sizeof(*call));
	if (!call)
		return -ENOMEM;
	if (buffer_reserve(&call->bytes, &call->capacity, USUAL_REQUEST) < 0) {
		free(call);
		return -ENOMEM;
	}
	call->server = server;
	call->message = message;
	fsb_context_init(&call->ctx, (uid_t)-1, (gid_t)-1, 0);

	pthread_mutex_lock(&server->lock);
	call->next = server->calls;
	call->link = &server->calls;
	if (call->next)
		call->next->link = &call->next;
	server->calls = call;
	pthread_mutex_unlock(&server->lock);
	message->call = call;
	return 0;
}

static void unlink_call(struct fsb_call *call)
{
	*call->link = call->next;
	if (call->next)
		call->next->link = call->link;
}

void call_free(struct fsb_call *call)
{
	if (call->server) {
		pthread_mutex_lock(&call->server->lock);
		unlink_call(call);
		pthread_mutex_unlock(&call->server->lock);
	}
	fsb_context_clear(&call->ctx);
	free(call->bytes);
	free(call->spare);
	free(call->nodeids);
	free(call);
}

void calls_orphan(struct fsb_server *server)
{
	pthread_mutex_lock(&server->lock);
	while (server->calls) {
		struct fsb_call *call = server->calls;
		unlink_call(call);
		call->server = NULL;
	}
	pthread_mutex_unlock(&server->lock);
}

enum server_state call_enter(struct fsb_call *call, uint64_t unique)
{
	atomic_store_explicit(&call->unique, unique & ~FUSE_UNIQUE_RESEND, memory_order_relaxed);
	atomic_store(&call->busy, true);
	return atomic_load(&call->server->state);
}

void call_leave(struct fsb_call *call)
{
	atomic_store_explicit(&call->busy, false, memory_order_release);
}

/* ---- Deferral ---- */

struct fsb_call *fsb_call_defer(const struct fsb_context *ctx)
{
	struct fsb_call *call = ctx->call;

	if (call && !call->deferred) {
		call->deferred = true;
		atomic_store_explicit(&call->holds, 2, memory_order_relaxed);
	}
	return call;
}

static void insert_deferred(struct fsb_server *server, struct fsb_call *call)
{
	call->told = 0;
	call->next_deferred = server->deferred;
	call->deferred_link = &server->deferred;
	if (call->next_deferred)
		call->next_deferred->deferred_link = &call->next_deferred;
	server->deferred = call;
	server->ndeferred++;
}

static void remove_deferred(struct fsb_call *call)
{
	*call->deferred_link = call->next_deferred;
	if (call->next_deferred)
		call->next_deferred->deferred_link = call->deferred_link;
}

static void give_answer(struct fsb_server *server, struct fsb_call *call, int *err)
{
	pthread_mutex_lock(&server->lock);
	remove_deferred(call);
	bool lost = server->state == STATE_ENDING;
	pthread_mutex_unlock(&server->lock);

	*err = call_finish(call, call->result, lost);

	pthread_mutex_lock(&server->lock);
	if (--server->ndeferred == 0)
		pthread_cond_broadcast(&server->idle);
	pthread_mutex_unlock(&server->lock);
}

/* Return: FSB_DEFERRED when others hold it still; else 0 or the reply function's error, and the
 * call is gone. */
static int let_go(struct fsb_call *call)
{
	struct fsb_server *server = call->server;
	int err;

	if (atomic_fetch_sub_explicit(&call->holds, 1, memory_order_acq_rel) > 1)
		return FSB_DEFERRED;
	give_answer(server, call, &err);
	return err;
}

/* Under the lock. Return: false when the answer is on its way. */
static bool take_hold(struct fsb_call *call)
{
	int holds = atomic_load_explicit(&call->holds, memory_order_relaxed);

	while (holds > 0)
		if (atomic_compare_exchange_weak(&call->holds, &holds, holds + 1))
			return true;
	return false;
}

void fsb_call_complete(struct fsb_call *call, ssize_t result)
{
	call->result = result;
	let_go(call);
}

/* ---- Interrupts ---- */

static void remember_early(struct fsb_server *server, uint64_t unique)
{
	server->early[server->next_early] = unique;
	server->next_early = (server->next_early + 1) % EARLY_INTERRUPTS;
}

static bool forget_early(struct fsb_server *server, uint64_t unique)
{
	bool found = false;

	for (size_t i = 0; i < EARLY_INTERRUPTS; i++) {
		if (server->early[i] == unique) {
			server->early[i] = 0;
			found = true;
		}
	}
	return found;
}

/* Under the lock: whether somebody wanted this request to end before it was deferred. */
static bool interrupted_before(struct fsb_server *server, const struct fsb_call *call)
{
	uint64_t unique = atomic_load_explicit(&call->unique, memory_order_relaxed);

	if (server->state != STATE_ACTIVE)
		return true;
	return unique != 0 && (call->marked == unique || forget_early(server, unique));
}

static void deliver(struct fsb_server *server, struct fsb_call *call)
{
	server->ops.interrupt(server->fs, call);
	let_go(call);
}

int call_detach(struct fsb_call *call)
{
	struct fsb_server *server = call->server;

	pthread_mutex_lock(&server->lock);
	insert_deferred(server, call);
	bool interrupt =
		server->ops.interrupt && interrupted_before(server, call) && take_hold(call);
	pthread_mutex_unlock(&server->lock);
	/* Counted as deferred from here on. */
	call_leave(call);

	if (interrupt)
		deliver(server, call);
	return let_go(call);
}

/*
 * Under the lock, which is let go of meanwhile: interrupt the deferred calls of request @unique, or
 * all of them. There can be more than one, when a client that was asked to sends a request again.
 */
static bool interrupt_deferred(struct fsb_server *server, bool all, uint64_t unique)
{
	uint64_t round = ++server->told;
	struct fsb_call *call = server->deferred;
	bool found = false;

	while (call) {
		bool meant =
			all || atomic_load_explicit(&call->unique, memory_order_relaxed) == unique;
		if (!meant || call->told == round || !take_hold(call)) {
			call = call->next_deferred;
			continue;
		}
		call->told = round;
		found = true;
		pthread_mutex_unlock(&server->lock);
		deliver(server, call);
		pthread_mutex_lock(&server->lock);
		call = server->deferred;
	}
	return found;
}

/* Under the lock: mark those at work on the request that have not been deferred so far. */
static bool mark_running(struct fsb_server *server, const struct fsb_call *self, uint64_t unique)
{
	bool found = false;

	for (struct fsb_call *call = server->calls; call; call = call->next) {
		if (call == self || !atomic_load(&call->busy) ||
		    atomic_load(&call->unique) != unique)
			continue;
		call->marked = unique;
		found = true;
	}
	return found;
}

ssize_t run_interrupt(struct fsb_call *call)
{
	struct fsb_server *server = call->server;
	uint64_t unique = call->request.in.interrupt.unique & ~FUSE_UNIQUE_RESEND;

	/* No request of an honest client has this one. */
	if (unique == 0)
		return 0;
	pthread_mutex_lock(&server->lock);
	bool found = interrupt_deferred(server, false, unique);
	if (mark_running(server, call, unique))
		found = true;
	if (!found)
		remember_early(server, unique);
	pthread_mutex_unlock(&server->lock);
	return 0;
}

/* ---- The end ---- */

static bool others_busy(struct fsb_server *server, const struct fsb_call *self)
{
	for (struct fsb_call *call = server->calls; call; call = call->next)
		if (call != self && atomic_load(&call->busy))
			return true;
	return false;
}

/*
 * Wait until nobody else works on a request. Looking again and again, a little later each time,
 * keeps the threads that work from having to look for somebody who waits.
 */
static void wait_for_busy(struct fsb_server *server, const struct fsb_call *self)
{
	struct timespec pause = { .tv_nsec = 50 * 1000 };

	pthread_mutex_lock(&server->lock);
	while (others_busy(server, self)) {
		pthread_mutex_unlock(&server->lock);
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < 5 * 1000 * 1000)
			pause.tv_nsec *= 2;
		pthread_mutex_lock(&server->lock);
	}
	pthread_mutex_unlock(&server->lock);
}

/* The next client counts its requests from the start. */
static void forget_interrupts(struct fsb_server *server)
{
	memset(server->early, 0, sizeof(server->early));
	for (struct fsb_call *call = server->calls; call; call = call->next)
		call->marked = 0;
}

/* All but @self have come to an end, and nobody begins anything: the file system is told, if it was
 * started. */
static void destroy(struct fsb_server *server, const struct fsb_call *self, enum server_state next)
{
	pthread_mutex_lock(&server->lock);
	if (server->ops.interrupt)
		interrupt_deferred(server, true, 0);
	pthread_mutex_unlock(&server->lock);
	wait_for_busy(server, self);

	pthread_mutex_lock(&server->lock);
	while (server->ndeferred > 0)
		pthread_cond_wait(&server->idle, &server->lock);
	bool started = server->started;
	server->started = false;
	pthread_mutex_unlock(&server->lock);

	if (started && server->ops.destroy)
		server->ops.destroy(server->fs);

	pthread_mutex_lock(&server->lock);
	fsb_protocol_init(&server->protocol);
	forget_interrupts(server);
	server->state = next;
	pthread_mutex_unlock(&server->lock);
}

/* Answered afterwards: when the client's unmount has returned, nothing of the mount is left here.
 */
ssize_t run_destroy(struct fsb_call *call)
{
	struct fsb_server *server = call->server;

	pthread_mutex_lock(&server->lock);
	bool mine = server->state == STATE_ACTIVE;
	if (mine)
		server->state = STATE_CLOSING;
	pthread_mutex_unlock(&server->lock);
	if (!mine)
		return -ENODEV;
	destroy(server, call, STATE_CLOSED);
	return 0;
}

void fsb_server_disconnect(struct fsb_server *server)
{
	pthread_mutex_lock(&server->lock);
	server->state = STATE_ENDING;
	pthread_mutex_unlock(&server->lock);
	destroy(server, NULL, STATE_NEW);
}
