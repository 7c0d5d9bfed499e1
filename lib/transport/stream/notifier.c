// SPDX-License-Identifier: BSD-3-Clause
/* The thread that gives notifications to the device. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../thread.h"
#include "forward.h"

static struct notice *next_notice(struct notifier *notifier)
{
	pthread_mutex_lock(&notifier->lock);
	while (!notifier->first && !notifier->quit)
		pthread_cond_wait(&notifier->more, &notifier->lock);
	struct notice *notice = notifier->quit ? NULL : notifier->first;
	if (notice) {
		notifier->first = notice->next;
		if (!notifier->first)
			notifier->last = &notifier->first;
		notifier->bytes -= notice->length;
	}
	pthread_mutex_unlock(&notifier->lock);
	return notice;
}

static void *run(void *opaque)
{
	struct fsb_stream_forward *forward = opaque;
	struct notice *notice;

	while ((notice = next_notice(&forward->notifier))) {
		/* ENOENT: the kernel does not know the inode or name, which is as good. */
		ssize_t written = write(forward->fd, notice->message, notice->length);
		(void)written;
		free(notice);
	}
	return NULL;
}

int notifier_start(struct notifier *notifier, struct fsb_stream_forward *forward)
{
	*notifier = (struct notifier){ .last = &notifier->first };
	pthread_mutex_init(&notifier->lock, NULL);
	pthread_cond_init(&notifier->more, NULL);
	int err = thread_start(&notifier->thread, NULL, run, forward);
	notifier->running = !err;
	return err;
}

int notifier_add(struct notifier *notifier, const void *message, size_t length)
{
	struct notice *notice = malloc(sizeof(*notice) + length);

	if (!notice)
		return -ENOMEM;
	notice->next = NULL;
	notice->length = length;
	memcpy(notice->message, message, length);
	pthread_mutex_lock(&notifier->lock);
	bool full = notifier->bytes + length > NOTIFY_WINDOW;
	if (!full) {
		*notifier->last = notice;
		notifier->last = &notice->next;
		notifier->bytes += length;
		pthread_cond_signal(&notifier->more);
	}
	pthread_mutex_unlock(&notifier->lock);
	if (full)
		free(notice);
	return full ? -ENOBUFS : 0;
}

void notifier_stop(struct notifier *notifier)
{
	struct notice *notice;

	if (!notifier->running)
		return;
	pthread_mutex_lock(&notifier->lock);
	notifier->quit = true;
	pthread_cond_signal(&notifier->more);
	pthread_mutex_unlock(&notifier->lock);
	pthread_join(notifier->thread, NULL);
	notifier->running = false;
	while ((notice = notifier->first)) {
		notifier->first = notice->next;
		free(notice);
	}
	pthread_cond_destroy(&notifier->more);
	pthread_mutex_destroy(&notifier->lock);
}
