// SPDX-License-Identifier: BSD-3-Clause
/* The serving side as an object, and its keeper. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../cleanup.h"
#include "../../log.h"
#include "../../sized.h"
#include "../../thread.h"
#include "../call.h"
#include "../clock.h"
#include "serve.h"

enum {
	MAX_THREADS = 256,
	MAX_SPIN_US = 1000,
	GATE_EVENTS = 16,
	/* Connections that have not said hello. When more come, the oldest one goes. */
	MAX_NEWCOMERS = 64,
	SLOW_NS = 300 * 1000, /* work that takes longer is not waited for */
	TICK_MS = 1,          /* while somebody is at work */
	CALM_TICKS = 4,
	SOON_MS = 1000,
	NO_MEMORY_MS = 100,
};

/* ---- Configuration ---- */

void fsb_stream_serve_config_defaults(struct fsb_stream_serve_config *config, size_t size)
{
	const struct fsb_stream_serve_config defaults = {
		.spin_us = 50,
		.max_sessions = 256,
		.max_channels = 16,
		.max_requests = 1024,
		.max_write = 1024 * 1024,
		.grace_s = 60,
		.idle_s = 15,
		.stall_s = 30,
		.wants_groups = FSB_STREAM_GROUPS_ALWAYS,
		.state_dir = -1,
	};

	sized_fill(config, size, &defaults, sizeof(defaults));
}

static bool is_sound(const struct fsb_stream_serve_config *config)
{
	return config->open && config->close && config->threads <= MAX_THREADS &&
	       config->spin_us <= MAX_SPIN_US && config->max_sessions > 0 &&
	       config->max_channels > 0 && config->max_channels <= 256 &&
	       config->max_requests > 0 && config->max_write >= 128 * 1024 &&
	       config->max_write <= 1024 * 1024 && config->max_write % 4096 == 0 &&
	       config->idle_s > 0 && config->stall_s > 0 &&
	       config->wants_groups <= FSB_STREAM_GROUPS_ALWAYS;
}

/* ---- The keeper: who comes ---- */

void keeper_call(struct fsb_stream_serve *serve)
{
	eventfd_call(serve->call);
}

static struct connection *connection_at(struct fsb_stream_serve *serve, uint32_t index)
{
	struct connection *connection = NULL;

	pthread_mutex_lock(&serve->lock);
	if (index < serve->nplaces)
		connection = serve->places[index].connection;
	if (connection)
		atomic_fetch_add_explicit(&connection->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&serve->lock);
	return connection;
}

static uint32_t count_places(struct fsb_stream_serve *serve)
{
	pthread_mutex_lock(&serve->lock);
	uint32_t count = serve->nplaces;
	pthread_mutex_unlock(&serve->lock);
	return count;
}

/* Of those that have not said hello, the one that has been silent for longest, if there are too
 * many. */
static struct connection *find_unwanted(struct fsb_stream_serve *serve)
{
	struct connection *oldest = NULL;
	unsigned int count = 0;

	pthread_mutex_lock(&serve->lock);
	for (uint32_t i = 0; i < serve->nplaces; i++) {
		struct connection *connection = serve->places[i].connection;
		if (!connection || connection->channel)
			continue;
		count++;
		if (!oldest || connection->number < oldest->number)
			oldest = connection;
	}
	if (count <= MAX_NEWCOMERS)
		oldest = NULL;
	if (oldest)
		atomic_fetch_add_explicit(&oldest->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&serve->lock);
	return oldest;
}

static void limit_newcomers(struct fsb_stream_serve *serve)
{
	struct connection *unwanted = find_unwanted(serve);

	if (!unwanted)
		return;
	connection_lost(unwanted, -EBUSY, "newer ones came");
	connection_put(unwanted);
}

static void accept_all(struct fsb_stream_serve *serve, struct listener *listener)
{
	for (int taken = 0; taken < MAX_NEWCOMERS / 2; taken++) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0) {
			/* Without descriptors it stays readable: do not ask again at once. */
			if (errno != EAGAIN && errno != EWOULDBLOCK) {
				log_write(&serve->config.log, FSB_LOG_WARNING,
					  "stream: cannot accept a connection: %s",
					  strerror(errno));
				usleep(NO_MEMORY_MS * 1000);
			}
			return;
		}
		connection_new(serve, fd, fd, NULL);
		limit_newcomers(serve);
	}
}

static void hear_newcomer(struct fsb_stream_serve *serve, uint64_t id)
{
	struct connection *connection = connection_get(serve, id);

	if (!connection)
		return;
	int err = connection->channel ? 0 : hello_read(connection);
	if (err && err != -EAGAIN)
		connection_lost(connection, err, NULL);
	connection_put(connection);
}

/* Those whose hello is here, without anything to read. */
static void hear_greeted(struct fsb_stream_serve *serve)
{
	if (!atomic_exchange(&serve->greeted, false))
		return;
	for (uint32_t i = 0, count = count_places(serve); i < count; i++) {
		struct connection *connection = connection_at(serve, i);
		if (!connection)
			continue;
		if (atomic_exchange(&connection->greeted, false))
			hear_newcomer(serve, connection->id);
		connection_put(connection);
	}
}

static void hear(struct fsb_stream_serve *serve, const struct epoll_event *event)
{
	eventfd_t count;

	if (event->data.u64 == 0) {
		(void)eventfd_read(serve->call, &count);
		serve->calm = 0;
		serve->looked_s = 0; /* something has changed: look at clocks anew */
		return;
	}
	/* Somebody who has to say hello in time. */
	serve->urgent = true;
	if (event->data.u64 & ID_LISTENER)
		accept_all(serve, (struct listener *)(uintptr_t)(event->data.u64 & ~ID_LISTENER));
	else
		hear_newcomer(serve, event->data.u64);
}

/* ---- The keeper: clocks ---- */

/* Offer the connection of a worker that takes long to the others. */
static void take_away(struct worker *worker)
{
	int phase = PHASE_WORKING;

	if (!atomic_compare_exchange_strong(&worker->phase, &phase, PHASE_LEAVING))
		return;
	struct connection *connection = atomic_load(&worker->connection);
	struct session *session = connection->session;
	/* No client keeps more than half of the threads busy with what takes long. */
	if (atomic_fetch_add(&session->slow, 1) >= worker->serve->nworkers / 2) {
		atomic_fetch_sub(&session->slow, 1);
		atomic_store(&worker->phase, PHASE_WORKING);
		return;
	}
	pthread_mutex_lock(&connection->channel->lock);
	connection->owned = false;
	atomic_store(&connection->corked, false);
	if (!connection->dead) {
		connection_flush(connection);
		connection_arm(connection, true);
	}
	pthread_mutex_unlock(&connection->channel->lock);
	atomic_store(&worker->phase, PHASE_LEFT);
}

static void watch_workers(struct fsb_stream_serve *serve, uint64_t now)
{
	serve->calm++;
	for (unsigned int i = 0; i < serve->nworkers; i++) {
		struct worker *worker = &serve->workers[i];
		if (atomic_load(&worker->phase) == PHASE_IDLE)
			continue;
		serve->calm = 0;
		uint64_t since = atomic_load(&worker->since_ns);
		if (now > since && now - since > SLOW_NS)
			take_away(worker);
	}
}

/* Whether it takes none of its answers. */
static bool is_blocked(struct connection *connection, uint32_t now)
{
	struct link *link = &connection->link;
	unsigned int moved = atomic_load(&link->moved);

	if (!atomic_load(&link->queued) || moved != connection->moved)
		connection->blocked_s = 0;
	else if (!connection->blocked_s)
		connection->blocked_s = now;
	connection->moved = moved;
	return connection->blocked_s &&
	       now - connection->blocked_s > connection->serve->config.stall_s;
}

/* Return: why the connection is to be given up, or NULL. */
static const char *check_connection(struct connection *connection, uint32_t now)
{
	const struct fsb_stream_serve_config *config = &connection->serve->config;
	bool waits = !connection->channel || atomic_load(&connection->partial);

	/* While we are at work for it, it is not heard, whatever it says. */
	if (atomic_load(&connection->owned))
		atomic_store(&connection->heard_s, now);
	uint32_t heard = atomic_load(&connection->heard_s);
	uint32_t quiet = now > heard ? now - heard : 0;
	if (waits || atomic_load(&connection->link.queued))
		connection->serve->urgent = true;
	/* What is here in part, and has been since the client was heard last. */
	if (waits && quiet > config->stall_s)
		return connection->channel ? "the client stopped within a frame"
					   : "the client did not say hello";
	if (is_blocked(connection, now))
		return "the client does not take its answers";
	if (quiet > 3 * config->idle_s)
		return "the client shows no sign of life";
	return NULL;
}

/* Or show that we are, as long as a thread is at work that cannot answer such a question. */
static void ask_whether_alive(struct connection *connection, uint32_t now)
{
	struct channel *channel = connection->channel;
	uint32_t idle = connection->serve->config.idle_s;
	uint32_t heard = atomic_load(&connection->heard_s);

	if (!channel || now - connection->asked_s < idle ||
	    (now - heard < idle && !atomic_load(&connection->owned)))
		return;
	connection->asked_s = now;
	pthread_mutex_lock(&channel->lock);
	if (channel->live == connection)
		channel_send_note(channel, FRAME_PING, NULL, 0);
	pthread_mutex_unlock(&channel->lock);
}

static void look_at_connections(struct fsb_stream_serve *serve, uint32_t now)
{
	for (uint32_t i = 0, count = count_places(serve); i < count; i++) {
		struct connection *connection = connection_at(serve, i);
		if (!connection)
			continue;
		const char *why = check_connection(connection, now);
		if (why)
			connection_lost(connection, -ETIMEDOUT, why);
		else
			ask_whether_alive(connection, now);
		connection_put(connection);
	}
}

/* Whether a channel waits for longer than it may. */
static bool is_overdue(struct session *session, uint32_t now)
{
	bool overdue = false;

	for (unsigned int i = 0; i < session->nchannels; i++) {
		struct channel *channel = &session->channels[i];
		pthread_mutex_lock(&channel->lock);
		if (channel->used && !channel->live) {
			session->serve->urgent = true;
			overdue = overdue || now - channel->lost_s > session->serve->config.grace_s;
		}
		pthread_mutex_unlock(&channel->lock);
	}
	return overdue;
}

/* Under the lock. */
static struct session *find_overdue(struct fsb_stream_serve *serve, uint32_t now)
{
	struct session *session = serve->sessions;

	while (session && !is_overdue(session, now))
		session = session->next;
	if (session)
		atomic_fetch_add_explicit(&session->refs, 1, memory_order_relaxed);
	return session;
}

/* Files of this process, and those that nobody has come for since it started. */
static void look_at_files(struct fsb_stream_serve *serve, uint32_t now)
{
	pthread_mutex_lock(&serve->lock);
	for (struct session *session = serve->sessions; session; session = session->next)
		if (session->kept)
			kept_touch(serve, session->kept, now);
	pthread_mutex_unlock(&serve->lock);
	if (!serve->sweep_s || now < serve->sweep_s)
		return;
	serve->sweep_s = 0;
	kept_sweep(serve);
}

/* One a second is enough: those that are left over are found again. */
static void look_at_sessions(struct fsb_stream_serve *serve, uint32_t now)
{
	pthread_mutex_lock(&serve->lock);
	struct session *session = find_overdue(serve, now);
	pthread_mutex_unlock(&serve->lock);
	if (!session)
		return;
	log_write(&serve->config.log, FSB_LOG_WARNING,
		  "stream: session %llu waited in vain for its connection",
		  (unsigned long long)session->number);
	session_end(session, -ETIMEDOUT);
	session_put(session);
}

static void look_at_clocks(struct fsb_stream_serve *serve)
{
	uint32_t now = now_s();

	watch_workers(serve, now_ns());
	if (now == serve->looked_s)
		return;
	serve->looked_s = now;
	serve->urgent = false;
	look_at_connections(serve, now);
	look_at_sessions(serve, now);
	if (serve->config.state_dir >= 0)
		look_at_files(serve, now);
}

/* ---- The keeper: the end ---- */

static void close_listeners(struct fsb_stream_serve *serve)
{
	struct listener *listener;

	while ((listener = serve->listeners)) {
		serve->listeners = listener->next;
		close(listener->fd);
		free(listener);
	}
}

static void shut(struct fsb_stream_serve *serve)
{
	pthread_mutex_lock(&serve->lock);
	bool first = !serve->closed;
	serve->closed = true;
	if (first)
		close_listeners(serve);
	pthread_cond_broadcast(&serve->idle);
	struct session *session = serve->sessions;
	if (session)
		atomic_fetch_add_explicit(&session->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&serve->lock);
	if (session) {
		session_end(session, 0);
		session_put(session);
		keeper_call(serve); /* for the next one */
		return;
	}
	for (uint32_t i = 0, count = count_places(serve); i < count; i++) {
		struct connection *connection = connection_at(serve, i);
		if (!connection)
			continue;
		connection_lost(connection, -ESHUTDOWN, NULL);
		connection_put(connection);
	}
}

static bool is_over(struct fsb_stream_serve *serve)
{
	pthread_mutex_lock(&serve->lock);
	bool over = serve->closed && serve->nsessions == 0 && serve->nconnections == 0;
	pthread_mutex_unlock(&serve->lock);
	return over;
}

static bool is_at_work(struct fsb_stream_serve *serve)
{
	for (unsigned int i = 0; i < serve->nworkers; i++)
		if (atomic_load(&serve->workers[i].phase) != PHASE_IDLE)
			return true;
	return false;
}

/* How long to sleep. Whoever begins to work ends it, if it is long. */
static int pause_ms(struct fsb_stream_serve *serve)
{
	atomic_store(&serve->dozes, false);
	if (serve->calm < CALM_TICKS)
		return TICK_MS;
	atomic_store(&serve->dozes, true);
	if (is_at_work(serve))
		return TICK_MS;
	if (serve->urgent)
		return SOON_MS;
	pthread_mutex_lock(&serve->lock);
	bool alone = serve->nconnections == 0 && serve->nsessions == 0;
	pthread_mutex_unlock(&serve->lock);
	return alone && !serve->sweep_s ? -1 : (int)serve->config.idle_s * 1000;
}

static void *keeper_run(void *opaque)
{
	struct fsb_stream_serve *serve = opaque;
	struct epoll_event events[GATE_EVENTS];

	while (!is_over(serve)) {
		int count = epoll_wait(serve->gate, events, GATE_EVENTS, pause_ms(serve));
		for (int i = 0; i < count; i++)
			hear(serve, &events[i]);
		hear_greeted(serve);
		look_at_clocks(serve);
		if (atomic_load(&serve->stopping))
			shut(serve);
		sessions_reap(serve);
	}
	return NULL;
}

/* ---- Life ---- */

static unsigned int default_threads(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1 ? 3 : cores + 2 < MAX_THREADS ? (unsigned int)cores + 2 : MAX_THREADS;
}

static struct fsb_stream_serve *allocate(const struct fsb_stream_serve_config *config)
{
	unsigned int nworkers = config->threads ? config->threads : default_threads();
	size_t size = sizeof(struct fsb_stream_serve) + nworkers * sizeof(struct worker);
	struct fsb_stream_serve *serve =
		aligned_alloc(_Alignof(struct fsb_stream_serve), (size + 63) / 64 * 64);

	if (!serve)
		return NULL;
	memset(serve, 0, size);
	serve->config = *config;
	serve->nworkers = nworkers;
	serve->max_message = config->max_write + 4096;
	serve->epoll = serve->gate = serve->call = serve->quit = -1;
	crowd_init(&serve->crowd);
	pthread_mutex_init(&serve->lock, NULL);
	pthread_cond_init(&serve->idle, NULL);
	for (unsigned int i = 0; i < nworkers; i++)
		serve->workers[i].serve = serve;
	/* For what is in front of a message and behind it, too. */
	if (memory_init(&serve->memory, serve->max_message + 2 * 4096, 2 * nworkers)) {
		free(serve);
		return NULL;
	}
	return serve;
}

static void dispose(struct fsb_stream_serve *serve)
{
	close_listeners(serve);
	fd_close(&serve->epoll);
	fd_close(&serve->gate);
	fd_close(&serve->call);
	fd_close(&serve->quit);
	memory_clear(&serve->memory);
	pthread_cond_destroy(&serve->idle);
	pthread_mutex_destroy(&serve->lock);
	free(serve->places);
	free(serve);
}

static int open_all(struct fsb_stream_serve *serve)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = 0 };

	serve->epoll = epoll_create1(EPOLL_CLOEXEC);
	serve->gate = epoll_create1(EPOLL_CLOEXEC);
	serve->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	serve->quit = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (serve->epoll < 0 || serve->gate < 0 || serve->call < 0 || serve->quit < 0)
		return -errno;
	if (epoll_ctl(serve->gate, EPOLL_CTL_ADD, serve->call, &event) < 0 ||
	    epoll_ctl(serve->epoll, EPOLL_CTL_ADD, serve->quit, &event) < 0)
		return -errno;
	return 0;
}

static void join_workers(struct fsb_stream_serve *serve, unsigned int started)
{
	eventfd_call(serve->quit);
	for (unsigned int i = 0; i < started; i++)
		pthread_join(serve->workers[i].thread, NULL);
}

static int start_threads(struct fsb_stream_serve *serve)
{
	unsigned int started = 0;
	int err = 0;

	while (started < serve->nworkers && !err) {
		struct worker *worker = &serve->workers[started];
		err = thread_start(&worker->thread, "fsbackend", worker_run, worker);
		if (!err)
			started++;
	}
	if (!err)
		err = thread_start(&serve->keeper, "fsb-keeper", keeper_run, serve);
	if (err)
		join_workers(serve, started);
	return err;
}

int fsb_stream_serve_start(const struct fsb_stream_serve_config *theirs,
			   struct fsb_stream_serve **out)
{
	struct fsb_stream_serve_config known, *config = &known;

	fsb_stream_serve_config_init(config);
	if (sized_take(config, sizeof(*config), theirs, sizeof(*config)) < 0 || !is_sound(config))
		return -EINVAL;
	struct fsb_stream_serve *serve = allocate(config);
	if (!serve)
		return -ENOMEM;
	int err = open_all(serve);
	if (serve->config.state_dir >= 0) {
		kept_sweep(serve);
		serve->sweep_s = now_s() + kept_retention(serve) + 1;
	}
	if (!err)
		err = start_threads(serve);
	if (err) {
		dispose(serve);
		return err;
	}
	*out = serve;
	return 0;
}

int fsb_stream_serve_add(struct fsb_stream_serve *serve, int in, int out)
{
	return connection_new(serve, in, out, NULL);
}

int fsb_stream_serve_add_greeted(struct fsb_stream_serve *serve, int in, int out,
				 const struct fsb_stream_hello *hello)
{
	return connection_new(serve, in, out, hello);
}

int fsb_stream_serve_listen(struct fsb_stream_serve *serve, int fd)
{
	struct listener *listener = malloc(sizeof(*listener));
	int listens = 0;
	socklen_t length = sizeof(listens);

	if (!listener)
		return -ENOMEM;
	*listener = (struct listener){ .fd = fd };
	struct epoll_event event = { .events = EPOLLIN,
				     .data.u64 = ID_LISTENER | (uint64_t)(uintptr_t)listener };
	int flags = fcntl(fd, F_GETFL), err = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) < 0 || !listens)
		err = -EINVAL;
	else if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		err = -errno;
	pthread_mutex_lock(&serve->lock);
	if (!err && serve->closed)
		err = -ESHUTDOWN;
	if (!err && epoll_ctl(serve->gate, EPOLL_CTL_ADD, fd, &event) < 0)
		err = -errno;
	if (!err) {
		listener->next = serve->listeners;
		serve->listeners = listener;
	}
	pthread_mutex_unlock(&serve->lock);
	if (err) {
		free(listener);
		close(fd);
	}
	return err;
}

static void add_session(struct session *session, struct fsb_stream_usage *usage)
{
	pthread_mutex_lock(&session->lock);
	usage->requests += session->nrequests;
	pthread_mutex_unlock(&session->lock);
	for (unsigned int i = 0; i < session->nchannels; i++) {
		pthread_mutex_lock(&session->channels[i].lock);
		usage->retained += session->channels[i].log.bytes;
		pthread_mutex_unlock(&session->channels[i].lock);
	}
}

void fsb_stream_serve_usage(struct fsb_stream_serve *serve, struct fsb_stream_usage *usage)
{
	*usage = (struct fsb_stream_usage){ 0 };
	pthread_mutex_lock(&serve->lock);
	usage->connections = serve->nconnections;
	usage->sessions = serve->nsessions;
	for (struct session *session = serve->sessions; session; session = session->next)
		add_session(session, usage);
	pthread_mutex_unlock(&serve->lock);
}

void fsb_stream_serve_wait_idle(struct fsb_stream_serve *serve)
{
	pthread_mutex_lock(&serve->lock);
	while (!serve->closed && (serve->nsessions > 0 || serve->nconnections > 0))
		pthread_cond_wait(&serve->idle, &serve->lock);
	pthread_mutex_unlock(&serve->lock);
}

void fsb_stream_serve_stop(struct fsb_stream_serve *serve)
{
	atomic_store(&serve->stopping, true);
	keeper_call(serve);
}

void fsb_stream_serve_free(struct fsb_stream_serve *serve)
{
	if (!serve)
		return;
	fsb_stream_serve_stop(serve);
	pthread_join(serve->keeper, NULL);
	join_workers(serve, serve->nworkers);
	dispose(serve);
}
