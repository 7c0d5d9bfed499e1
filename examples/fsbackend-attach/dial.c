// SPDX-License-Identifier: BSD-3-Clause
/* Connections to the server. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dial.h"

enum { PATIENCE_MS = 500, STEP_MS = 10 };

extern char **environ;

void dialler_init(struct dialler *d, const struct options *options)
{
	*d = (struct dialler){ .options = options };
	pthread_mutex_init(&d->lock, NULL);
}

/* ---- Commands ---- */

/* It has its connection no more, and should end by itself: help if it does not. */
static void reap(pid_t command)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000 * 1000 };

	for (int waited = 0; waited < PATIENCE_MS; waited += STEP_MS) {
		if (waitpid(command, NULL, WNOHANG) != 0)
			return;
		nanosleep(&step, NULL);
	}
	kill(command, SIGTERM);
	for (int waited = 0; waited < PATIENCE_MS; waited += STEP_MS) {
		if (waitpid(command, NULL, WNOHANG) != 0)
			return;
		nanosleep(&step, NULL);
	}
	kill(command, SIGKILL);
	waitpid(command, NULL, 0);
}

/* @again: nobody sits at a terminal any more, and what is typed there is not for us. */
static void fill_attributes(posix_spawnattr_t *attributes, bool again)
{
	sigset_t none, defaults;

	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGXFSZ);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setsigdefault(attributes, &defaults);
	posix_spawnattr_setflags(attributes,
				 (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
					 (again ? POSIX_SPAWN_SETSID : 0)));
}

/* Run the command at one end of a socket. Return: 0 or a negative errno. */
static int spawn(const char *command, int fd, bool again, pid_t *pid)
{
	char *argv[] = { "sh", "-c", (char *)command, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
	posix_spawnattr_init(&attributes);
	fill_attributes(&attributes, again);
	int err = -posix_spawn(pid, "/bin/sh", &actions, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

static int dial_command(struct dialler *d, unsigned int channel, int *fd)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	pthread_mutex_lock(&d->lock);
	pid_t former = d->commands[channel];
	d->commands[channel] = 0;
	pthread_mutex_unlock(&d->lock);
	if (former)
		reap(former);
	pid_t command;
	int err = spawn(d->options->exec, ends[1], former > 0, &command);
	close(ends[1]);
	if (err) {
		close(ends[0]);
		return err;
	}
	pthread_mutex_lock(&d->lock);
	d->commands[channel] = command;
	pthread_mutex_unlock(&d->lock);
	*fd = ends[0];
	return 0;
}

/* ---- Any ---- */

int dialler_dial(void *opaque, unsigned int channel, int *in, int *out)
{
	struct dialler *d = opaque;
	int fd = -1;

	if (d->options->exec) {
		int err = dial_command(d, channel, &fd);
		if (err)
			return err;
	} else {
		fd = address_connect(&d->options->address);
	}
	*in = *out = fd;
	return fd < 0 ? fd : 0;
}

void dialler_clear(struct dialler *d)
{
	for (unsigned int i = 0; i < MAX_CHANNELS; i++)
		if (d->commands[i])
			reap(d->commands[i]);
	pthread_mutex_destroy(&d->lock);
}
