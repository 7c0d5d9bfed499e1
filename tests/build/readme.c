/* SPDX-License-Identifier: BSD-3-Clause */
/* A client for the example in README.md: sends INIT, and GETATTR of the root, through memory. */
#include "example.c"
#include <err.h>
#include <string.h>
#include <sys/stat.h>

static char out_bytes[65536];
static int replies;

static int receive(struct iovec *in)
{
	static struct {
		struct fuse_in_header header;
		union {
			struct fuse_init_in init;
			struct fuse_getattr_in getattr;
		};
	} message;

	if (replies == 2)
		return 0;
	memset(&message, 0, sizeof(message));
	message.header.unique = 2 * (uint64_t)replies + 2;
	message.header.nodeid = FUSE_ROOT_ID;
	if (replies == 0) {
		message.header.opcode = FUSE_INIT;
		message.header.len = sizeof(message.header) + sizeof(message.init);
		message.init.major = FUSE_KERNEL_VERSION;
		message.init.minor = FUSE_KERNEL_MINOR_VERSION;
	} else {
		message.header.opcode = FUSE_GETATTR;
		message.header.len = sizeof(message.header) + sizeof(message.getattr);
	}
	in->iov_base = &message;
	in->iov_len = message.header.len;
	return 1;
}

static int reply(struct fsb_message *message, const struct fuse_out_header *header)
{
	(void)message;
	replies++;
	if (header->error || header->unique != 2 * (uint64_t)replies)
		errx(1, "reply %d: error %d, unique %ju", replies, header->error,
		     (uintmax_t)header->unique);
	return 0;
}

int main(int argc, char *argv[])
{
	struct iovec in = { 0 }, out = { out_bytes, sizeof(out_bytes) };
	struct fuse_attr_out attr;

	if (argc != 2)
		return 2;
	serve(argv[1], &in, &out, receive, reply);
	memcpy(&attr, out_bytes, sizeof(attr));
	return replies == 2 && S_ISDIR(attr.attr.mode) ? 0 : 1;
}
