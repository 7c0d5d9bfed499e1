// SPDX-License-Identifier: BSD-3-Clause
/*
 * FUSE over io_uring.
 *
 * An entry is the memory of one request in flight, known to the kernel: a header, and a payload
 * that holds first what follows the request's fixed arguments and then the reply's body. It belongs
 * to the queue of one core. A completion says that a request is in it; one command hands in the
 * answer and waits for the next request. All of that is the business of one thread, the lane's, as
 * its ring takes commands from no other.
 *
 * An operation that is deferred keeps its entry. Whoever answers it puts the entry on the lane's
 * list of answered ones, and wakes the lane. So that deferred requests never keep a core's others
 * from being served, its queue gets another entry for each that is away. But the kernel looks for
 * requests that have queued up only when an answer is handed in. Where all entries went away, those
 * would wait for that, or for ever. So the lane makes a request itself: it asks to be sent nothing
 * of a file's pages (NOTIFY_RETRIEVE), which comes as a request of the core that it asks from, and
 * answers that. The kernel has this for regular files alone, but what is deferred mostly waits for
 * a lock of one, and there are some entries to spare.
 *
 * Answers that do not arrive. The kernel takes every answer while the connection lives: even a
 * killed caller waits for it, once its request was handed over. A command that hands in an answer
 * fails (-ENOTCONN) only when the connection has ended, and the same number comes when it ends
 * later, so the completion does not tell whether the answer counted. It need not: the file system's
 * state of the mount is destroyed next. Only a deferred answer can come long after the end. It is
 * looked for then.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fsbackend/thread.h>

#include "../cleanup.h"
#include "../log.h"
#include "../thread.h"
#include "call.h"
#include "clock.h"
#include "ring.h"
#include "spin.h"
#include "uring.h"

enum {
	PAGE = 4096,
	ENTRIES = 16, /* of a queue that are not away */
	RING_ENTRIES = 64,
	MAX_QUEUES = CPU_SETSIZE,
};

/** The id of a lane's own request. Clients count theirs from 2, the high bits have meanings. */
#define KICK (1ull << 61)

/** The completion of the read by which the lane is woken; all others are an entry's. */
#define WAKE 0

/**
 * What the kernel queues requests of one core on.
 *
 * @keep:     how many entries shall be there for requests
 * @nentries: how many there are
 * @naway:    of them, how many wait for a deferred answer
 */
struct queue {
	unsigned int id;
	unsigned int keep;
	unsigned int nentries;
	unsigned int naway;
};

/**
 * @header, @payload: what the kernel knows as @registered
 * @request:  the pieces of the request at work: its header, its fixed arguments, and the rest
 * @ticket:   by which its answer is handed in
 * @replied:  the answer is in @header and @payload
 * @away:     its operation was deferred
 */
struct entry {
	struct fsb_message message;
	struct lane *lane;
	struct queue *queue;
	struct fuse_uring_req_header *header;
	struct iovec payload;
	struct iovec request[3];
	struct iovec registered[2];
	uint64_t ticket;
	bool replied;
	bool away;
	void *memory;
	size_t size;
	struct entry *next; /* of the lane */
	struct entry *next_answered;
};

/**
 * A thread and its ring. It serves the queues of all cores whose number, divided by the number of
 * lanes, leaves @index: mostly just one. There are as many lanes as cores online, but the kernel
 * wants queues of all that could ever be.
 *
 * @wake:     an eventfd that is written to wake the thread, read into @wakes
 * @wakeable: a read of it is in the ring
 * @entries:  all of its queues
 * @answered: whose deferred answers are to be handed in
 * @current:  at whose request the thread works
 */
struct lane {
	struct uring *uring;
	unsigned int index;
	pthread_t thread;
	bool started;
	struct ring ring;
	int wake;
	uint64_t wakes;
	bool wakeable;
	struct entry *entries;
	struct entry *current;
	struct spin spin;
	_Alignas(64) struct entry *_Atomic answered;
};

/* What the threads wait for before they begin. */
enum phase { PHASE_WAIT, PHASE_SERVE, PHASE_END };

struct uring {
	struct uring_config config;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum phase phase;
	atomic_bool ended;   /* the phase, for those who look all the time */
	atomic_bool served;  /* a request came: the kernel goes by the ring now, for good */
	unsigned int nready; /* threads that wait for it to change */
	int error;           /* why one of them cannot */
	unsigned int nlanes;
	unsigned int nqueues;
	struct queue *queues;
	struct lane *lanes;
};

/* The lane that the calling thread is. */
static _Thread_local struct lane *own_lane;

/* ---- Replies ---- */

static void put_answer(struct entry *entry, const struct fuse_out_header *header)
{
	memcpy(entry->header->in_out, header, sizeof(*header));
	entry->header->ring_ent_in_out.payload_sz = header->len - (uint32_t)sizeof(*header);
	entry->replied = true;
}

static void push_answered(struct lane *lane, struct entry *entry)
{
	entry->next_answered = atomic_load_explicit(&lane->answered, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&lane->answered, &entry->next_answered, entry,
						      memory_order_release, memory_order_relaxed))
		;
}

static void wake(struct lane *lane)
{
	eventfd_call(lane->wake);
}

/* Whether an answer would still find its request. */
static bool connected(struct uring *uring)
{
	struct pollfd device = { .fd = uring->config.fd };

	if (atomic_load(&uring->ended))
		return false;
	return poll(&device, 1, 0) <= 0 || !(device.revents & POLLERR);
}

static int reply(struct fsb_message *message, const struct fuse_out_header *header)
{
	struct entry *entry = message->owner;
	struct lane *lane = entry->lane;
	bool own = own_lane == lane;

	if (own && lane->current == entry) {
		put_answer(entry, header);
		return 0;
	}
	/* It was deferred. */
	if (!connected(lane->uring))
		return -ENOTCONN;
	put_answer(entry, header);
	push_answered(lane, entry);
	if (!own)
		wake(lane);
	return 0;
}

/* ---- Entries ---- */

static struct entry *entry_new(struct lane *lane, struct queue *queue)
{
	size_t payload = (lane->uring->config.payload + PAGE - 1) / PAGE * PAGE;
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	entry->size = PAGE + payload;
	entry->memory = mmap(NULL, entry->size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (entry->memory == MAP_FAILED) {
		free(entry);
		return NULL;
	}
	entry->lane = lane;
	entry->queue = queue;
	entry->header = entry->memory;
	entry->payload = (struct iovec){ (char *)entry->memory + PAGE, payload };
	entry->registered[0] = (struct iovec){ entry->header, sizeof(*entry->header) };
	entry->registered[1] = entry->payload;
	fsb_message_init(&entry->message, reply, entry);
	entry->message.request = entry->request;
	entry->message.nrequest = 3;
	entry->message.payload = &entry->payload;
	entry->message.npayload = 1;
	entry->next = lane->entries;
	lane->entries = entry;
	queue->nentries++;
	return entry;
}

static void entries_free(struct lane *lane)
{
	struct entry *entry;

	while ((entry = lane->entries)) {
		lane->entries = entry->next;
		fsb_message_clear(&entry->message);
		munmap(entry->memory, entry->size);
		free(entry);
	}
}

/* ---- Commands ---- */

static bool prepare_command(struct entry *entry, enum fuse_uring_cmd command)
{
	struct lane *lane = entry->lane;
	struct fuse_uring_cmd_req request = { .qid = (uint16_t)entry->queue->id };
	struct io_uring_sqe *sqe = ring_prepare(&lane->ring, (uintptr_t)entry);

	if (!sqe)
		return false;
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = lane->uring->config.fd;
	sqe->cmd_op = command;
	if (command == FUSE_IO_URING_CMD_REGISTER) {
		sqe->addr = (uintptr_t)entry->registered;
		sqe->len = 2;
	} else {
		request.commit_id = entry->ticket;
	}
	memcpy(sqe->cmd, &request, sizeof(request));
	return true;
}

/* Without it nobody could wake the lane, so it is tried until the kernel takes it. */
static void prepare_wake(struct lane *lane)
{
	struct io_uring_sqe *sqe = lane->wakeable ? NULL : ring_prepare(&lane->ring, WAKE);

	if (!sqe)
		return;
	lane->wakeable = true;
	sqe->opcode = IORING_OP_READ;
	sqe->fd = lane->wake;
	sqe->addr = (uintptr_t)&lane->wakes;
	sqe->len = sizeof(lane->wakes);
}

/*
 * Hand in the answer, and take another request. If the kernel takes no command at the moment, a
 * little later.
 */
static void commit(struct entry *entry)
{
	if (!prepare_command(entry, FUSE_IO_URING_CMD_COMMIT_AND_FETCH)) {
		push_answered(entry->lane, entry);
		return;
	}
	if (entry->away)
		entry->queue->naway--;
	entry->away = false;
}

/*
 * The kernel does not take an entry. If a queue never had any, the kernel goes on with the device,
 * for all queues; but if it goes by the ring already, that core's requests would wait for ever.
 */
static void refused(struct lane *lane, struct entry *entry, int err)
{
	const struct uring_config *config = &lane->uring->config;

	if (--entry->queue->nentries > 0)
		return;
	bool fatal = config->required || atomic_load(&lane->uring->served);
	log_write(&config->log, fatal ? FSB_LOG_ERROR : FSB_LOG_INFO,
		  "the kernel refuses the ring of core %u: %s", entry->queue->id, strerror(-err));
	if (fatal)
		config->failed(config->opaque, err);
}

static void register_entry(struct lane *lane, struct entry *entry)
{
	if (!prepare_command(entry, FUSE_IO_URING_CMD_REGISTER))
		refused(lane, entry, -EAGAIN);
}

/* One more entry where one is away. Without memory there will be fewer, until it comes back. */
static void replace_entry(struct lane *lane, struct queue *queue)
{
	if (queue->nentries - queue->naway >= queue->keep)
		return;
	struct entry *entry = entry_new(lane, queue);
	if (entry)
		register_entry(lane, entry);
}

/*
 * Have the kernel look for requests that queued up while there was no entry.
 *
 * @nodeid: of the file that a request is about
 */
static void kick(struct lane *lane, uint64_t nodeid)
{
	struct {
		struct fuse_out_header header;
		struct fuse_notify_retrieve_out retrieve;
	} message = {
		.header = { .len = sizeof(message), .error = FUSE_NOTIFY_RETRIEVE },
		.retrieve = { .notify_unique = KICK, .nodeid = nodeid },
	};

	ring_enter(&lane->ring, false);
	if (write(lane->uring->config.fd, &message, sizeof(message)) < 0)
		log_write(&lane->uring->config.log, FSB_LOG_DEBUG,
			  "ring of core %u: no request of its own: %s", lane->index,
			  strerror(errno));
}

/* ---- Requests ---- */

/*
 * The request's pieces: its length is all that tells how long the fixed arguments are. Return: 0 or
 * -EIO.
 */
static int find_pieces(struct entry *entry, const struct fuse_in_header *in)
{
	size_t rest = entry->header->ring_ent_in_out.payload_sz;

	if (rest > entry->payload.iov_len || in->len < sizeof(*in) + rest ||
	    in->len - sizeof(*in) - rest > sizeof(entry->header->op_in))
		return -EIO;
	entry->request[0] = (struct iovec){ entry->header->in_out, sizeof(*in) };
	entry->request[1] = (struct iovec){ entry->header->op_in, in->len - sizeof(*in) - rest };
	entry->request[2] = (struct iovec){ entry->payload.iov_base, rest };
	return 0;
}

static int handle(struct lane *lane, struct entry *entry, const struct fuse_in_header *in)
{
	int err = find_pieces(entry, in);

	if (err || (in->opcode == FUSE_NOTIFY_REPLY && in->unique == KICK))
		return err;
	lane->current = entry;
	err = fsb_server_handle(lane->uring->config.server, &entry->message);
	lane->current = NULL;
	return err;
}

static void serve_request(struct lane *lane, struct entry *entry)
{
	struct fuse_in_header in;

	memcpy(&in, entry->header->in_out, sizeof(in));
	entry->ticket = entry->header->ring_ent_in_out.commit_id;
	entry->replied = false;
	if (!atomic_load_explicit(&lane->uring->served, memory_order_relaxed))
		atomic_store(&lane->uring->served, true);
	int err = handle(lane, entry, &in);
	if (err == FSB_DEFERRED) {
		entry->away = true;
		entry->queue->naway++;
		replace_entry(lane, entry->queue);
		kick(lane, in.nodeid);
		return;
	}
	/* The kernel wants an answer even where the protocol has none (NOTIFY_REPLY). */
	if (!entry->replied) {
		struct fuse_out_header none = { .len = sizeof(none),
						.error = err < 0 ? -EIO : 0,
						.unique = in.unique };
		put_answer(entry, &none);
	}
	commit(entry);
}

static void complete(struct lane *lane, uint64_t user_data, int result)
{
	struct entry *entry = (struct entry *)(uintptr_t)user_data;

	if (user_data == WAKE)
		lane->wakeable = false;
	else if (result == 0)
		serve_request(lane, entry);
	/*
	 * The connection has ended, or this thread is about to: the device's threads see it too,
	 * and tell.
	 */
	else if (result != -ENOTCONN && result != -ECANCELED && result != -ECONNABORTED)
		refused(lane, entry, result);
}

/* ---- Lanes ---- */

static bool has_news(struct lane *lane)
{
	return ring_has_news(&lane->ring) ||
	       atomic_load_explicit(&lane->answered, memory_order_relaxed) ||
	       atomic_load_explicit(&lane->uring->ended, memory_order_relaxed);
}

static void take_answered(struct lane *lane)
{
	struct entry *entry = atomic_exchange_explicit(&lane->answered, NULL, memory_order_acquire);

	while (entry) {
		struct entry *next = entry->next_answered;
		commit(entry);
		entry = next;
	}
}

/* Return: whether there are news. */
static bool spin(struct lane *lane, uint64_t begin)
{
	uint64_t span = spin_span(&lane->spin), last = begin;

	while (!has_news(lane)) {
		uint64_t now = now_ns();
		if (now - begin > span)
			return false;
		if (now - last > SPIN_GAP_NS) {
			spin_crowded(&lane->spin);
			return has_news(lane);
		}
		last = now;
		sched_yield();
	}
	return true;
}

/* Hand in what was prepared, and wait for something to do. */
static int wait_for_news(struct lane *lane)
{
	int err = 0;

	if (spin_span(&lane->spin) > 0) {
		err = ring_enter(&lane->ring, false);
		if (err)
			return err;
		if (has_news(lane) || spin(lane, now_ns()))
			return ring_enter(&lane->ring, false);
	}
	return ring_enter(&lane->ring, lane->wakeable && !has_news(lane));
}

static void complete_all(struct lane *lane)
{
	const struct io_uring_cqe *cqe;

	while ((cqe = ring_peek(&lane->ring))) {
		uint64_t user_data = cqe->user_data;
		int result = cqe->res;
		ring_seen(&lane->ring);
		complete(lane, user_data, result);
		/*
		 * Answers do not wait for the next operation, which may take long; nor do those of
		 * other threads until there is nothing else to do.
		 */
		if (ring_peek(&lane->ring)) {
			take_answered(lane);
			ring_enter(&lane->ring, false);
		}
	}
}

static void serve(struct lane *lane)
{
	struct uring *uring = lane->uring;

	for (struct entry *entry = lane->entries; entry; entry = entry->next)
		register_entry(lane, entry);
	while (!atomic_load_explicit(&uring->ended, memory_order_relaxed)) {
		uint64_t begin = now_ns();
		prepare_wake(lane);
		int err = wait_for_news(lane);
		if (err && err != -EINTR && err != -EAGAIN && err != -EBUSY) {
			log_write(&uring->config.log, FSB_LOG_ERROR, "io_uring: %s",
				  strerror(-err));
			uring->config.failed(uring->config.opaque, err);
			return;
		}
		spin_note(&lane->spin, now_ns() - begin);
		take_answered(lane);
		complete_all(lane);
	}
	/* The last answers. What else is in the ring is cancelled when this thread ends. */
	ring_enter(&lane->ring, false);
}

/* ---- Threads ---- */

/* Near its cores, as far as the process may run there. */
static void pin(const struct lane *lane)
{
	const struct uring *uring = lane->uring;
	cpu_set_t allowed, near;

	CPU_ZERO(&near);
	for (unsigned int core = lane->index; core < uring->nqueues; core += uring->nlanes)
		CPU_SET(core, &near);
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return;
	CPU_AND(&near, &near, &allowed);
	if (CPU_COUNT(&near) > 0)
		sched_setaffinity(0, sizeof(near), &near);
}

static enum phase await_phase(struct uring *uring, int err)
{
	pthread_mutex_lock(&uring->lock);
	if (err && !uring->error)
		uring->error = err;
	uring->nready++;
	pthread_cond_broadcast(&uring->changed);
	while (uring->phase == PHASE_WAIT)
		pthread_cond_wait(&uring->changed, &uring->lock);
	enum phase phase = uring->phase;
	pthread_mutex_unlock(&uring->lock);
	return phase;
}

static void *run(void *opaque)
{
	struct lane *lane = opaque;
	int err = fsb_thread_donate();

	if (err)
		log_write(&lane->uring->config.log, FSB_LOG_INFO,
			  "a ring's thread keeps the umask of the process: %s", strerror(-err));
	pin(lane);
	own_lane = lane;
	if (await_phase(lane->uring, ring_enable(&lane->ring)) == PHASE_SERVE)
		serve(lane);
	return NULL;
}

static void change_phase(struct uring *uring, enum phase phase)
{
	pthread_mutex_lock(&uring->lock);
	uring->phase = phase;
	pthread_cond_broadcast(&uring->changed);
	pthread_mutex_unlock(&uring->lock);
}

/* Return: 0 when all threads are ready to serve; or why one is not. */
static int start_threads(struct uring *uring)
{
	for (unsigned int i = 0; i < uring->nlanes; i++) {
		struct lane *lane = &uring->lanes[i];
		int err = thread_start(&lane->thread, "fsbackend-ring", run, lane);
		if (err)
			return err;
		lane->started = true;
	}
	pthread_mutex_lock(&uring->lock);
	while (uring->nready < uring->nlanes)
		pthread_cond_wait(&uring->changed, &uring->lock);
	int err = uring->error;
	pthread_mutex_unlock(&uring->lock);
	return err;
}

/* ---- Life ---- */

/* How many cores there could ever be, by the kernel's list: "0-3,8". */
static unsigned int possible_cores(void)
{
	FILE *list = fopen("/sys/devices/system/cpu/possible", "re");
	unsigned int from, to, count = 0;
	char mark = ',';

	while (list && mark == ',' && fscanf(list, "%u", &from) == 1) {
		to = from;
		if (fscanf(list, "%c", &mark) == 1 && mark == '-' &&
		    fscanf(list, "%u%c", &to, &mark) < 1)
			break;
		count += to - from + 1;
	}
	if (list)
		fclose(list);
	return count > 0 ? count : (unsigned int)sysconf(_SC_NPROCESSORS_CONF);
}

static int lane_init(struct lane *lane, struct uring *uring, unsigned int index)
{
	lane->uring = uring;
	lane->index = index;
	spin_init(&lane->spin, uring->config.spin_ns);
	lane->wake = eventfd(0, EFD_CLOEXEC);
	if (lane->wake < 0)
		return -errno;
	int err = ring_init(&lane->ring, RING_ENTRIES);
	if (err)
		return err;
	for (unsigned int core = index; core < uring->nqueues; core += uring->nlanes) {
		struct queue *queue = &uring->queues[core];
		queue->id = core;
		/* Beyond the lanes are cores that are not there now. */
		queue->keep = core < uring->nlanes ? ENTRIES : 1;
		for (unsigned int i = 0; i < queue->keep; i++)
			if (!entry_new(lane, queue))
				return -ENOMEM;
	}
	return 0;
}

static int init_all(struct uring *uring)
{
	for (unsigned int i = 0; i < uring->nlanes; i++) {
		int err = lane_init(&uring->lanes[i], uring, i);
		if (err)
			return err;
	}
	return start_threads(uring);
}

static struct uring *allocate(const struct uring_config *config, unsigned int nqueues)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	struct uring *uring = calloc(1, sizeof(*uring));

	if (!uring)
		return NULL;
	uring->config = *config;
	uring->nqueues = nqueues;
	uring->nlanes = online > 0 && online < nqueues ? (unsigned int)online : nqueues;
	uring->queues = calloc(nqueues, sizeof(*uring->queues));
	uring->lanes = aligned_alloc(_Alignof(struct lane), uring->nlanes * sizeof(*uring->lanes));
	if (!uring->queues || !uring->lanes) {
		free(uring->queues);
		free(uring->lanes);
		free(uring);
		return NULL;
	}
	memset(uring->lanes, 0, uring->nlanes * sizeof(*uring->lanes));
	for (unsigned int i = 0; i < uring->nlanes; i++)
		uring->lanes[i].wake = uring->lanes[i].ring.fd = -1;
	pthread_mutex_init(&uring->lock, NULL);
	pthread_cond_init(&uring->changed, NULL);
	return uring;
}

int uring_new(const struct uring_config *config, struct uring **out)
{
	unsigned int cores = possible_cores();

	if (cores > MAX_QUEUES)
		return -E2BIG;
	struct uring *uring = allocate(config, cores);
	if (!uring)
		return -ENOMEM;
	int err = init_all(uring);
	if (err) {
		uring_stop(uring);
		uring_free(uring);
		return err;
	}
	*out = uring;
	return 0;
}

void uring_start(struct uring *uring)
{
	change_phase(uring, PHASE_SERVE);
}

bool uring_serves(const struct uring *uring)
{
	return atomic_load_explicit(&uring->served, memory_order_relaxed);
}

void uring_stop(struct uring *uring)
{
	atomic_store(&uring->ended, true);
	change_phase(uring, PHASE_END);
	for (unsigned int i = 0; i < uring->nlanes; i++) {
		struct lane *lane = &uring->lanes[i];
		if (!lane->started)
			continue;
		wake(lane);
		pthread_join(lane->thread, NULL);
		lane->started = false;
		ring_clear(&lane->ring);
	}
}

void uring_free(struct uring *uring)
{
	if (!uring)
		return;
	for (unsigned int i = 0; i < uring->nlanes; i++) {
		struct lane *lane = &uring->lanes[i];
		entries_free(lane);
		ring_clear(&lane->ring);
		fd_close(&lane->wake);
	}
	pthread_cond_destroy(&uring->changed);
	pthread_mutex_destroy(&uring->lock);
	free(uring->queues);
	free(uring->lanes);
	free(uring);
}
