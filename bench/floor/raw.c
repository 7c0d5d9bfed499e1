// SPDX-License-Identifier: BSD-3-Clause
/*
 * bench-raw: a mount without a server: whatever is asked gets an answer that was ready before. What
 * it takes is what the kernel takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <fsbackend/fsbackend.h>
#include <fsbackend/fuse_wire.h>

#include "answer.h"
#include "loops.h"
#include "options.h"

/* INIT comes by the device in any case, and only after its answer the kernel knows of the queues.
 */
static int answer_init(int fd)
{
	static _Alignas(8) char buffer[1024 * 1024 + 4096];
	const struct fuse_in_header *request = (const void *)buffer;

	if (read(fd, buffer, sizeof(buffer)) < 0)
		return -errno;
	if (request->opcode != FUSE_INIT)
		return -EPROTO;
	const struct answer *answer = answer_find(FUSE_INIT);
	struct fuse_out_header header = { .len = (uint32_t)(sizeof(header) + answer->length),
					  .unique = request->unique };
	struct iovec iov[2] = { { &header, sizeof(header) },
				{ (void *)answer->body, answer->length } };
	return writev(fd, iov, 2) < 0 ? -errno : 0;
}

static int serve(int fd, const struct floor_options *options)
{
	uint64_t spin_ns = (uint64_t)options->spin_us * 1000;
	int err = answer_init(fd);

	if (!err && options->uring)
		err = uring_start(fd, spin_ns);
	if (!err && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		err = -errno;
	if (!err)
		classic_loop(fd, options->uring ? 0 : spin_ns);
	return err;
}

int main(int argc, char *argv[])
{
	struct fsb_mount_config mount;
	struct floor_options options;
	int fd;

	if (!floor_options_parse(argc, argv, &options))
		return 2;
	answers_init(options.uring);
	fsb_mount_config_init(&mount);
	mount.mountpoint = options.mountpoint;
	mount.subtype = "raw";
	int err = fsb_mount(&mount, &fd);
	if (!err) {
		err = serve(fd, &options);
		if (err)
			fsb_unmount(options.mountpoint, true);
		close(fd);
	}
	if (err)
		fprintf(stderr, "bench-raw: %s\n", strerror(-err));
	return err ? 1 : 0;
}
