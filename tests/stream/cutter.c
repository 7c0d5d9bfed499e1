// SPDX-License-Identifier: BSD-3-Clause
/*
 * A wire that breaks: cutter FROM TO [MOST [SEED]]
 *
 * Accepts connections at the Unix socket FROM and carries them to the Unix socket TO. Each way carries a random number of
 * bytes, up to MOST, and then the connection is closed on both sides at once, in the middle of whatever is
 * under way; some carry as much as the longest message more, so that that gets through as well. SIGUSR1 cuts all connections now. SIGTERM ends it; how many were cut is its output.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { WIRES = 128, CHUNK = 65536, LONGEST_MESSAGE = 1100000 };

/* One of both ways: @left bytes until the cut, @bytes[@from..@to] on their way. */
struct way {
	long left;
	size_t from;
	size_t to;
	char bytes[CHUNK];
};

/* @ends: of who connected, of the server; @ways[i] leads from @ends[i]. */
struct wire {
	bool used;
	int ends[2];
	struct way ways[2];
};

static struct wire wires[WIRES];
static long most;
static unsigned long cuts;
static volatile sig_atomic_t cut_now, end_now;

static void on_signal(int number)
{
	if (number == SIGUSR1)
		cut_now = 1;
	else
		end_now = 1;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int unix_socket(const char *path, struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address->sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	memcpy(address->sun_path, path, strlen(path) + 1);
	return fd;
}

static long budget(void)
{
	if (!most)
		return -1;
	return 1 + random() % most + (random() % 4 ? 0 : LONGEST_MESSAGE);
}

static void wire_new(int listener, const char *to)
{
	struct sockaddr_un address;
	int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct wire *wire = wires;

	if (client < 0)
		return;
	while (wire < wires + WIRES && wire->used)
		wire++;
	int server = unix_socket(to, &address);
	if (wire == wires + WIRES ||
	    connect(server, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(client);
		close(server);
		return;
	}
	wire->used = true;
	wire->ends[0] = client;
	wire->ends[1] = server;
	for (int i = 0; i < 2; i++) {
		wire->ways[i].from = wire->ways[i].to = 0;
		wire->ways[i].left = budget();
	}
}

static void wire_close(struct wire *wire)
{
	close(wire->ends[0]);
	close(wire->ends[1]);
	wire->used = false;
}

static void wire_cut(struct wire *wire)
{
	wire_close(wire);
	cuts++;
}

/* Return: whether the wire is still there. */
static bool carry_on(struct wire *wire, int which)
{
	struct way *way = &wire->ways[which];
	size_t length = way->to - way->from;

	if (way->left >= 0 && (long)length > way->left)
		length = (size_t)way->left;
	ssize_t sent = send(wire->ends[!which], way->bytes + way->from, length,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 && errno != EAGAIN) {
		wire_close(wire);
		return false;
	}
	if (sent > 0) {
		way->from += (size_t)sent;
		way->left -= way->left >= 0 ? sent : 0;
	}
	if (way->left == 0) {
		wire_cut(wire);
		return false;
	}
	return true;
}

static bool take_in(struct wire *wire, int which)
{
	struct way *way = &wire->ways[which];
	ssize_t length = recv(wire->ends[which], way->bytes, sizeof(way->bytes), MSG_DONTWAIT);

	if (length < 0 && errno == EAGAIN)
		return true;
	if (length <= 0) {
		wire_close(wire);
		return false;
	}
	way->from = 0;
	way->to = (size_t)length;
	return carry_on(wire, which);
}

static void wire_events(struct wire *wire, const struct pollfd *polled)
{
	for (int i = 0; i < 2; i++) {
		struct way *way = &wire->ways[i];
		if (way->from < way->to) {
			if ((polled[!i].revents & (POLLOUT | POLLERR)) && !carry_on(wire, i))
				return;
		} else if ((polled[i].revents & (POLLIN | POLLHUP | POLLERR)) && !take_in(wire, i)) {
			return;
		}
	}
}

static void carry(int listener, const char *to, const sigset_t *unblocked)
{
	static struct pollfd polled[1 + 2 * WIRES];

	polled[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
	for (int i = 0; i < WIRES; i++)
		for (int end = 0; end < 2; end++) {
			struct pollfd *one = &polled[1 + 2 * i + end];
			const struct wire *wire = &wires[i];
			*one = (struct pollfd){ .fd = wire->used ? wire->ends[end] : -1 };
			if (wire->ways[end].from >= wire->ways[end].to)
				one->events |= POLLIN;
			if (wire->ways[!end].from < wire->ways[!end].to)
				one->events |= POLLOUT;
		}
	if (ppoll(polled, 1 + 2 * WIRES, NULL, unblocked) < 0)
		return;
	for (int i = 0; i < WIRES; i++)
		if (wires[i].used)
			wire_events(&wires[i], &polled[1 + 2 * i]);
	if (polled[0].revents)
		wire_new(listener, to);
}

static int listen_at(const char *path)
{
	struct sockaddr_un address;
	int fd = unix_socket(path, &address);

	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 64) < 0)
		die(path);
	return fd;
}

/* They come only while it waits. */
static void catch_signals(sigset_t *unblocked)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, unblocked);
	sigdelset(unblocked, SIGUSR1);
	sigdelset(unblocked, SIGTERM);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

int main(int argc, char *argv[])
{
	sigset_t unblocked;

	if (argc < 3 || argc > 5) {
		fprintf(stderr, "usage: cutter FROM TO [MOST [SEED]]\n");
		return 2;
	}
	most = argc > 3 ? atol(argv[3]) : 0;
	srandom(argc > 4 ? (unsigned int)atol(argv[4]) : 1);
	catch_signals(&unblocked);
	int listener = listen_at(argv[1]);
	while (!end_now) {
		carry(listener, argv[2], &unblocked);
		for (int i = 0; cut_now && i < WIRES; i++)
			if (wires[i].used)
				wire_cut(&wires[i]);
		cut_now = 0;
	}
	unlink(argv[1]);
	printf("%lu\n", cuts);
	return 0;
}
