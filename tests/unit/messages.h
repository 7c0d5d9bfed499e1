/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Raw messages for the tests of the decoder and the server: a good one of every opcode, ways to
 * build others, and a client that feeds them to a server and keeps the answer.
 */
#ifndef FSB_TESTS_MESSAGES_H
#define FSB_TESTS_MESSAGES_H

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fsbackend/server.h>

#define UNIQUE 4660
#define HEADER sizeof(struct fuse_in_header)

/* ---- Building ---- */

struct bytes {
	size_t length;
	_Alignas(8) uint8_t at[10240];
};

static inline void add(struct bytes *b, const void *data, size_t length)
{
	cr_assert_leq(b->length + length, sizeof(b->at));
	if (length > 0)
		memcpy(b->at + b->length, data, length);
	b->length += length;
}

static inline void add_name(struct bytes *b, const char *name)
{
	add(b, name, strlen(name) + 1);
}

static inline struct fuse_in_header *header_of(struct bytes *b)
{
	return (struct fuse_in_header *)b->at;
}

/* Make the header say the length that there is. */
static inline void seal(struct bytes *b)
{
	header_of(b)->len = (uint32_t)b->length;
}

static inline void begin(struct bytes *b, uint32_t opcode, uint64_t nodeid)
{
	struct fuse_in_header header = {
		.opcode = opcode,
		.unique = UNIQUE,
		.nodeid = nodeid,
		.uid = 1000,
		.gid = 100,
		.pid = 77,
	};

	b->length = 0;
	add(b, &header, sizeof(header));
	seal(b);
}

/* A message of fixed arguments and, if there is one, a name. */
static inline void build(struct bytes *b, uint32_t opcode, uint64_t nodeid, const void *in,
			 size_t size, const char *name)
{
	begin(b, opcode, nodeid);
	add(b, in, size);
	if (name)
		add_name(b, name);
	seal(b);
}

#define BUILD(b, opcode, nodeid, in, name) build(b, opcode, nodeid, &(in), sizeof(in), name)

/* A security context block, padded as the kernel does. */
static inline void add_security(struct bytes *b, const char *name, const char *value)
{
	size_t inner = sizeof(struct fuse_secctx) + strlen(name) + 1 + strlen(value);
	struct fuse_secctx_header head = { .size = (uint32_t)(sizeof(head) + FUSE_REC_ALIGN(inner)),
					   .nr_secctx = 1 };
	struct fuse_secctx context = { .size = (uint32_t)strlen(value) };

	add(b, &head, sizeof(head));
	add(b, &context, sizeof(context));
	add_name(b, name);
	add(b, value, strlen(value));
	add(b, "\0\0\0\0\0\0\0", FUSE_REC_ALIGN(inner) - inner);
	header_of(b)->total_extlen += head.size / 8;
	seal(b);
}

static inline void add_group(struct bytes *b, uint32_t group)
{
	struct fuse_ext_header head = { .size = 16, .type = FUSE_EXT_GROUPS };
	uint32_t groups[2] = { 1, group };

	add(b, &head, sizeof(head));
	add(b, groups, sizeof(groups));
	header_of(b)->total_extlen += 2;
	seal(b);
}

/* ---- A good message of every opcode ---- */

static inline void sample_lock(struct bytes *b, uint32_t opcode)
{
	struct fuse_lk_in in = {
		.fh = 11,
		.owner = 0xabcdef,
		.lk = { .start = 10, .end = 19, .type = F_WRLCK, .pid = 77 },
	};

	BUILD(b, opcode, 5, in, NULL);
}

static inline void sample_read(struct bytes *b, uint32_t opcode)
{
	struct fuse_read_in in = {
		.fh = 11,
		.offset = 4096,
		.size = 512,
		.read_flags = FUSE_READ_LOCKOWNER,
		.lock_owner = 9,
		.flags = O_RDWR,
	};

	BUILD(b, opcode, 5, in, NULL);
}

static inline void sample_create(struct bytes *b, uint32_t opcode, const char *name)
{
	struct fuse_create_in in = {
		.flags = O_CREAT | O_RDWR,
		.mode = S_IFREG | 0644,
		.umask = 022,
		.open_flags = FUSE_OPEN_KILL_SUIDGID,
	};

	BUILD(b, opcode, 2, in, name);
}

static inline void sample_copy(struct bytes *b, uint32_t opcode)
{
	struct fuse_copy_file_range_in in = {
		.fh_in = 11,
		.off_in = 100,
		.nodeid_out = 6,
		.fh_out = 12,
		.off_out = 200,
		.len = 300,
	};

	BUILD(b, opcode, 5, in, NULL);
}

/* As a client sends it that negotiated FUSE_SETXATTR_EXT. */
static inline void sample(struct bytes *b, uint32_t opcode)
{
	switch (opcode) {
	case FUSE_LOOKUP:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
		begin(b, opcode, 2);
		add_name(b, "file");
		break;
	case FUSE_FORGET: {
		struct fuse_forget_in in = { .nlookup = 3 };
		BUILD(b, opcode, 5, in, NULL);
		break;
	}
	case FUSE_GETATTR: {
		struct fuse_getattr_in in = { .getattr_flags = FUSE_GETATTR_FH, .fh = 11 };
		BUILD(b, opcode, 5, in, NULL);
		break;
	}
	case FUSE_SETATTR: {
		struct fuse_setattr_in in = {
			.valid = FATTR_MODE | FATTR_UID | FATTR_GID | FATTR_SIZE | FATTR_ATIME |
				 FATTR_MTIME | FATTR_FH | FATTR_LOCKOWNER | FATTR_CTIME |
				 FATTR_KILL_SUIDGID,
			.fh = 11,
			.size = 4096,
			.lock_owner = 9,
			.atime = (uint64_t)-2,
			.mtime = 1700000000,
			.ctime = 3,
			.atimensec = 999999999,
			.mtimensec = 2,
			.ctimensec = 1,
			.mode = 0640,
			.uid = 1001,
			.gid = 101,
		};
		BUILD(b, opcode, 5, in, NULL);
		break;
	}
	case FUSE_READLINK:
	case FUSE_STATFS:
	case FUSE_DESTROY:
		begin(b, opcode, 5);
		break;
	case FUSE_SYMLINK:
		begin(b, opcode, 2);
		add_name(b, "link");
		add_name(b, "../tar/get");
		break;
	case FUSE_MKNOD: {
		struct fuse_mknod_in in = { .mode = S_IFCHR | 0600,
					    .rdev = 0x12345678,
					    .umask = 077 };
		BUILD(b, opcode, 2, in, "node");
		break;
	}
	case FUSE_MKDIR: {
		struct fuse_mkdir_in in = { .mode = 0755, .umask = 022 };
		BUILD(b, opcode, 2, in, "dir");
		break;
	}
	case FUSE_RENAME: {
		struct fuse_rename_in in = { .newdir = 3 };
		BUILD(b, opcode, 2, in, "old");
		add_name(b, "new");
		break;
	}
	case FUSE_RENAME2: {
		struct fuse_rename2_in in = { .newdir = 3, .flags = 1 };
		BUILD(b, opcode, 2, in, "old");
		add_name(b, "new");
		break;
	}
	case FUSE_LINK: {
		struct fuse_link_in in = { .oldnodeid = 5 };
		BUILD(b, opcode, 2, in, "hard");
		break;
	}
	case FUSE_OPEN:
	case FUSE_OPENDIR: {
		struct fuse_open_in in = { .flags = O_RDWR | O_CREAT | O_TRUNC,
					   .open_flags = FUSE_OPEN_KILL_SUIDGID };
		BUILD(b, opcode, 5, in, NULL);
		break;
	}
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		sample_read(b, opcode);
		break;
	case FUSE_WRITE: {
		struct fuse_write_in in = {
			.fh = 11,
			.offset = 4096,
			.size = 5,
			.write_flags = FUSE_WRITE_LOCKOWNER | FUSE_WRITE_KILL_SUIDGID,
			.lock_owner = 9,
			.flags = O_WRONLY,
		};
		BUILD(b, opcode, 5, in, NULL);
		add(b, "hello", 5);
		break;
	}
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR: {
		struct fuse_release_in in = {
			.fh = 11,
			.flags = O_RDWR,
			.release_flags = FUSE_RELEASE_FLOCK_UNLOCK,
			.lock_owner = 9,
		};
		BUILD(b, opcode, 5, in, NULL);
		break;
	}
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR: {
		struct fuse_fsync_in in = { .fh = 11, .fsync_flags = FUSE_FSYNC_FDATASYNC };
		BUILD(b, opcode, 5, in, NULL);
		break;
	}
	case FUSE_SETXATTR: {
		struct fuse_setxattr_in in = { .size = 5,
					       .flags = 1,
					       .setxattr_flags = FUSE_SETXATTR_ACL_KILL_SGID };
		BUILD(b, opcode, 5, in, "user.name");
		add(b, "v\0lue", 5);
		break;
	}
	case FUSE_GETXATTR: {
		struct fuse_getxattr_in in = { .size = 256 };
		BUILD(b, opcode, 5, in, "user.name");
		break;
	}
	case FUSE_LISTXATTR: {
		struct fuse_getxattr_in in = { .size = 256 };
		BUILD(b, opcode, 5, in, NULL);
		break;
	}
	case FUSE_REMOVEXATTR:
		begin(b, opcode, 5);
		add_name(b, "user.na/me");
		break;
	case FUSE_FLUSH: {
		struct fuse_flush_in in = { .fh = 11, .lock_owner = 9 };
		BUILD(b, opcode, 5, in, NULL);
		break;
	}
	case FUSE_INIT: {
		struct fuse_init_in in = {
			.major = 7,
			.minor = 45,
			.max_readahead = 131072,
			.flags = ~(uint32_t)FUSE_INIT_RESERVED,
			.flags2 = 0x7ff,
		};
		BUILD(b, opcode, 0, in, NULL);
		break;
	}
	case FUSE_GETLK:
	case FUSE_SETLK:
	case FUSE_SETLKW:
		sample_lock(b, opcode);
		break;
	case FUSE_ACCESS: {
		struct fuse_access_in in = { .mask = R_OK | X_OK };
		BUILD(b, opcode, 5, in, NULL);
		break;
	}
	case FUSE_CREATE:
		sample_create(b, opcode, "file");
		break;
	case FUSE_TMPFILE:
		sample_create(b, opcode, "/");
		break;
	case FUSE_INTERRUPT: {
		struct fuse_interrupt_in in = { .unique = 4656 };
		BUILD(b, opcode, 0, in, NULL);
		break;
	}
	case FUSE_BMAP: {
		struct fuse_bmap_in in = { .block = 7, .blocksize = 4096 };
		BUILD(b, opcode, 5, in, NULL);
		break;
	}
	case FUSE_IOCTL: {
		struct fuse_ioctl_in in = {
			.fh = 11,
			.flags = FUSE_IOCTL_DIR,
			.cmd = 0x80086601,
			.arg = 0x7fff0000,
			.in_size = 4,
			.out_size = 8,
		};
		BUILD(b, opcode, 5, in, NULL);
		add(b, "ioct", 4);
		break;
	}
	case FUSE_POLL: {
		struct fuse_poll_in in = {
			.fh = 11, .kh = 99, .flags = FUSE_POLL_SCHEDULE_NOTIFY, .events = 5
		};
		BUILD(b, opcode, 5, in, NULL);
		break;
	}
	case FUSE_NOTIFY_REPLY: {
		struct fuse_notify_retrieve_in in = { .offset = 8192, .size = 6 };
		BUILD(b, opcode, 5, in, NULL);
		add(b, "cached", 6);
		break;
	}
	case FUSE_BATCH_FORGET: {
		struct fuse_batch_forget_in in = { .count = 2 };
		struct fuse_forget_one list[2] = { { 5, 1 }, { 6, 2 } };
		BUILD(b, opcode, 0, in, NULL);
		add(b, list, sizeof(list));
		break;
	}
	case FUSE_FALLOCATE: {
		struct fuse_fallocate_in in = {
			.fh = 11, .offset = 4096, .length = 8192, .mode = 1
		};
		BUILD(b, opcode, 5, in, NULL);
		break;
	}
	case FUSE_LSEEK: {
		struct fuse_lseek_in in = { .fh = 11, .offset = (uint64_t)-4, .whence = SEEK_END };
		BUILD(b, opcode, 5, in, NULL);
		break;
	}
	case FUSE_COPY_FILE_RANGE:
	case FUSE_COPY_FILE_RANGE_64:
		sample_copy(b, opcode);
		break;
	case FSB_REMAP_FILE_RANGE: {
		struct fsb_remap_file_range_in in = {
			.fh_in = 11,
			.off_in = 4096,
			.nodeid_out = 6,
			.fh_out = 12,
			.off_out = 8192,
			.len = 65536,
		};
		BUILD(b, opcode, 5, in, NULL);
		break;
	}
	case FUSE_SETUPMAPPING: {
		struct fuse_setupmapping_in in = {
			.fh = 11,
			.foffset = 2097152,
			.len = 4096,
			.flags = FUSE_SETUPMAPPING_FLAG_WRITE,
			.moffset = 8192,
		};
		BUILD(b, opcode, 5, in, NULL);
		break;
	}
	case FUSE_REMOVEMAPPING: {
		struct fuse_removemapping_in in = { .count = 2 };
		struct fuse_removemapping_one list[2] = { { 0, 4096 }, { 8192, 4096 } };
		BUILD(b, opcode, 5, in, NULL);
		add(b, list, sizeof(list));
		break;
	}
	case FUSE_SYNCFS: {
		struct fuse_syncfs_in in = { 0 };
		BUILD(b, opcode, 5, in, NULL);
		break;
	}
	case FUSE_STATX: {
		struct fuse_statx_in in = { .sx_flags = 0x100, .sx_mask = 0xfff };
		BUILD(b, opcode, 5, in, NULL);
		break;
	}
	default:
		cr_assert_fail("no sample of opcode %u", opcode);
	}
	seal(b);
}

/* What the newest client and this library agree on at most. */
static inline struct fsb_protocol newest_protocol(void)
{
	return (struct fsb_protocol){
		.minor = 45,
		.flags = FUSE_SETXATTR_EXT | FUSE_INIT_EXT | FUSE_SECURITY_CTX |
			 FUSE_CREATE_SUPP_GROUP,
		.max_write = 65536,
		.remap_opcode = true,
	};
}

/* ---- A client ---- */

#define CLIENT_PAYLOAD (256 * 1024)

/** Feeds one message after the other to a server, and keeps the answer to the last. */
struct client {
	struct fsb_server *server;
	struct fsb_message message;
	struct iovec request;
	struct iovec payload;
	uint8_t room[CLIENT_PAYLOAD];

	int undeliverable; /* what the reply function returns: 0, or how every reply fails */
	int result;        /* of fsb_server_handle() */
	int replies;       /* to the last message */
	struct fuse_out_header out;
};

static inline int client_reply(struct fsb_message *message, const struct fuse_out_header *out)
{
	struct client *client = message->owner;

	client->replies++;
	client->out = *out;
	return client->undeliverable;
}

static inline void client_send(struct client *client, const struct bytes *b)
{
	/* Of the exact length, so that a sanitizer sees who reads on. */
	uint8_t *exact = malloc(b->length ? b->length : 1);

	memcpy(exact, b->at, b->length);
	client->request = (struct iovec){ exact, b->length };
	client->payload = (struct iovec){ client->room, sizeof(client->room) };
	client->message.request = &client->request;
	client->message.nrequest = 1;
	client->message.payload = &client->payload;
	client->message.npayload = 1;
	client->replies = 0;
	client->result = fsb_server_handle(client->server, &client->message);
	free(exact);
}

static inline void client_send_sample(struct client *client, uint32_t opcode)
{
	struct bytes b;

	sample(&b, opcode);
	client_send(client, &b);
}

/* The bytes behind the reply's header. */
static inline size_t client_length(const struct client *client)
{
	return client->out.len - sizeof(client->out);
}

static inline struct client *client_new(const struct fsb_server_config *config)
{
	struct client *client = calloc(1, sizeof(*client));

	cr_assert_eq(fsb_server_new(config, &client->server), 0);
	fsb_message_init(&client->message, client_reply, client);
	return client;
}

static inline void client_init_as(struct client *client, uint32_t minor, uint64_t flags)
{
	struct fuse_init_in in = {
		.major = 7,
		.minor = minor,
		.max_readahead = 131072,
		.flags = (uint32_t)flags,
		.flags2 = (uint32_t)(flags >> 32),
	};
	struct bytes b;

	BUILD(&b, FUSE_INIT, 0, in, NULL);
	client_send(client, &b);
}

/* A client that offers all there is, past INIT. */
static inline struct client *client_ready(const struct fsb_server_config *config)
{
	struct client *client = client_new(config);

	client_send_sample(client, FUSE_INIT);
	cr_assert_eq(client->result, 0);
	cr_assert_eq(client->out.error, 0);
	return client;
}

static inline void client_free(struct client *client)
{
	fsb_message_clear(&client->message);
	fsb_server_free(client->server);
	free(client);
}

#endif
