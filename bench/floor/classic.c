// SPDX-License-Identifier: BSD-3-Clause
/* Requests by read(2) of the device. It looks for the next one for a while before it sleeps. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/uio.h>
#include <unistd.h>

#include <fsbackend/fuse_wire.h>

#include "answer.h"
#include "loops.h"

static void give(int fd, const struct fuse_in_header *request)
{
	const struct answer *answer = answer_find(request->opcode);
	struct fuse_out_header header = { .unique = request->unique };
	struct iovec iov[2] = { { &header, sizeof(header) } };

	if (!answer)
		return;
	header.len = (uint32_t)(sizeof(header) + answer->length);
	header.error = answer->error;
	iov[1] = (struct iovec){ (void *)answer->body, answer->length };
	if (writev(fd, iov, answer->length ? 2 : 1) < 0)
		return; /* the caller was killed */
}

/* Return: whether there may be a request now. */
static bool wait_for_request(int fd, uint64_t since, uint64_t spin_ns)
{
	struct pollfd device = { .fd = fd, .events = POLLIN };

	if (errno == EINTR || errno == ENOENT)
		return true;
	if (errno != EAGAIN)
		return false;
	if (now_ns() - since < spin_ns)
		sched_yield();
	else
		poll(&device, 1, -1);
	return true;
}

void classic_loop(int fd, uint64_t spin_ns)
{
	static _Alignas(8) char buffer[1024 * 1024 + 4096];
	uint64_t since = 0;

	for (;;) {
		if (read(fd, buffer, sizeof(buffer)) > 0) {
			give(fd, (const struct fuse_in_header *)buffer);
			since = now_ns();
		} else if (!wait_for_request(fd, since, spin_ns)) {
			return;
		}
	}
}
