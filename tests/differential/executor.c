/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The processes that do the work; see executor.h.
 */
#include "executor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_SECONDS 30

enum state { IDLE, BUSY, LEAVE };

/* A worker as both processes see it, in shared memory; the descriptors are the driver's, those of
 * the actor its own. */
struct worker {
	_Atomic uint32_t state;
	struct operation op;
	struct result result;
	struct actor actor;
	pid_t pid;
	int pidfd;
	int socket;
};

static void change_state(struct worker *worker, uint32_t state)
{
	atomic_store(&worker->state, state);
	syscall(SYS_futex, &worker->state, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void wait_while(struct worker *worker, uint32_t state, const struct timespec *timeout)
{
	syscall(SYS_futex, &worker->state, FUTEX_WAIT, state, timeout, NULL, 0);
}

/* The worker's own life. */

static bool settle(const struct executor *executor, enum side side, const struct identity *identity)
{
	const bool sabotaged = side == MOUNTED && executor->sabotage != SABOTAGE_NONE;
	const bool without_groups = sabotaged && executor->sabotage == SABOTAGE_GROUPS;
	const bool without_umask = sabotaged && executor->sabotage == SABOTAGE_UMASK;

	if (call_begin() != 0)
		return false;
	if (chroot(executor->roots[side]) < 0 || chdir("/") < 0)
		return false;
	umask(without_umask ? 0 : identity->umask);
	if (identity_wear(identity, without_groups ? 0 : identity->groups, true) != 0)
		return false;
	/* after the change of identity, which takes the setting away */
	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
}

static void work(struct worker *worker)
{
	for (;;) {
		switch (atomic_load(&worker->state)) {
		case IDLE:
			wait_while(worker, IDLE, NULL);
			break;
		case BUSY:
			perform(&worker->actor, &worker->op, &worker->result);
			change_state(worker, IDLE);
			break;
		default:
			_exit(0);
		}
	}
}

/* The driver's part. */

static void worker_free(struct worker *worker)
{
	if (worker->pid > 0) {
		const struct timespec moment = { .tv_nsec = 10000000 };

		change_state(worker, LEAVE);
		for (int i = 0; i < 500 && waitpid(worker->pid, NULL, WNOHANG) == 0; i++) {
			if (i == 300)
				kill(worker->pid, SIGKILL);
			nanosleep(i < 20 ? &(struct timespec){ .tv_nsec = 200000 } : &moment, NULL);
		}
		close(worker->pidfd);
		close(worker->socket);
	}
	munmap(worker, sizeof(*worker));
}

static struct worker *worker_new(struct executor *executor, enum side side, int user)
{
	struct worker *worker = mmap(NULL, sizeof(*worker), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int sockets[2];
	pid_t pid;

	if (worker == MAP_FAILED)
		return NULL;
	worker->actor.user = user;
	for (int i = 0; i < SLOTS; i++)
		worker->actor.slots[i] = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) {
		worker_free(worker);
		return NULL;
	}
	worker->socket = sockets[0];
	worker->actor.socket = sockets[1];
	fflush(NULL);
	atomic_store(&worker->state, BUSY);
	pid = fork(); /* not into the shared memory at once, where the child would write its 0 as
			 well */
	if (pid == 0) {
		close(sockets[0]);
		if (!settle(executor, side, &identities[user]))
			_exit(1);
		change_state(worker, IDLE);
		work(worker);
	}
	close(sockets[1]);
	worker->pid = pid;
	worker->pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	return worker;
}

/* Waits until the worker has done what it was given. */
static int await(struct worker *worker)
{
	const struct timespec second = { .tv_sec = 1 };

	for (int waited = 0; atomic_load(&worker->state) == BUSY; waited++) {
		wait_while(worker, BUSY, &second);
		if (atomic_load(&worker->state) != BUSY)
			break;
		if (worker->pid <= 0 || waitpid(worker->pid, NULL, WNOHANG) != 0)
			return -ECHILD;
		if (waited >= PATIENCE_SECONDS)
			return -ETIMEDOUT;
	}
	return 0;
}

static struct worker *worker_of(struct executor *executor, enum side side, int64_t user)
{
	struct worker **worker = &executor->workers[side][user];

	if (!*worker)
		*worker = worker_new(executor, side, (int)user);
	return *worker && await(*worker) == 0 ? *worker : NULL;
}

/* Fetches the descriptor that @op is to hand over out of its giver and sends it on its way. */
static bool pass_descriptor(struct executor *executor, enum side side, const struct operation *op)
{
	struct worker *giver = worker_of(executor, side, op->giver);
	struct worker *taker = worker_of(executor, side, op->user);
	int fd = -1;
	bool sent;

	if (!giver || !taker)
		return false;
	if (op->slot2 >= 0 && giver->actor.slots[op->slot2] >= 0)
		fd = (int)syscall(SYS_pidfd_getfd, giver->pidfd, giver->actor.slots[op->slot2], 0);
	sent = hand_over(taker->socket, fd);
	if (fd >= 0)
		close(fd);
	return sent;
}

static int submit(struct executor *executor, enum side side, const struct operation *op)
{
	struct worker *worker = worker_of(executor, side, op->user);

	if (!worker)
		return -ECHILD;
	if (op->kind == OP_PASS && !pass_descriptor(executor, side, op))
		return -ECHILD;
	worker->op = *op;
	change_state(worker, BUSY);
	return 0;
}

void executor_init(struct executor *executor, const char *const roots[SIDES],
		   enum sabotage sabotage)
{
	memset(executor, 0, sizeof(*executor));
	for (int side = 0; side < SIDES; side++)
		executor->roots[side] = roots[side];
	executor->sabotage = sabotage;
}

int executor_run(struct executor *executor, const struct operation *op,
		 struct result results[SIDES])
{
	int err;

	/* the slow side first, so that the fast one works while it waits */
	for (int side = SIDES - 1; side >= 0; side--) {
		err = submit(executor, (enum side)side, op);
		if (err)
			return err;
	}
	for (int side = 0; side < SIDES; side++) {
		struct worker *worker = executor->workers[side][op->user];

		err = await(worker);
		if (err)
			return err;
		results[side] = worker->result;
	}
	return 0;
}

void executor_stop(struct executor *executor)
{
	for (int side = 0; side < SIDES; side++) {
		for (int user = 0; user < USERS; user++) {
			if (executor->workers[side][user])
				worker_free(executor->workers[side][user]);
			executor->workers[side][user] = NULL;
		}
	}
}
