/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * On a host's thread the mode of what was made is put right in a second step, as the process's
 * umask cannot be changed. Here somebody puts another inode in its place between the two: a traced
 * process is stopped there.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "operating.h"

/* In the traced process: alice makes a directory or a FIFO on a host's thread. */
static int make_as_alice(const struct fsb_passthrough_config *config, bool directory)
{
	struct fsb_filesystem *fs;
	struct actor a;

	umask(077);
	if (fsb_passthrough_new(config, &fs) < 0 || actor_serve(&a, fs, &alice) < 0)
		return 1;
	raise(SIGSTOP);
	if (directory)
		(void)act_mkdir(&a, "open/new", 0777);
	else
		(void)act_mknod(&a, "open/new", S_IFIFO | 0666, 0);
	return 0;
}

static pid_t start_traced(const struct fsb_passthrough_config *config, bool directory)
{
	int status;
	pid_t pid = (pid_t)must(fork());

	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(2);
		_exit(make_as_alice(config, directory));
	}
	must_be(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSTOPPED(status), "the child could not be traced");
	must(ptrace(PTRACE_SETOPTIONS, pid, NULL,
		    (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)));
	return pid;
}

/* Let it run until it has made what it makes, and no further. */
static void run_until_made(pid_t pid, long call)
{
	struct __ptrace_syscall_info info;
	bool inside = false;
	int status;

	for (;;) {
		must(ptrace(PTRACE_SYSCALL, pid, NULL, NULL));
		must_be(waitpid(pid, &status, 0), pid);
		cr_assert(WIFSTOPPED(status), "it ended before it made anything");
		if (WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;
		must(ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info));
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
			inside = (long)info.entry.nr == call;
		else if (inside)
			return;
	}
}

static void run_to_the_end(pid_t pid)
{
	int status;

	do {
		must(ptrace(PTRACE_CONT, pid, NULL, NULL));
		must_be(waitpid(pid, &status, 0), pid);
	} while (WIFSTOPPED(status));
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status 0x%x",
		  (unsigned int)status);
}

static void swap_in(enum fsb_permissions permissions, bool directory, const char *victim)
{
	struct fixture f;

	fixture_make(&f);
	f.config.permissions = permissions;
	make_tree(f.host);
	struct tree t = { f.host };
	tree_directory(&t, "open/directory", 0, 0, 0700);
	tree_file(&t, "open/file", alice.uid, alice.gid, 0600);
	tree_node(&t, "open/fifo", 0, 0, S_IFIFO | 0600);
	pid_t pid = start_traced(&f.config, directory);
	run_until_made(pid, directory ? SYS_mkdirat : SYS_mknodat);
	must(renameat2(f.host, "open/new", f.host, victim, RENAME_EXCHANGE));
	run_to_the_end(pid);
	cr_expect_eq(host_mode(&f, "open/new"), directory ? 0700 : 0600, "%s, %s: mode %o",
		     mode_name(permissions), victim, host_mode(&f, "open/new"));
	fixture_end(&f);
}

Test(swapping, another_users_directory_keeps_its_mode)
{
	in_memory();
	swap_in(FSB_PERMISSIONS_CLIENT, true, "open/directory");
	swap_in(FSB_PERMISSIONS_SERVER, true, "open/directory");
}

Test(swapping, another_users_fifo_keeps_its_mode)
{
	in_memory();
	swap_in(FSB_PERMISSIONS_CLIENT, false, "open/fifo");
	swap_in(FSB_PERMISSIONS_SERVER, false, "open/fifo");
}

Test(swapping, a_file_of_the_same_user_but_of_another_type_keeps_its_mode)
{
	in_memory();
	swap_in(FSB_PERMISSIONS_CLIENT, false, "open/file");
	swap_in(FSB_PERMISSIONS_SERVER, false, "open/file");
}
