/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads of the library itself. */
#ifndef FSB_LIB_THREAD_H
#define FSB_LIB_THREAD_H

#include <pthread.h>

/**
 * Start a thread. Signals are the host's: none is delivered to it.
 *
 * @name: at most 15 characters, or NULL for the name of the thread that calls
 *
 * Return: 0 or a negative errno of pthread_create(3).
 */
int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *opaque);

#endif
