// SPDX-License-Identifier: BSD-3-Clause
/* fsbackend-serve: serve a directory over Unix sockets, vsock, or standard input and output. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fsbackend/fsbackend.h>

#include "../common/messages.h"
#include "../common/process.h"
#include "../common/trace.h"
#include "linger.h"
#include "options.h"

enum {
	FIRST_INHERITED = 3, /* systemd's SD_LISTEN_FDS_START */
	HELLO_MS = 30000,
};

/**
 * The whole.
 *
 * @root:  the directory, O_PATH
 * @budget: of descriptors, of all clients
 * @state: the directory of --state, or -1
 * @linger: with --stdio: where the client that lost its connection can have it back
 * @made:  Unix sockets' paths are ours to remove
 * @ended: a signal said so
 */
struct program {
	struct options *options;
	int root;
	struct fsb_passthrough_budget *budget;
	int state;
	struct fsb_stream_serve *serve;
	struct signal_watcher *watcher;
	struct lingerer linger;
	size_t made;
	sem_t ended;
};

/** What a client has mounted. */
struct mount {
	struct fsb_filesystem *tree;
	struct fsb_server *server;
	struct mount *next;
};

/* Called in one thread, so there is nothing to lock. */
static struct mount *mounts;

/* ---- Clients ---- */

static bool is_among(uint32_t id, const struct fsb_stream_ids *ids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (id - ids[i].first < ids[i].count)
			return true;
	return false;
}

static bool may_come(const struct options *o, const struct fsb_stream_peer *peer)
{
	static const struct fsb_stream_ids here = { 1, 2 }; /* this machine, and the host */

	/* Who has handed over the descriptors has decided. */
	if (o->stdio || peer->kind == FSB_STREAM_OTHER)
		return true;
	if (peer->kind == FSB_STREAM_VSOCK)
		return o->ncids ? is_among(peer->cid, o->cids, o->ncids)
				: is_among(peer->cid, &here, 1);
	if (o->nuids)
		return is_among(peer->uid, o->uids, o->nuids);
	return peer->uid == 0 || peer->uid == geteuid();
}

static int admit(void *opaque, const struct fsb_stream_peer *peer, struct fsb_stream_terms *terms)
{
	const struct options *o = ((struct program *)opaque)->options;

	if (!may_come(o, peer)) {
		if (peer->kind == FSB_STREAM_VSOCK)
			complain("machine %u may not connect: see --allow-cid", peer->cid);
		else
			complain("user %u may not connect: see --allow-uid", peer->uid);
		return -EPERM;
	}
	terms->uids = o->claim_uids;
	terms->nuids = o->nclaim_uids;
	terms->gids = o->claim_gids;
	terms->ngids = o->nclaim_gids;
	return 0;
}

static uint64_t random_id(void)
{
	uint32_t number = 0;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return 0;
	return (uint64_t)number << 24;
}

/* What a process before has left has to be known, or the client is to begin anew. */
static int make_tree(struct fsb_passthrough_config *config, const struct fsb_stream_peer *peer,
		     struct fsb_filesystem **tree)
{
	int err = fsb_passthrough_new(config, tree);

	if (peer->recovers) {
		if (err || fsb_passthrough_recovered(*tree))
			return err;
		fsb_passthrough_free(*tree);
		return -ESTALE;
	}
	if (!err || config->state_fd < 0)
		return err;
	complain("a client is served whose state cannot be kept: %s", strerror(-err));
	config->state_fd = -1;
	return fsb_passthrough_new(config, tree);
}

static int open_mount(void *opaque, const struct fsb_stream_peer *peer, struct fsb_server **server)
{
	struct program *program = opaque;
	struct fsb_passthrough_config tree = program->options->tree.passthrough;
	struct fsb_server_config config = program->options->tree.server;
	struct mount *mount = calloc(1, sizeof(*mount));

	if (!mount)
		return -ENOMEM;
	tree.source_fd = program->root;
	tree.budget = program->budget;
	tree.state_fd = peer->state_fd;
	tree.state_offset = peer->state_offset;
	/* A client may still know the numbers of a server that is gone. */
	tree.first_id = random_id();
	int err = make_tree(&tree, peer, &mount->tree);
	if (!err) {
		config.filesystem = mount->tree;
		config.trace = program->options->debug ? trace_print : NULL;
		err = fsb_server_new(&config, &mount->server);
		if (err)
			fsb_passthrough_free(mount->tree);
	}
	if (err) {
		free(mount);
		return err;
	}
	mount->next = mounts;
	mounts = mount;
	*server = mount->server;
	if (program->options->stdio && program->options->serve.grace_s > 0)
		linger_start(&program->linger, program->serve, peer->session);
	return 0;
}

static void close_mount(void *opaque, struct fsb_server *server)
{
	struct mount **link = &mounts, *mount;

	(void)opaque;
	while ((*link)->server != server)
		link = &(*link)->next;
	mount = *link;
	*link = mount->next;
	fsb_server_free(mount->server);
	fsb_passthrough_free(mount->tree);
	free(mount);
}

/* ---- Where they come ---- */

/* A descriptor may be a listening socket, or a connection. */
static int take_descriptor(struct program *p, int fd)
{
	int listens = 0;
	socklen_t length = sizeof(listens);

	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && listens)
		return fsb_stream_serve_listen(p->serve, fd);
	return fsb_stream_serve_add(p->serve, fd, fd);
}

static int listen_at(struct program *p, const struct address *address)
{
	int fd = address_listen(address, &p->options->socket);

	if (fd < 0)
		return fd;
	if (address->kind == ADDRESS_FD)
		return take_descriptor(p, fd);
	p->made++;
	return fsb_stream_serve_listen(p->serve, fd);
}

static int listen_everywhere(struct program *p)
{
	const struct options *o = p->options;

	for (size_t i = 0; i < o->naddresses; i++) {
		const struct address *address = &o->addresses[i];
		int err = listen_at(p, address);
		if (!err)
			continue;
		if (address->kind == ADDRESS_UNIX)
			complain("cannot listen at %s: %s", address->path, strerror(-err));
		else if (address->kind == ADDRESS_VSOCK)
			complain("cannot listen at vsock port %u: %s", address->port,
				 strerror(-err));
		else
			complain("cannot serve descriptor %d: %s", address->fd, strerror(-err));
		return err;
	}
	return 0;
}

static int number_of(const char *variable)
{
	const char *text = getenv(variable);

	return text ? atoi(text) : 0;
}

/* Socket activation: sd_listen_fds(3) says how descriptors are handed over. */
static int take_inherited(struct program *p)
{
	int count = number_of("LISTEN_PID") == getpid() ? number_of("LISTEN_FDS") : 0;

	if (count <= 0) {
		complain("nowhere to listen: --listen or --stdio says where");
		return -EINVAL;
	}
	for (int i = 0; i < count; i++) {
		int err = take_descriptor(p, FIRST_INHERITED + i);
		if (err) {
			complain("cannot serve the inherited descriptor %d: %s",
				 FIRST_INHERITED + i, strerror(-err));
			return err;
		}
	}
	return 0;
}

/* Take them away, so that whatever is printed does not get between the frames. */
static int take_descriptors(int *in, int *out)
{
	*in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FIRST_INHERITED);
	*out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, FIRST_INHERITED);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (*in < 0 || *out < 0 || null < 0)
		return -errno;
	dup2(null, STDIN_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	close(null);
	return 0;
}

/*
 * The client that has come: one that wants its session back is handed over to whoever has it.
 * Return: 0 when it is to be served here; 1 when all was done; a negative errno.
 */
static int meet_client(int in, int out, struct fsb_stream_hello *hello)
{
	int err = fsb_stream_hello_read(in, HELLO_MS, hello);

	if (err || !hello->session)
		return err;
	err = linger_hand_over(in, out, hello);
	/* Nobody has it: the client is to hear that from a server. */
	if (err == -ENOENT)
		return 0;
	return err ? err : 1;
}

/* ---- The program ---- */

static void on_signal(void *opaque, bool end)
{
	struct program *p = opaque;

	if (!end)
		return;
	fsb_stream_serve_stop(p->serve);
	sem_post(&p->ended);
}

static int open_root(struct program *p)
{
	p->root = open(p->options->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->root >= 0)
		return 0;
	int err = -errno;
	complain("cannot open the directory %s: %s", p->options->directory, strerror(-err));
	return err;
}

/* A directory of this user that nobody else may enter. */
static int check_state(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_uid == geteuid() && !(st.st_mode & 077) ? 0 : -EPERM;
}

/* Clients that could reach it would be whom they like. */
static bool is_shared(const struct options *o)
{
	char *shared = realpath(o->directory, NULL), *state = realpath(o->state, NULL);
	size_t length = shared ? strlen(shared) : 0;
	bool within = !shared || !state ||
		      (strncmp(state, shared, length) == 0 &&
		       (length == 1 || state[length] == '/' || !state[length]));

	free(shared);
	free(state);
	return within;
}

static int open_state(struct program *p)
{
	const char *path = p->options->state;
	int err = 0;

	if (!path)
		return 0;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		err = -errno;
	if (!err)
		p->state = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (!err)
		err = p->state < 0 ? -errno : check_state(p->state);
	if (err == -EPERM)
		complain("others may enter %s, or it is another's: it has to be this user's, mode "
			 "700",
			 path);
	else if (err)
		complain("cannot keep state in %s: %s", path, strerror(-err));
	else if (is_shared(p->options))
		err = -EINVAL, complain("%s is not to be within what is served", path);
	return err;
}

static int begin(struct program *p)
{
	struct fsb_stream_serve_config *config = &p->options->serve;
	int err = open_root(p);

	if (!err)
		err = fsb_passthrough_budget_new(p->options->share, p->options->pool, &p->budget);
	if (!err)
		err = open_state(p);
	if (err)
		return err;
	config->state_dir = p->state;
	config->admit = admit;
	config->open = open_mount;
	config->close = close_mount;
	config->opaque = p;
	err = fsb_stream_serve_start(config, &p->serve);
	if (!err)
		err = signals_watch(on_signal, p, &p->watcher);
	if (err) {
		complain("cannot serve %s: %s", p->options->directory, strerror(-err));
		return err;
	}
	if (p->options->stdio)
		return 0;
	return p->options->naddresses ? listen_everywhere(p) : take_inherited(p);
}

static void finish(struct program *p)
{
	signals_unwatch(p->watcher);
	linger_stop(&p->linger);
	for (size_t i = 0; i < p->options->naddresses && p->made > 0; i++) {
		if (p->options->addresses[i].kind == ADDRESS_UNIX)
			unlink(p->options->addresses[i].path);
		if (p->options->addresses[i].kind != ADDRESS_FD)
			p->made--;
	}
	fsb_stream_serve_free(p->serve);
	fsb_passthrough_budget_free(p->budget);
	if (p->root >= 0)
		close(p->root);
	if (p->state >= 0)
		close(p->state);
	sem_destroy(&p->ended);
}

static int run(void *opaque)
{
	struct program program = { .options = opaque, .root = -1, .state = -1, .linger.fd = -1 };

	signals_block();
	sem_init(&program.ended, 0, 0);
	int err = begin(&program);
	if (!err)
		err = process_works(program.options->debug);
	while (!err && sem_wait(&program.ended) < 0)
		;
	finish(&program);
	return err ? EXIT_FAILED : 0;
}

static int run_stdio(struct options *options)
{
	struct program program = { .options = options, .root = -1, .state = -1, .linger.fd = -1 };
	struct fsb_stream_hello hello;
	int in, out;

	/* It has no terminal of its own: that the connection is gone is no reason to go. */
	signal(SIGHUP, SIG_IGN);
	int err = take_descriptors(&in, &out);
	if (!err)
		err = meet_client(in, out, &hello);
	if (err) {
		if (err < 0)
			complain("no client at standard input and output: %s", strerror(-err));
		return err < 0 ? EXIT_FAILED : 0;
	}
	signals_block();
	sem_init(&program.ended, 0, 0);
	err = begin(&program);
	if (!err)
		err = fsb_stream_serve_add_greeted(program.serve, in, out, &hello);
	if (!err)
		fsb_stream_serve_wait_idle(program.serve);
	finish(&program);
	return err ? EXIT_FAILED : 0;
}

int main(int argc, char *argv[])
{
	static struct options options;

	process_prepare();
	messages_begin("fsbackend-serve");
	switch (options_parse(&options, argc, argv)) {
	case PARSED_DONE:
		return 0;
	case PARSED_WRONG:
		return EXIT_USAGE;
	case PARSED:
		break;
	}
	if (options.stdio)
		return run_stdio(&options);
	return options.daemon ? process_background(run, &options) : run(&options);
}
