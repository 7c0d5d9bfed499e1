// SPDX-License-Identifier: BSD-3-Clause
/*
 * Threads that measure. They prepare, step and clear in step with each other, so that what is timed
 * on one never has to do with another's preparations. A first part is done without being counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "crew.h"

static const double warm_up = 0.1; /* of the time, done before it */

struct crew {
	const struct crew_config *config;
	pthread_barrier_t barrier;
	atomic_int error;
	atomic_bool more; /* batches */
	atomic_bool well;
};

/**
 * @steps:  how many were done
 * @timed:  ns in steps, counted or not
 */
struct worker {
	struct crew *crew;
	pthread_t thread;
	unsigned int index;
	struct place place;
	uint64_t steps;
	uint64_t timed;
	bool counting;
	struct histogram latency;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool failed(struct worker *worker)
{
	return atomic_load_explicit(&worker->crew->error, memory_order_relaxed) != 0;
}

static void note(struct worker *worker, int err)
{
	int none = 0;

	if (err)
		atomic_compare_exchange_strong(&worker->crew->error, &none, err);
}

static void meet(struct worker *worker)
{
	pthread_barrier_wait(&worker->crew->barrier);
}

/* ---- Who and where ---- */

static const struct caller *caller_of(const struct worker *worker, uint64_t step)
{
	const struct crew_config *config = worker->crew->config;

	if (!config->ncallers)
		return NULL;
	return &config->callers[(config->alternate ? step : worker->index) % config->ncallers];
}

static int become(struct worker *worker, uint64_t step)
{
	const struct caller *caller = caller_of(worker, step);

	return caller ? caller_become(caller) : 0;
}

/* For every caller to work in. The directory of a former run may still be there. */
static int open_place(struct worker *worker)
{
	const struct crew_config *config = worker->crew->config;
	const struct caller *caller = caller_of(worker, 0);
	char path[4096];

	snprintf(path, sizeof(path), "%s/thread%u", config->dir, worker->index);
	if (mkdir(path, 0777) < 0 && errno != EEXIST)
		return -errno;
	worker->place = (struct place){ .dir = -1, .file = -1, .evict = config->evict };
	worker->place.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (worker->place.dir < 0)
		return -errno;
	if (caller && fchown(worker->place.dir, caller->uid, caller->gid) < 0)
		return -errno;
	return fchmod(worker->place.dir, 0777) < 0 ? -errno : 0;
}

/* ---- Steps ---- */

static void step(struct worker *worker)
{
	const struct operation *operation = worker->crew->config->operation;
	int err = 0;

	if (worker->crew->config->alternate)
		err = become(worker, worker->steps);
	uint64_t begin = now_ns();
	if (!err)
		err = operation->step(&worker->place, worker->steps);
	uint64_t took = now_ns() - begin;
	worker->steps++;
	worker->timed += took;
	if (worker->counting)
		histogram_add(&worker->latency, took);
	note(worker, err);
}

static void batch(struct worker *worker)
{
	const struct operation *operation = worker->crew->config->operation;
	uint64_t first = worker->steps;

	if (operation->prepare)
		note(worker, operation->prepare(&worker->place, first));
	meet(worker);
	for (unsigned int i = 0; i < OPERATION_BATCH && !failed(worker); i++)
		step(worker);
	meet(worker);
	if (operation->clear && !failed(worker))
		note(worker, operation->clear(&worker->place, first));
}

/*
 * Whether nothing has gone wrong so far. All get the same answer, as a thread that goes on alone
 * would wait for the others for ever.
 */
static bool all_well(struct worker *worker)
{
	struct crew *crew = worker->crew;

	meet(worker);
	if (worker->index == 0)
		atomic_store(&crew->well, atomic_load(&crew->error) == 0);
	meet(worker);
	return atomic_load(&crew->well);
}

/* All make the same number of batches: each by its own clock, they would not agree on the last. */
static void run_batches(struct worker *worker, uint64_t span)
{
	struct crew *crew = worker->crew;
	uint64_t begin = worker->timed;

	do {
		batch(worker);
		if (worker->index == 0)
			atomic_store(&crew->more, worker->timed - begin < span);
	} while (all_well(worker) && atomic_load(&crew->more));
}

static void run_steps(struct worker *worker, uint64_t span)
{
	uint64_t end = now_ns() + span;

	meet(worker);
	do
		step(worker);
	while (now_ns() < end && !failed(worker));
}

static void run_for(struct worker *worker, double seconds)
{
	uint64_t span = (uint64_t)(seconds * 1e9);

	if (worker->crew->config->operation->batches)
		run_batches(worker, span);
	else
		run_steps(worker, span);
}

static void *work(void *opaque)
{
	struct worker *worker = opaque;
	const struct crew_config *config = worker->crew->config;
	int err = become(worker, 0);

	if (!err && config->operation->init)
		err = config->operation->init(&worker->place);
	note(worker, err);
	if (all_well(worker)) {
		run_for(worker, config->seconds * warm_up);
		worker->counting = true;
		run_for(worker, config->seconds);
	}
	if (all_well(worker) && config->operation->fini)
		note(worker, config->operation->fini(&worker->place));
	return NULL;
}

/* ---- The crew ---- */

static int start(struct crew *crew, struct worker *workers)
{
	unsigned int threads = crew->config->threads, started = 0;
	int err = 0;

	for (unsigned int i = 0; i < threads && !err; i++) {
		workers[i].crew = crew;
		workers[i].index = i;
		err = open_place(&workers[i]);
	}
	for (; started < threads && !err; started++)
		err = -pthread_create(&workers[started].thread, NULL, work, &workers[started]);
	/* The others would wait for one that is not there. */
	if (err && started > 0)
		exit(1);
	for (unsigned int i = 0; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	return err ? err : atomic_load(&crew->error);
}

static void sum_up(const struct worker *workers, unsigned int threads, struct crew_result *result)
{
	for (unsigned int i = 0; i < threads; i++) {
		const struct histogram *latency = &workers[i].latency;
		result->thread_rate[i] = (double)latency->count * 1e9 / (double)latency->total_ns;
		result->rate += result->thread_rate[i];
		histogram_merge(&result->latency, latency);
	}
}

int crew_run(const struct crew_config *config, struct crew_result *result)
{
	struct worker *workers = calloc(config->threads, sizeof(*workers));
	struct crew crew = { .config = config };

	if (!workers)
		return -ENOMEM;
	*result = (struct crew_result){ .rate = 0 };
	pthread_barrier_init(&crew.barrier, NULL, config->threads);
	int err = start(&crew, workers);
	if (!err)
		sum_up(workers, config->threads, result);
	for (unsigned int i = 0; i < config->threads; i++)
		if (workers[i].place.dir > 0)
			close(workers[i].place.dir);
	pthread_barrier_destroy(&crew.barrier);
	free(workers);
	return err;
}
