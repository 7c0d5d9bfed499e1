/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many system calls each operation takes, counted by ptrace(2) in a child process, in both
 * modes: for the same user again, and after another user's operation. `test-syscalls --verbose`
 * prints the table of docs/architecture.md.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fsbackend/thread.h>

#include "operating.h"

/* ---- Single operations of the vtable, nothing around them ---- */

enum { ROUNDS = 3 };

/*
 * What the operations act on: looked up and opened before.
 *
 * @round: names differ from round to round
 */
struct subject {
	struct fsb_filesystem *fs;
	struct fsb_context ctx;
	uint64_t open_dir;
	uint64_t team;
	uint64_t file;
	uint64_t mine;
	uint64_t suid;
	uint64_t fh;
	uint64_t writer;
	uint64_t listing;
	unsigned int round;
	char name[32];
};

#define OPS(s) (s)->fs->ops

static const char *name_of(struct subject *s, const char *stem)
{
	snprintf(s->name, sizeof(s->name), "%s-%u-%u", stem, s->ctx.uid, s->round);
	return s->name;
}

static int run_lookup(struct subject *s)
{
	struct fsb_entry entry;

	return OPS(s)->lookup(s->fs, &s->ctx, s->team, "file", &entry);
}

static int run_getattr(struct subject *s)
{
	struct fsb_attr attr;
	uint64_t timeout;

	return OPS(s)->getattr(s->fs, &s->ctx, s->file, NULL, &attr, &timeout);
}

static int run_access(struct subject *s)
{
	return OPS(s)->access(s->fs, &s->ctx, s->file, R_OK);
}

static int run_open(struct subject *s)
{
	struct fsb_open opened;

	return OPS(s)->open(s->fs, &s->ctx, s->file, O_RDWR, false, &opened);
}

static int run_opendir(struct subject *s)
{
	struct fsb_open opened;

	return OPS(s)->opendir(s->fs, &s->ctx, s->team, O_RDONLY, &opened);
}

static bool fits_three(struct fsb_dirlist *list, size_t namelen)
{
	(void)list, (void)namelen;
	return true;
}

static int take(struct fsb_dirlist *list, const struct fsb_dirent *dirent,
		const struct fsb_entry *entry)
{
	(void)list, (void)dirent, (void)entry;
	return 0;
}

static int run_readdir(struct subject *s)
{
	struct fsb_dirlist list = { fits_three, take };

	return OPS(s)->readdir(s->fs, &s->ctx, s->team, s->listing, 0, &list);
}

static int run_create(struct subject *s)
{
	struct fsb_create how = { .mode = S_IFREG | 0644, .umask = 022, .flags = O_RDWR };
	struct fsb_entry entry;
	struct fsb_open opened;

	return OPS(s)->create(s->fs, &s->ctx, s->open_dir, name_of(s, "file"), &how, &entry,
			      &opened);
}

static int run_mkdir(struct subject *s)
{
	struct fsb_create how = { .mode = 0755, .umask = 022 };
	struct fsb_entry entry;

	return OPS(s)->mkdir(s->fs, &s->ctx, s->open_dir, name_of(s, "dir"), &how, &entry);
}

static int run_symlink(struct subject *s)
{
	struct fsb_create how = { .umask = 022 };
	struct fsb_entry entry;

	return OPS(s)->symlink(s->fs, &s->ctx, s->open_dir, name_of(s, "symlink"), "target", &how,
			       &entry);
}

static int run_link(struct subject *s)
{
	struct fsb_entry entry;

	return OPS(s)->link(s->fs, &s->ctx, s->mine, s->open_dir, name_of(s, "link"), &entry);
}

static int run_rename(struct subject *s)
{
	char to[40];

	snprintf(to, sizeof(to), "%s-to", name_of(s, "link"));
	return OPS(s)->rename(s->fs, &s->ctx, s->open_dir, s->name, s->open_dir, to, 0);
}

static int run_unlink(struct subject *s)
{
	char name[40];

	snprintf(name, sizeof(name), "%s-to", name_of(s, "link"));
	return OPS(s)->unlink(s->fs, &s->ctx, s->open_dir, name);
}

static int run_rmdir(struct subject *s)
{
	return OPS(s)->rmdir(s->fs, &s->ctx, s->open_dir, name_of(s, "dir"));
}

static int set(struct subject *s, uint64_t nodeid, const struct fsb_setattr *set)
{
	struct fsb_attr attr;
	uint64_t timeout;

	return OPS(s)->setattr(s->fs, &s->ctx, nodeid, NULL, set, &attr, &timeout);
}

static int run_chmod(struct subject *s)
{
	return set(s, s->mine, &(struct fsb_setattr){ .valid = FSB_SET_MODE, .mode = 0644 });
}

static int run_chown(struct subject *s)
{
	return set(s, s->mine,
		   &(struct fsb_setattr){ .valid = FSB_SET_GID | FSB_SET_KILL_SUIDGID,
					  .gid = s->ctx.gid });
}

static int run_truncate(struct subject *s)
{
	return set(
		s, s->mine,
		&(struct fsb_setattr){ .valid = FSB_SET_SIZE | FSB_SET_KILL_SUIDGID, .size = 4 });
}

static int run_utimes(struct subject *s)
{
	return set(s, s->mine,
		   &(struct fsb_setattr){ .valid = FSB_SET_ATIME | FSB_SET_ATIME_NOW |
						   FSB_SET_MTIME | FSB_SET_MTIME_NOW });
}

static int run_read(struct subject *s)
{
	char byte;
	struct iovec iov = { &byte, 1 };
	struct fsb_transfer to;

	fsb_transfer_init(&to, &iov, 1, 1);
	return (int)OPS(s)->read(s->fs, &s->ctx, s->file, s->fh, 0, 1, O_RDWR, 0, &to) - 1;
}

static int run_write(struct subject *s)
{
	struct iovec iov = { (void *)"w", 1 };
	struct fsb_transfer from;

	fsb_transfer_init(&from, &iov, 1, 1);
	return (int)OPS(s)->write(s->fs, &s->ctx, s->file, s->fh, 0, 1, O_RDWR,
				  FSB_WRITE_KILL_SUIDGID, 0, &from) -
	       1;
}

static int run_setxattr(struct subject *s)
{
	return OPS(s)->setxattr(s->fs, &s->ctx, s->mine, "user.test", "value", 5, 0, false);
}

static int run_getxattr(struct subject *s)
{
	char value[16];

	return (int)OPS(s)->getxattr(s->fs, &s->ctx, s->mine, "user.test", value, sizeof(value)) -
	       5;
}

/* In an order in which each finds what it needs; @most is what issue and design allow for the same
 * user again, or 0. */
static const struct counted {
	const char *name;
	int (*run)(struct subject *s);
	unsigned int most;
} counted[] = {
	{ "lookup", run_lookup, 4 },     { "getattr", run_getattr, 1 },
	{ "access", run_access, 0 },     { "open", run_open, 3 },
	{ "read", run_read, 1 },         { "write", run_write, 1 },
	{ "opendir", run_opendir, 0 },   { "readdir", run_readdir, 0 },
	{ "create", run_create, 5 },     { "mkdir", run_mkdir, 0 },
	{ "symlink", run_symlink, 0 },   { "link", run_link, 0 },
	{ "rename", run_rename, 0 },     { "unlink", run_unlink, 0 },
	{ "rmdir", run_rmdir, 0 },       { "chmod", run_chmod, 0 },
	{ "chown", run_chown, 0 },       { "truncate", run_truncate, 0 },
	{ "utimes", run_utimes, 0 },     { "setxattr", run_setxattr, 0 },
	{ "getxattr", run_getxattr, 0 },
};

/* ---- The traced child ---- */

/* A call that does nothing and that nobody else makes: it marks where an operation begins and ends.
 */
#define MARK 0x5eed

static void mark(void)
{
	(void)syscall(SYS_lseek, -1, (off_t)MARK, SEEK_SET);
}

static uint64_t found(struct subject *s, uint64_t parent, const char *name)
{
	struct fsb_entry entry;

	return OPS(s)->lookup(s->fs, &s->ctx, parent, name, &entry) == 0 ? entry.nodeid : 0;
}

static int subject_open(struct subject *s, struct fsb_filesystem *fs, const struct user *user)
{
	struct fsb_open opened;

	*s = (struct subject){ .fs = fs };
	fsb_context_init(&s->ctx, user->uid, user->gid, 0);
	if (fsb_context_set_groups(&s->ctx, user->ngroups, user->groups) < 0)
		return -1;
	s->open_dir = found(s, FSB_ROOT_NODEID, "open");
	s->team = found(s, FSB_ROOT_NODEID, "team");
	s->file = found(s, s->team, "file");
	s->mine = found(s, FSB_ROOT_NODEID, user->uid == member.uid ? "mine" : "others");
	s->suid = found(s, FSB_ROOT_NODEID, "suid");
	if (OPS(s)->open(fs, &s->ctx, s->file, O_RDWR, false, &opened) < 0)
		return -2;
	s->fh = opened.fh;
	if (OPS(s)->opendir(fs, &s->ctx, s->team, O_RDONLY, &opened) < 0)
		return -3;
	s->listing = opened.fh;
	return 0;
}

/* Both users may do everything; both do it in turn so that all is warm, and then once more, marked.
 */
static int child(const struct fsb_passthrough_config *config, bool donated)
{
	static const gid_t team[] = { TEAM, LENT };
	static const struct user another = { "another", 1003, 2003, 2, team };
	struct subject first, second;
	struct fsb_filesystem *fs;

	if ((donated && fsb_thread_donate() < 0) || fsb_passthrough_new(config, &fs) < 0)
		return 2;
	if (subject_open(&first, fs, &member) < 0 || subject_open(&second, fs, &another) < 0)
		return 3;
	for (size_t i = 0; i < COUNT(counted); i++) {
		for (first.round = 0; first.round < ROUNDS - 1; first.round++)
			if (counted[i].run(&first) != 0)
				return 10 + (int)i;
		mark();
		int err = counted[i].run(&first);
		mark();
		/* Now after somebody else. */
		if (err == 0) {
			second.round = 0;
			err = counted[i].run(&second);
		}
		first.round = ROUNDS;
		mark();
		if (err == 0)
			err = counted[i].run(&first);
		mark();
		if (err)
			return 50 + (int)i;
	}
	return 0;
}

/* ---- The tracer ---- */

enum { CALLS_MAX = 40 };

struct counts {
	unsigned int calls;
	unsigned int credentials;
	int numbers[CALLS_MAX];
};

/* Calls of the memory allocator and of sanitizers are no part of an operation. */
static bool is_counted(int nr)
{
	static const int others[] = {
		SYS_brk,    SYS_mmap,    SYS_munmap,         SYS_mprotect,
		SYS_mremap, SYS_madvise, SYS_futex,          SYS_sched_yield,
		SYS_getpid, SYS_gettid,  SYS_rt_sigprocmask, SYS_clock_gettime
	};

	for (size_t i = 0; i < COUNT(others); i++)
		if (others[i] == nr)
			return false;
	return true;
}

static bool is_credential(int nr)
{
	return nr == SYS_setgroups || nr == SYS_setfsuid || nr == SYS_setfsgid ||
	       nr == SYS_capset || nr == SYS_capget || nr == SYS_getgroups || nr == SYS_prctl;
}

static bool is_mark(const struct __ptrace_syscall_info *info)
{
	return info->entry.nr == SYS_lseek && (int)info->entry.args[0] == -1 &&
	       info->entry.args[1] == MARK;
}

static void note_call(struct counts *counts, int nr)
{
	if (counts->calls < CALLS_MAX)
		counts->numbers[counts->calls] = nr;
	counts->calls++;
	counts->credentials += is_credential(nr);
}

/* Trace until the end. Return: how many marked stretches there were. */
static unsigned int trace(pid_t pid, struct counts *counts, unsigned int most, int *status)
{
	unsigned int marks = 0;

	while (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0 && waitpid(pid, status, 0) == pid &&
	       WIFSTOPPED(*status)) {
		struct __ptrace_syscall_info info;
		if (WSTOPSIG(*status) != (SIGTRAP | 0x80) ||
		    ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) <= 0 ||
		    info.op != PTRACE_SYSCALL_INFO_ENTRY)
			continue;
		if (is_mark(&info))
			marks++;
		else if ((marks & 1) && marks / 2 < most && is_counted((int)info.entry.nr))
			note_call(&counts[marks / 2], (int)info.entry.nr);
	}
	return marks / 2;
}

static void make_others(struct fixture *f)
{
	struct tree t = { f->host };

	tree_file(&t, "others", 1003, 2003, 0644);
}

/* Two stretches an operation: the same user again, and after another one. */
static void count(enum fsb_permissions permissions, bool donated, struct counts *counts)
{
	struct fixture f;
	int status;

	fixture_make(&f);
	f.config.permissions = permissions;
	make_tree(f.host);
	make_others(&f);
	pid_t pid = (pid_t)must(fork());
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(1);
		raise(SIGSTOP);
		_exit(child(&f.config, donated));
	}
	must_be(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSTOPPED(status), "the child could not be traced");
	must(ptrace(PTRACE_SETOPTIONS, pid, NULL,
		    (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)));
	unsigned int stretches = trace(pid, counts, 2 * COUNT(counted), &status);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with status 0x%x",
		  (unsigned int)status);
	cr_assert_eq(stretches, 2 * COUNT(counted));
	fixture_end(&f);
}

/* ---- The table ---- */

static const char *name_of_call(int nr)
{
	static const struct {
		int nr;
		const char *name;
	} names[] = {
		{ SYS_openat, "openat" },
		{ SYS_close, "close" },
		{ SYS_statx, "statx" },
		{ SYS_fstat, "fstat" },
		{ SYS_newfstatat, "fstat" },
		{ SYS_name_to_handle_at, "name_to_handle_at" },
		{ SYS_open_by_handle_at, "open_by_handle_at" },
		{ SYS_setgroups, "setgroups" },
		{ SYS_setfsuid, "setfsuid" },
		{ SYS_setfsgid, "setfsgid" },
		{ SYS_capset, "capset" },
		{ SYS_capget, "capget" },
		{ SYS_getgroups, "getgroups" },
		{ SYS_prctl, "prctl" },
		{ SYS_umask, "umask" },
		{ SYS_faccessat2, "faccessat2" },
		{ SYS_preadv, "preadv" },
		{ SYS_pwritev, "pwritev" },
		{ SYS_getdents64, "getdents64" },
		{ SYS_lseek, "lseek" },
		{ SYS_mkdirat, "mkdirat" },
		{ SYS_symlinkat, "symlinkat" },
		{ SYS_linkat, "linkat" },
		{ SYS_renameat2, "renameat2" },
		{ SYS_unlinkat, "unlinkat" },
		{ SYS_fchmodat, "fchmodat" },
		{ SYS_fchownat, "fchownat" },
		{ SYS_truncate, "truncate" },
		{ SYS_ftruncate, "ftruncate" },
		{ SYS_utimensat, "utimensat" },
		{ SYS_fcntl, "fcntl" },
		{ SYS_getxattr, "getxattr" },
		{ SYS_setxattr, "setxattr" },
		{ 452, "fchmodat2" },
		{ 463, "setxattrat" },
		{ 464, "getxattrat" },
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (names[i].nr == nr)
			return names[i].name;
	return NULL;
}

/* The names of the calls in order, without those of credentials. */
static void describe(const struct counts *counts, char *text, size_t size)
{
	size_t length = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < counts->calls && i < CALLS_MAX && length < size; i++) {
		const char *name = name_of_call(counts->numbers[i]);
		if (is_credential(counts->numbers[i]))
			continue;
		if (name)
			length += (size_t)snprintf(text + length, size - length, "%s%s",
						   length ? ", " : "", name);
		else
			length += (size_t)snprintf(text + length, size - length, "%s#%d",
						   length ? ", " : "", counts->numbers[i]);
	}
}

static struct counts server_counts[2 * COUNT(counted)], client_counts[2 * COUNT(counted)],
	host_counts[2 * COUNT(counted)];

static void print_table(void)
{
	char calls[400];

	cr_log_info("| operation | server: same user | another user | client: same user | another "
		    "user | host's thread, server "
		    "| calls without those of credentials |");
	cr_log_info("|---|---|---|---|---|---|---|");
	for (size_t i = 0; i < COUNT(counted); i++) {
		const struct counts *server = &server_counts[2 * i],
				    *client = &client_counts[2 * i];
		describe(&server[0], calls, sizeof(calls));
		cr_log_info("| %s | %u | %u | %u | %u | %u | %s |", counted[i].name,
			    server[0].calls, server[1].calls, client[0].calls, client[1].calls,
			    host_counts[2 * i].calls, calls);
	}
}

Test(syscalls, an_operation_takes_few_system_calls)
{
	in_memory();
	count(FSB_PERMISSIONS_SERVER, true, server_counts);
	count(FSB_PERMISSIONS_CLIENT, true, client_counts);
	count(FSB_PERMISSIONS_SERVER, false, host_counts);
	print_table();
	for (size_t i = 0; i < COUNT(counted); i++) {
		const struct counts *server = &server_counts[2 * i],
				    *client = &client_counts[2 * i];
		cr_expect_eq(server[0].credentials, 0, "%s by the same user switches",
			     counted[i].name);
		cr_expect_eq(client[0].credentials, 0,
			     "%s by the same user switches, in client mode", counted[i].name);
		cr_expect_leq(server[1].credentials, 3, "%s by another user", counted[i].name);
		cr_expect_leq(client[1].credentials, 3, "%s by another user, in client mode",
			      counted[i].name);
		if (counted[i].most == 0)
			continue;
		cr_expect_leq(server[0].calls, counted[i].most, "%s: %u", counted[i].name,
			      server[0].calls);
		cr_expect_leq(client[0].calls, counted[i].most, "%s in client mode: %u",
			      counted[i].name, client[0].calls);
	}
}
