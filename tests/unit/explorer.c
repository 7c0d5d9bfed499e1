// SPDX-License-Identifier: BSD-3-Clause
/* Every interleaving of a few threads, one after the other. */
#include <criterion/criterion.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "explorer.h"

enum { STACK_SIZE = 16384, MOST_STEPS = 512 };

struct thread {
	ucontext_t context;
	const char *next; /* what its next step is; NULL when it has ended */
	bool *waits_for;  /* the lock that the next step takes, or NULL */
	uint64_t digest;  /* of its stack and registers */
	_Alignas(64) unsigned char stack[STACK_SIZE];
};

static struct thread threads[EXPLORER_THREADS];
static ucontext_t scheduler;
static const struct exploration *exploring;
static struct thread *running;

/*
 * The present run: which thread took which step; and of its beginning, which others were not tried
 * yet there.
 */
static struct {
	unsigned int chosen[MOST_STEPS];
	unsigned int untried[MOST_STEPS]; /* bits */
	const char *steps[MOST_STEPS];
	unsigned int planned;
	unsigned int taken;
} schedule;

/* ---- Digests ---- */

uint64_t explorer_digest(uint64_t digest, const void *memory, size_t size)
{
	const unsigned char *bytes = memory;

	for (size_t i = 0; i < size; i += 8) {
		uint64_t word = 0;
		memcpy(&word, bytes + i, size - i < 8 ? size - i : 8);
		digest = (digest ^ word) * 0x9e3779b97f4a7c15u;
		digest ^= digest >> 32;
	}
	return digest;
}

/* States that were seen: open addressing, 0 is none. */
static struct {
	uint64_t *digests;
	size_t size; /* a power of two */
	size_t count;
} seen;

/* Return: whether it is a new one. */
static bool see(uint64_t digest)
{
	size_t at = digest & (seen.size - 1);

	while (seen.digests[at] && seen.digests[at] != digest)
		at = (at + 1) & (seen.size - 1);
	if (seen.digests[at])
		return false;
	seen.digests[at] = digest;
	seen.count++;
	return true;
}

static void make_room_to_see(void)
{
	if (seen.count * 2 < seen.size)
		return;
	uint64_t *old = seen.digests;
	size_t size = seen.size;
	seen.size = size ? size * 2 : 65536;
	seen.count = 0;
	seen.digests = calloc(seen.size, sizeof(uint64_t));
	cr_assert_not_null(seen.digests);
	for (size_t i = 0; i < size; i++)
		if (old[i])
			(void)see(old[i]);
	free(old);
}

static uint64_t state(void)
{
	uint64_t digest = exploring->state();

	for (unsigned int i = 0; i < exploring->threads; i++) {
		const uint64_t own[] = { threads[i].digest, (uintptr_t)threads[i].next };
		digest = explorer_digest(digest, own, sizeof(own));
	}
	return digest | 1; /* never 0 */
}

/* ---- Threads ---- */

void explorer_fail(const char *why)
{
	fprintf(stderr, "after these steps, each with the thread that took it:");
	for (unsigned int i = 0; i < schedule.taken; i++)
		fprintf(stderr, " %u:%s", schedule.chosen[i], schedule.steps[i]);
	fprintf(stderr, "\n");
	cr_assert_fail("%s", why);
	abort();
}

/* Everything that the thread knows lies above this frame, or in registers. */
static __attribute__((noinline)) void announce(const char *what, bool *waits_for)
{
	struct thread *self = running;
	const unsigned char *frame = __builtin_frame_address(0);
	jmp_buf registers;

	memset(&registers, 0, sizeof(registers));
	self->digest =
		setjmp(registers) == 0 ? explorer_digest(1, &registers, sizeof(registers)) : 0;
	self->digest =
		explorer_digest(self->digest, frame, (size_t)(self->stack + STACK_SIZE - frame));
	self->next = what;
	self->waits_for = waits_for;
	swapcontext(&self->context, &scheduler);
}

void explorer_step(const char *what)
{
	if (running)
		announce(what, NULL);
}

void explorer_lock(bool *taken)
{
	if (running)
		announce("lock", taken);
	explorer_expect(!*taken);
	*taken = true;
}

unsigned int explorer_thread(void)
{
	return running ? (unsigned int)(running - threads) : EXPLORER_THREADS;
}

static void run_body(void)
{
	explorer_step("begin");
	exploring->body(explorer_thread());
	running->next = NULL;
	running->waits_for = NULL;
	running->digest = 0;
	swapcontext(&running->context, &scheduler);
}

static void go_on(unsigned int thread)
{
	running = &threads[thread];
	swapcontext(&scheduler, &running->context);
	running = NULL;
}

static void start_all(void)
{
	schedule.taken = 0;
	exploring->start();
	for (unsigned int i = 0; i < exploring->threads; i++) {
		struct thread *thread = &threads[i];
		memset(thread->stack, 0, STACK_SIZE);
		getcontext(&thread->context);
		thread->context.uc_stack.ss_sp = thread->stack;
		thread->context.uc_stack.ss_size = STACK_SIZE;
		makecontext(&thread->context, run_body, 0);
		go_on(i);
	}
}

/* ---- Schedules ---- */

/* Those that can take a step now, as bits. */
static unsigned int ready(void)
{
	unsigned int bits = 0;

	for (unsigned int i = 0; i < exploring->threads; i++)
		if (threads[i].next && !(threads[i].waits_for && *threads[i].waits_for))
			bits |= 1u << i;
	return bits;
}

static bool all_have_ended(void)
{
	for (unsigned int i = 0; i < exploring->threads; i++)
		if (threads[i].next)
			return false;
	return true;
}

/* Take the first thread that is ready, and note the others. */
static void plan_step(unsigned int bits)
{
	explorer_expect(schedule.planned < MOST_STEPS);
	unsigned int first = (unsigned int)__builtin_ctz(bits);
	schedule.chosen[schedule.planned] = first;
	schedule.untried[schedule.planned] = bits & ~(1u << first);
	schedule.planned++;
}

static void take_step(void)
{
	unsigned int thread = schedule.chosen[schedule.taken];

	schedule.steps[schedule.taken++] = threads[thread].next;
	go_on(thread);
}

/* One run: what is planned, and from there on whatever comes first, until nothing new comes. */
static void run_schedule(struct explored *explored)
{
	start_all();
	while (schedule.taken < schedule.planned)
		take_step();
	for (;;) {
		exploring->check();
		make_room_to_see();
		if (!see(state()))
			return;
		unsigned int bits = ready();
		if (!bits)
			break;
		plan_step(bits);
		take_step();
	}
	if (!all_have_ended())
		explorer_fail("they wait for each other");
	exploring->end();
	explored->ends++;
}

/*
 * The next schedule: another thread at the last step that has one left. Return: whether there is
 * one.
 */
static bool replan(void)
{
	while (schedule.planned > 0 && schedule.untried[schedule.planned - 1] == 0)
		schedule.planned--;
	if (schedule.planned == 0)
		return false;
	unsigned int *untried = &schedule.untried[schedule.planned - 1];
	schedule.chosen[schedule.planned - 1] = (unsigned int)__builtin_ctz(*untried);
	*untried &= *untried - 1;
	return true;
}

struct explored explore(const struct exploration *exploration)
{
	struct explored explored = { 0 };

	exploring = exploration;
	schedule.planned = 0;
	seen.count = seen.size = 0;
	seen.digests = NULL;
	do {
		run_schedule(&explored);
		explored.schedules++;
	} while (replan());
	explored.states = seen.count;
	free(seen.digests);
	seen.digests = NULL;
	return explored;
}
