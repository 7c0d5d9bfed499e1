// SPDX-License-Identifier: BSD-3-Clause
/* Signals, limits, standard descriptors, the background. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "messages.h"
#include "process.h"

/* Where to say that it works, or -1 in the foreground. */
static int ready = -1;

void process_prepare(void)
{
	struct rlimit limit;
	int fd;

	/*
	 * Started without standard descriptors, ours would take their numbers, and get what is
	 * meant for those.
	 */
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
}

/* ---- The background ---- */

static void detach(bool keep_stderr)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		if (!keep_stderr)
			dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	if (chdir("/") < 0)
		complain("cannot change to /: %s", strerror(errno));
	messages_to_syslog();
}

int process_works(bool keep_stderr)
{
	if (ready < 0)
		return 0;
	/* Until now there may have been a question for whoever sits at the terminal. */
	setsid();
	detach(keep_stderr);
	int err = write(ready, "", 1) == 1 ? 0 : -errno;
	close(ready);
	ready = -1;
	return err;
}

static int await_child(pid_t child, int fd)
{
	char byte;
	ssize_t length;
	int status;

	do
		length = read(fd, &byte, 1);
	while (length < 0 && errno == EINTR);
	if (length == 1)
		return 0;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILED;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	complain("the server was ended by signal %d", WTERMSIG(status));
	return EXIT_FAILED;
}

int process_background(int (*run)(void *opaque), void *opaque)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0) {
		complain("cannot make a pipe: %s", strerror(errno));
		return EXIT_FAILED;
	}
	pid_t child = fork();
	if (child < 0) {
		complain("cannot fork: %s", strerror(errno));
		return EXIT_FAILED;
	}
	if (child) {
		close(ends[1]);
		return await_child(child, ends[0]);
	}
	close(ends[0]);
	ready = ends[1];
	return run(opaque);
}

/* ---- Signals ---- */

struct signal_watcher {
	pthread_t thread;
	atomic_bool ended;
	void (*on_signal)(void *opaque, bool end);
	void *opaque;
};

static void fill_signals(sigset_t *set)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1 };

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(set, signals[i]);
}

void signals_block(void)
{
	sigset_t set;

	fill_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void *watch(void *opaque)
{
	struct signal_watcher *watcher = opaque;
	sigset_t set;
	int signal;

	fill_signals(&set);
	for (;;) {
		if (sigwait(&set, &signal) != 0)
			continue;
		if (atomic_load(&watcher->ended))
			return NULL;
		watcher->on_signal(watcher->opaque, signal != SIGUSR1);
	}
}

int signals_watch(void (*on_signal)(void *opaque, bool end), void *opaque,
		  struct signal_watcher **out)
{
	struct signal_watcher *watcher = calloc(1, sizeof(*watcher));

	if (!watcher)
		return -ENOMEM;
	watcher->on_signal = on_signal;
	watcher->opaque = opaque;
	int err = pthread_create(&watcher->thread, NULL, watch, watcher);
	if (err) {
		free(watcher);
		return -err;
	}
	*out = watcher;
	return 0;
}

void signals_unwatch(struct signal_watcher *watcher)
{
	if (!watcher)
		return;
	atomic_store(&watcher->ended, true);
	pthread_kill(watcher->thread, SIGUSR1);
	pthread_join(watcher->thread, NULL);
	free(watcher);
}
