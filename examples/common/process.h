/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a library leaves to its program: signals, limits, standard descriptors, going to the
 * background.
 *
 * Into the background: the process forks before it has any thread; the child does everything, and
 * says over a pipe when it works. The parent waits for that, and exits with status 0; or the child
 * fails first, and it exits with the child's status.
 */
#ifndef FSBACKEND_COMMON_PROCESS_H
#define FSBACKEND_COMMON_PROCESS_H

#include <stdbool.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/** First thing in main(). */
void process_prepare(void);

/** Do @run in the background. Return: the exit status, of the parent or of the child. */
int process_background(int (*run)(void *opaque), void *opaque);

/**
 * It works: the parent of process_background() may go. Lets go of the terminal and of the working
 * directory, and says everything to syslog from here on. Nothing in the foreground.
 *
 * @keep_stderr: something else is still to be printed there
 *
 * Return: 0; a negative errno when the parent is gone, which was told to give up.
 */
int process_works(bool keep_stderr);

/** Block the signals that a watcher takes: before there are threads. */
void signals_block(void);

/** A thread that waits for signals. */
struct signal_watcher;

/**
 * Start it.
 *
 * @on_signal: called for SIGINT, SIGTERM, SIGHUP (true: to end) and SIGUSR1 (false), one at a time
 *
 * Return: 0 or a negative errno.
 */
int signals_watch(void (*on_signal)(void *opaque, bool end), void *opaque,
		  struct signal_watcher **watcher);

/** Stop it. NULL is nothing. */
void signals_unwatch(struct signal_watcher *watcher);

#endif
