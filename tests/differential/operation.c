/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations: the table of kinds, and how one is written and read as text. See operation.h.
 */
#include "operation.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const struct operation_kind operation_kinds[OP_KINDS] = {
	[OP_OPEN] = { "open", ON_PATH | TAKES_DIR, "call_open(&$s, $d, $p, $open, $mode)" },
	[OP_REOPEN] = { "reopen", ON_SLOT, "call_reopen(&$t, $s, $open)" },
	[OP_CLOSE] = { "close", ON_SLOT, "call_close(&$s)" },
	[OP_PASS] = { "pass", ON_NOTHING, "pass(&$s, $given)" },
	[OP_READ] = { "read", ON_SLOT, "call_read($s, $length)" },
	[OP_PREAD] = { "pread", ON_SLOT, "call_pread($s, $length, $offset)" },
	[OP_WRITE] = { "write", ON_SLOT, "call_write($s, $length, $Seed)" },
	[OP_PWRITE] = { "pwrite", ON_SLOT, "call_pwrite($s, $length, $offset, $Seed)" },
	[OP_MMAP_READ] = { "mmap_read", ON_SLOT, "call_mmap_read($s, $length, $offset)" },
	[OP_TRUNCATE] = { "truncate", ON_PATH, "call_truncate($p, $offset)" },
	[OP_FTRUNCATE] = { "ftruncate", ON_SLOT, "call_ftruncate($s, $offset)" },
	[OP_FALLOCATE] = { "fallocate", ON_SLOT,
			   "call_fallocate($s, $fallocate, $offset, $length)" },
	[OP_LSEEK] = { "lseek", ON_SLOT, "call_lseek($s, $offset, $whence)" },
	[OP_COPY_RANGE] = { "copy_range", ON_SLOT | ON_SLOT2,
			    "call_copy_range($s, $offset, $t, $Offset, $length)" },
	[OP_FSYNC] = { "fsync", ON_SLOT, "call_fsync($s, $flags)" },
	[OP_STAT] = { "stat", ON_PATH | TAKES_DIR, "call_stat($d, $p, $at, &seen)" },
	[OP_FSTAT] = { "fstat", ON_SLOT, "call_fstat($s, &seen)" },
	[OP_STATX] = { "statx", ON_PATH | TAKES_DIR, "call_statx($d, $p, $at, $mask)" },
	[OP_ACCESS] = { "access", ON_PATH | TAKES_DIR, "call_access($d, $p, $mode, $access)" },
	[OP_CHMOD] = { "chmod", ON_PATH | TAKES_DIR, "call_chmod($d, $p, $mode, $at)" },
	[OP_FCHMOD] = { "fchmod", ON_SLOT, "call_fchmod($s, $mode)" },
	[OP_CHOWN] = { "chown", ON_PATH | TAKES_DIR, "call_chown($d, $p, $uid, $gid, $at)" },
	[OP_FCHOWN] = { "fchown", ON_SLOT, "call_fchown($s, $uid, $gid)" },
	[OP_UTIMENS] = { "utimens", ON_PATH | TAKES_DIR, "call_utimens($d, $p, $times, $at)" },
	[OP_FUTIMENS] = { "futimens", ON_SLOT, "call_futimens($s, $times)" },
	[OP_MKDIR] = { "mkdir", ON_PATH | TAKES_DIR, "call_mkdir($d, $p, $mode)" },
	[OP_MKNOD] = { "mknod", ON_PATH | TAKES_DIR, "call_mknod($d, $p, $type, $offset)" },
	[OP_BIND] = { "bind", ON_PATH, "call_bind($p)" },
	[OP_CONNECT] = { "connect", ON_PATH, "call_connect($p)" },
	[OP_SYMLINK] = { "symlink", ON_PATH | TAKES_DIR, "call_symlink($q, $d, $p)" },
	[OP_LINK] = { "link", ON_PATH | ON_PATH2 | TAKES_DIR, "call_link($d, $p, $e, $q, $at)" },
	[OP_LINK_FD] = { "link_fd", ON_PATH | ON_SLOT | TAKES_DIR,
			 "call_link_fd($s, $d, $p, $flags)" },
	[OP_UNLINK] = { "unlink", ON_PATH | TAKES_DIR, "call_unlink($d, $p, 0)" },
	[OP_RMDIR] = { "rmdir", ON_PATH | TAKES_DIR, "call_unlink($d, $p, AT_REMOVEDIR)" },
	[OP_RENAME] = { "rename", ON_PATH | ON_PATH2 | TAKES_DIR,
			"call_rename($d, $p, $e, $q, $rename)" },
	[OP_READLINK] = { "readlink", ON_PATH | TAKES_DIR, "call_readlink($d, $p)" },
	[OP_LIST] = { "list", ON_PATH | TAKES_DIR, "call_list($d, $p)" },
	[OP_LIST_FD] = { "list_fd", ON_SLOT, "call_list_fd($s)" },
	[OP_CHDIR] = { "chdir", ON_PATH, "call_chdir($p)" },
	[OP_FCHDIR] = { "fchdir", ON_SLOT, "call_fchdir($s)" },
	[OP_SETXATTR] = { "setxattr", ON_PATH,
			  "call_setxattr($p, $q, $length, $Seed, $xattr, $follow)" },
	[OP_FSETXATTR] = { "fsetxattr", ON_SLOT, "call_fsetxattr($s, $q, $length, $Seed, $xattr)" },
	[OP_GETXATTR] = { "getxattr", ON_PATH, "call_getxattr($p, $q, $length, $follow)" },
	[OP_FGETXATTR] = { "fgetxattr", ON_SLOT, "call_fgetxattr($s, $q, $length)" },
	[OP_LISTXATTR] = { "listxattr", ON_PATH, "call_listxattr($p, $length, $follow)" },
	[OP_FLISTXATTR] = { "flistxattr", ON_SLOT, "call_flistxattr($s, $length)" },
	[OP_REMOVEXATTR] = { "removexattr", ON_PATH, "call_removexattr($p, $q, $follow)" },
	[OP_FREMOVEXATTR] = { "fremovexattr", ON_SLOT, "call_fremovexattr($s, $q)" },
	[OP_FLOCK] = { "flock", ON_SLOT, "call_flock($s, $flock)" },
	[OP_LOCK] = { "lock", ON_SLOT, "call_lock($s, $flags, $lock, $offset, $length)" },
	[OP_GETLOCK] = { "getlock", ON_SLOT, "call_getlock($s, $flags, $lock, $offset, $length)" },
	[OP_UMASK] = { "umask", ON_NOTHING, "change_umask($mode)" },
	[OP_GROUPS] = { "groups", ON_NOTHING, "change_groups($flags)" },
};

/* The numbers of an operation, with the defaults that are not written. */
static const struct {
	const char *name;
	size_t at;
	int64_t otherwise;
} numbers[] = {
	{ "user", offsetof(struct operation, user), 0 },
	{ "giver", offsetof(struct operation, giver), 0 },
	{ "observe", offsetof(struct operation, observe), 0 },
	{ "slot", offsetof(struct operation, slot), -1 },
	{ "slot2", offsetof(struct operation, slot2), -1 },
	{ "dir", offsetof(struct operation, dir), -1 },
	{ "dir2", offsetof(struct operation, dir2), -1 },
	{ "flags", offsetof(struct operation, flags), 0 },
	{ "mode", offsetof(struct operation, mode), 0 },
	{ "uid", offsetof(struct operation, uid), 0 },
	{ "gid", offsetof(struct operation, gid), 0 },
	{ "offset", offsetof(struct operation, offset), 0 },
	{ "offset2", offsetof(struct operation, offset2), 0 },
	{ "length", offsetof(struct operation, length), 0 },
	{ "atime", offsetof(struct operation, atime), 0 },
	{ "atime_ns", offsetof(struct operation, atime_ns), 0 },
	{ "mtime", offsetof(struct operation, mtime), 0 },
	{ "mtime_ns", offsetof(struct operation, mtime_ns), 0 },
	{ "seed", offsetof(struct operation, seed), 0 },
};
#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static const struct {
	const char *name;
	size_t at;
} strings[] = {
	{ "path", offsetof(struct operation, path) },
	{ "path2", offsetof(struct operation, path2) },
};
#define STRINGS (sizeof(strings) / sizeof(strings[0]))

static int64_t *number_of(struct operation *op, size_t i)
{
	return (int64_t *)((char *)op + numbers[i].at);
}

void operation_init(struct operation *op, enum kind kind, int user)
{
	memset(op, 0, sizeof(*op));
	for (size_t i = 0; i < NUMBERS; i++)
		*number_of(op, i) = numbers[i].otherwise;
	op->kind = kind;
	op->user = user;
}

void write_quoted(FILE *file, const char *bytes)
{
	fputc('"', file);
	for (const unsigned char *at = (const unsigned char *)bytes; *at; at++) {
		if (*at == '"' || *at == '\\')
			fprintf(file, "\\%c", *at);
		else if (isprint(*at))
			fputc(*at, file);
		else
			fprintf(file, "\\%03o",
				*at); /* octal, since what follows cannot lengthen it */
	}
	fputc('"', file);
}

void operation_write(FILE *file, const struct operation *op)
{
	fputs(operation_kinds[op->kind].name, file);
	for (size_t i = 0; i < NUMBERS; i++) {
		const int64_t number = *(const int64_t *)((const char *)op + numbers[i].at);

		if (number != numbers[i].otherwise)
			fprintf(file, " %s=%" PRId64, numbers[i].name, number);
	}
	for (size_t i = 0; i < STRINGS; i++) {
		fprintf(file, " %s=", strings[i].name);
		write_quoted(file, (const char *)op + strings[i].at);
	}
	fputc('\n', file);
}

/* Reads a literal that write_quoted() wrote; yields where it ends, or NULL. */
static const char *read_quoted(const char *at, char *bytes, size_t room)
{
	size_t used = 0;

	if (*at++ != '"')
		return NULL;
	while (*at && *at != '"') {
		if (used + 1 >= room)
			return NULL;
		if (*at != '\\') {
			bytes[used++] = *at++;
		} else if (isdigit((unsigned char)at[1]) && at[2] && at[3]) {
			bytes[used++] =
				(char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
			at += 4;
		} else if (at[1]) {
			bytes[used++] = at[1];
			at += 2;
		} else {
			return NULL;
		}
	}
	bytes[used] = '\0';
	return *at == '"' ? at + 1 : NULL;
}

static bool same_word(const char *word, size_t size, const char *name)
{
	return strlen(name) == size && strncmp(word, name, size) == 0;
}

/* Reads one value after "name="; yields where it ends, or NULL. */
static const char *read_member(struct operation *op, const char *name, size_t size,
			       const char *value)
{
	for (size_t i = 0; i < STRINGS; i++) {
		if (same_word(name, size, strings[i].name))
			return read_quoted(value, (char *)op + strings[i].at, PATH_SIZE);
	}
	for (size_t i = 0; i < NUMBERS; i++) {
		char *end;

		if (!same_word(name, size, numbers[i].name))
			continue;
		*number_of(op, i) = strtoll(value, &end, 0);
		return end == value ? NULL : end;
	}
	return NULL;
}

static bool in_range(int64_t value, int64_t first, int64_t last)
{
	return value >= first && value <= last;
}

/* Keeps what a hand-written line says from reaching beyond the arrays. Users are checked where they
 * are known. */
static bool operation_is_sound(const struct operation *op)
{
	return in_range(op->slot, -1, SLOTS - 1) && in_range(op->slot2, -1, SLOTS - 1) &&
	       in_range(op->dir, -1, SLOTS - 1) && in_range(op->dir2, -1, SLOTS - 1) &&
	       op->user >= 0 && op->giver >= 0;
}

bool operation_read(const char *line, struct operation *op)
{
	size_t size = strcspn(line, " \n");
	int kind = 0;

	while (kind < OP_KINDS && !same_word(line, size, operation_kinds[kind].name))
		kind++;
	if (kind == OP_KINDS)
		return false;
	operation_init(op, (enum kind)kind, 0);
	for (line += size; *line == ' ';) {
		line++;
		size = strcspn(line, "= \n");
		if (line[size] != '=')
			return false;
		line = read_member(op, line, size, line + size + 1);
		if (!line)
			return false;
	}
	return (*line == '\n' || *line == '\0') && operation_is_sound(op);
}

void sequence_add(struct sequence *sequence, const struct operation *op)
{
	if (sequence->count == sequence->room) {
		sequence->room = sequence->room ? sequence->room * 2 : 256;
		sequence->ops = realloc(sequence->ops, sequence->room * sizeof(*sequence->ops));
		if (!sequence->ops)
			abort();
	}
	sequence->ops[sequence->count++] = *op;
}

void sequence_clear(struct sequence *sequence)
{
	free(sequence->ops);
	memset(sequence, 0, sizeof(*sequence));
}

bool sequence_save(const struct sequence *sequence, const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file)
		return false;
	for (size_t i = 0; i < sequence->count; i++)
		operation_write(file, &sequence->ops[i]);
	return fclose(file) == 0;
}

/* Empty lines and those that begin with # are passed over. */
bool sequence_load(struct sequence *sequence, const char *path)
{
	FILE *file = fopen(path, "r");
	struct operation op;
	char *line = NULL;
	bool good = true;
	size_t size = 0;

	if (!file)
		return false;
	while (good && getline(&line, &size, file) >= 0) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		good = operation_read(line, &op);
		if (good)
			sequence_add(sequence, &op);
	}
	free(line);
	fclose(file);
	return good;
}
