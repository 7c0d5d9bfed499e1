/* SPDX-License-Identifier: BSD-3-Clause */
/* Every notification byte for byte, and when it may not be sent. */
#include "messages.h"

#include <pthread.h>
#include <stdatomic.h>

static uint8_t sent[1024 * 1024];
static size_t sent_length;
static int sends, send_error;

static int keep(void *opaque, const struct iovec *iov, size_t niov)
{
	cr_assert_eq(opaque, sent);
	sends++;
	sent_length = 0;
	for (size_t i = 0; i < niov; i++) {
		memcpy(sent + sent_length, iov[i].iov_base, iov[i].iov_len);
		sent_length += iov[i].iov_len;
	}
	return send_error;
}

static const struct fsb_filesystem_ops ops = { .size = sizeof(ops) };
static struct fsb_filesystem fake = { .ops = &ops };
static struct client *client;

static void set_up_minor(uint32_t minor, uint64_t flags)
{
	struct fsb_server_config config;

	fsb_server_config_init(&config);
	config.filesystem = &fake;
	client = client_new(&config);
	fsb_server_set_notify(client->server, keep, sent);
	if (minor)
		client_init_as(client, minor, flags);
}

static void set_up(void)
{
	set_up_minor(45, FUSE_INIT_EXT | FUSE_HAS_EXPIRE_ONLY | FUSE_HAS_RESEND);
}

static void tear_down(void)
{
	client_free(client);
}

TestSuite(notify, .init = set_up, .fini = tear_down);

/* The message is a header of @code, @body, and @rest. */
static void expect_sent(int32_t code, const void *body, size_t size, const void *rest,
			size_t length)
{
	struct fuse_out_header header;

	cr_assert_eq(sends, 1);
	cr_assert_eq(sent_length, sizeof(header) + size + length);
	memcpy(&header, sent, sizeof(header));
	cr_assert_eq(header.len, sent_length);
	cr_assert_eq(header.error, code);
	cr_assert_eq(header.unique, 0);
	if (size > 0)
		cr_assert_eq(memcmp(sent + sizeof(header), body, size), 0);
	if (length > 0)
		cr_assert_eq(memcmp(sent + sizeof(header) + size, rest, length), 0);
}

Test(notify, inval_inode)
{
	struct fuse_notify_inval_inode_out out = { .ino = 5, .off = -1, .len = 7 };

	cr_assert_eq(fsb_server_notify_inval_inode(client->server, 5, -1, 7), 0);
	expect_sent(FUSE_NOTIFY_INVAL_INODE, &out, sizeof(out), NULL, 0);
}

Test(notify, inval_entry)
{
	struct fuse_notify_inval_entry_out out = { .parent = 1,
						   .namelen = 4,
						   .flags = FUSE_EXPIRE_ONLY };

	cr_assert_eq(fsb_server_notify_inval_entry(client->server, 1, "name", FUSE_EXPIRE_ONLY), 0);
	expect_sent(FUSE_NOTIFY_INVAL_ENTRY, &out, sizeof(out), "name", 5);
}

Test(notify, delete_entry)
{
	struct fuse_notify_delete_out out = { .parent = 1, .child = 5, .namelen = 4 };

	cr_assert_eq(fsb_server_notify_delete(client->server, 1, 5, "name"), 0);
	expect_sent(FUSE_NOTIFY_DELETE, &out, sizeof(out), "name", 5);
}

Test(notify, store)
{
	struct fuse_notify_store_out out = { .nodeid = 5, .offset = 4096, .size = 6 };

	cr_assert_eq(fsb_server_notify_store(client->server, 5, 4096, "cached", 6), 0);
	expect_sent(FUSE_NOTIFY_STORE, &out, sizeof(out), "cached", 6);
}

Test(notify, retrieve)
{
	struct fuse_notify_retrieve_out out = {
		.notify_unique = 99, .nodeid = 5, .offset = 4096, .size = 512
	};

	cr_assert_eq(fsb_server_notify_retrieve(client->server, 99, 5, 4096, 512), 0);
	expect_sent(FUSE_NOTIFY_RETRIEVE, &out, sizeof(out), NULL, 0);
}

Test(notify, poll)
{
	struct fuse_notify_poll_wakeup_out out = { .kh = 77 };

	cr_assert_eq(fsb_server_notify_poll(client->server, 77), 0);
	expect_sent(FUSE_NOTIFY_POLL, &out, sizeof(out), NULL, 0);
}

Test(notify, resend)
{
	cr_assert_eq(fsb_server_notify_resend(client->server), 0);
	expect_sent(FUSE_NOTIFY_RESEND, NULL, 0, NULL, 0);
}

Test(notify, inc_epoch)
{
	cr_assert_eq(fsb_server_notify_inc_epoch(client->server), 0);
	expect_sent(FUSE_NOTIFY_INC_EPOCH, NULL, 0, NULL, 0);
}

Test(notify, prune)
{
	const uint64_t nodeids[] = { 5, 6, UINT64_MAX };
	struct fuse_notify_prune_out out = { .count = 3 };

	cr_assert_eq(fsb_server_notify_prune(client->server, nodeids, 3), 0);
	expect_sent(FUSE_NOTIFY_PRUNE, &out, sizeof(out), nodeids, sizeof(nodeids));
}

/* Each notification once, in order. */
static int call(size_t index)
{
	const uint64_t nodeid = 5;

	switch (index) {
	case 0:
		return fsb_server_notify_inval_inode(client->server, 5, 0, 0);
	case 1:
		return fsb_server_notify_inval_entry(client->server, 1, "name", 0);
	case 2:
		return fsb_server_notify_delete(client->server, 1, 5, "name");
	case 3:
		return fsb_server_notify_store(client->server, 5, 0, "x", 1);
	case 4:
		return fsb_server_notify_retrieve(client->server, 1, 5, 0, 1);
	case 5:
		return fsb_server_notify_poll(client->server, 1);
	case 6:
		return fsb_server_notify_resend(client->server);
	case 7:
		return fsb_server_notify_inc_epoch(client->server);
	case 8:
		return fsb_server_notify_prune(client->server, &nodeid, 1);
	default:
		return fsb_server_notify_inval_entry(client->server, 1, "name", FUSE_EXPIRE_ONLY);
	}
}

#define CALLS 10

Test(notify, every_notification_needs_a_transport_and_a_mount)
{
	fsb_server_set_notify(client->server, NULL, NULL);
	for (size_t i = 0; i < CALLS; i++)
		cr_assert_eq(call(i), -ENOTCONN);
	tear_down();
	set_up_minor(0, 0);
	for (size_t i = 0; i < CALLS; i++)
		cr_assert_eq(call(i), -ENOTCONN);
	cr_assert_eq(sends, 0);
}

Test(notify, nothing_is_sent_after_the_end)
{
	client_send_sample(client, FUSE_DESTROY);
	for (size_t i = 0; i < CALLS; i++)
		cr_assert_eq(call(i), -ENOTCONN);
	cr_assert_eq(sends, 0);
}

Test(notify, younger_notifications_need_their_minor)
{
	static const struct {
		size_t index;
		uint32_t since;
	} young[] = { { 6, 40 }, { 7, 44 }, { 8, 45 }, { 9, 38 } };

	for (size_t i = 0; i < 4; i++) {
		for (int old = 0; old <= 1; old++) {
			tear_down();
			set_up_minor(young[i].since - (uint32_t)old,
				     FUSE_INIT_EXT | FUSE_HAS_EXPIRE_ONLY | FUSE_HAS_RESEND);
			cr_assert_eq(call(young[i].index), old ? -EOPNOTSUPP : 0);
		}
	}
}

Test(notify, some_need_their_flag)
{
	tear_down();
	set_up_minor(45, FUSE_INIT_EXT);
	cr_assert_eq(call(6), -EOPNOTSUPP);
	cr_assert_eq(call(9), -EOPNOTSUPP);
	cr_assert_eq(call(1), 0);
}

Test(notify, oldest_minor_has_the_old_ones)
{
	tear_down();
	set_up_minor(31, 0);
	for (size_t i = 0; i < CALLS; i++)
		cr_assert_eq(call(i), i < 6 ? 0 : -EOPNOTSUPP);
}

Test(notify, arguments_out_of_range_are_refused)
{
	struct fsb_server *server = client->server;
	const uint64_t nodeid = 5;
	char longest[257];

	memset(longest, 'n', 256);
	longest[256] = '\0';
	cr_assert_eq(fsb_server_notify_inval_inode(server, 0, 0, 0), -EINVAL);
	cr_assert_eq(fsb_server_notify_inval_inode(server, 5, 0, -1), -EINVAL);
	cr_assert_eq(fsb_server_notify_inval_inode(server, 5, INT64_MAX, 1), -EINVAL);

	const char *names[] = { "", ".", "..", "a/b", "/", longest };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		cr_assert_eq(fsb_server_notify_inval_entry(server, 1, names[i], 0), -EINVAL);
		cr_assert_eq(fsb_server_notify_delete(server, 1, 5, names[i]), -EINVAL);
	}
	cr_assert_eq(fsb_server_notify_inval_entry(server, 0, "name", 0), -EINVAL);
	cr_assert_eq(fsb_server_notify_inval_entry(server, 1, "name", 2), -EINVAL);
	cr_assert_eq(fsb_server_notify_delete(server, 0, 5, "name"), -EINVAL);
	cr_assert_eq(fsb_server_notify_delete(server, 1, 0, "name"), -EINVAL);

	cr_assert_eq(fsb_server_notify_store(server, 0, 0, "x", 1), -EINVAL);
	cr_assert_eq(fsb_server_notify_store(server, 5, INT64_MAX, "x", 1), -EINVAL);
	cr_assert_eq(fsb_server_notify_store(server, 5, UINT64_MAX, "x", 1), -EINVAL);
	cr_assert_eq(fsb_server_notify_store(server, 5, 0, sent, 1024 * 1024 + 1), -EINVAL);
	cr_assert_eq(fsb_server_notify_store(server, 5, 0, sent, SIZE_MAX), -EINVAL);

	cr_assert_eq(fsb_server_notify_retrieve(server, 1, 0, 0, 1), -EINVAL);
	cr_assert_eq(fsb_server_notify_retrieve(server, 1, 5, INT64_MAX, 1), -EINVAL);
	cr_assert_eq(fsb_server_notify_retrieve(server, 1, 5, 0, 1024 * 1024 + 1), -EINVAL);

	cr_assert_eq(fsb_server_notify_prune(server, &nodeid, 0), -EINVAL);
	cr_assert_eq(fsb_server_notify_prune(server, NULL, 1), -EINVAL);
	cr_assert_eq(fsb_server_notify_prune(server, &nodeid, UINT32_MAX), -EINVAL);
	cr_assert_eq(sends, 0);
	longest[255] = '\0';
	cr_assert_eq(fsb_server_notify_delete(server, 1, 5, longest), 0);
}

Test(notify, transport_s_error_is_returned)
{
	send_error = -ENOENT;
	for (size_t i = 0; i < CALLS; i++)
		cr_assert_eq(call(i), -ENOENT);
}

/* ---- A transport that comes and goes ---- */

static atomic_int alive, sending, sent_to_the_dead;

static int send_slowly(void *opaque, const struct iovec *iov, size_t niov)
{
	(void)opaque;
	(void)iov;
	(void)niov;
	atomic_fetch_add(&sending, 1);
	usleep(100);
	if (!alive)
		sent_to_the_dead = 1;
	atomic_fetch_sub(&sending, 1);
	return 0;
}

static atomic_int ended;

static void *notify_all_the_time(void *unused)
{
	(void)unused;
	while (!ended) {
		int err = fsb_server_notify_poll(client->server, 1);
		cr_assert(err == 0 || err == -ENOTCONN);
	}
	return NULL;
}

Test(notify, transport_ends_after_the_last_notification)
{
	pthread_t threads[4];

	fsb_server_set_notify(client->server, NULL, NULL);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, notify_all_the_time, NULL);
	for (int i = 0; i < 100; i++) {
		alive = 1;
		fsb_server_set_notify(client->server, send_slowly, NULL);
		usleep(300);
		fsb_server_set_notify(client->server, NULL, NULL);
		cr_assert_eq(sending, 0);
		alive = 0;
	}
	ended = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(sent_to_the_dead, 0);
}
