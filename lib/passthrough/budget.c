// SPDX-License-Identifier: BSD-3-Clause
/* How many descriptors a client may hold, and what it leaves to others. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "passthrough.h"

/**
 * @share:   that each one may hold whatever others do
 * @pool:    for what goes beyond
 * @members: whoever shares it
 * @waiting: calls that wait for FORGETs
 */
struct fsb_passthrough_budget {
	pthread_mutex_t lock;
	unsigned int share;
	unsigned int pool;
	struct passthrough *members;
	atomic_uint waiting;
};

int fsb_passthrough_budget_new(unsigned int share, unsigned int pool,
			       struct fsb_passthrough_budget **budget)
{
	if (share == 0 || share > INT_MAX || pool > INT_MAX)
		return -EINVAL;
	*budget = calloc(1, sizeof(**budget));
	if (!*budget)
		return -ENOMEM;
	pthread_mutex_init(&(*budget)->lock, NULL);
	(*budget)->share = share;
	(*budget)->pool = pool;
	return 0;
}

void fsb_passthrough_budget_free(struct fsb_passthrough_budget *budget)
{
	if (!budget)
		return;
	pthread_mutex_destroy(&budget->lock);
	free(budget);
}

void budget_join(struct passthrough *pt)
{
	struct fsb_passthrough_budget *budget = pt->config.budget;

	if (!budget)
		return;
	pthread_mutex_lock(&budget->lock);
	pt->budget.next = budget->members;
	budget->members = pt;
	pthread_mutex_unlock(&budget->lock);
}

void budget_leave(struct passthrough *pt)
{
	struct fsb_passthrough_budget *budget = pt->config.budget;

	if (!budget)
		return;
	pthread_mutex_lock(&budget->lock);
	struct passthrough **link = &budget->members;
	while (*link != pt)
		link = &(*link)->budget.next;
	*link = pt->budget.next;
	pthread_mutex_unlock(&budget->lock);
}

/* Those that can only be had back from the client. */
static unsigned int count_held(const struct passthrough *pt)
{
	unsigned int fds = atomic_load_explicit(&pt->inodes.fds, memory_order_relaxed);
	unsigned int cached = atomic_load_explicit(&pt->inodes.cached, memory_order_relaxed);

	/* Each changes on its own. */
	return (fds > cached ? fds - cached : 0) +
	       atomic_load_explicit(&pt->handles.open, memory_order_relaxed) +
	       atomic_load_explicit(&pt->locks.descriptions, memory_order_relaxed);
}

/* Of the pool. */
static unsigned int count_taken(struct fsb_passthrough_budget *budget)
{
	uint64_t taken = 0;

	pthread_mutex_lock(&budget->lock);
	for (const struct passthrough *pt = budget->members; pt; pt = pt->budget.next) {
		unsigned int held = count_held(pt);
		if (held > budget->share)
			taken += held - budget->share;
	}
	pthread_mutex_unlock(&budget->lock);
	return taken < budget->pool ? (unsigned int)taken : budget->pool;
}

bool budget_has_room(struct passthrough *pt)
{
	struct fsb_passthrough_budget *budget = pt->config.budget;
	unsigned int held = budget ? count_held(pt) : 0;

	/* Most clients never hold more. */
	if (!budget || held < budget->share)
		return true;
	return held - budget->share < budget->pool - count_taken(budget);
}

/*
 * A client that removes many files at once may be faster than its own FORGETs, which come later and
 * by another thread. They are waited for as long as they come.
 */
static void await_forgets(struct passthrough *pt)
{
	enum { MILLISECONDS = 2000, SILENCE = 300 };
	const struct timespec millisecond = { .tv_nsec = 1000000 };
	unsigned int least = atomic_load_explicit(&pt->inodes.nameless, memory_order_relaxed);

	for (int waited = 0, silent = 0; waited < MILLISECONDS && silent < SILENCE; waited++) {
		unsigned int now = atomic_load_explicit(&pt->inodes.nameless, memory_order_relaxed);
		if (now == 0)
			break;
		silent = now < least ? 0 : silent + 1;
		least = now < least ? now : least;
		nanosleep(&millisecond, NULL);
		if (budget_has_room(pt))
			break;
	}
}

/*
 * Each that waits keeps a thread from everybody, those included that could forget something: no
 * more than a few may, whatever clients do. Return: whether there is room.
 */
static bool wait_for_forgets(struct passthrough *pt)
{
	enum { WAITING_MOST = 2 };
	struct fsb_passthrough_budget *budget = pt->config.budget;

	if (atomic_fetch_add(&budget->waiting, 1) < WAITING_MOST)
		await_forgets(pt);
	atomic_fetch_sub(&budget->waiting, 1);
	return budget_has_room(pt);
}

int budget_check(struct passthrough *pt)
{
	if (budget_has_room(pt) || wait_for_forgets(pt))
		return 0;
	if (!atomic_exchange_explicit(&pt->budget.told, true, memory_order_relaxed))
		log_write(&pt->config.log, FSB_LOG_WARNING,
			  "passthrough: the client holds %u descriptors, and no more are for it: "
			  "requests that need one fail with ENFILE until it closes or forgets "
			  "files",
			  count_held(pt));
	return -ENFILE;
}
