/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every interleaving of a few threads, one after the other.
 *
 * The threads are coroutines that take turns at the steps which they announce. Each schedule is run
 * from the start, up to where it first differs from those before it; a state that was seen before
 * is not gone on from. What a state is, the threads' stacks and registers tell, and, for everything
 * that they share, the state() of the exploration. So all that they share has to begin the same
 * each time, down to the addresses.
 *
 * This shows what one order of whole steps after the other can do (sequential consistency). What a
 * weaker order of memory accesses could do is the thread sanitizer's business.
 */
#ifndef FSBACKEND_TESTS_UNIT_EXPLORER_H
#define FSBACKEND_TESTS_UNIT_EXPLORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXPLORER_THREADS = 3 };

struct exploration {
	unsigned int threads;
	void (*start)(void);               /* make the shared state anew */
	void (*body)(unsigned int thread); /* what a thread does */
	uint64_t (*state)(void);           /* a digest of everything shared */
	void (*check)(void);               /* called between any two steps */
	void (*end)(void);                 /* called when all threads have ended */
};

struct explored {
	unsigned long states;
	unsigned long schedules;
	unsigned long ends; /* distinct ones */
};

/** Run all of them. A failed check ends the test, and says by what steps it came to that. */
struct explored explore(const struct exploration *exploration);

/**
 * In a thread: any of the others may go on first. Outside of threads it is nothing. @what: a word
 * for the report.
 */
void explorer_step(const char *what);
/** A step that can be taken only while @taken is false, which it makes true. */
void explorer_lock(bool *taken);

/** The number of the thread that runs; EXPLORER_THREADS outside of threads. */
unsigned int explorer_thread(void);

/** Fail, with the steps that led here. */
void explorer_fail(const char *why) __attribute__((noreturn));

#define explorer_expect(condition) ((condition) ? (void)0 : explorer_fail(#condition))

/** Add memory to a digest. */
uint64_t explorer_digest(uint64_t digest, const void *memory, size_t size);

#endif
