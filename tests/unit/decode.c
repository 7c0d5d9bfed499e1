/* SPDX-License-Identifier: BSD-3-Clause */
/* Decoding of every opcode from bytes: good, short, long and hostile. */
#include "messages.h"

#include <linux/fs.h>
#include <sys/xattr.h>

/*
 * Decode a copy of the exact length, so that a sanitizer sees every byte read beyond. The request
 * points into it until the next one is decoded.
 */
static int decode_as(const struct fsb_protocol *protocol, const struct bytes *b, size_t total,
		     struct fsb_request *request)
{
	static uint8_t *exact;

	free(exact);
	exact = malloc(b->length ? b->length : 1);
	memcpy(exact, b->at, b->length);
	memset(request, 0xa5, sizeof(*request));
	return fsb_request_decode(protocol, exact, b->length, total, request);
}

static int decode(const struct bytes *b, struct fsb_request *request)
{
	struct fsb_protocol protocol = newest_protocol();
	return decode_as(&protocol, b, b->length, request);
}

static int error_of(const struct bytes *b)
{
	struct fsb_request request;
	return decode(b, &request);
}

/* ---- Every opcode ---- */

Test(decode, table_has_every_opcode_of_the_protocol_once)
{
	size_t count = 0;

	for (const struct fsb_opcode *op; (op = fsb_opcode_at(count)); count++) {
		cr_assert_eq(fsb_opcode_find(op->number), op);
		cr_assert_not_null(op->name);
	}
	/* 1 to 53 without 7 and 19, which were never given out, and 54. */
	cr_assert_eq(count, 52);
	cr_assert_null(fsb_opcode_at(count));
	for (uint32_t number = 1; number <= 54; number++)
		cr_assert_eq(fsb_opcode_find(number) == NULL, number == 7 || number == 19, "%u",
			     number);
}

Test(decode, opcodes_that_the_protocol_does_not_have_are_unknown)
{
	const uint32_t unknown[] = { 0,
				     7,
				     19,
				     55,
				     56,
				     CUSE_INIT,
				     CUSE_INIT_BSWAP_RESERVED,
				     FUSE_INIT_BSWAP_RESERVED,
				     UINT32_MAX };

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		struct bytes b;
		begin(&b, unknown[i], 1);
		cr_assert_null(fsb_opcode_find(unknown[i]));
		cr_assert_eq(error_of(&b), -ENOSYS);
	}
}

Test(decode, good_message_of_every_opcode_is_decoded)
{
	for (size_t i = 0; fsb_opcode_at(i); i++) {
		const struct fsb_opcode *op = fsb_opcode_at(i);
		struct fsb_request request;
		struct bytes b;

		sample(&b, op->number);
		cr_assert_eq(decode(&b, &request), 0, "%s", op->name);
		cr_assert_eq(request.op, op);
		cr_assert_eq(request.header.unique, UNIQUE);
		cr_assert_eq(request.header.uid, 1000);
		cr_assert_eq(request.header.gid, 100);
		cr_assert_eq(request.header.pid, 77);
		/* The fixed arguments are the message's, in the layout of the wire. */
		cr_assert_eq(memcmp(&request.in, b.at + HEADER, op->in_size), 0, "%s", op->name);
		cr_assert_eq(request.nsecurity, 0);
		cr_assert(!request.has_group);
	}
}

Test(decode, message_of_every_opcode_that_is_cut_short_anywhere_is_refused)
{
	for (size_t i = 0; fsb_opcode_at(i); i++) {
		const struct fsb_opcode *op = fsb_opcode_at(i);
		struct bytes whole;

		sample(&whole, op->number);
		for (size_t length = 0; length < whole.length; length++) {
			struct bytes b = whole;
			b.length = length;
			if (length >= sizeof(uint32_t))
				seal(&b);
			cr_assert_eq(error_of(&b), length < HEADER ? -EBADMSG : -EINVAL,
				     "%s of %zu bytes", op->name, length);
		}
	}
}

Test(decode, message_of_every_opcode_that_is_one_byte_long_is_refused)
{
	for (size_t i = 0; fsb_opcode_at(i); i++) {
		const struct fsb_opcode *op = fsb_opcode_at(i);
		struct bytes b;

		sample(&b, op->number);
		add(&b, "", 1);
		seal(&b);
		cr_assert_eq(error_of(&b), -EINVAL, "%s", op->name);
	}
}

Test(decode, length_in_the_header_must_be_that_of_the_message)
{
	const int off[] = { -1, 1, 4096, -40 };

	for (size_t i = 0; fsb_opcode_at(i); i++) {
		for (size_t j = 0; j < sizeof(off) / sizeof(off[0]); j++) {
			struct fsb_request request;
			struct bytes b;

			sample(&b, fsb_opcode_at(i)->number);
			header_of(&b)->len = (uint32_t)((int)b.length + off[j]);
			cr_assert_eq(decode(&b, &request), -EBADMSG);
			/* Who asked can still be told. */
			cr_assert_eq(request.header.unique, UNIQUE);
			cr_assert_null(request.op);
		}
	}
}

Test(decode, length_of_nothing_is_known_to_be_nothing)
{
	struct fsb_request request;
	struct bytes b = { .length = 39 };

	cr_assert_eq(decode(&b, &request), -EBADMSG);
	cr_assert_eq(request.header.len, 0);
}

Test(decode, refused_message_keeps_its_header)
{
	struct fsb_request request;
	struct bytes b;

	sample(&b, FUSE_LOOKUP);
	b.length--;
	seal(&b);
	cr_assert_eq(decode(&b, &request), -EINVAL);
	cr_assert_eq(request.header.unique, UNIQUE);
	cr_assert_eq(request.header.opcode, FUSE_LOOKUP);
	cr_assert_null(request.op);
}

Test(decode, opcode_younger_than_the_negotiated_minor_is_unknown)
{
	const struct {
		uint32_t opcode, since;
	} young[] = {
		{ FUSE_SYNCFS, 34 },
		{ FUSE_TMPFILE, 37 },
		{ FUSE_STATX, 39 },
		{ FUSE_COPY_FILE_RANGE_64, 45 },
	};

	for (size_t i = 0; i < sizeof(young) / sizeof(young[0]); i++) {
		struct fsb_protocol protocol = newest_protocol();
		struct fsb_request request;
		struct bytes b;

		sample(&b, young[i].opcode);
		protocol.flags = 0;
		protocol.minor = young[i].since - 1;
		cr_assert_eq(decode_as(&protocol, &b, b.length, &request), -ENOSYS);
		protocol.minor = young[i].since;
		cr_assert_eq(decode_as(&protocol, &b, b.length, &request), 0);
	}
}

Test(decode, remap_is_unknown_unless_the_host_opted_in)
{
	struct fsb_protocol protocol = newest_protocol();
	struct fsb_request request;
	struct bytes b;

	sample(&b, FSB_REMAP_FILE_RANGE);
	protocol.remap_opcode = false;
	cr_assert_eq(decode_as(&protocol, &b, b.length, &request), -ENOSYS);
}

Test(decode, before_init_everything_is_read_as_the_newest_minor_without_flags)
{
	struct fsb_protocol protocol;

	fsb_protocol_init(&protocol);
	protocol.remap_opcode = true;
	for (size_t i = 0; fsb_opcode_at(i); i++) {
		struct fsb_request request;
		struct bytes b;

		/* Without the flag its arguments are shorter. */
		if (fsb_opcode_at(i)->number == FUSE_SETXATTR)
			continue;
		sample(&b, fsb_opcode_at(i)->number);
		cr_assert_eq(decode_as(&protocol, &b, b.length, &request), 0, "%s",
			     fsb_opcode_at(i)->name);
	}
}

/* ---- What follows the arguments ---- */

Test(decode, names_are_found)
{
	struct fsb_request request;
	struct bytes b;

	sample(&b, FUSE_LOOKUP);
	cr_assert_eq(decode(&b, &request), 0);
	cr_assert_str_eq(request.name, "file");
	cr_assert_null(request.name2);

	sample(&b, FUSE_RENAME2);
	cr_assert_eq(decode(&b, &request), 0);
	cr_assert_str_eq(request.name, "old");
	cr_assert_str_eq(request.name2, "new");

	sample(&b, FUSE_SYMLINK);
	cr_assert_eq(decode(&b, &request), 0);
	cr_assert_str_eq(request.name, "link");
	cr_assert_str_eq(request.name2, "../tar/get");

	sample(&b, FUSE_REMOVEXATTR);
	cr_assert_eq(decode(&b, &request), 0);
	cr_assert_str_eq(request.name, "user.na/me");
}

Test(decode, name_of_a_tmpfile_means_nothing)
{
	struct fsb_request request;
	struct bytes b;

	sample(&b, FUSE_TMPFILE);
	cr_assert_eq(decode(&b, &request), 0);
	cr_assert_null(request.name);
}

Test(decode, values_and_arrays_are_found)
{
	const struct {
		uint32_t opcode;
		size_t size;
	} with[] = {
		{ FUSE_SETXATTR, 5 },       { FUSE_IOCTL, 4 }, { FUSE_BATCH_FORGET, 32 },
		{ FUSE_REMOVEMAPPING, 32 }, { FUSE_WRITE, 5 }, { FUSE_NOTIFY_REPLY, 6 },
	};

	for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++) {
		struct fsb_request request;
		struct bytes b;

		sample(&b, with[i].opcode);
		cr_assert_eq(decode(&b, &request), 0);
		cr_assert_eq(request.data_size, with[i].size);
		cr_assert_eq(memcmp(request.data, b.at + b.length - with[i].size, with[i].size), 0);
	}
}

Test(decode, file_data_may_lie_elsewhere)
{
	const uint32_t opcodes[] = { FUSE_WRITE, FUSE_NOTIFY_REPLY };
	struct fsb_protocol protocol = newest_protocol();

	for (size_t i = 0; i < 2; i++) {
		struct fsb_request request;
		struct bytes b;

		sample(&b, opcodes[i]);
		size_t total = b.length;
		b.length = HEADER + 40;
		cr_assert_eq(decode_as(&protocol, &b, total, &request), 0);
		cr_assert_null(request.data);
		cr_assert_eq(request.data_size, total - b.length);
		/* Some of it here and some there is not all of it. */
		b.length++;
		cr_assert_eq(decode_as(&protocol, &b, total, &request), 0);
		cr_assert_null(request.data);
		/* But the arguments must be there. */
		b.length = HEADER + 39;
		cr_assert_eq(decode_as(&protocol, &b, total, &request), -EINVAL);
	}
}

Test(decode, nothing_else_may_lie_elsewhere)
{
	struct fsb_protocol protocol = newest_protocol();
	struct fsb_request request;
	struct bytes b;

	sample(&b, FUSE_LOOKUP);
	size_t total = b.length;
	b.length -= 2;
	cr_assert_eq(decode_as(&protocol, &b, total, &request), -EBADMSG);
}

Test(decode, more_bytes_than_the_message_has_are_refused)
{
	struct fsb_protocol protocol = newest_protocol();
	struct fsb_request request;
	struct bytes b;

	sample(&b, FUSE_WRITE);
	header_of(&b)->len = 80;
	cr_assert_eq(decode_as(&protocol, &b, 80, &request), -EBADMSG);
}

Test(decode, rename_is_read_as_rename2_without_flags)
{
	struct fsb_request request;
	struct bytes b;

	sample(&b, FUSE_RENAME);
	cr_assert_eq(decode(&b, &request), 0);
	cr_assert_eq(request.in.rename2.newdir, 3);
	cr_assert_eq(request.in.rename2.flags, 0);
}

Test(decode, setxattr_is_short_without_its_extension)
{
	struct fsb_protocol protocol = newest_protocol();
	struct {
		uint32_t size, flags;
	} in = { 3, XATTR_REPLACE };
	struct fsb_request request;
	struct bytes b;

	BUILD(&b, FUSE_SETXATTR, 5, in, "user.x");
	add(&b, "abc", 3);
	seal(&b);
	protocol.flags = 0;
	cr_assert_eq(decode_as(&protocol, &b, b.length, &request), 0);
	cr_assert_str_eq(request.name, "user.x");
	cr_assert_eq(request.data_size, 3);
	cr_assert_eq(request.in.setxattr.flags, XATTR_REPLACE);
	cr_assert_eq(request.in.setxattr.setxattr_flags, 0);
}

/* ---- Names ---- */

/* Each request with a name, and how it is built with another one. */
static void with_name(struct bytes *b, uint32_t opcode, const char *name, size_t length)
{
	static const uint8_t zeros[64];

	begin(b, opcode, 2);
	add(b, zeros, fsb_opcode_find(opcode)->in_size);
	if (opcode == FUSE_RENAME || opcode == FUSE_RENAME2)
		add_name(b, "old");
	add(b, name, length);
	if (opcode == FUSE_SYMLINK)
		add_name(b, "target");
	seal(b);
}

static const uint32_t named[] = {
	FUSE_LOOKUP, FUSE_UNLINK, FUSE_RMDIR,   FUSE_SYMLINK, FUSE_MKNOD,
	FUSE_MKDIR,  FUSE_RENAME, FUSE_RENAME2, FUSE_LINK,    FUSE_CREATE,
};

#define NAMED_COUNT (sizeof(named) / sizeof(named[0]))

Test(decode, bad_names_are_refused_wherever_there_is_one)
{
	static const struct {
		const char *name;
		size_t length;
	} bad[] = {
		{ "", 1 },   { ".", 2 },  { "..", 3 },    { "/", 2 },    { "a/b", 4 },
		{ "/a", 3 }, { "a/", 3 }, { "..\0x", 5 }, { "a\0b", 4 },
	};

	for (size_t i = 0; i < NAMED_COUNT; i++) {
		struct bytes b;
		for (size_t j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
			/* What is left behind a symlink's name is its target. */
			if (named[i] == FUSE_SYMLINK && j >= 7)
				continue;
			with_name(&b, named[i], bad[j].name, bad[j].length);
			cr_assert_eq(error_of(&b), -EINVAL, "%s of \"%s\"",
				     fsb_opcode_find(named[i])->name, bad[j].name);
		}
		with_name(&b, named[i], "...", 4);
		cr_assert_eq(error_of(&b), 0);
		with_name(&b, named[i], "\xff\x01 \n", 5);
		cr_assert_eq(error_of(&b), 0);
	}
}

Test(decode, first_name_of_a_rename_is_judged_as_well)
{
	struct fuse_rename_in in = { .newdir = 3 };
	struct bytes b;

	BUILD(&b, FUSE_RENAME, 2, in, "..");
	add_name(&b, "new");
	seal(&b);
	cr_assert_eq(error_of(&b), -EINVAL);
}

Test(decode, name_of_255_bytes_is_taken_and_of_256_too_long)
{
	char name[257];

	memset(name, 'n', 256);
	for (size_t i = 0; i < NAMED_COUNT; i++) {
		struct bytes b;

		name[255] = '\0';
		with_name(&b, named[i], name, 256);
		cr_assert_eq(error_of(&b), 0);
		name[255] = 'n';
		name[256] = '\0';
		with_name(&b, named[i], name, 257);
		cr_assert_eq(error_of(&b), -ENAMETOOLONG);
	}
}

Test(decode, unterminated_name_is_refused)
{
	for (size_t i = 0; i < NAMED_COUNT; i++) {
		static const uint8_t zeros[64];
		struct bytes b;

		begin(&b, named[i], 2);
		add(&b, zeros, fsb_opcode_find(named[i])->in_size);
		add(&b, "name", 4);
		seal(&b);
		cr_assert_eq(error_of(&b), -EINVAL);
	}
}

Test(decode, dots_are_looked_up_with_export_support)
{
	struct fsb_protocol protocol = newest_protocol();
	struct fsb_request request;
	struct bytes b;

	protocol.flags |= FUSE_EXPORT_SUPPORT;
	with_name(&b, FUSE_LOOKUP, "..", 3);
	cr_assert_eq(decode_as(&protocol, &b, b.length, &request), 0);
	with_name(&b, FUSE_LOOKUP, ".", 2);
	cr_assert_eq(decode_as(&protocol, &b, b.length, &request), 0);
	with_name(&b, FUSE_UNLINK, "..", 3);
	cr_assert_eq(decode_as(&protocol, &b, b.length, &request), -EINVAL);
}

Test(decode, symlink_target_may_hold_4095_bytes)
{
	static char target[4097];
	struct bytes b;

	memset(target, '/', 4096);
	for (size_t length = 4095; length <= 4096; length++) {
		begin(&b, FUSE_SYMLINK, 2);
		add_name(&b, "link");
		add(&b, target, length);
		add(&b, "", 1);
		seal(&b);
		cr_assert_eq(error_of(&b), length == 4095 ? 0 : -ENAMETOOLONG);
	}
	begin(&b, FUSE_SYMLINK, 2);
	add_name(&b, "link");
	add_name(&b, "");
	seal(&b);
	cr_assert_eq(error_of(&b), -EINVAL);
}

Test(decode, xattr_names_may_hold_anything_but_must_end)
{
	const uint32_t opcodes[] = { FUSE_GETXATTR, FUSE_REMOVEXATTR, FUSE_SETXATTR };
	char longest[257];

	memset(longest, 'x', 256);
	for (size_t i = 0; i < 3; i++) {
		struct bytes b;

		with_name(&b, opcodes[i], "a/../b", 7);
		cr_assert_eq(error_of(&b), 0);
		with_name(&b, opcodes[i], "", 1);
		cr_assert_eq(error_of(&b), -EINVAL);
		with_name(&b, opcodes[i], "user.x", 6);
		cr_assert_eq(error_of(&b), -EINVAL);
		longest[255] = '\0';
		with_name(&b, opcodes[i], longest, 256);
		cr_assert_eq(error_of(&b), 0);
		longest[255] = 'x';
		longest[256] = '\0';
		with_name(&b, opcodes[i], longest, 257);
		cr_assert_eq(error_of(&b), -ENAMETOOLONG);
	}
}

/* ---- Counts, sizes and flags ---- */

/* A sample with one field changed. */
static int error_with(uint32_t opcode, size_t offset, uint64_t value, size_t size)
{
	struct bytes b;

	sample(&b, opcode);
	memcpy(b.at + HEADER + offset, &value, size);
	return error_of(&b);
}

#define WITH(opcode, type, member, value) \
	error_with(opcode, offsetof(struct type, member), value, sizeof(((struct type *)0)->member))

Test(decode, counts_that_do_not_fit_their_array_are_refused)
{
	static const uint32_t wrong[] = { 0, 1, 3, 0x10000002, 0x80000002, UINT32_MAX };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		cr_assert_eq(WITH(FUSE_BATCH_FORGET, fuse_batch_forget_in, count, wrong[i]),
			     -EINVAL);
		cr_assert_eq(WITH(FUSE_REMOVEMAPPING, fuse_removemapping_in, count, wrong[i]),
			     -EINVAL);
	}
}

Test(decode, batch_of_no_forgets_is_taken)
{
	struct fuse_batch_forget_in in = { 0 };
	struct bytes b;

	BUILD(&b, FUSE_BATCH_FORGET, 0, in, NULL);
	cr_assert_eq(error_of(&b), 0);
}

Test(decode, mappings_to_remove_are_1_to_256)
{
	static const struct fuse_removemapping_one one = { 0, 4096 };

	for (uint32_t count = 0; count <= 257; count++) {
		struct fuse_removemapping_in in = { .count = count };
		struct bytes b;

		BUILD(&b, FUSE_REMOVEMAPPING, 5, in, NULL);
		for (uint32_t i = 0; i < count; i++)
			add(&b, &one, sizeof(one));
		seal(&b);
		cr_assert_eq(error_of(&b), count >= 1 && count <= 256 ? 0 : -EINVAL);
	}
}

Test(decode, sizes_that_do_not_fit_their_data_are_refused)
{
	static const uint32_t wrong[] = { 0, 3, 7, 65535 };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		cr_assert_eq(WITH(FUSE_WRITE, fuse_write_in, size, wrong[i]), -EINVAL);
		cr_assert_eq(WITH(FUSE_NOTIFY_REPLY, fuse_notify_retrieve_in, size, wrong[i]),
			     -EINVAL);
		cr_assert_eq(WITH(FUSE_SETXATTR, fuse_setxattr_in, size, wrong[i]), -EINVAL);
		cr_assert_eq(WITH(FUSE_IOCTL, fuse_ioctl_in, in_size, wrong[i]), -EINVAL);
	}
}

Test(decode, more_than_negotiated_is_too_big)
{
	cr_assert_eq(WITH(FUSE_WRITE, fuse_write_in, size, 65537), -E2BIG);
	cr_assert_eq(WITH(FUSE_WRITE, fuse_write_in, size, UINT32_MAX), -E2BIG);
	cr_assert_eq(WITH(FUSE_READ, fuse_read_in, size, 65536), 0);
	cr_assert_eq(WITH(FUSE_READ, fuse_read_in, size, 65537), -E2BIG);
	cr_assert_eq(WITH(FUSE_READ, fuse_read_in, size, UINT32_MAX), -E2BIG);
	cr_assert_eq(WITH(FUSE_NOTIFY_REPLY, fuse_notify_retrieve_in, size, 65537), -E2BIG);
	cr_assert_eq(WITH(FUSE_SETXATTR, fuse_setxattr_in, size, 65537), -E2BIG);
	cr_assert_eq(WITH(FUSE_IOCTL, fuse_ioctl_in, in_size, 1u << 20), -E2BIG);
	cr_assert_eq(WITH(FUSE_IOCTL, fuse_ioctl_in, out_size, UINT32_MAX), -E2BIG);
	/* A listing may always be shorter than asked for. */
	cr_assert_eq(WITH(FUSE_READDIR, fuse_read_in, size, UINT32_MAX), 0);
	cr_assert_eq(WITH(FUSE_READDIRPLUS, fuse_read_in, size, UINT32_MAX), 0);
	cr_assert_eq(WITH(FUSE_GETXATTR, fuse_getxattr_in, size, UINT32_MAX), 0);
}

Test(decode, ranges_that_wrap_are_refused)
{
	const uint64_t end = UINT64_MAX;

	cr_assert_eq(WITH(FUSE_READ, fuse_read_in, offset, end - 512), 0);
	cr_assert_eq(WITH(FUSE_READ, fuse_read_in, offset, end - 511), -EOVERFLOW);
	cr_assert_eq(WITH(FUSE_WRITE, fuse_write_in, offset, end - 5), 0);
	cr_assert_eq(WITH(FUSE_WRITE, fuse_write_in, offset, end - 4), -EOVERFLOW);
	cr_assert_eq(WITH(FUSE_NOTIFY_REPLY, fuse_notify_retrieve_in, offset, end - 5), -EOVERFLOW);
	cr_assert_eq(WITH(FUSE_FALLOCATE, fuse_fallocate_in, length, end - 4095), -EOVERFLOW);
	cr_assert_eq(WITH(FUSE_FALLOCATE, fuse_fallocate_in, offset, end), -EOVERFLOW);
	cr_assert_eq(WITH(FUSE_COPY_FILE_RANGE, fuse_copy_file_range_in, len, end - 200), 0);
	cr_assert_eq(WITH(FUSE_COPY_FILE_RANGE, fuse_copy_file_range_in, len, end - 199),
		     -EOVERFLOW);
	cr_assert_eq(WITH(FUSE_COPY_FILE_RANGE_64, fuse_copy_file_range_in, off_in, end - 299),
		     -EOVERFLOW);
	cr_assert_eq(WITH(FUSE_COPY_FILE_RANGE_64, fuse_copy_file_range_in, off_out, end - 299),
		     -EOVERFLOW);
	cr_assert_eq(WITH(FSB_REMAP_FILE_RANGE, fsb_remap_file_range_in, off_in, end), -EOVERFLOW);
	cr_assert_eq(WITH(FSB_REMAP_FILE_RANGE, fsb_remap_file_range_in, off_out, end), -EOVERFLOW);
	cr_assert_eq(WITH(FUSE_SETUPMAPPING, fuse_setupmapping_in, foffset, end - 1), -EOVERFLOW);
	cr_assert_eq(WITH(FUSE_SETUPMAPPING, fuse_setupmapping_in, moffset, end - 1), -EOVERFLOW);
	/* The second element of the array. */
	cr_assert_eq(error_with(FUSE_REMOVEMAPPING, 4 + 16, end - 4095, 8), -EOVERFLOW);
	/* Cookies are no offsets. */
	cr_assert_eq(WITH(FUSE_READDIR, fuse_read_in, offset, end), 0);
}

Test(decode, unknown_flags_are_refused)
{
	cr_assert_eq(WITH(FUSE_GETATTR, fuse_getattr_in, getattr_flags, 2), -EINVAL);
	cr_assert_eq(WITH(FUSE_STATX, fuse_statx_in, getattr_flags, 3), -EINVAL);
	cr_assert_eq(WITH(FUSE_SETATTR, fuse_setattr_in, valid, 1u << 12), -EINVAL);
	cr_assert_eq(WITH(FUSE_OPEN, fuse_open_in, open_flags, 2), -EINVAL);
	cr_assert_eq(WITH(FUSE_OPENDIR, fuse_open_in, open_flags, 1u << 31), -EINVAL);
	cr_assert_eq(WITH(FUSE_CREATE, fuse_create_in, open_flags, 2), -EINVAL);
	cr_assert_eq(WITH(FUSE_TMPFILE, fuse_create_in, open_flags, 2), -EINVAL);
	cr_assert_eq(WITH(FUSE_READ, fuse_read_in, read_flags, 1), -EINVAL);
	cr_assert_eq(WITH(FUSE_READDIR, fuse_read_in, read_flags, 4), -EINVAL);
	cr_assert_eq(WITH(FUSE_READDIRPLUS, fuse_read_in, read_flags, 4), -EINVAL);
	cr_assert_eq(WITH(FUSE_WRITE, fuse_write_in, write_flags, 8), -EINVAL);
	cr_assert_eq(WITH(FUSE_RELEASE, fuse_release_in, release_flags, 4), -EINVAL);
	cr_assert_eq(WITH(FUSE_RELEASEDIR, fuse_release_in, release_flags, 4), -EINVAL);
	cr_assert_eq(WITH(FUSE_FSYNC, fuse_fsync_in, fsync_flags, 2), -EINVAL);
	cr_assert_eq(WITH(FUSE_FSYNCDIR, fuse_fsync_in, fsync_flags, 2), -EINVAL);
	cr_assert_eq(WITH(FUSE_SETXATTR, fuse_setxattr_in, flags, 4), -EINVAL);
	cr_assert_eq(WITH(FUSE_SETXATTR, fuse_setxattr_in, setxattr_flags, 2), -EINVAL);
	cr_assert_eq(WITH(FUSE_GETLK, fuse_lk_in, lk_flags, 2), -EINVAL);
	cr_assert_eq(WITH(FUSE_SETLK, fuse_lk_in, lk_flags, 2), -EINVAL);
	cr_assert_eq(WITH(FUSE_SETLKW, fuse_lk_in, lk_flags, 2), -EINVAL);
	cr_assert_eq(WITH(FUSE_ACCESS, fuse_access_in, mask, 8), -EINVAL);
	cr_assert_eq(WITH(FUSE_IOCTL, fuse_ioctl_in, flags, 64), -EINVAL);
	cr_assert_eq(WITH(FUSE_IOCTL, fuse_ioctl_in, flags, FUSE_IOCTL_RETRY), -EINVAL);
	cr_assert_eq(WITH(FUSE_POLL, fuse_poll_in, flags, 2), -EINVAL);
	cr_assert_eq(WITH(FUSE_LSEEK, fuse_lseek_in, whence, 5), -EINVAL);
	cr_assert_eq(WITH(FUSE_RENAME2, fuse_rename2_in, flags, 8), -EINVAL);
	cr_assert_eq(WITH(FUSE_COPY_FILE_RANGE, fuse_copy_file_range_in, flags, 1), -EINVAL);
	cr_assert_eq(WITH(FUSE_COPY_FILE_RANGE_64, fuse_copy_file_range_in, flags, 1ull << 32),
		     -EINVAL);
	cr_assert_eq(WITH(FSB_REMAP_FILE_RANGE, fsb_remap_file_range_in, remap_flags, 1), -EINVAL);
	cr_assert_eq(WITH(FSB_REMAP_FILE_RANGE, fsb_remap_file_range_in, remap_flags, 2), 0);
	cr_assert_eq(WITH(FUSE_SETUPMAPPING, fuse_setupmapping_in, flags, 4), -EINVAL);
	cr_assert_eq(WITH(FUSE_SETUPMAPPING, fuse_setupmapping_in, len, 0), -EINVAL);
}

Test(decode, known_flags_and_padding_are_taken)
{
	cr_assert_eq(WITH(FUSE_GETATTR, fuse_getattr_in, getattr_flags, 0), 0);
	cr_assert_eq(WITH(FUSE_GETATTR, fuse_getattr_in, dummy, UINT32_MAX), 0);
	cr_assert_eq(WITH(FUSE_WRITE, fuse_write_in, write_flags, 7), 0);
	cr_assert_eq(WITH(FUSE_RELEASE, fuse_release_in, release_flags, 3), 0);
	cr_assert_eq(WITH(FUSE_RENAME2, fuse_rename2_in, flags, RENAME_EXCHANGE), 0);
	cr_assert_eq(WITH(FUSE_RENAME2, fuse_rename2_in, flags, RENAME_WHITEOUT), 0);
	cr_assert_eq(WITH(FUSE_IOCTL, fuse_ioctl_in, flags, 1 | 2 | 8 | 16 | 32), 0);
	cr_assert_eq(WITH(FUSE_ACCESS, fuse_access_in, mask, 7), 0);
	cr_assert_eq(WITH(FUSE_ACCESS, fuse_access_in, mask, F_OK), 0);
	/* The flags of an open are the file system's to judge: execve(2) has one of its own. */
	cr_assert_eq(WITH(FUSE_OPEN, fuse_open_in, flags, 0x8020), 0);
	for (uint32_t whence = 0; whence <= SEEK_HOLE; whence++)
		cr_assert_eq(WITH(FUSE_LSEEK, fuse_lseek_in, whence, whence), 0);
	/* An unsigned offset on the wire, whatever it will mean. */
	cr_assert_eq(WITH(FUSE_LSEEK, fuse_lseek_in, offset, UINT64_MAX), 0);
}

Test(decode, flags_of_opens_meant_nothing_before_minor_33)
{
	struct fsb_protocol protocol = newest_protocol();
	struct fuse_open_in in = { .open_flags = UINT32_MAX };
	struct fsb_request request;
	struct bytes b;

	BUILD(&b, FUSE_OPEN, 5, in, NULL);
	protocol.minor = 32;
	cr_assert_eq(decode_as(&protocol, &b, b.length, &request), 0);
	protocol.minor = 33;
	cr_assert_eq(decode_as(&protocol, &b, b.length, &request), -EINVAL);
}

Test(decode, modes_must_fit_what_is_made)
{
	cr_assert_eq(WITH(FUSE_MKDIR, fuse_mkdir_in, mode, S_IFDIR | 01777), 0);
	cr_assert_eq(WITH(FUSE_MKDIR, fuse_mkdir_in, mode, S_IFREG | 0755), -EINVAL);
	cr_assert_eq(WITH(FUSE_MKDIR, fuse_mkdir_in, mode, 0x10000), -EINVAL);
	cr_assert_eq(WITH(FUSE_CREATE, fuse_create_in, mode, 04755), 0);
	cr_assert_eq(WITH(FUSE_CREATE, fuse_create_in, mode, S_IFIFO | 0644), -EINVAL);
	cr_assert_eq(WITH(FUSE_TMPFILE, fuse_create_in, mode, S_IFDIR | 0644), -EINVAL);
	cr_assert_eq(WITH(FUSE_SETATTR, fuse_setattr_in, mode, 0x10000), -EINVAL);
	const uint32_t makeable[] = { 0, S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK };
	for (size_t i = 0; i < 6; i++)
		cr_assert_eq(WITH(FUSE_MKNOD, fuse_mknod_in, mode, makeable[i] | 0600), 0);
	cr_assert_eq(WITH(FUSE_MKNOD, fuse_mknod_in, mode, S_IFDIR | 0600), -EINVAL);
	cr_assert_eq(WITH(FUSE_MKNOD, fuse_mknod_in, mode, S_IFLNK | 0600), -EINVAL);
	cr_assert_eq(WITH(FUSE_MKNOD, fuse_mknod_in, mode, 0170000 | 0600), -EINVAL);
}

Test(decode, attributes_that_cannot_be_are_refused)
{
	cr_assert_eq(WITH(FUSE_SETATTR, fuse_setattr_in, uid, UINT32_MAX), -EINVAL);
	cr_assert_eq(WITH(FUSE_SETATTR, fuse_setattr_in, gid, UINT32_MAX), -EINVAL);
	cr_assert_eq(WITH(FUSE_SETATTR, fuse_setattr_in, size, 1ull << 63), -EINVAL);
	cr_assert_eq(WITH(FUSE_SETATTR, fuse_setattr_in, atimensec, 1000000000), -EINVAL);
	cr_assert_eq(WITH(FUSE_SETATTR, fuse_setattr_in, mtimensec, UINT32_MAX), -EINVAL);
	cr_assert_eq(WITH(FUSE_SETATTR, fuse_setattr_in, ctimensec, 1000000000), -EINVAL);
}

Test(decode, attributes_that_are_not_set_may_be_anything)
{
	struct fuse_setattr_in in;
	struct bytes b;

	memset(&in, 0xff, sizeof(in));
	in.valid = FATTR_ATIME | FATTR_ATIME_NOW | FATTR_MTIME | FATTR_MTIME_NOW;
	BUILD(&b, FUSE_SETATTR, 5, in, NULL);
	cr_assert_eq(error_of(&b), 0);
}

Test(decode, locks_have_a_known_type_and_a_range)
{
	const uint32_t opcodes[] = { FUSE_GETLK, FUSE_SETLK, FUSE_SETLKW };

	for (size_t i = 0; i < 3; i++) {
		cr_assert_eq(WITH(opcodes[i], fuse_lk_in, lk.type, 3), -EINVAL);
		cr_assert_eq(WITH(opcodes[i], fuse_lk_in, lk.type, F_UNLCK), 0);
		cr_assert_eq(WITH(opcodes[i], fuse_lk_in, lk.start, 19), 0);
		cr_assert_eq(WITH(opcodes[i], fuse_lk_in, lk.start, 20), -EINVAL);
		cr_assert_eq(WITH(opcodes[i], fuse_lk_in, lk.end, INT64_MAX), 0);
		cr_assert_eq(WITH(opcodes[i], fuse_lk_in, lk.end, 1ull << 63), -EINVAL);
	}
}

/* ---- Extensions ---- */

static const uint32_t creating[] = { FUSE_SYMLINK, FUSE_MKNOD, FUSE_MKDIR, FUSE_CREATE,
				     FUSE_TMPFILE };

Test(decode, creations_carry_a_label_and_a_group)
{
	for (size_t i = 0; i < 5; i++) {
		struct fsb_request request;
		struct bytes b;

		sample(&b, creating[i]);
		add_security(&b, "security.selinux", "system_u:object_r:x");
		add_group(&b, 4711);
		cr_assert_eq(decode(&b, &request), 0);
		cr_assert_eq(request.nsecurity, 1);
		cr_assert_str_eq(request.security[0].name, "security.selinux");
		cr_assert_eq(request.security[0].size, 19);
		cr_assert_eq(memcmp(request.security[0].value, "system_u:object_r:x", 19), 0);
		cr_assert(request.has_group);
		cr_assert_eq(request.group, 4711);
	}
}

Test(decode, only_creations_carry_extensions)
{
	for (size_t i = 0; fsb_opcode_at(i); i++) {
		struct bytes b;

		if (fsb_opcode_at(i)->creates)
			continue;
		sample(&b, fsb_opcode_at(i)->number);
		add_group(&b, 4711);
		cr_assert_eq(error_of(&b), -EINVAL, "%s", fsb_opcode_at(i)->name);
	}
}

Test(decode, extensions_must_have_been_negotiated)
{
	struct fsb_protocol protocol = newest_protocol();
	struct fsb_request request;
	struct bytes b;

	protocol.flags = FUSE_CREATE_SUPP_GROUP;
	sample(&b, FUSE_MKDIR);
	add_security(&b, "security.selinux", "x");
	cr_assert_eq(decode_as(&protocol, &b, b.length, &request), -EINVAL);
	protocol.flags = FUSE_SECURITY_CTX;
	sample(&b, FUSE_MKDIR);
	add_group(&b, 1);
	cr_assert_eq(decode_as(&protocol, &b, b.length, &request), -EINVAL);
}

Test(decode, several_labels_are_found_and_none_is_none)
{
	struct fsb_request request;
	struct bytes b;
	struct fuse_secctx_header head = { .size = 8 + 2 * 32, .nr_secctx = 2 };
	struct fuse_secctx context = { .size = 4 };

	sample(&b, FUSE_MKDIR);
	add(&b, &head, sizeof(head));
	for (int i = 0; i < 2; i++) {
		add(&b, &context, sizeof(context));
		add(&b, i ? "security.two.two" : "security.one.one", 17);
		add(&b, "abcd\0\0\0", 7);
	}
	header_of(&b)->total_extlen = 9;
	seal(&b);
	cr_assert_eq(decode(&b, &request), 0);
	cr_assert_eq(request.nsecurity, 2);
	cr_assert_str_eq(request.security[1].name, "security.two.two");
	cr_assert_eq(request.security[1].size, 4);

	head = (struct fuse_secctx_header){ .size = 8 };
	sample(&b, FUSE_MKDIR);
	add(&b, &head, sizeof(head));
	header_of(&b)->total_extlen = 1;
	seal(&b);
	cr_assert_eq(decode(&b, &request), 0);
	cr_assert_eq(request.nsecurity, 0);
}

/* An extension block of one header and up to 24 bytes behind it, all of it as given. */
static int error_with_extension(uint32_t size, uint32_t type, const void *rest, size_t length)
{
	struct fuse_ext_header head = { size, type };
	struct bytes b;

	sample(&b, FUSE_MKDIR);
	add(&b, &head, sizeof(head));
	add(&b, rest, length);
	header_of(&b)->total_extlen = (uint16_t)((sizeof(head) + length) / 8);
	seal(&b);
	return error_of(&b);
}

Test(decode, malformed_extensions_are_refused)
{
	static const uint32_t none[2] = { 0, 0 }, one[2] = { 1, 5 }, two[2] = { 2, 5 };
	static const uint32_t huge[2] = { 0x40000000, 5 };

	cr_assert_eq(error_with_extension(16, FUSE_EXT_GROUPS, one, 8), 0);
	cr_assert_eq(error_with_extension(16, FUSE_EXT_GROUPS, none, 8), 0);
	/* The block's own size. */
	cr_assert_eq(error_with_extension(0, FUSE_EXT_GROUPS, one, 8), -EINVAL);
	cr_assert_eq(error_with_extension(7, FUSE_EXT_GROUPS, one, 8), -EINVAL);
	cr_assert_eq(error_with_extension(12, FUSE_EXT_GROUPS, one, 8), -EINVAL);
	cr_assert_eq(error_with_extension(8, FUSE_EXT_GROUPS, one, 8), -EINVAL);
	cr_assert_eq(error_with_extension(24, FUSE_EXT_GROUPS, one, 8), -EINVAL);
	cr_assert_eq(error_with_extension(UINT32_MAX & ~7u, FUSE_EXT_GROUPS, one, 8), -EINVAL);
	/* Its type, and more groups than there are. */
	cr_assert_eq(error_with_extension(16, FUSE_EXT_GROUPS + 1, one, 8), -EINVAL);
	cr_assert_eq(error_with_extension(16, UINT32_MAX, one, 8), -EINVAL);
	cr_assert_eq(error_with_extension(16, FUSE_EXT_GROUPS, two, 8), -EINVAL);
	cr_assert_eq(error_with_extension(16, FUSE_EXT_GROUPS, huge, 8), -EINVAL);
	/* Security contexts: fewer than announced, none announced. */
	cr_assert_eq(error_with_extension(16, 1, none, 8), -EINVAL);
	cr_assert_eq(error_with_extension(8, 31, NULL, 0), -EINVAL);
	cr_assert_eq(error_with_extension(16, 0, none, 8), -EINVAL);
}

Test(decode, malformed_security_contexts_are_refused)
{
	const struct {
		uint32_t size;
		const char *rest;
	} bad[] = {
		{ 9, "security.abc\0abc" },          /* longer than the block */
		{ UINT32_MAX, "security.abc\0abc" }, /* that wraps */
		{ 3, "security.abcdabc" },           /* unterminated */
		{ 3, "trusted.abcd\0abc" },          /* no label */
		{ 3, "\0ecurity.abcabc" },           /* no name */
		{ 0, "security.a\0\0\0\0\0\0" },     /* more than padding behind it */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t rest[24] = { 0 };
		memcpy(rest, &bad[i].size, 4);
		memcpy(rest + 8, bad[i].rest, 16);
		/* The last is well-formed but for eight bytes more. */
		if (i == 5) {
			uint8_t longer[32] = { 0 };
			memcpy(longer, rest, sizeof(rest));
			cr_assert_eq(error_with_extension(32, 1, rest, sizeof(rest)), 0);
			cr_assert_eq(error_with_extension(40, 1, longer, sizeof(longer)), -EINVAL);
			continue;
		}
		cr_assert_eq(error_with_extension(32, 1, rest, sizeof(rest)), -EINVAL, "%zu", i);
	}
}

Test(decode, extension_given_twice_is_refused)
{
	struct bytes b;

	sample(&b, FUSE_MKDIR);
	add_group(&b, 1);
	add_group(&b, 1);
	cr_assert_eq(error_of(&b), -EINVAL);
	sample(&b, FUSE_MKDIR);
	add_security(&b, "security.x", "1");
	add_security(&b, "security.x", "1");
	cr_assert_eq(error_of(&b), -EINVAL);
}

Test(decode, extensions_longer_than_the_message_are_refused)
{
	struct bytes b;

	sample(&b, FUSE_MKDIR);
	add_group(&b, 1);
	header_of(&b)->total_extlen = UINT16_MAX;
	cr_assert_eq(error_of(&b), -EINVAL);
	/* They would begin within the arguments, or leave no name. */
	header_of(&b)->total_extlen = 3;
	cr_assert_eq(error_of(&b), -EINVAL);
}

Test(decode, labels_came_unannounced_in_7_36)
{
	struct fsb_protocol protocol = newest_protocol();
	struct fsb_request request;
	struct bytes b;

	for (protocol.minor = 35; protocol.minor <= 38; protocol.minor++) {
		bool unannounced = protocol.minor == 36 || protocol.minor == 37;

		sample(&b, FUSE_MKDIR);
		add_security(&b, "security.selinux", "label");
		header_of(&b)->total_extlen = 0;
		cr_assert_eq(decode_as(&protocol, &b, b.length, &request),
			     unannounced ? 0 : -EINVAL);
		if (unannounced) {
			cr_assert_eq(request.nsecurity, 1);
			cr_assert_str_eq(request.security[0].name, "security.selinux");
		}
	}
}

/* ---- INIT ---- */

static int error_of_init(uint32_t major, uint32_t minor, uint32_t flags, size_t length)
{
	uint8_t in[128] = { 0 };
	struct fuse_init_in head = { .major = major, .minor = minor, .flags = flags };
	struct bytes b;

	memcpy(in, &head, sizeof(head));
	build(&b, FUSE_INIT, 0, in, length, NULL);
	return error_of(&b);
}

Test(decode, init_has_16_or_64_bytes)
{
	cr_assert_eq(error_of_init(7, 31, 0, 16), 0);
	cr_assert_eq(error_of_init(7, 31, 0, 64), 0);
	cr_assert_eq(error_of_init(7, 45, FUSE_INIT_EXT, 64), 0);
	cr_assert_eq(error_of_init(7, 45, FUSE_INIT_EXT, 16), -EINVAL);
	cr_assert_eq(error_of_init(7, 45, 0, 15), -EINVAL);
	cr_assert_eq(error_of_init(7, 45, 0, 17), -EINVAL);
	cr_assert_eq(error_of_init(7, 45, 0, 63), -EINVAL);
	cr_assert_eq(error_of_init(7, 45, 0, 65), -EINVAL);
}

Test(decode, init_of_another_version_need_only_say_so)
{
	cr_assert_eq(error_of_init(6, 0, 0, 8), 0);
	cr_assert_eq(error_of_init(8, 0, 0, 8), 0);
	cr_assert_eq(error_of_init(8, 0, 0, 128), 0);
	cr_assert_eq(error_of_init(7, 5, 0, 8), 0);
	cr_assert_eq(error_of_init(7, 5, 0, 7), -EINVAL);
	/* A later minor may have grown, not shrunk. */
	cr_assert_eq(error_of_init(7, 46, FUSE_INIT_EXT, 72), 0);
	cr_assert_eq(error_of_init(7, 46, FUSE_INIT_EXT, 16), -EINVAL);
}

Test(decode, fields_that_init_did_not_have_are_zero)
{
	struct fsb_request request;
	struct fuse_init_in in = { .major = 7, .minor = 31, .max_readahead = 1, .flags = 2 };
	struct bytes b;

	build(&b, FUSE_INIT, 0, &in, 16, NULL);
	cr_assert_eq(decode(&b, &request), 0);
	cr_assert_eq(memcmp(&request.in.init, &in, sizeof(in)), 0);
}
