// SPDX-License-Identifier: BSD-3-Clause
/*
 * Waiting for locks: a queue, and one thread that tries its requests in their order. Locks of this
 * server that are given up make it try at once; for those of others it looks again after a pause
 * that grows. With an empty queue it sleeps.
 *
 * Only the thread takes waits out of the queue and answers them, so that each is answered once,
 * whatever else happens to it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "../thread.h"
#include "passthrough.h"

enum { WAITS_MAX = 1024, PAUSE_FIRST_MS = 1, PAUSE_LAST_MS = 20 };

int lock_queue_init(struct lock_queue *queue)
{
	pthread_condattr_t attr;
	int err = pthread_condattr_init(&attr);
	if (err)
		return -err;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	err = pthread_cond_init(&queue->news, &attr);
	pthread_condattr_destroy(&attr);
	queue->last = &queue->first;
	return -err;
}

/* The table's lock is held. */
static void tell(struct lock_queue *queue)
{
	queue->has_news = true;
	pthread_cond_signal(&queue->news);
}

/* ---- The thread; the table's lock is held where nothing else is said ---- */

static int try_wait(struct lock_table *table, struct lock_wait *wait)
{
	int result = -EAGAIN;

	if (wait->due && !wait->ended) {
		wait->due = false;
		/* The host may take its time (a network file system). */
		pthread_mutex_unlock(&table->lock);
		result = lock_request_try(&wait->request);
		pthread_mutex_lock(&table->lock);
	}
	/* A lock that was got counts more than a signal that came late. */
	return result == -EAGAIN && wait->ended ? wait->ended : result;
}

/* Try what is due. Return: the list of those that are over, with their results in @ended. */
static struct lock_wait *try_all(struct lock_table *table)
{
	struct lock_queue *queue = &table->queue;
	struct lock_wait *over = NULL, **over_last = &over;
	struct lock_wait **at = &queue->first;

	while (*at) {
		struct lock_wait *wait = *at;
		int result = wait->armed ? try_wait(table, wait) : -EAGAIN;
		if (result == -EAGAIN) {
			at = &wait->next;
			continue;
		}
		*at = wait->next;
		if (queue->last == &wait->next)
			queue->last = at;
		queue->count--;
		wait->ended = result;
		wait->next = NULL;
		*over_last = wait;
		over_last = &wait->next;
	}
	return over;
}

/* Without the table's lock: answering leads into the server and the transport. */
static void answer_all(struct passthrough *pt, struct lock_wait *over)
{
	while (over) {
		struct lock_wait *wait = over;
		struct fsb_call *call = wait->call;
		int result = wait->ended;

		over = wait->next;
		if (result == 0)
			lock_queue_wake(pt, wait->request.handle->inode);
		/*
		 * First let go of everything: the answer may be what the file system's end waits
		 * for.
		 */
		lock_request_end(pt, &wait->request);
		free(wait);
		fsb_call_complete(call, result);
	}
}

static void pause_for(struct lock_table *table, long ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (!table->queue.has_news &&
	       pthread_cond_timedwait(&table->queue.news, &table->lock, &until) != ETIMEDOUT)
		;
	if (table->queue.has_news)
		return;
	for (struct lock_wait *wait = table->queue.first; wait; wait = wait->next)
		wait->due = true;
}

static void *wait_for_locks(void *arg)
{
	struct passthrough *pt = arg;
	struct lock_table *table = &pt->locks;
	struct lock_queue *queue = &table->queue;
	long pause_ms = PAUSE_FIRST_MS;

	pthread_mutex_lock(&table->lock);
	for (;;) {
		while (!queue->first && !queue->stop)
			pthread_cond_wait(&queue->news, &table->lock);
		if (!queue->first)
			break;
		queue->has_news = false;
		struct lock_wait *over = try_all(table);
		if (over) {
			pthread_mutex_unlock(&table->lock);
			answer_all(pt, over);
			pthread_mutex_lock(&table->lock);
		} else if (!queue->has_news) {
			pause_for(table, pause_ms);
			pause_ms = pause_ms * 2 < PAUSE_LAST_MS ? pause_ms * 2 : PAUSE_LAST_MS;
			continue;
		}
		pause_ms = PAUSE_FIRST_MS;
	}
	pthread_mutex_unlock(&table->lock);
	return NULL;
}

/* As the server, whose credentials the thread inherits. */
static int start_thread(struct passthrough *pt)
{
	struct lock_queue *queue = &pt->locks.queue;
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, NULL, WEAR_SERVER, &worn);
	if (err)
		return err;
	pthread_mutex_lock(&pt->locks.lock);
	if (!queue->running) {
		err = thread_start(&queue->thread, NULL, wait_for_locks, pt);
		queue->running = !err;
	}
	pthread_mutex_unlock(&pt->locks.lock);
	return err ? -ENOLCK : 0;
}

static int ensure_thread(struct passthrough *pt)
{
	pthread_mutex_lock(&pt->locks.lock);
	bool running = pt->locks.queue.running;
	pthread_mutex_unlock(&pt->locks.lock);
	return running ? 0 : start_thread(pt);
}

/* ---- The others ---- */

int lock_queue_add(struct passthrough *pt, const struct fsb_context *ctx,
		   struct lock_request *request)
{
	struct lock_queue *queue = &pt->locks.queue;
	int err = ensure_thread(pt);
	if (err)
		return err;
	struct lock_wait *wait = calloc(1, sizeof(*wait));
	if (!wait)
		return -ENOMEM;

	/*
	 * In the queue before it is deferred, so that an interrupt finds it from the first moment
	 * on.
	 */
	pthread_mutex_lock(&pt->locks.lock);
	bool full = queue->count >= WAITS_MAX;
	if (!full) {
		wait->request = *request;
		wait->call = ctx->call;
		wait->due = true;
		*queue->last = wait;
		queue->last = &wait->next;
		queue->count++;
	}
	pthread_mutex_unlock(&pt->locks.lock);
	if (full) {
		free(wait);
		return -ENOLCK;
	}
	*request = (struct lock_request){ 0 };
	(void)fsb_call_defer(ctx);

	pthread_mutex_lock(&pt->locks.lock);
	wait->armed = true;
	tell(queue);
	pthread_mutex_unlock(&pt->locks.lock);
	return FSB_DEFERRED;
}

bool lock_queue_holds(struct passthrough *pt, const struct inode *inode)
{
	bool found = false;

	pthread_mutex_lock(&pt->locks.lock);
	for (struct lock_wait *wait = pt->locks.queue.first; wait && !found; wait = wait->next)
		found = wait->request.handle->inode == inode;
	pthread_mutex_unlock(&pt->locks.lock);
	return found;
}

void lock_queue_wake(struct passthrough *pt, const struct inode *inode)
{
	struct lock_queue *queue = &pt->locks.queue;

	pthread_mutex_lock(&pt->locks.lock);
	for (struct lock_wait *wait = queue->first; wait; wait = wait->next) {
		if (wait->request.handle->inode != inode)
			continue;
		wait->due = true;
		tell(queue);
	}
	pthread_mutex_unlock(&pt->locks.lock);
}

/* The table's lock is held. */
static void end(struct lock_queue *queue, struct lock_wait *wait, int with)
{
	if (!wait->ended)
		wait->ended = with;
	tell(queue);
}

void lock_queue_drop(struct passthrough *pt, const struct handle *handle)
{
	pthread_mutex_lock(&pt->locks.lock);
	for (struct lock_wait *wait = pt->locks.queue.first; wait; wait = wait->next)
		if (wait->request.handle == handle)
			end(&pt->locks.queue, wait, -EBADF);
	pthread_mutex_unlock(&pt->locks.lock);
}

void passthrough_interrupt(struct fsb_filesystem *fs, struct fsb_call *call)
{
	struct passthrough *pt = passthrough_of(fs);

	pthread_mutex_lock(&pt->locks.lock);
	for (struct lock_wait *wait = pt->locks.queue.first; wait; wait = wait->next)
		if (wait->call == call)
			end(&pt->locks.queue, wait, -EINTR);
	pthread_mutex_unlock(&pt->locks.lock);
}

void lock_queue_clear(struct passthrough *pt)
{
	struct lock_queue *queue = &pt->locks.queue;

	pthread_mutex_lock(&pt->locks.lock);
	bool running = queue->running;
	for (struct lock_wait *wait = queue->first; wait; wait = wait->next)
		end(queue, wait, -EINTR);
	queue->stop = running;
	tell(queue);
	pthread_mutex_unlock(&pt->locks.lock);
	if (!running)
		return;
	pthread_join(queue->thread, NULL);
	queue->running = false;
	queue->stop = false;
}
