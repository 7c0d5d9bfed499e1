/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections to the server: by an address, or by a command that is run. */
#ifndef FSBACKEND_ATTACH_DIAL_H
#define FSBACKEND_ATTACH_DIAL_H

#include <pthread.h>
#include <sys/types.h>

#include "options.h"

enum { MAX_CHANNELS = 16 };

/** @commands: of each channel, the process that was started last, or 0 */
struct dialler {
	const struct options *options;
	pthread_mutex_t lock;
	pid_t commands[MAX_CHANNELS];
};

void dialler_init(struct dialler *dialler, const struct options *options);

/** For fsb_stream_forward_config.dial. */
int dialler_dial(void *opaque, unsigned int channel, int *in, int *out);

/** End the commands. */
void dialler_clear(struct dialler *dialler);

#endif
