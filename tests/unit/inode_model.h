/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the sources of the inode table see in place of the C library when inode_model.c is built
 * from them (included before their first line): memory, locks, atomic accesses and system calls
 * that the model watches.
 */
#ifndef FSBACKEND_TESTS_UNIT_INODE_MODEL_H
#define FSBACKEND_TESTS_UNIT_INODE_MODEL_H

/* Before their names become others. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int model_close(int fd);
int model_open_by_handle(const struct file_handle *handle);
int model_unlink(int dirfd, const char *name, int flags);
int model_statx(int fd, struct statx *stx);
void model_sleep(const struct timespec *span);
void *model_allocate(void *old, size_t size);
void model_free(void *memory);
void model_lock(pthread_mutex_t *lock);
void model_unlock(pthread_mutex_t *lock);
void model_access(const volatile void *object);

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit

#ifdef __clang__
#define WATCHED(object, name, ...) \
	(model_access(object), __c11_atomic_##name(object, ##__VA_ARGS__))
#define atomic_load_explicit(object, order) WATCHED(object, load, order)
#define atomic_store_explicit(object, value, order) WATCHED(object, store, value, order)
#define atomic_exchange_explicit(object, value, order) WATCHED(object, exchange, value, order)
#else
#define WATCHED(object, name, ...) (model_access(object), __atomic_##name(object, ##__VA_ARGS__))
#define atomic_load_explicit(object, order) WATCHED(object, load_n, order)
#define atomic_store_explicit(object, value, order) WATCHED(object, store_n, value, order)
#define atomic_exchange_explicit(object, value, order) WATCHED(object, exchange_n, value, order)
#endif
#define atomic_fetch_add_explicit(object, value, order) WATCHED(object, fetch_add, value, order)
#define atomic_fetch_sub_explicit(object, value, order) WATCHED(object, fetch_sub, value, order)

#define pthread_mutex_lock(lock) model_lock(lock)
#define pthread_mutex_unlock(lock) model_unlock(lock)
#define calloc(count, size) model_allocate(NULL, (count) * (size))
#define realloc(old, size) model_allocate(old, size)
#define free(memory) model_free(memory)
#define close(fd) model_close(fd)
#define open_by_handle_at(mount, handle, flags) ((void)(flags), model_open_by_handle(handle))
#define unlinkat(dirfd, name, flags) model_unlink(dirfd, name, flags)
#define nanosleep(span, rest) model_sleep(span)
#define statx(fd, name, flags, mask, stx) model_statx(fd, stx)

#endif
