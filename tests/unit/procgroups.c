// SPDX-License-Identifier: BSD-3-Clause
/*
 * The provider of local callers' groups. Children and threads stand for callers; those that change
 * ids need root.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fsbackend/procgroups.h>

TestSuite(procgroups, .timeout = 60);

static void need_root(void)
{
	if (geteuid())
		cr_skip_test("only root can change groups");
}

static struct fsb_proc_groups *provider(void)
{
	struct fsb_proc_groups *groups;

	cr_assert_eq(fsb_proc_groups_new(&groups), 0);
	return groups;
}

/* A child that takes on user, group and groups, and then waits. */
struct caller {
	pid_t pid;
	int to_child;
	int from_child;
};

static void set_groups(size_t count, const gid_t *groups)
{
	if (setgroups(count, groups))
		_exit(1);
}

static struct caller start_caller(uid_t uid, gid_t gid, size_t count, const gid_t *list,
				  size_t later_count, const gid_t *later)
{
	int down[2], up[2];
	char byte = 0;

	cr_assert_eq(pipe(down) | pipe(up), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(down[1]);
		set_groups(count, list);
		/* Real ids stay root's, so that the file system ids are what is looked at. */
		setfsgid(gid);
		setfsuid(uid);
		/* Each byte asks for the next step; then it goes. */
		if (write(up[1], &byte, 1) == 1 && read(down[0], &byte, 1) == 1) {
			set_groups(later_count, later);
			if (write(up[1], &byte, 1) == 1)
				(void)!read(down[0], &byte, 1);
		}
		_exit(0);
	}
	close(down[0]);
	close(up[1]);
	cr_assert_eq(read(up[0], &byte, 1), 1);
	return (struct caller){ pid, down[1], up[0] };
}

static void change_groups(const struct caller *caller)
{
	char byte = 0;

	cr_assert_eq(write(caller->to_child, &byte, 1), 1);
	cr_assert_eq(read(caller->from_child, &byte, 1), 1);
}

static void end_caller(const struct caller *caller)
{
	kill(caller->pid, SIGKILL);
	waitpid(caller->pid, NULL, 0);
	close(caller->to_child);
	close(caller->from_child);
}

static void expect_groups(struct fsb_proc_groups *groups, uid_t uid, gid_t gid, pid_t pid,
			  size_t count, const gid_t *list)
{
	struct fsb_context ctx;

	fsb_context_init(&ctx, uid, gid, pid);
	cr_assert_eq(fsb_proc_groups_get(groups, &ctx), 0);
	cr_expect(fsb_context_groups_known(&ctx));
	cr_assert_eq(ctx.ngroups, count);
	cr_expect(count == 0 || !memcmp(ctx.groups, list, count * sizeof(*list)));
	fsb_context_clear(&ctx);
}

static void expect_error(struct fsb_proc_groups *groups, uid_t uid, gid_t gid, pid_t pid, int error)
{
	struct fsb_context ctx;

	fsb_context_init(&ctx, uid, gid, pid);
	cr_expect_eq(fsb_proc_groups_get(groups, &ctx), error);
	cr_expect_not(fsb_context_groups_known(&ctx));
	fsb_context_clear(&ctx);
}

Test(procgroups, own_groups_are_found)
{
	struct fsb_proc_groups *groups = provider();
	gid_t list[1024];
	int count = getgroups(1024, list);

	cr_assert_geq(count, 0);
	expect_groups(groups, geteuid(), getegid(), getpid(), (size_t)count, list);
	fsb_proc_groups_free(groups);
}

Test(procgroups, nobody_and_the_dead_have_none)
{
	struct fsb_proc_groups *groups = provider();
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	expect_error(groups, geteuid(), getegid(), 0, -ESRCH);
	expect_error(groups, geteuid(), getegid(), -1, -ESRCH);
	expect_error(groups, geteuid(), getegid(), pid, -ESRCH);
	fsb_proc_groups_free(groups);
}

Test(procgroups, another_users_groups_are_not_taken)
{
	struct fsb_proc_groups *groups = provider();

	expect_error(groups, geteuid() + 1, getegid(), getpid(), -ESRCH);
	expect_error(groups, geteuid(), getegid() + 1, getpid(), -ESRCH);
	fsb_proc_groups_free(groups);
}

Test(procgroups, any_number_of_groups)
{
	static gid_t list[FSB_NGROUPS_MAX];
	static const size_t counts[] = { 0, 1, 200, 400, 2000, FSB_NGROUPS_MAX };

	need_root();
	struct fsb_proc_groups *groups = provider();
	/* Numbers of all lengths, in the order in which the kernel keeps them. */
	for (size_t i = 0; i < FSB_NGROUPS_MAX; i++)
		list[i] = i < 1000 ? (gid_t)i : (gid_t)(4294900000u + i);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct caller caller = start_caller(1001, 1002, counts[i], list, 0, NULL);
		expect_groups(groups, 1001, 1002, caller.pid, counts[i], list);
		expect_groups(groups, 1001, 1002, caller.pid, counts[i], list);
		end_caller(&caller);
	}
	fsb_proc_groups_free(groups);
}

Test(procgroups, changed_groups_are_seen_at_once)
{
	const gid_t before[] = { 5, 6 }, after[] = { 6 };

	need_root();
	struct fsb_proc_groups *groups = provider();
	struct caller caller = start_caller(1001, 1002, 2, before, 1, after);
	expect_groups(groups, 1001, 1002, caller.pid, 2, before);
	change_groups(&caller);
	expect_groups(groups, 1001, 1002, caller.pid, 1, after);
	end_caller(&caller);
	expect_error(groups, 1001, 1002, caller.pid, -ESRCH);
	fsb_proc_groups_free(groups);
}

/* Make the next process get that number, if it is free and nobody else is faster. */
static bool set_next_pid(pid_t pid)
{
	FILE *last = fopen("/proc/sys/kernel/ns_last_pid", "we");

	return last && fprintf(last, "%d", pid - 1) > 0 && fclose(last) == 0;
}

/* The number of an ended process, given to a new one of the same user with other groups. */
Test(procgroups, a_recycled_number_is_not_confused)
{
	const gid_t mine[] = { 11 }, others[] = { 12, 13 };
	bool recycled = false;

	need_root();
	struct fsb_proc_groups *groups = provider();
	for (int i = 0; i < 20 && !recycled; i++) {
		struct caller first = start_caller(1001, 1002, 1, mine, 0, NULL);
		expect_groups(groups, 1001, 1002, first.pid, 1, mine);
		end_caller(&first);

		if (!set_next_pid(first.pid))
			cr_skip_test("ns_last_pid cannot be written");
		struct caller second = start_caller(1001, 1002, 2, others, 0, NULL);
		recycled = second.pid == first.pid;
		if (recycled)
			expect_groups(groups, 1001, 1002, second.pid, 2, others);
		end_caller(&second);
	}
	fsb_proc_groups_free(groups);
	if (!recycled)
		cr_skip_test("others were faster each time");
}

struct thread {
	pthread_t thread;
	pthread_barrier_t *barrier;
	pid_t id;
};

/* A thread with groups of its own: the raw system call changes no other. */
static void *change_own_groups(void *opaque)
{
	struct thread *thread = opaque;
	const gid_t own[] = { 77 };

	syscall(SYS_setgroups, 1, own);
	thread->id = (pid_t)syscall(SYS_gettid);
	pthread_barrier_wait(thread->barrier);
	pthread_barrier_wait(thread->barrier);
	return NULL;
}

Test(procgroups, a_threads_groups_are_its_own)
{
	const gid_t own[] = { 77 };
	gid_t process[1024];
	pthread_barrier_t barrier;

	need_root();
	struct fsb_proc_groups *groups = provider();
	int count = getgroups(1024, process);
	pthread_barrier_init(&barrier, NULL, 2);
	struct thread thread = { .barrier = &barrier };
	cr_assert_eq(pthread_create(&thread.thread, NULL, change_own_groups, &thread), 0);
	pthread_barrier_wait(&barrier);
	expect_groups(groups, 0, 0, thread.id, 1, own);
	expect_groups(groups, 0, 0, getpid(), (size_t)count, process);
	pthread_barrier_wait(&barrier);
	pthread_join(thread.thread, NULL);
	fsb_proc_groups_free(groups);
}

Test(procgroups, a_name_cannot_pretend)
{
	struct fsb_proc_groups *groups = provider();
	gid_t list[1024];
	int count = getgroups(1024, list);

	prctl(PR_SET_NAME, "x\nUid:\t9 9 9 9");
	expect_groups(groups, geteuid(), getegid(), getpid(), (size_t)count, list);
	prctl(PR_SET_NAME, "\nGroups:\t9");
	expect_groups(groups, geteuid(), getegid(), getpid(), (size_t)count, list);
	fsb_proc_groups_free(groups);
}

static int count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	cr_assert_not_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

Test(procgroups, descriptors_are_bounded_and_none_is_left)
{
	int before = count_descriptors();
	struct fsb_proc_groups *groups = provider();
	struct fsb_context ctx;

	fsb_context_init(&ctx, geteuid(), getegid(), 0);
	for (int i = 0; i < 300; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			pause();
			_exit(0);
		}
		ctx.pid = pid;
		cr_expect_eq(fsb_proc_groups_get(groups, &ctx), 0);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	cr_expect_leq(count_descriptors(), before + 65);
	fsb_context_clear(&ctx);
	fsb_proc_groups_free(groups);
	cr_expect_eq(count_descriptors(), before);
}

static struct fsb_proc_groups *shared;
static pid_t asked;

static void *ask_often(void *opaque)
{
	struct fsb_context ctx;
	long wrong = 0;

	(void)opaque;
	fsb_context_init(&ctx, geteuid(), getegid(), asked);
	for (int i = 0; i < 3000; i++)
		wrong += fsb_proc_groups_get(shared, &ctx) != 0;
	fsb_context_clear(&ctx);
	return (void *)wrong;
}

Test(procgroups, many_threads_ask_about_one_caller)
{
	pthread_t threads[8];
	void *wrong;

	shared = provider();
	asked = getpid();
	for (int i = 0; i < 8; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, ask_often, NULL), 0);
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], &wrong);
		cr_expect_null(wrong);
	}
	fsb_proc_groups_free(shared);
}
