// SPDX-License-Identifier: BSD-3-Clause
/*
 * fsbackend-mount: serve a directory through /dev/fuse.
 *
 * Into the background: the process forks before it has any thread; the child does everything, and
 * says over a pipe when the mount answers. The parent waits for that, and exits with status 0; or
 * the child fails first, and it exits with the child's status.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "messages.h"
#include "options.h"
#include "session.h"

enum { FAILED = 1, USAGE = 2 };

/* What a library leaves to its program. */
static void prepare_process(void)
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

/* Let go of the terminal and the working directory. Statistics without a file go on to stderr. */
static void detach(const struct options *options)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		if (!options->stats || options->stats_file)
			dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	if (chdir("/") < 0)
		complain("cannot change to /: %s", strerror(errno));
	messages_to_syslog();
}

/* @ready: where to say that the mount answers, or -1 in the foreground. */
static int serve(struct options *options, int ready)
{
	struct session session;
	int err = session_open(&session, options);

	if (!err && ready >= 0) {
		detach(options);
		/* A parent that is gone was told to give up. */
		err = write(ready, "", 1) == 1 ? 0 : -errno;
		close(ready);
	}
	if (!err && !options->fake)
		err = session_serve(&session);
	session_close(&session);
	return err ? FAILED : 0;
}

static int await_child(pid_t child, int ready)
{
	char byte;
	ssize_t length;
	int status;

	do
		length = read(ready, &byte, 1);
	while (length < 0 && errno == EINTR);
	if (length == 1)
		return 0;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return FAILED;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	complain("the server was ended by signal %d", WTERMSIG(status));
	return FAILED;
}

static int serve_in_background(struct options *options)
{
	int ready[2];

	if (pipe2(ready, O_CLOEXEC) < 0) {
		complain("cannot make a pipe: %s", strerror(errno));
		return FAILED;
	}
	pid_t child = fork();
	if (child < 0) {
		complain("cannot fork: %s", strerror(errno));
		return FAILED;
	}
	if (child) {
		close(ready[1]);
		return await_child(child, ready[0]);
	}
	close(ready[0]);
	setsid();
	return serve(options, ready[1]);
}

int main(int argc, char *argv[])
{
	static struct options options;

	prepare_process();
	switch (options_parse(&options, argc, argv)) {
	case PARSED_DONE:
		return 0;
	case PARSED_WRONG:
		return USAGE;
	case PARSED:
		break;
	}
	return options.foreground ? serve(&options, -1) : serve_in_background(&options);
}
