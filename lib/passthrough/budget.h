/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The share that a client has in the process's descriptors, as far as they stay open for as long as
 * it wants. Nothing is entered into any books: what is held is counted where it is kept, and looked
 * at before there is more.
 */
#ifndef FSB_PASSTHROUGH_BUDGET_H
#define FSB_PASSTHROUGH_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>

struct passthrough;

/** @told: that it is at its limit has been told */
struct budget_member {
	struct passthrough *next;
	atomic_bool told;
};

/** Count from here on, if there is a budget in its configuration, and until here. */
void budget_join(struct passthrough *pt);
void budget_leave(struct passthrough *pt);

/** Whether one more may be held. */
bool budget_has_room(struct passthrough *pt);

/**
 * The same, before one is made. Where the client is about to forget files that have no names, it is
 * waited for. Return: 0; -ENFILE.
 */
int budget_check(struct passthrough *pt);

#endif
