// SPDX-License-Identifier: BSD-3-Clause
/*
 * Remap by a raw message, from a client that is known to mean opcode 54 by it: the host's file system shares the blocks.
 * Run by ../integration/run in the configuration stream-remap, on a file system that can.
 */
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "../integration/testing.h"
#include "peer.h"

enum { OPCODE_REMAP = 54, BLOCK = 65536, BLOCKS = 16 };

/* As lib/ and docs/ have it: 56 bytes. */
struct remap_in {
	uint64_t fh_in;
	uint64_t off_in;
	uint64_t nodeid_out;
	uint64_t fh_out;
	uint64_t off_out;
	uint64_t len;
	uint32_t remap_flags;
	uint32_t padding;
};

_Static_assert(sizeof(struct remap_in) == 56, "");

static bool is_shared(const char *name)
{
	uint64_t memory[(sizeof(struct fiemap) + sizeof(struct fiemap_extent)) / 8 + 1] = { 0 };
	struct fiemap *map = (struct fiemap *)memory;
	int fd = (int)must(openat(host, name, O_RDONLY));

	map->fm_length = FIEMAP_MAX_OFFSET;
	map->fm_flags = FIEMAP_FLAG_SYNC;
	map->fm_extent_count = 1;
	must(ioctl(fd, FS_IOC_FIEMAP, map));
	close(fd);
	return map->fm_mapped_extents == 1 && (map->fm_extents[0].fe_flags & FIEMAP_EXTENT_SHARED);
}

static struct peer peer;
static uint64_t source_nodeid;
static struct remap_in whole;
static uint8_t bytes[BLOCKS * BLOCK];

static void two_open_files(void)
{
	enter_fresh_directory();
	fill_pattern(bytes, sizeof(bytes), 1);
	put_file(host, "source", bytes, sizeof(bytes));
	put_text(host, "target", "");
	peer = peer_come(0);
	uint64_t directory = peer_directory(&peer);
	source_nodeid = peer_lookup(&peer, directory, "source");
	whole = (struct remap_in){ .nodeid_out = peer_lookup(&peer, directory, "target") };
	whole.fh_in = peer_open(&peer, source_nodeid, O_RDONLY);
	whole.fh_out = peer_open(&peer, whole.nodeid_out, O_RDWR);
}

static void hang_up(void)
{
	peer_close(&peer);
}

TestSuite(remap, .init = two_open_files, .fini = hang_up, .timeout = 30);

static uint32_t remapped(const struct remap_in *in)
{
	const void *answer;

	cr_assert_eq(peer_call(&peer, OPCODE_REMAP, source_nodeid, in, sizeof(*in), &answer), 0);
	return ((const struct fuse_write_out *)answer)->size;
}

Test(remap, length_0_shares_all_to_the_end_of_the_source)
{
	cr_expect_eq(remapped(&whole), sizeof(bytes));
	must_hold(host, "target", bytes, sizeof(bytes));
	cr_expect(is_shared("source"));
	cr_expect(is_shared("target"));
}

Test(remap, a_range_goes_to_another_offset)
{
	struct remap_in in = whole;

	in.off_in = 2 * BLOCK;
	in.off_out = 0;
	in.len = 3 * BLOCK;
	cr_expect_eq(remapped(&in), 3 * BLOCK);
	must_hold(host, "target", bytes + 2 * BLOCK, 3 * BLOCK);
	cr_expect(is_shared("target"));
}

Test(remap, what_is_not_aligned_is_refused_by_the_file_system)
{
	struct remap_in in = whole;

	in.off_in = 1;
	in.len = BLOCK;
	cr_expect_eq(peer_call(&peer, OPCODE_REMAP, source_nodeid, &in, sizeof(in), NULL), -EINVAL);
	in = whole;
	in.remap_flags = 0x80000000;
	cr_expect_eq(peer_call(&peer, OPCODE_REMAP, source_nodeid, &in, sizeof(in), NULL), -EINVAL);
	must_hold_text(host, "target", "");
}

Test(remap, what_was_shared_is_written_apart)
{
	int fd;

	cr_expect_eq(remapped(&whole), sizeof(bytes));
	fd = (int)must(openat(mnt, "target", O_WRONLY));
	cr_expect_eq(must(pwrite(fd, "other", 5, 100)), 5);
	close(fd);
	must_hold(host, "source", bytes, sizeof(bytes));
	memcpy(bytes + 100, "other", 5);
	must_hold(host, "target", bytes, sizeof(bytes));
}
