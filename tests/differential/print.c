/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Printing sequences as C programs; see print.h. The program's head is the oracle's own source,
 * which is kept in the oracle's executable for that purpose.
 */
#include "print.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "identity.h"

/* SOURCE_DIR is where this file lies; the build gives it. */
#define KEEP(name, file)                                                                 \
	__asm__(".pushsection .rodata\n" #name ": .incbin \"" SOURCE_DIR "/" file "\"\n" \
		".byte 0\n"                                                              \
		".popsection\n");                                                        \
	extern const char name[]
KEEP(source_of_identity_h, "identity.h");
KEEP(source_of_calls_h, "calls.h");
KEEP(source_of_identity_c, "identity.c");
KEEP(source_of_calls_c, "calls.c");
KEEP(source_of_reproducer_c, "reproducer.c");

struct flag {
	int64_t value;
	const char *name;
};

#define FLAG(name)          \
	{                   \
		name, #name \
	}

/* O_TMPFILE contains O_DIRECTORY, and O_SYNC O_DSYNC, so they come first. */
static const struct flag open_flags[] = { FLAG(O_WRONLY),   FLAG(O_RDWR),    FLAG(O_CREAT),
					  FLAG(O_EXCL),     FLAG(O_TRUNC),   FLAG(O_APPEND),
					  FLAG(O_NONBLOCK), FLAG(O_TMPFILE), FLAG(O_DIRECTORY),
					  FLAG(O_NOFOLLOW), FLAG(O_NOATIME), FLAG(O_PATH),
					  { 0, NULL } };
static const struct flag at_flags[] = { FLAG(AT_SYMLINK_NOFOLLOW),
					FLAG(AT_SYMLINK_FOLLOW),
					FLAG(AT_EMPTY_PATH),
					FLAG(AT_STATX_FORCE_SYNC),
					{ 0, NULL } };
static const struct flag access_flags[] = { FLAG(AT_SYMLINK_NOFOLLOW),
					    FLAG(AT_EACCESS),
					    { 0, NULL } };
static const struct flag rename_flags[] = {
	FLAG(RENAME_NOREPLACE), FLAG(RENAME_EXCHANGE), FLAG(RENAME_WHITEOUT), { 0, NULL }
};
static const struct flag xattr_flags[] = { FLAG(XATTR_CREATE), FLAG(XATTR_REPLACE), { 0, NULL } };
static const struct flag fallocate_modes[] = { FLAG(FALLOC_FL_KEEP_SIZE),
					       FLAG(FALLOC_FL_PUNCH_HOLE),
					       FLAG(FALLOC_FL_COLLAPSE_RANGE),
					       FLAG(FALLOC_FL_ZERO_RANGE),
					       FLAG(FALLOC_FL_INSERT_RANGE),
					       FLAG(FALLOC_FL_UNSHARE_RANGE),
					       { 0, NULL } };
static const struct flag file_types[] = { FLAG(S_IFSOCK), FLAG(S_IFLNK), FLAG(S_IFREG),
					  FLAG(S_IFBLK),  FLAG(S_IFDIR), FLAG(S_IFCHR),
					  FLAG(S_IFIFO),  { 0, NULL } };
static const struct flag whences[] = { FLAG(SEEK_SET),  FLAG(SEEK_CUR),  FLAG(SEEK_END),
				       FLAG(SEEK_DATA), FLAG(SEEK_HOLE), { 0, NULL } };
static const struct flag flock_hows[] = {
	FLAG(LOCK_SH), FLAG(LOCK_EX), FLAG(LOCK_UN), { 0, NULL }
};
static const struct flag lock_types[] = {
	FLAG(F_RDLCK), FLAG(F_WRLCK), FLAG(F_UNLCK), { 0, NULL }
};
static const struct flag times_ns[] = { FLAG(UTIME_NOW), FLAG(UTIME_OMIT), { 0, NULL } };

static void print_flags(FILE *file, const struct flag *flags, int64_t value)
{
	const char *between = "";

	for (; flags->name; flags++) {
		if ((value & flags->value) != flags->value || !flags->value)
			continue;
		fprintf(file, "%s%s", between, flags->name);
		between = " | ";
		value &= ~flags->value;
	}
	if (value || !*between)
		fprintf(file, value ? "%s%#" PRIx64 : "%s%" PRIx64, between, (uint64_t)value);
}

/* The name of exactly this value, or the number. */
static void print_choice(FILE *file, const struct flag *choices, int64_t value)
{
	for (; choices->name; choices++) {
		if (choices->value == value) {
			fputs(choices->name, file);
			return;
		}
	}
	fprintf(file, "%" PRId64, value);
}

/* The types are numbers, not sets of bits. */
static void print_mode_with_type(FILE *file, int64_t mode)
{
	if (mode & S_IFMT) {
		print_choice(file, file_types, mode & S_IFMT);
		fputs(" | ", file);
	}
	fprintf(file, "%#" PRIo64, (uint64_t)mode & 07777);
}

static void print_time(FILE *file, int64_t seconds, int64_t nanoseconds)
{
	fprintf(file, "(struct timespec){ %" PRId64 ", ", seconds);
	print_choice(file, times_ns, nanoseconds);
	fputs(" }", file);
}

static void print_times(FILE *file, const struct operation *op)
{
	print_time(file, op->atime, op->atime_ns);
	fputs(", ", file);
	print_time(file, op->mtime, op->mtime_ns);
}

static void print_slot(FILE *file, int64_t slot)
{
	if (slot < 0)
		fputs("none", file);
	else
		fprintf(file, "slot(%" PRId64 ")", slot);
}

static void print_dir(FILE *file, int64_t dir)
{
	if (dir < 0)
		fputs("AT_FDCWD", file);
	else
		print_slot(file, dir);
}

static void print_given(FILE *file, const struct operation *op)
{
	if (op->slot2 < 0)
		fputs("none", file);
	else
		fprintf(file, "users[%" PRId64 "].slots[%" PRId64 "]", op->giver, op->slot2);
}

/* A number that a 32-bit literal may not hold. */
static void print_number(FILE *file, int64_t number)
{
	fprintf(file, number > INT32_MAX || number < INT32_MIN ? "%" PRId64 "ll" : "%" PRId64,
		number);
}

/* Prints what the word after a $ in a row of the table of kinds stands for. */
static void print_word(FILE *file, const struct operation *op, const char *word, size_t size)
{
	const struct {
		const char *word;
		const struct flag *flags;
	} sets[] = {
		{ "open", open_flags },     { "at", at_flags },
		{ "access", access_flags }, { "rename", rename_flags },
		{ "xattr", xattr_flags },   { "fallocate", fallocate_modes },
	};
	const struct {
		const char *word;
		int64_t number;
	} numbers[] = {
		{ "uid", op->uid },        { "gid", op->gid },       { "offset", op->offset },
		{ "Offset", op->offset2 }, { "length", op->length }, { "Seed", op->seed },
		{ "flags", op->flags },
	};

#define IS(name) (strlen(name) == size && strncmp(word, name, size) == 0)
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		if (IS(sets[i].word)) {
			print_flags(file, sets[i].flags, op->flags);
			return;
		}
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (IS(numbers[i].word)) {
			print_number(file, numbers[i].number);
			return;
		}
	}
	if (IS("s"))
		print_slot(file, op->slot);
	else if (IS("t"))
		print_slot(file, op->slot2);
	else if (IS("d"))
		print_dir(file, op->dir);
	else if (IS("e"))
		print_dir(file, op->dir2);
	else if (IS("p"))
		write_quoted(file, op->path);
	else if (IS("q"))
		write_quoted(file, op->path2);
	else if (IS("mode"))
		fprintf(file, "%#" PRIo64, (uint64_t)op->mode);
	else if (IS("mask"))
		fprintf(file, "%#" PRIx64, (uint64_t)op->mode);
	else if (IS("type"))
		print_mode_with_type(file, op->mode);
	else if (IS("follow"))
		fputs(op->mode ? "true" : "false", file);
	else if (IS("whence"))
		print_choice(file, whences, op->flags);
	else if (IS("flock"))
		print_choice(file, flock_hows, op->flags);
	else if (IS("lock"))
		print_choice(file, lock_types, op->mode);
	else if (IS("times"))
		print_times(file, op);
	else if (IS("given"))
		print_given(file, op);
#undef IS
}

void print_call(FILE *file, const struct operation *op)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	for (const char *at = operation_kinds[op->kind].call; *at; at++) {
		size_t size;

		if (*at != '$') {
			fputc(*at, file);
			continue;
		}
		size = strspn(at + 1, letters);
		print_word(file, op, at + 1, size);
		at += size;
	}
}

static void print_look_at_path(FILE *file, const char *moment, int which, int64_t dir,
			       const char *path)
{
	fprintf(file, "\t%s(%d, ", moment, which);
	print_dir(file, dir);
	fputs(", ", file);
	write_quoted(file, path);
	fputs(", AT_SYMLINK_NOFOLLOW);\n", file);
}

static void print_look_at_slot(FILE *file, const char *moment, int which, int64_t slot)
{
	fprintf(file, "\t%s(%d, ", moment, which);
	print_slot(file, slot);
	fputs(", \"\", AT_EMPTY_PATH);\n", file);
}

/* The parent is where the operation looks, too; one directory that is wrong shows in the other,
 * though. */
static void print_looks(FILE *file, const char *moment, const struct operation *op)
{
	const unsigned int operands = operation_kinds[op->kind].operands;
	char parent[PATH_SIZE];

	if (operands & ON_PATH) {
		print_look_at_path(file, moment, THE_TARGET, op->dir, op->path);
		parent_path(parent, op->path);
		print_look_at_path(file, moment, THE_PARENT, op->dir, parent);
	}
	if (operands & ON_PATH2) {
		print_look_at_path(file, moment, THE_SECOND, op->dir2, op->path2);
		parent_path(parent, op->path2);
		print_look_at_path(file, moment, THE_SECOND_PARENT, op->dir2, parent);
	}
	if (operands & ON_SLOT)
		print_look_at_slot(file, moment, operands & ON_PATH ? THE_SECOND : THE_TARGET,
				   op->slot);
	if (operands & ON_SLOT2)
		print_look_at_slot(file, moment, THE_SECOND, op->slot2);
}

static void print_operation(FILE *file, const struct operation *op)
{
	fprintf(file, "\tas(%" PRId64 "); /* %s */\n", op->user, identities[op->user].name);
	if (op->observe & OBSERVE_BEFORE)
		print_looks(file, "before", op);
	fputs("\tSAY(", file);
	print_call(file, op);
	fputs(");\n", file);
	if (op->kind == OP_STAT || op->kind == OP_FSTAT)
		fputs("\tprint_view(\"stat\", &seen);\n", file);
	if (op->observe & OBSERVE_AFTER)
		print_looks(file, "after", op);
}

/* Writes kept source, without what includes files that lie next to it: their contents have been
 * written already. */
static void print_source(FILE *file, const char *source)
{
	while (*source) {
		const size_t size = strcspn(source, "\n") + 1;

		if (strncmp(source, "#include \"", 10))
			fwrite(source, 1, size, file);
		source += size;
	}
	fputc('\n', file);
}

/* A comment that nothing in it can end. */
static void print_comment(FILE *file, const struct difference *difference)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	difference_write(stream, difference);
	fclose(stream);
	fputs("/*\n * Run it on an empty directory of either side and compare what it prints:\n"
	      " *   cc -o reproduce FILE && ./reproduce NATIVE >native.out; ./reproduce MOUNTED "
	      ">mounted.out\n *\n * ",
	      file);
	for (const char *at = text; *at; at++) {
		fputc(*at, file);
		if (*at == '*' && at[1] == '/')
			fputc(' ', file);
		if (*at == '\n')
			fputs(at[1] ? " * " : " */\n", file);
	}
	free(text);
}

void print_program(FILE *file, const struct sequence *sequence, const struct difference *difference)
{
	print_comment(file, difference);
	fputs("#define _GNU_SOURCE\n", file);
	print_source(file, source_of_identity_h);
	print_source(file, source_of_calls_h);
	print_source(file, source_of_identity_c);
	print_source(file, source_of_calls_c);
	print_source(file, source_of_reproducer_c);
	fputs("int main(int argc, char **argv)\n{\n\tbegin(argc, argv);\n", file);
	for (size_t i = 0; i < sequence->count; i++)
		print_operation(file, &sequence->ops[i]);
	if (difference->moment == IN_TREE || difference->moment == IN_HOST_TREE) {
		fputs("\tas(0);\n\tshow_node(", file);
		write_quoted(file, difference->path);
		fputs(");\n", file);
	}
	fputs("\treturn 0;\n}\n", file);
}
