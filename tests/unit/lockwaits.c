// SPDX-License-Identifier: BSD-3-Clause
/*
 * Waiting for locks on the host, through a server: a request that has to wait comes back at once
 * without an answer, which is given later, once, whatever happens.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"

#include <fsbackend/server.h>

TestSuite(lockwaits, .timeout = 60);

static struct fixture f;
static struct fsb_server *server;
static uint64_t nodeid, fh, second_fh;
static atomic_uint_fast64_t next_unique = 2;

/* ---- A transport of requests in memory ---- */

struct exchange {
	struct fsb_message message;
	struct iovec in, out;
	unsigned char request[256];
	unsigned char payload[4096];
	uint64_t unique;
	atomic_int answers;
	int error;
	sem_t answered;
};

static atomic_uint order; /* of answers */

static int take_reply(struct fsb_message *message, const struct fuse_out_header *header)
{
	struct exchange *e = message->owner;

	e->error = header->error;
	atomic_fetch_add(&order, 1);
	atomic_fetch_add(&e->answers, 1);
	sem_post(&e->answered);
	return 0;
}

static void exchange_init(struct exchange *e)
{
	memset(e, 0, sizeof(*e));
	fsb_message_init(&e->message, take_reply, e);
	e->out = (struct iovec){ e->payload, sizeof(e->payload) };
	e->message.payload = &e->out;
	e->message.npayload = 1;
	sem_init(&e->answered, 0, 0);
}

static void exchange_clear(struct exchange *e)
{
	fsb_message_clear(&e->message);
	sem_destroy(&e->answered);
}

/* Send a request. Return: what the server's function returned. */
static int send_request(struct exchange *e, uint32_t opcode, uint64_t node, const void *arg,
			size_t size)
{
	struct fuse_in_header header = { .len = (uint32_t)(sizeof(header) + size),
					 .opcode = opcode,
					 .nodeid = node };

	e->unique = header.unique = atomic_fetch_add(&next_unique, 2);
	memcpy(e->request, &header, sizeof(header));
	memcpy(e->request + sizeof(header), arg, size);
	e->in = (struct iovec){ e->request, header.len };
	e->message.request = &e->in;
	e->message.nrequest = 1;
	return fsb_server_handle(server, &e->message);
}

static int answer_of(struct exchange *e)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	cr_assert_eq(sem_timedwait(&e->answered, &until), 0, "no answer came");
	return e->error;
}

static bool is_answered(struct exchange *e)
{
	return atomic_load(&e->answers) > 0;
}

/* A request that is answered in the call. */
static int ask(uint32_t opcode, const void *arg, size_t size)
{
	struct exchange e;

	exchange_init(&e);
	int err = send_request(&e, opcode, nodeid, arg, size);
	cr_assert_eq(err, 0, "opcode %u: %d", opcode, err);
	int answer = opcode == FUSE_INTERRUPT ? 0 : answer_of(&e);
	exchange_clear(&e);
	return answer;
}

/* ---- What is asked ---- */

static struct fuse_lk_in lock_of(uint64_t handle, uint64_t owner, uint32_t type, bool flock)
{
	return (struct fuse_lk_in){
		.fh = handle,
		.owner = owner,
		.lk = { .end = INT64_MAX, .type = type, .pid = (uint32_t)owner },
		.lk_flags = flock ? FUSE_LK_FLOCK : 0,
	};
}

static int set(uint64_t owner, uint32_t type)
{
	struct fuse_lk_in lock = lock_of(fh, owner, type, false);

	return ask(FUSE_SETLK, &lock, sizeof(lock));
}

static int set_flock(uint64_t handle, uint32_t type)
{
	struct fuse_lk_in lock = lock_of(handle, handle, type, true);

	return ask(FUSE_SETLK, &lock, sizeof(lock));
}

static int wait_by(struct exchange *e, const struct fuse_lk_in *lock)
{
	exchange_init(e);
	return send_request(e, FUSE_SETLKW, nodeid, lock, sizeof(*lock));
}

/* Wait for a lock that is held: the call comes back at once. */
static void must_wait(struct exchange *e, uint64_t owner, uint32_t type)
{
	struct fuse_lk_in lock = lock_of(fh, owner, type, false);

	cr_assert_eq(wait_by(e, &lock), FSB_DEFERRED);
}

static void must_wait_flock(struct exchange *e, uint64_t handle, uint32_t type)
{
	struct fuse_lk_in lock = lock_of(handle, handle, type, true);

	cr_assert_eq(wait_by(e, &lock), FSB_DEFERRED);
}

static void interrupt(const struct exchange *e)
{
	struct fuse_interrupt_in in = { .unique = e->unique };

	(void)ask(FUSE_INTERRUPT, &in, sizeof(in));
}

static void flush(uint64_t owner)
{
	struct fuse_flush_in in = { .fh = fh, .lock_owner = owner };

	must_be(ask(FUSE_FLUSH, &in, sizeof(in)), 0);
}

static void release(uint64_t handle)
{
	struct fuse_release_in in = { .fh = handle,
				      .flags = O_RDWR,
				      .release_flags = FUSE_RELEASE_FLOCK_UNLOCK };

	must_be(ask(FUSE_RELEASE, &in, sizeof(in)), 0);
}

static void nap(void)
{
	usleep(60000);
}

/* ---- Life ---- */

static void set_up(void)
{
	struct fsb_server_config config;
	struct fuse_init_in init = {
		.major = 7,
		.minor = 45,
		.max_readahead = 1 << 20,
		.flags = FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS,
	};
	struct exchange e;

	fixture_make(&f);
	f.config.locks = FSB_LOCKS_HOST;
	must_be(fsb_passthrough_new(&f.config, &f.fs), 0);
	fsb_server_config_init(&config);
	config.filesystem = f.fs;
	must_be(fsb_server_new(&config, &server), 0);
	exchange_init(&e);
	must_be(send_request(&e, FUSE_INIT, 0, &init, sizeof(init)), 0);
	must_be(answer_of(&e), 0);
	exchange_clear(&e);

	host_file(&f, "file", 0666, "0123456789", 10);
	nodeid = nodeid_of(&f, "file");
	fh = open_node(&f, nodeid, O_RDWR);
	second_fh = open_node(&f, nodeid, O_RDWR);
}

static void tear_down(void)
{
	fsb_server_free(server);
	fixture_end(&f);
}

/* ---- Getting it ---- */

Test(lockwaits, a_lock_is_given_when_its_holder_drops_it, .init = set_up, .fini = tear_down)
{
	struct exchange e;

	must_be(set(1, F_WRLCK), 0);
	must_wait(&e, 2, F_WRLCK);
	nap();
	cr_expect_not(is_answered(&e));
	must_be(set(1, F_UNLCK), 0);
	must_be(answer_of(&e), 0);
	must_be(set(1, F_RDLCK), -EAGAIN);
	nap();
	cr_expect_eq(atomic_load(&e.answers), 1);
	exchange_clear(&e);
}

Test(lockwaits, a_free_lock_is_given_in_the_call, .init = set_up, .fini = tear_down)
{
	struct exchange e;
	struct fuse_lk_in lock = lock_of(fh, 1, F_WRLCK, false);

	cr_expect_eq(wait_by(&e, &lock), 0);
	cr_expect_eq(e.error, 0);
	exchange_clear(&e);
	lock.lk.type = F_UNLCK;
	cr_expect_eq(wait_by(&e, &lock), 0);
	cr_expect_eq(e.error, 0);
	exchange_clear(&e);
}

Test(lockwaits, a_downgrade_lets_readers_in, .init = set_up, .fini = tear_down)
{
	struct exchange reader, writer;

	must_be(set(1, F_WRLCK), 0);
	must_wait(&writer, 2, F_WRLCK);
	must_wait(&reader, 3, F_RDLCK);
	must_be(set(1, F_RDLCK), 0);
	must_be(answer_of(&reader), 0);
	cr_expect_not(is_answered(&writer));
	flush(1);
	flush(3);
	must_be(answer_of(&writer), 0);
	exchange_clear(&reader);
	exchange_clear(&writer);
}

Test(lockwaits, flush_and_release_of_a_holder_let_waiters_in, .init = set_up, .fini = tear_down)
{
	struct exchange first, second;

	must_be(set(1, F_WRLCK), 0);
	must_be(set_flock(second_fh, F_WRLCK), 0);
	must_wait(&first, 2, F_WRLCK);
	must_wait_flock(&second, fh, F_RDLCK);
	nap();
	cr_expect_not(is_answered(&first));
	cr_expect_not(is_answered(&second));
	flush(1);
	must_be(answer_of(&first), 0);
	release(second_fh);
	must_be(answer_of(&second), 0);
	exchange_clear(&first);
	exchange_clear(&second);
}

static int holder_fd[2];

static pid_t hold_outside(bool whole)
{
	int ready[2];
	char byte = 0;

	must(pipe(ready));
	must(pipe(holder_fd));
	pid_t pid = (pid_t)must(fork());
	if (pid == 0) {
		int fd = openat(f.host, "file", O_RDWR);
		struct flock lock = { .l_type = F_WRLCK };
		close(holder_fd[1]);
		if ((whole ? flock(fd, LOCK_EX) : fcntl(fd, F_SETLK, &lock)) < 0)
			_exit(1);
		if (write(ready[1], &byte, 1) == 1 && read(holder_fd[0], &byte, 1) >= 0)
			_exit(0);
		_exit(1);
	}
	must_be(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	close(holder_fd[0]);
	return pid;
}

static void gives_up_outside(bool whole)
{
	struct exchange e;
	struct timespec before, after;
	pid_t pid = hold_outside(whole);

	if (whole)
		must_wait_flock(&e, fh, F_WRLCK);
	else
		must_wait(&e, 1, F_WRLCK);
	usleep(300000);
	cr_expect_not(is_answered(&e));
	close(holder_fd[1]);
	must_be(waitpid(pid, NULL, 0), pid);
	clock_gettime(CLOCK_MONOTONIC, &before);
	must_be(answer_of(&e), 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	long ms =
		(after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
	cr_expect_lt(ms, 500, "%ld ms", ms);
	exchange_clear(&e);
}

Test(lockwaits, a_posix_lock_of_another_process_is_waited_for, .init = set_up, .fini = tear_down)
{
	gives_up_outside(false);
}

Test(lockwaits, a_flock_of_another_process_is_waited_for, .init = set_up, .fini = tear_down)
{
	gives_up_outside(true);
}

Test(lockwaits, waiters_get_it_in_the_order_in_which_they_came, .init = set_up, .fini = tear_down)
{
	enum { COUNT = 5 };
	struct exchange waits[COUNT];

	must_be(set(100, F_WRLCK), 0);
	for (unsigned int i = 0; i < COUNT; i++)
		must_wait(&waits[i], i + 1, F_WRLCK);
	must_be(set(100, F_UNLCK), 0);
	for (unsigned int i = 0; i < COUNT; i++) {
		must_be(answer_of(&waits[i]), 0);
		for (unsigned int j = i + 1; j < COUNT; j++)
			cr_expect_not(is_answered(&waits[j]));
		must_be(set(i + 1, F_UNLCK), 0);
		exchange_clear(&waits[i]);
	}
}

Test(lockwaits, who_waits_goes_behind_those_who_wait_already, .init = set_up, .fini = tear_down)
{
	struct exchange first, again;

	must_be(set(1, F_WRLCK), 0);
	must_wait(&first, 2, F_WRLCK);
	must_be(set(1, F_UNLCK), 0);
	/* Who had it a moment ago may not take it away again from him who waits. */
	struct fuse_lk_in lock = lock_of(fh, 1, F_WRLCK, false);
	int err = wait_by(&again, &lock);
	must_be(answer_of(&first), 0);
	if (err == FSB_DEFERRED) {
		cr_expect_not(is_answered(&again));
		must_be(set(2, F_UNLCK), 0);
	}
	must_be(answer_of(&again), 0);
	exchange_clear(&first);
	exchange_clear(&again);
}

/* ---- Giving up ---- */

Test(lockwaits, a_signal_ends_the_wait, .init = set_up, .fini = tear_down)
{
	struct exchange posix, whole;

	must_be(set(1, F_WRLCK), 0);
	must_be(set_flock(second_fh, F_WRLCK), 0);
	must_wait(&posix, 2, F_WRLCK);
	must_wait_flock(&whole, fh, F_WRLCK);
	interrupt(&posix);
	must_be(answer_of(&posix), -EINTR);
	cr_expect_not(is_answered(&whole), "it is another's signal");
	interrupt(&whole);
	must_be(answer_of(&whole), -EINTR);
	interrupt(&posix);
	nap();
	cr_expect_eq(atomic_load(&posix.answers), 1);
	must_be(set(1, F_UNLCK), 0);
	must_be(set(3, F_WRLCK), 0);
	exchange_clear(&posix);
	exchange_clear(&whole);
}

Test(lockwaits, an_interrupted_upgrade_keeps_the_lock, .init = set_up, .fini = tear_down)
{
	struct exchange e;

	must_be(set(1, F_RDLCK), 0);
	must_be(set(2, F_RDLCK), 0);
	must_wait(&e, 1, F_WRLCK);
	nap();
	interrupt(&e);
	must_be(answer_of(&e), -EINTR);
	flush(2);
	must_be(set(3, F_WRLCK), -EAGAIN);
	must_be(set(1, F_WRLCK), 0);
	exchange_clear(&e);
}

Test(lockwaits, a_flush_of_the_waiters_owner_lets_it_wait, .init = set_up, .fini = tear_down)
{
	struct exchange e;
	struct fuse_lk_in part = lock_of(fh, 2, F_WRLCK, false);

	/*
	 * The owner holds one range and waits for another, when one of his threads closes the file
	 * elsewhere.
	 */
	must_be(set(1, F_RDLCK), 0);
	part.lk.type = F_RDLCK;
	part.lk.end = 0;
	must_be(ask(FUSE_SETLK, &part, sizeof(part)), 0);
	must_wait(&e, 2, F_WRLCK);
	flush(2);
	nap();
	cr_expect_not(is_answered(&e));
	must_be(set(1, F_WRLCK), 0);
	must_be(set(1, F_UNLCK), 0);
	must_be(answer_of(&e), 0);
	must_be(set(1, F_RDLCK), -EAGAIN);
	flush(2);
	must_be(set(1, F_RDLCK), 0);
	exchange_clear(&e);
}

Test(lockwaits, a_closed_file_ends_its_waits, .init = set_up, .fini = tear_down)
{
	struct exchange posix, whole, other;
	struct fuse_lk_in lock = lock_of(second_fh, 2, F_WRLCK, false);

	must_be(set(1, F_WRLCK), 0);
	must_be(set_flock(fh, F_WRLCK), 0);
	cr_assert_eq(wait_by(&posix, &lock), FSB_DEFERRED);
	must_wait_flock(&whole, second_fh, F_WRLCK);
	must_wait(&other, 3, F_WRLCK);
	release(second_fh);
	must_be(answer_of(&posix), -EBADF);
	must_be(answer_of(&whole), -EBADF);
	cr_expect_not(is_answered(&other));
	must_be(set(1, F_UNLCK), 0);
	must_be(answer_of(&other), 0);
	exchange_clear(&posix);
	exchange_clear(&whole);
	exchange_clear(&other);
}

Test(lockwaits, there_are_1024_waits_at_most, .init = set_up, .fini = tear_down)
{
	enum { MOST = 1024 };
	struct exchange *waits = calloc(MOST + 1, sizeof(*waits));
	struct fuse_lk_in lock = lock_of(second_fh, second_fh, F_WRLCK, true);

	cr_assert_not_null(waits);
	must_be(set_flock(fh, F_WRLCK), 0);
	for (int i = 0; i < MOST; i++)
		cr_assert_eq(wait_by(&waits[i], &lock), FSB_DEFERRED);
	cr_assert_eq(wait_by(&waits[MOST], &lock), 0);
	cr_expect_eq(waits[MOST].error, -ENOLCK);
	/* All are of one open file, so that they all have it at once. */
	must_be(set_flock(fh, F_UNLCK), 0);
	for (int i = 0; i < MOST; i++)
		must_be(answer_of(&waits[i]), 0);
	for (int i = 0; i <= MOST; i++)
		exchange_clear(&waits[i]);
	free(waits);
}

Test(lockwaits, a_disconnect_ends_every_wait, .init = set_up, .fini = tear_down)
{
	struct exchange posix, whole;

	must_be(set(1, F_WRLCK), 0);
	must_be(set_flock(second_fh, F_WRLCK), 0);
	must_wait(&posix, 2, F_WRLCK);
	must_wait_flock(&whole, fh, F_WRLCK);
	fsb_server_disconnect(server);
	struct fsb_usage usage;
	fsb_passthrough_usage(f.fs, &usage);
	cr_expect_eq(usage.handles, 0);
	exchange_clear(&posix);
	exchange_clear(&whole);
}

/* ---- The thread ---- */

static unsigned int tasks(pid_t *other)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int count = 0;

	cr_assert_not_null(dir);
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
		if (entry->d_name[0] == '.')
			continue;
		count++;
		if (atoi(entry->d_name) != getpid())
			*other = atoi(entry->d_name);
	}
	closedir(dir);
	return count;
}

static unsigned long switches_of(pid_t task)
{
	char path[64], line[128];
	unsigned long count = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", task);
	FILE *status = fopen(path, "r");
	cr_assert_not_null(status);
	while (fgets(line, sizeof(line), status))
		(void)sscanf(line, "voluntary_ctxt_switches: %lu", &count);
	fclose(status);
	return count;
}

Test(lockwaits, the_thread_starts_at_the_first_wait_and_sleeps_without_any, .init = set_up,
     .fini = tear_down)
{
	struct exchange e;
	pid_t task = 0;
	unsigned int before = tasks(&task);

	must_be(set(1, F_WRLCK), 0);
	must_be(set(2, F_WRLCK), -EAGAIN);
	cr_expect_eq(tasks(&task), before, "nobody has waited so far");
	must_wait(&e, 2, F_WRLCK);
	/* A sanitizer may have a thread of its own. */
	unsigned int after = tasks(&task);
	cr_assert_gt(after, before);
	must_be(set(1, F_UNLCK), 0);
	must_be(answer_of(&e), 0);
	nap();
	unsigned long switches = switches_of(task);
	for (int i = 0; i < 10; i++) {
		must_be(set(2, F_UNLCK), 0);
		must_be(set(2, F_WRLCK), 0);
		usleep(20000);
	}
	if (after == 2)
		cr_expect_eq(switches_of(task), switches, "nothing waits, so nothing wakes it");
	exchange_clear(&e);
}

/* ---- All at once ---- */

enum { THREADS = 6, ROUNDS = 150 };

static atomic_int inside;
static atomic_int granted, given_up;

struct worker {
	pthread_t thread;
	uint64_t owner;
	unsigned int seed;
	int wrong;
};

static int answer_quietly(struct exchange *e)
{
	while (sem_wait(&e->answered) < 0)
		;
	return e->error;
}

static int unlock_quietly(uint64_t owner)
{
	struct fuse_lk_in lock = lock_of(fh, owner, F_UNLCK, false);
	struct exchange e;

	exchange_init(&e);
	int err = send_request(&e, FUSE_SETLK, nodeid, &lock, sizeof(lock));
	if (!err)
		err = answer_quietly(&e);
	exchange_clear(&e);
	return err;
}

static void interrupt_quietly(uint64_t unique)
{
	struct fuse_interrupt_in in = { .unique = unique };
	struct exchange e;

	exchange_init(&e);
	send_request(&e, FUSE_INTERRUPT, 0, &in, sizeof(in));
	exchange_clear(&e);
}

static void *contend(void *arg)
{
	struct worker *worker = arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct fuse_lk_in lock = lock_of(fh, worker->owner, F_WRLCK, false);
		struct exchange e;
		int err = wait_by(&e, &lock);
		if (err == FSB_DEFERRED && rand_r(&worker->seed) % 4 == 0)
			interrupt_quietly(e.unique);
		err = answer_quietly(&e);
		if (err == 0) {
			worker->wrong += atomic_fetch_add(&inside, 1) != 0;
			if (rand_r(&worker->seed) % 4 == 0)
				sched_yield();
			atomic_fetch_sub(&inside, 1);
			atomic_fetch_add(&granted, 1);
			worker->wrong += unlock_quietly(worker->owner) != 0;
		} else {
			worker->wrong += err != -EINTR;
			atomic_fetch_add(&given_up, 1);
		}
		worker->wrong += atomic_load(&e.answers) != 1;
		exchange_clear(&e);
	}
	return NULL;
}

Test(lockwaits, threads_that_wait_and_give_up_exclude_each_other, .init = set_up, .fini = tear_down)
{
	struct worker workers[THREADS];

	for (unsigned int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .owner = i + 1, .seed = i };
		cr_assert_eq(pthread_create(&workers[i].thread, NULL, contend, &workers[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		cr_expect_eq(workers[i].wrong, 0);
	}
	cr_expect_eq(granted + given_up, THREADS * ROUNDS);
	cr_expect_gt(granted, 0);
	must_be(set(100, F_WRLCK), 0);
}
