// SPDX-License-Identifier: BSD-3-Clause
/*
 * A host with a transport of its own: it makes raw FUSE requests, feeds them to a server over a
 * directory, and prints what comes back. No mount, no kernel: fsbackend-embed DIRECTORY FILE
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <fsbackend/fsbackend.h>

static char request[65536], payload[FUSE_MIN_READ_BUFFER + (1 << 20)];
static struct fsb_protocol protocol;

/* Where a real transport would put the reply on its way. The payload lies in place already. */
static int on_reply(struct fsb_message *message, const struct fuse_out_header *header)
{
	const struct fuse_in_header *in = message->request->iov_base;
	char text[512];

	*(int *)message->owner = header->error;
	puts(fsb_reply_describe(fsb_opcode_find(in->opcode), header->error, payload,
				header->len - sizeof(*header), text, sizeof(text)));
	return 0;
}

/*
 * Put a request together, show it, and hand it to the server. The answer is in @payload afterwards.
 */
static int ask(struct fsb_server *server, uint32_t opcode, uint64_t nodeid, const void *arguments,
	       size_t size)
{
	static uint64_t unique;
	int error = 0;

	unique += 2;
	struct fuse_in_header header = { .len = (uint32_t)(sizeof(header) + size),
					 .opcode = opcode,
					 .unique = unique,
					 .nodeid = nodeid };
	struct iovec in = { request, header.len }, out = { payload, sizeof(payload) };
	struct fsb_message message;
	struct fsb_request decoded;
	char text[512];

	memcpy(request, &header, sizeof(header));
	memcpy(request + sizeof(header), arguments, size);
	if (fsb_request_decode(&protocol, request, header.len, header.len, &decoded) == 0)
		printf("%s\n  -> ", fsb_request_describe(&decoded, text, sizeof(text)));

	fsb_message_init(&message, on_reply, &error);
	message.request = &in, message.nrequest = 1, message.payload = &out, message.npayload = 1;
	int err = fsb_server_handle(server, &message);
	fsb_message_clear(&message);
	fsb_server_protocol(server, &protocol);
	return err ? err : error;
}

static int read_file(struct fsb_server *server, const char *name)
{
	struct fuse_init_in init = { .major = FUSE_KERNEL_VERSION,
				     .minor = FUSE_KERNEL_MINOR_VERSION };
	struct fuse_getattr_in getattr = { .getattr_flags = 0 };
	struct fuse_open_in open = { .flags = 0 };
	struct fuse_read_in read = { .size = 4096 };
	struct fuse_entry_out *entry = (void *)payload;
	struct fuse_open_out *opened = (void *)payload;

	int err = ask(server, FUSE_INIT, 0, &init, sizeof(init));
	if (!err)
		err = ask(server, FUSE_LOOKUP, FSB_ROOT_NODEID, name, strlen(name) + 1);
	if (err)
		return err;
	uint64_t nodeid = entry->nodeid;
	err = ask(server, FUSE_GETATTR, nodeid, &getattr, sizeof(getattr));
	if (!err)
		err = ask(server, FUSE_OPEN, nodeid, &open, sizeof(open));
	read.fh = opened->fh;
	return err ? err : ask(server, FUSE_READ, nodeid, &read, sizeof(read));
}

int main(int argc, char *argv[])
{
	struct fsb_passthrough_config tree;
	struct fsb_server_config config;
	struct fsb_server *server = NULL;

	if (argc != 3) {
		fprintf(stderr, "Usage: fsbackend-embed DIRECTORY FILE\n");
		return 2;
	}
	fsb_protocol_init(&protocol);
	fsb_passthrough_config_init(&tree);
	tree.source = argv[1];
	fsb_server_config_init(&config);
	int err = fsb_passthrough_new(&tree, &config.filesystem);
	if (!err)
		err = fsb_server_new(&config, &server);
	if (!err)
		err = read_file(server, argv[2]);
	if (err)
		fprintf(stderr, "fsbackend-embed: %s\n", strerror(-err));
	fsb_server_free(server);
	fsb_passthrough_free(config.filesystem);
	return err ? 1 : 0;
}
