// SPDX-License-Identifier: BSD-3-Clause
/*
 * The shared door is an epoll whose watch of the device fires once, and is then set again, which
 * looks at the device: a request that came meanwhile is not missed. It must be open whenever nobody
 * watches. It may be open while somebody does (two workers can set it in another order than they
 * counted themselves), which wakes one in vain; but never the other way round, as whoever leaves
 * last has shut it, if it did, before.
 */
#include <errno.h>
#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../cleanup.h"
#include "door.h"

/* Return: an epoll that waits for the device and for the end; or a negative errno. */
static int make_epoll(const struct door *door, uint32_t events)
{
	struct epoll_event request = { .events = events }, end = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		return -errno;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, door->end, &end) < 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, door->fd, &request) < 0) {
		int err = -errno;
		close(epoll);
		return err;
	}
	return epoll;
}

int door_init(struct door *door, int fd, int end, uint64_t spin_ns)
{
	*door = (struct door){ .epoll = -1, .fd = fd, .end = end, .spin_ns = spin_ns };
	crowd_init(&door->crowd);
	if (spin_ns == 0)
		return 0;
	int epoll = make_epoll(door, EPOLLIN | EPOLLONESHOT);
	if (epoll < 0)
		return epoll;
	door->epoll = epoll;
	return 0;
}

void door_clear(struct door *door)
{
	fd_close(&door->epoll);
}

static void set(struct door *door, uint32_t events)
{
	struct epoll_event event = { .events = events };

	epoll_ctl(door->epoll, EPOLL_CTL_MOD, door->fd, &event);
}

static void watch(struct waiter *waiter)
{
	if (waiter->watching)
		return;
	waiter->watching = true;
	if (atomic_fetch_add(&waiter->door->watchers, 1) == 0)
		set(waiter->door, 0);
}

static void leave(struct waiter *waiter)
{
	if (!waiter->watching)
		return;
	waiter->watching = false;
	if (atomic_fetch_sub(&waiter->door->watchers, 1) == 1)
		set(waiter->door, EPOLLIN | EPOLLONESHOT);
}

/* Who wakes up watches: the door that let it out is shut. */
static void sleep_at(struct waiter *waiter)
{
	struct epoll_event event;

	leave(waiter);
	epoll_wait(waiter->door->epoll, &event, 1, -1);
	waiter->watching = true;
	atomic_fetch_add(&waiter->door->watchers, 1);
}

int waiter_init(struct waiter *waiter, struct door *door)
{
	*waiter = (struct waiter){ .door = door, .epoll = -1 };
	patience_init(&waiter->patience, &door->crowd, door->spin_ns);
	if (door->spin_ns > 0)
		return 0;
	/* Exclusive: a request wakes one sleeper, not all. */
	int epoll = make_epoll(door, EPOLLIN | EPOLLEXCLUSIVE);
	if (epoll < 0)
		return epoll;
	waiter->epoll = epoll;
	return 0;
}

void waiter_clear(struct waiter *waiter)
{
	fd_close(&waiter->epoll);
}

void waiter_sleep(struct waiter *waiter)
{
	struct epoll_event event;

	if (waiter->epoll >= 0)
		epoll_wait(waiter->epoll, &event, 1, -1);
	else
		sleep_at(waiter);
}

void waiter_wait(struct waiter *waiter)
{
	if (waiter->epoll >= 0 || !patience_permits(&waiter->patience)) {
		waiter_sleep(waiter);
		return;
	}
	watch(waiter);
	sched_yield();
}

void waiter_done(struct waiter *waiter, bool found)
{
	if (waiter->epoll >= 0)
		return;
	patience_ends(&waiter->patience, found);
	leave(waiter);
}
