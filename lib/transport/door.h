/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How workers of a device wait for requests: they sleep at a door, which the kernel opens for one
 * of them when a request comes, or they watch, that is, look for requests themselves. While one
 * watches the door is shut, so that no other is woken for the same request. Where nobody spins
 * there is nothing to shut: each has a door of its own, and the kernel opens one of those.
 */
#ifndef FSB_TRANSPORT_DOOR_H
#define FSB_TRANSPORT_DOOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "patience.h"

/**
 * @epoll:    waits for a request, once each time that the door is opened, and for the end; -1 where
 *            nobody spins
 * @fd:       the device
 * @end:      becomes readable when nobody shall sleep any more
 * @spin_ns:  how long to spin at most
 * @watchers: how many watch
 * @crowd:    those of them who spin
 */
struct door {
	int epoll;
	int fd;
	int end;
	uint64_t spin_ns;
	_Alignas(64) atomic_uint watchers;
	struct crowd crowd;
};

/** One of those who wait. @epoll: its own, -1 where all share the door's. */
struct waiter {
	struct door *door;
	int epoll;
	struct patience patience;
	bool watching;
};

/**
 * Make the door of a device.
 *
 * @fd:      the device
 * @end:     a descriptor that becomes readable when nobody shall sleep any more
 * @spin_ns: how long to spin at most, 0 for never
 *
 * Return: 0 or a negative errno.
 */
int door_init(struct door *door, int fd, int end, uint64_t spin_ns);

/** Nobody uses it. Also if it was never made: @epoll is -1 then. */
void door_clear(struct door *door);

/** Make one who waits at @door. Return: 0 or a negative errno. */
int waiter_init(struct waiter *waiter, struct door *door);

/** It waits no more. Also if it was never made: @epoll is -1 then. */
void waiter_clear(struct waiter *waiter);

/** There was no request. Sleep until there may be one, or the end; or return, to look again. */
void waiter_wait(struct waiter *waiter);

/** The same, but sleep in any case. */
void waiter_sleep(struct waiter *waiter);

/**
 * There was one, or the worker goes: others are woken for what comes next, or is there already.
 */
void waiter_done(struct waiter *waiter, bool found);

#endif
