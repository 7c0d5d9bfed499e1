/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests and replies in words. */
#include "messages.h"

static const char *words_of(const struct bytes *b, char *text, size_t size)
{
	struct fsb_protocol protocol = newest_protocol();
	static struct fsb_request request;

	fsb_request_decode(&protocol, b->at, b->length, b->length, &request);
	return fsb_request_describe(&request, text, size);
}

static void expect_request(uint32_t opcode, const char *words)
{
	char text[512];
	struct bytes b;

	sample(&b, opcode);
	cr_expect_str_eq(words_of(&b, text, sizeof(text)), words);
}

#define WHO " uid 1000 gid 100 pid 77"

Test(describe, requests_are_one_line_of_their_arguments)
{
	expect_request(FUSE_LOOKUP, "LOOKUP #4660 nodeid 2" WHO ": name \"file\"");
	expect_request(FUSE_FORGET, "FORGET #4660 nodeid 5" WHO ": nlookup 3");
	expect_request(FUSE_GETATTR, "GETATTR #4660 nodeid 5" WHO ": fh 11");
	expect_request(
		FUSE_SETATTR,
		"SETATTR #4660 nodeid 5" WHO
		": valid 0xe7f fh 11 mode 0640 to_uid 1001 to_gid 101 size 4096 atime -2.999999999"
		" mtime 1700000000.000000002 ctime 3.000000001");
	expect_request(FUSE_READLINK, "READLINK #4660 nodeid 5" WHO);
	expect_request(FUSE_SYMLINK,
		       "SYMLINK #4660 nodeid 2" WHO ": name \"link\" target \"../tar/get\"");
	expect_request(FUSE_MKNOD, "MKNOD #4660 nodeid 2" WHO
				   ": mode 020600 rdev 0x12345678 umask 077 name \"node\"");
	expect_request(FUSE_MKDIR, "MKDIR #4660 nodeid 2" WHO ": mode 0755 umask 022 name \"dir\"");
	expect_request(FUSE_RENAME,
		       "RENAME #4660 nodeid 2" WHO ": newdir 3 name \"old\" newname \"new\"");
	expect_request(FUSE_RENAME2, "RENAME2 #4660 nodeid 2" WHO
				     ": newdir 3 flags 0x1 name \"old\" newname \"new\"");
	expect_request(FUSE_LINK, "LINK #4660 nodeid 2" WHO ": oldnodeid 5 name \"hard\"");
	expect_request(FUSE_READ,
		       "READ #4660 nodeid 5" WHO ": fh 11 offset 4096 size 512 flags 0x2");
	expect_request(FUSE_WRITE, "WRITE #4660 nodeid 5" WHO
				   ": fh 11 offset 4096 size 5 write_flags 0x6 flags 0x1");
	expect_request(FUSE_SETXATTR, "SETXATTR #4660 nodeid 5" WHO
				      ": size 5 flags 0x1 setxattr_flags 0x1 name \"user.name\"");
	expect_request(FUSE_INTERRUPT, "INTERRUPT #4660 nodeid 0" WHO ": of 4656");
	expect_request(FUSE_BATCH_FORGET, "BATCH_FORGET #4660 nodeid 0" WHO ": count 2 5-1 6-2");
	expect_request(FUSE_REMOVEMAPPING,
		       "REMOVEMAPPING #4660 nodeid 5" WHO ": count 2 0+4096 8192+4096");
	expect_request(FUSE_SETLKW,
		       "SETLKW #4660 nodeid 5" WHO
		       ": fh 11 owner 0xabcdef start 10 end 19 type 1 lock_pid 77 lk_flags 0x0");
	expect_request(FUSE_STATX, "STATX #4660 nodeid 5" WHO ": sx_flags 0x100 sx_mask 0xfff");
	expect_request(FUSE_TMPFILE, "TMPFILE #4660 nodeid 2" WHO
				     ": flags 0x42 mode 0100644 umask 022 open_flags 0x1");
}

Test(describe, every_request_that_has_arguments_shows_some)
{
	for (size_t i = 0; fsb_opcode_at(i); i++) {
		const struct fsb_opcode *op = fsb_opcode_at(i);
		char text[512];
		struct bytes b;

		sample(&b, op->number);
		words_of(&b, text, sizeof(text));
		cr_expect_eq(strncmp(text, op->name, strlen(op->name)), 0);
		/* What SYNCFS has is padding. */
		bool silent = (op->in_size == 0 && op->tail == FSB_TAIL_NONE) ||
			      op->number == FUSE_SYNCFS;
		cr_expect_eq(strchr(text, ':') == NULL, silent, "%s", text);
	}
}

Test(describe, extensions_are_shown)
{
	char text[512];
	struct bytes b;

	sample(&b, FUSE_MKDIR);
	add_security(&b, "security.selinux", "label");
	add_group(&b, 42);
	cr_assert_str_eq(words_of(&b, text, sizeof(text)),
			 "MKDIR #4660 nodeid 2" WHO ": mode 0755 umask 022 name \"dir\" label "
						    "\"security.selinux\" of 5 bytes group 42");
}

Test(describe, bytes_that_do_not_print_are_shown_as_numbers)
{
	char text[512];
	struct bytes b;

	begin(&b, FUSE_LOOKUP, 1);
	add_name(&b, "a\nb\x7f\xc3\xa9\"\\ ~");
	seal(&b);
	cr_assert_str_eq(words_of(&b, text, sizeof(text)),
			 "LOOKUP #4660 nodeid 1" WHO
			 ": name \"a\\x0ab\\x7f\\xc3\\xa9\\x22\\x5c ~\"");
}

Test(describe, what_cannot_be_decoded_still_has_a_header)
{
	char text[512];
	struct bytes b;

	begin(&b, FUSE_LOOKUP, 3);
	cr_assert_str_eq(words_of(&b, text, sizeof(text)),
			 "LOOKUP #4660 nodeid 3" WHO ": not understood");
	begin(&b, 4711, 3);
	cr_assert_str_eq(words_of(&b, text, sizeof(text)),
			 "opcode 4711 #4660 nodeid 3" WHO ": not understood");
}

Test(describe, text_is_cut_at_any_size_and_always_ends)
{
	for (size_t i = 0; fsb_opcode_at(i); i++) {
		char whole[512];
		struct bytes b;

		sample(&b, fsb_opcode_at(i)->number);
		words_of(&b, whole, sizeof(whole));
		for (size_t size = 1; size <= strlen(whole) + 1; size++) {
			char *text = malloc(size);
			words_of(&b, text, size);
			cr_assert_lt(strlen(text), size);
			cr_assert_eq(strncmp(text, whole, strlen(text)), 0);
			free(text);
		}
		/* Of no size at all nothing is touched. */
		cr_assert_null(words_of(&b, NULL, 0));
	}
}

static void expect_reply(uint32_t opcode, int error, const void *body, size_t length,
			 const char *words)
{
	char text[512];

	cr_expect_str_eq(fsb_reply_describe(fsb_opcode_find(opcode), error, body, length, text,
					    sizeof(text)),
			 words);
}

Test(describe, replies_are_an_error_or_the_fixed_part)
{
	struct fuse_entry_out entry = {
		.nodeid = 9,
		.generation = 1,
		.entry_valid = 1,
		.entry_valid_nsec = 500,
		.attr_valid = 2,
		.attr = { .ino = 12,
			  .mode = 0100644,
			  .nlink = 1,
			  .uid = 3,
			  .gid = 4,
			  .size = 5,
			  .blocks = 8 },
	};
	struct fuse_write_out written = { .size = 17 };
	struct fuse_ioctl_out ioctl = { .result = -1 };
	struct fuse_open_out open = { .fh = 11, .open_flags = 2 };

	expect_reply(FUSE_LOOKUP, 0, &entry, sizeof(entry),
		     "ok: nodeid 9 generation 1 entry_valid 1.000000500 attr_valid 2.000000000"
		     " ino 12 mode 0100644 nlink 1 uid 3 gid 4 size 5 blocks 8");
	expect_reply(FUSE_WRITE, 0, &written, sizeof(written), "ok: size 17");
	expect_reply(FUSE_IOCTL, 0, &ioctl, sizeof(ioctl),
		     "ok: result -1 flags 0x0 in_iovs 0 out_iovs 0");
	expect_reply(FUSE_OPEN, 0, &open, sizeof(open), "ok: fh 11 open_flags 0x2");
	expect_reply(FUSE_READLINK, 0, "tar\nget", 7, "ok: \"tar\\x0aget\"");
	expect_reply(FUSE_UNLINK, 0, NULL, 0, "ok");
	expect_reply(FUSE_READ, 0, NULL, 4096, "ok, 4096 bytes");
	expect_reply(FUSE_GETXATTR, 0, "value", 5, "ok, 5 bytes");
	expect_reply(FUSE_LOOKUP, -ENOENT, NULL, 0, "ENOENT");
	expect_reply(FUSE_LOOKUP, -EDQUOT, NULL, 0, "EDQUOT");
	expect_reply(FUSE_LOOKUP, -499, NULL, 0, "error -499");
	expect_reply(FUSE_LOOKUP, INT32_MIN, NULL, 0, "error -2147483648");
	expect_reply(4711, 0, "x", 1, "ok, 1 bytes");
}

Test(describe, replies_cut_short_show_what_is_whole)
{
	for (size_t i = 0; fsb_opcode_at(i); i++) {
		const struct fsb_opcode *op = fsb_opcode_at(i);

		for (size_t length = 0; length <= op->out_size; length++) {
			char text[512];
			uint8_t *body = calloc(1, length ? length : 1);

			fsb_reply_describe(op, 0, body, length, text, sizeof(text));
			cr_assert_eq(strncmp(text, "ok", 2), 0);
			free(body);
		}
	}
}
