/* SPDX-License-Identifier: BSD-3-Clause */
/* Negotiation: versions, every flag, sizes, and what may be asked before and after. */
#include "messages.h"

#include <stdio.h>

#include "server/server.h"

/* All flags of the protocol, as a client of 7.45 offers them. */
#define EVERYTHING (((1ull << 43) - 1) & ~FUSE_INIT_RESERVED)

static int init_calls, destroy_calls, init_error;
static struct fsb_init proposed; /* what init was told */
static struct fsb_init changes;  /* what it makes of that, where it is not 0 */
static uint64_t declined;
static char last_log[512];

static int fake_init(struct fsb_filesystem *fs, struct fsb_init *init)
{
	(void)fs;
	init_calls++;
	proposed = *init;
	init->want = (init->want | changes.want) & ~declined;
	if (changes.max_write)
		init->max_write = changes.max_write;
	if (changes.max_readahead)
		init->max_readahead = changes.max_readahead;
	if (changes.max_background)
		init->max_background = changes.max_background;
	if (changes.time_gran_ns)
		init->time_gran_ns = changes.time_gran_ns;
	if (changes.max_stack_depth)
		init->max_stack_depth = changes.max_stack_depth;
	return init_error;
}

static void fake_destroy(struct fsb_filesystem *fs)
{
	(void)fs;
	destroy_calls++;
}

static int fake_lookup(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent,
		       const char *name, struct fsb_entry *entry)
{
	(void)fs;
	(void)ctx;
	(void)parent;
	(void)name;
	(void)entry;
	return -ENOENT;
}

static int fake_open(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
		     int flags, bool kill, struct fsb_open *open)
{
	(void)fs;
	(void)ctx;
	(void)nodeid;
	(void)flags;
	(void)kill;
	(void)open;
	return 0;
}

static int fake_opendir(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
			int flags, struct fsb_open *open)
{
	return fake_open(fs, ctx, nodeid, flags, false, open);
}

static int fake_list(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
		     uint64_t fh, uint64_t offset, struct fsb_dirlist *list)
{
	(void)fs;
	(void)ctx;
	(void)nodeid;
	(void)fh;
	(void)offset;
	(void)list;
	return 0;
}

static int fake_getlk(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
		      uint64_t fh, const struct fsb_lock_owner *owner, struct fsb_lock *lock)
{
	(void)fs;
	(void)ctx;
	(void)nodeid;
	(void)fh;
	(void)owner;
	(void)lock;
	return 0;
}

static int fake_setlk(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
		      uint64_t fh, const struct fsb_lock_owner *owner, const struct fsb_lock *lock)
{
	(void)fs;
	(void)ctx;
	(void)nodeid;
	(void)fh;
	(void)owner;
	(void)lock;
	return 0;
}

static struct fsb_filesystem_ops ops = {
	.size = sizeof(ops),
	.init = fake_init,
	.destroy = fake_destroy,
	.lookup = fake_lookup,
	.open = fake_open,
	.opendir = fake_opendir,
};

static struct fsb_filesystem fake = { .ops = &ops };
static struct fsb_server_config config;
static struct client *client;

static void keep_log(void *opaque, enum fsb_log_level level, const char *message)
{
	(void)opaque;
	(void)level;
	snprintf(last_log, sizeof(last_log), "%s", message);
}

static void set_up(void)
{
	fsb_server_config_init(&config);
	config.filesystem = &fake;
	config.log = (struct fsb_log){ .write = keep_log, .level = FSB_LOG_DEBUG };
}

/* The transport's, which nobody uses here. */
static struct fsb_backing registry;
static struct fsb_backing *backing = &registry;

/* Most tests change the configuration before they begin. */
static struct fuse_init_out negotiate(uint32_t minor, uint64_t flags)
{
	struct fuse_init_out out;

	client = client_new(&config);
	fsb_server_set_backing(client->server, backing);
	client_init_as(client, minor, flags);
	cr_assert_eq(client->result, 0);
	cr_assert_eq(client->out.error, 0);
	cr_assert_eq(client_length(client), sizeof(out));
	memcpy(&out, client->room, sizeof(out));
	return out;
}

static uint64_t flags_of(const struct fuse_init_out *out)
{
	return out->flags | (uint64_t)out->flags2 << 32;
}

static uint64_t used(uint64_t offered)
{
	struct fuse_init_out out = negotiate(45, offered);
	uint64_t flags = flags_of(&out);

	client_free(client);
	client = NULL;
	return flags;
}

static void tear_down(void)
{
	if (client)
		client_free(client);
}

TestSuite(init, .init = set_up, .fini = tear_down);

/* ---- Versions ---- */

Test(init, every_minor_from_31_to_45_is_spoken)
{
	for (uint32_t minor = 31; minor <= 45; minor++) {
		struct fsb_protocol protocol;
		struct fuse_init_out out = negotiate(minor, EVERYTHING);

		cr_assert_eq(out.major, 7);
		cr_assert_eq(out.minor, minor);
		cr_assert_eq(proposed.minor, minor);
		fsb_server_protocol(client->server, &protocol);
		cr_assert_eq(protocol.minor, minor);
		cr_assert_eq(protocol.flags, flags_of(&out));
		cr_assert_eq(protocol.max_write, out.max_write);
		client_free(client);
	}
	client = NULL;
}

Test(init, later_minor_is_spoken_to_in_ours)
{
	struct fuse_init_out out = negotiate(46, EVERYTHING);

	cr_assert_eq(out.minor, 45);
	cr_assert_eq(proposed.minor, 45);
}

Test(init, older_minor_is_refused)
{
	const uint32_t old[][2] = { { 7, 30 }, { 7, 23 }, { 7, 0 }, { 6, 45 }, { 0, 0 } };

	client = client_new(&config);
	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++) {
		struct fuse_init_in in = { .major = old[i][0], .minor = old[i][1] };
		struct bytes b;

		last_log[0] = '\0';
		BUILD(&b, FUSE_INIT, 0, in, NULL);
		client_send(client, &b);
		cr_assert_eq(client->out.error, -EPROTO);
		cr_assert_not_null(strstr(last_log, "7.31"));
	}
	cr_assert_eq(init_calls, 0);
	/* The next one may be better. */
	client_init_as(client, 31, 0);
	cr_assert_eq(client->out.error, 0);
}

Test(init, later_major_is_told_ours_and_asked_again)
{
	struct fuse_init_in in = { .major = 8, .minor = 1 };
	struct fsb_protocol protocol;
	struct fuse_init_out out;
	struct bytes b;

	client = client_new(&config);
	BUILD(&b, FUSE_INIT, 0, in, NULL);
	client_send(client, &b);
	cr_assert_eq(client->out.error, 0);
	memcpy(&out, client->room, sizeof(out));
	cr_assert_eq(out.major, 7);
	cr_assert_eq(out.minor, 45);
	cr_assert_eq(init_calls, 0);
	fsb_server_protocol(client->server, &protocol);
	cr_assert_eq(protocol.minor, 0);
	client_init_as(client, 45, EVERYTHING);
	cr_assert_eq(client->out.error, 0);
	cr_assert_eq(init_calls, 1);
}

Test(init, init_of_16_bytes_is_answered_like_others)
{
	struct fuse_init_in in = {
		.major = 7, .minor = 35, .max_readahead = 4096, .flags = FUSE_ASYNC_READ
	};
	struct bytes b;

	client = client_new(&config);
	build(&b, FUSE_INIT, 0, &in, 16, NULL);
	client_send(client, &b);
	cr_assert_eq(client->out.error, 0);
	cr_assert_eq(client_length(client), 64);
}

/* ---- Flags ---- */

Test(init, table_decides_every_flag_once)
{
	uint64_t seen = 0;

	for (size_t i = 0; init_flag_at(i); i++) {
		const struct init_flag *row = init_flag_at(i);

		cr_assert_eq(__builtin_popcountll(row->flag), 1);
		cr_assert_eq(seen & row->flag, 0, "%s", row->name);
		cr_assert_gt(strlen(row->why), 0);
		seen |= row->flag;
	}
	cr_assert_eq(seen, EVERYTHING | FUSE_INIT_RESERVED);
}

/* What each decision means, tried on every flag alone (with INIT_EXT, without which none above 31
 * travels). */
Test(init, every_flag_is_used_as_the_table_says)
{
	for (size_t i = 0; init_flag_at(i); i++) {
		const struct init_flag *row = init_flag_at(i);
		uint64_t offer = row->flag | FUSE_INIT_EXT;

		/* By default. */
		bool expected = row->decision == INIT_ALWAYS || row->decision == INIT_DEFAULT;
		cr_assert_eq((used(offer) & row->flag) != 0, expected, "%s", row->name);
		/* Never what was not offered. */
		changes.want = UINT64_MAX;
		config.request_timeout_s = 10;
		config.capabilities = FUSE_OVER_IO_URING | FUSE_MAP_ALIGNMENT;
		cr_assert_eq(used(EVERYTHING & ~row->flag) & row->flag, 0, "%s", row->name);
		/* Nor what was disabled. */
		config.disable = row->flag;
		cr_assert_eq(used(EVERYTHING) & row->flag, 0, "%s", row->name);
		config.disable = 0;
		config.request_timeout_s = 0;
		config.capabilities = 0;
		changes.want = 0;
		/* When the file system wants it. */
		changes.want = row->flag;
		bool theirs = row->decision == INIT_WANTED || row->decision == INIT_OPERATION ||
			      row->decision == INIT_DEFAULT;
		/* AUTO alone says nothing. */
		if (row->flag == FUSE_READDIRPLUS_AUTO)
			theirs = false;
		cr_assert_eq((used(offer) & row->flag) != 0, theirs || row->decision == INIT_ALWAYS,
			     "%s", row->name);
		changes.want = 0;
		/* When it declines. */
		declined = row->flag;
		cr_assert_eq((used(offer) & row->flag) != 0, row->decision == INIT_ALWAYS, "%s",
			     row->name);
		declined = 0;
	}
}

Test(init, file_system_is_offered_what_is_its_to_decide)
{
	uint64_t theirs = 0;

	for (size_t i = 0; init_flag_at(i); i++) {
		enum init_decision decision = init_flag_at(i)->decision;
		if (decision == INIT_DEFAULT || decision == INIT_WANTED ||
		    decision == INIT_OPERATION)
			theirs |= init_flag_at(i)->flag;
	}
	used(EVERYTHING);
	cr_assert_eq(proposed.capable, theirs);
	cr_assert_eq(proposed.want, FUSE_AUTO_INVAL_DATA | FUSE_PARALLEL_DIROPS);
	used(FUSE_ASYNC_READ | FUSE_WRITEBACK_CACHE);
	cr_assert_eq(proposed.capable, FUSE_WRITEBACK_CACHE);
}

Test(init, operations_of_the_table_are_wanted)
{
	static struct fsb_filesystem_ops more;

	more = ops;
	fake.ops = &more;
	more.readdirplus = fake_list;
	cr_assert_eq(used(EVERYTHING) & (FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO),
		     FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO);
	more.getlk = fake_getlk;
	more.setlk = fake_setlk;
	cr_assert_eq(used(EVERYTHING) & (FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS), FUSE_POSIX_LOCKS);
	more.setlkw = fake_setlk;
	cr_assert_eq(used(EVERYTHING) & (FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS),
		     FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS);
	more.open = NULL;
	more.opendir = NULL;
	cr_assert_eq(used(EVERYTHING) & (FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT),
		     FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT);
	/* A wish all the same: init may say no. */
	declined = FUSE_DO_READDIRPLUS | FUSE_POSIX_LOCKS;
	cr_assert_eq(used(EVERYTHING) &
			     (FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_POSIX_LOCKS),
		     0);
}

Test(init, file_system_without_init_gets_the_defaults)
{
	static struct fsb_filesystem_ops fewer;

	fewer = ops;
	fewer.init = NULL;
	fake.ops = &fewer;
	cr_assert_eq(used(EVERYTHING) & FUSE_AUTO_INVAL_DATA, FUSE_AUTO_INVAL_DATA);
	cr_assert_eq(used(EVERYTHING) & FUSE_WRITEBACK_CACHE, 0);
}

Test(init, upper_flags_need_init_ext)
{
	changes.want = UINT64_MAX;
	cr_assert_eq(used(EVERYTHING & ~FUSE_INIT_EXT) >> 32, 0);
}

Test(init, upper_flags_that_cannot_be_said_are_not_negotiated)
{
	struct fsb_protocol protocol;

	/* Else requests would be read in a way that the client knows nothing of. */
	config.disable = FUSE_INIT_EXT;
	changes.want = UINT64_MAX;
	negotiate(45, EVERYTHING);
	fsb_server_protocol(client->server, &protocol);
	cr_assert_eq(protocol.flags >> 32, 0);
	cr_assert_eq(proposed.capable >> 32, 0);
}

Test(init, passthrough_takes_a_transport_that_registers_files)
{
	changes.want = FSB_CAP_PASSTHROUGH;
	used(EVERYTHING);
	cr_assert_eq(proposed.backing, &registry);
	used(EVERYTHING & ~FUSE_PASSTHROUGH);
	cr_assert_null(proposed.backing);
	backing = NULL;
	cr_assert_eq(used(EVERYTHING) & FUSE_PASSTHROUGH, 0);
	cr_assert_eq(proposed.capable & FSB_CAP_PASSTHROUGH, 0);
	cr_assert_null(proposed.backing);
}

Test(init, passthrough_yields_to_writeback)
{
	changes.want = FSB_CAP_PASSTHROUGH | FSB_CAP_WRITEBACK_CACHE;
	cr_assert_eq(used(EVERYTHING) & changes.want, FSB_CAP_WRITEBACK_CACHE);
	changes.want = FSB_CAP_PASSTHROUGH;
	cr_assert_eq(used(EVERYTHING) & changes.want, FSB_CAP_PASSTHROUGH);
}

Test(init, automatic_invalidation_yields_to_explicit)
{
	changes.want = FSB_CAP_EXPLICIT_INVAL_DATA;
	cr_assert_eq(used(EVERYTHING) & (FUSE_AUTO_INVAL_DATA | FUSE_EXPLICIT_INVAL_DATA),
		     FUSE_EXPLICIT_INVAL_DATA);
}

Test(init, export_support_wins_over_its_opposite)
{
	changes.want = FSB_CAP_EXPORT_SUPPORT | FSB_CAP_NO_EXPORT_SUPPORT;
	cr_assert_eq(used(EVERYTHING) & changes.want, FSB_CAP_EXPORT_SUPPORT);
}

/* ---- Numbers ---- */

Test(init, numbers_are_the_defaults)
{
	struct fuse_init_out out = negotiate(45, EVERYTHING);

	cr_assert_eq(out.max_write, 1024 * 1024);
	cr_assert_eq(out.max_pages, 1024 * 1024 / sysconf(_SC_PAGESIZE));
	cr_assert_eq(out.max_readahead, 131072);
	cr_assert_eq(out.max_background, 64);
	cr_assert_eq(out.congestion_threshold, 48);
	cr_assert_eq(out.time_gran, 1);
	cr_assert_eq(out.map_alignment, 0);
	cr_assert_eq(out.max_stack_depth, 0);
	cr_assert_eq(out.request_timeout, 0);
	for (size_t i = 0; i < sizeof(out.unused) / sizeof(out.unused[0]); i++)
		cr_assert_eq(out.unused[i], 0);
}

Test(init, numbers_are_the_configuration_s)
{
	config.max_write = 65536;
	config.max_readahead = 4096;
	config.max_background = 12;
	config.map_alignment = 12;
	config.capabilities = FUSE_MAP_ALIGNMENT;
	config.request_timeout_s = 30;
	struct fuse_init_out out = negotiate(45, EVERYTHING);

	cr_assert_eq(out.max_write, 65536);
	cr_assert_eq(out.max_pages, 65536 / sysconf(_SC_PAGESIZE));
	cr_assert_eq(out.max_readahead, 4096);
	cr_assert_eq(out.max_background, 12);
	cr_assert_eq(out.congestion_threshold, 9);
	cr_assert_eq(out.map_alignment, 12);
	cr_assert_eq(out.request_timeout, 30);
}

Test(init, numbers_without_their_flag_are_not_said)
{
	config.map_alignment = 12;
	config.capabilities = FUSE_MAP_ALIGNMENT;
	config.request_timeout_s = 30;
	changes.want = FSB_CAP_PASSTHROUGH;
	struct fuse_init_out out = negotiate(45, FUSE_INIT_EXT);

	cr_assert_eq(out.max_pages, 0);
	cr_assert_eq(out.map_alignment, 0);
	cr_assert_eq(out.request_timeout, 0);
	cr_assert_eq(out.max_stack_depth, 0);
}

Test(init, file_system_may_change_numbers)
{
	changes = (struct fsb_init){
		.want = FSB_CAP_PASSTHROUGH,
		.max_write = 8192,
		.max_readahead = 100,
		.max_background = 5,
		.time_gran_ns = 1000,
		.max_stack_depth = 2,
	};
	struct fuse_init_out out = negotiate(45, EVERYTHING);

	cr_assert_eq(out.max_write, 8192);
	cr_assert_eq(out.max_readahead, 100);
	cr_assert_eq(out.max_background, 5);
	cr_assert_eq(out.time_gran, 1000);
	cr_assert_eq(out.max_stack_depth, 2);
}

Test(init, file_system_may_not_raise_limits)
{
	changes = (struct fsb_init){ .max_write = 1u << 30,
				     .max_readahead = 1u << 30,
				     .time_gran_ns = 2000000000 };
	config.max_write = 65536;
	struct fuse_init_out out = negotiate(45, EVERYTHING);

	cr_assert_eq(out.max_write, 65536);
	cr_assert_eq(out.max_readahead, 131072);
	cr_assert_eq(out.time_gran, 1);
	/* And what it lowers stays whole pages, one at least. */
	client_free(client);
	changes.max_write = 9000;
	out = negotiate(45, EVERYTHING);
	cr_assert_eq(out.max_write % (uint32_t)sysconf(_SC_PAGESIZE), 0);
	client_free(client);
	changes.max_write = 1;
	out = negotiate(45, EVERYTHING);
	cr_assert_eq(out.max_write, sysconf(_SC_PAGESIZE));
}

/* ---- Before and after ---- */

Test(init, requests_before_init_are_refused)
{
	client = client_new(&config);
	for (size_t i = 0; fsb_opcode_at(i); i++) {
		const struct fsb_opcode *op = fsb_opcode_at(i);

		if (op->number == FUSE_INIT)
			continue;
		client_send_sample(client, op->number);
		bool silent = op->no_reply && op->number != FUSE_INTERRUPT;
		cr_assert_eq(client->replies, silent ? 0 : 1);
		if (!silent)
			cr_assert_eq(client->out.error, -ENOTCONN);
	}
	cr_assert_eq(destroy_calls, 0);
}

Test(init, second_init_is_refused_and_the_mount_goes_on)
{
	client = client_ready(&config);
	client_init_as(client, 45, EVERYTHING);
	cr_assert_eq(client->out.error, -EISCONN);
	cr_assert_eq(init_calls, 1);
	client_send_sample(client, FUSE_LOOKUP);
	cr_assert_eq(client->out.error, -ENOENT);
}

Test(init, init_that_the_file_system_refuses_is_refused)
{
	client = client_new(&config);
	init_error = -EROFS;
	client_init_as(client, 45, EVERYTHING);
	cr_assert_eq(client->out.error, -EROFS);
	client_send_sample(client, FUSE_LOOKUP);
	cr_assert_eq(client->out.error, -ENOTCONN);
	/* What did not begin does not end. */
	fsb_server_disconnect(client->server);
	cr_assert_eq(destroy_calls, 0);
	init_error = 0;
	client_init_as(client, 45, EVERYTHING);
	cr_assert_eq(client->out.error, 0);
}

Test(init, init_without_room_for_its_answer_begins_nothing)
{
	struct bytes b;

	client = client_new(&config);
	sample(&b, FUSE_INIT);
	client->request = (struct iovec){ b.at, b.length };
	client->payload = (struct iovec){ client->room, 63 };
	client->message.request = &client->request;
	client->message.nrequest = 1;
	client->message.payload = &client->payload;
	client->message.npayload = 1;
	cr_assert_eq(fsb_server_handle(client->server, &client->message), 0);
	cr_assert_eq(client->out.error, -EIO);
	cr_assert_eq(init_calls, 0);
}

Test(init, destroy_is_answered_after_the_file_system_s)
{
	struct fsb_protocol protocol;

	client = client_ready(&config);
	client_send_sample(client, FUSE_DESTROY);
	cr_assert_eq(client->result, 0);
	cr_assert_eq(client->out.error, 0);
	cr_assert_eq(client->out.len, sizeof(client->out));
	cr_assert_eq(destroy_calls, 1);
	fsb_server_protocol(client->server, &protocol);
	cr_assert_eq(protocol.minor, 0);
}

Test(init, requests_after_destroy_find_no_device)
{
	client = client_ready(&config);
	client_send_sample(client, FUSE_DESTROY);
	client_send_sample(client, FUSE_LOOKUP);
	cr_assert_eq(client->result, -ENODEV);
	cr_assert_eq(client->replies, 1);
	cr_assert_eq(client->out.error, -ENODEV);
	client_send_sample(client, FUSE_FORGET);
	cr_assert_eq(client->result, -ENODEV);
	cr_assert_eq(client->replies, 0);
	client_send_sample(client, FUSE_DESTROY);
	cr_assert_eq(client->out.error, -ENODEV);
	cr_assert_eq(destroy_calls, 1);
	/* Until somebody comes again. */
	client_init_as(client, 40, EVERYTHING);
	cr_assert_eq(client->result, 0);
	cr_assert_eq(client->out.error, 0);
	cr_assert_eq(init_calls, 2);
	client_send_sample(client, FUSE_LOOKUP);
	cr_assert_eq(client->out.error, -ENOENT);
}

Test(init, disconnecting_destroys_once)
{
	client = client_ready(&config);
	fsb_server_disconnect(client->server);
	cr_assert_eq(destroy_calls, 1);
	fsb_server_disconnect(client->server);
	cr_assert_eq(destroy_calls, 1);
	client_send_sample(client, FUSE_LOOKUP);
	cr_assert_eq(client->out.error, -ENOTCONN);
	client_init_as(client, 45, EVERYTHING);
	client_send_sample(client, FUSE_DESTROY);
	cr_assert_eq(destroy_calls, 2);
	fsb_server_disconnect(client->server);
	cr_assert_eq(destroy_calls, 2);
}

Test(init, freeing_destroys)
{
	client = client_ready(&config);
	client_free(client);
	client = NULL;
	cr_assert_eq(destroy_calls, 1);
}

Test(init, message_may_outlive_its_server)
{
	client = client_ready(&config);
	fsb_server_free(client->server);
	fsb_message_clear(&client->message);
	free(client);
	client = NULL;
}

Test(init, message_may_go_to_another_server)
{
	struct client *other = client_new(&config);

	client = client_ready(&config);
	struct fsb_server *first = client->server;
	client->server = other->server;
	client_init_as(client, 45, EVERYTHING);
	cr_assert_eq(client->out.error, 0);
	client->server = first;
	client_send_sample(client, FUSE_LOOKUP);
	cr_assert_eq(client->out.error, -ENOENT);
	client_free(other);
}

/* ---- Configurations ---- */

Test(init, configurations_that_make_no_sense_are_refused)
{
	static const struct fsb_filesystem_ops sizeless;
	struct fsb_filesystem bad = { .ops = &sizeless };
	struct fsb_filesystem worse = { 0 };
	struct fsb_window window = { 0 };
	struct fsb_server *server;

#define REFUSED(change, word)                                               \
	do {                                                                \
		struct fsb_server_config kept = config;                     \
		change;                                                     \
		last_log[0] = '\0';                                         \
		cr_assert_eq(fsb_server_new(&config, &server), -EINVAL);    \
		cr_assert_not_null(strstr(last_log, word), "%s", last_log); \
		config = kept;                                              \
	} while (0)

	REFUSED(config.filesystem = NULL, "file system");
	REFUSED(config.filesystem = &worse, "file system");
	REFUSED(config.filesystem = &bad, "size");
	REFUSED(config.max_write = 0, "max_write");
	REFUSED(config.max_write = 4095, "max_write");
	REFUSED(config.max_write = 2048, "max_write");
	REFUSED(config.max_write = 2 * 1024 * 1024, "max_write");
	REFUSED(config.max_background = 0, "max_background");
	REFUSED(config.capabilities = FUSE_WRITEBACK_CACHE, "capabilities");
	REFUSED((config.capabilities = FUSE_MAP_ALIGNMENT, config.map_alignment = 64),
		"map_alignment");
	REFUSED(config.window = &window, "window");
	REFUSED(config.size = 8, "");
}
