// SPDX-License-Identifier: BSD-3-Clause
/* Who changes groups while running is judged by the new ones, thread by thread. */
#include "../integration/testing.h"

#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define TEAM 5000

TestSuite(groups, .init = enter_fresh_directory);

static void make_team(void)
{
	put_text(host, "file", "team");
	must(fchownat(host, "file", 0, TEAM, 0));
	must(fchmodat(host, "file", 0640, 0));
	must(mkdirat(host, "dir", 0));
	must(fchownat(host, "dir", 0, TEAM, 0));
	must(fchmodat(host, "dir", 02770, 0));
}

static int set_groups(size_t count, const gid_t *groups)
{
	return syscall(SYS_setgroups, count, groups) < 0 ? errno : 0;
}

/* A user who may change its groups, and nothing else. */
static int become_changer(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 1u << CAP_SETGID, 1u << CAP_SETGID, 0 } };

	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || set_groups(0, NULL) ||
	    setresgid(2002, 2002, 2002) < 0 || setresuid(1002, 1002, 1002) < 0 ||
	    syscall(SYS_capset, &header, data) < 0)
		return errno;
	return 0;
}

/* 0 or an errno. */
static int try_to_open(int flags)
{
	int fd = openat(mnt, "file", flags | O_CLOEXEC);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int change_and_try(void *arg)
{
	const gid_t team = TEAM, other = 5001;

	(void)arg;
	if (become_changer() != 0)
		return 200;
	for (unsigned int i = 0; i < 50; i++) {
		if (set_groups(0, NULL) || try_to_open(O_RDONLY) != EACCES)
			return 201;
		if (set_groups(1, &team) || try_to_open(O_RDONLY) != 0)
			return 202;
		if (set_groups(1, &other) || try_to_open(O_RDONLY) != EACCES)
			return 203;
	}
	return 0;
}

Test(groups, a_process_that_changes_its_groups_is_judged_by_the_new_ones)
{
	make_team();
	cr_expect_eq(in_child(change_and_try, NULL), 0);
}

/* @team: whether this thread is in the group. */
struct member {
	bool team;
	atomic_int *wrong;
};

static void *try_as_member(void *arg)
{
	const gid_t team = TEAM;
	struct member *m = arg;

	if (set_groups(m->team ? 1 : 0, &team))
		atomic_store(m->wrong, 1);
	for (unsigned int i = 0; i < 300; i++)
		if (try_to_open(O_RDONLY) != (m->team ? 0 : EACCES))
			atomic_store(m->wrong, 2);
	return NULL;
}

static int try_in_threads(void *arg)
{
	atomic_int wrong = 0;
	struct member members[4];
	pthread_t threads[4];

	(void)arg;
	if (become_changer() != 0)
		return 200;
	for (unsigned int i = 0; i < 4; i++) {
		members[i] = (struct member){ i & 1, &wrong };
		if (pthread_create(&threads[i], NULL, try_as_member, &members[i]) != 0)
			return 201;
	}
	for (unsigned int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	return atomic_load(&wrong);
}

Test(groups, threads_of_one_process_are_judged_by_the_groups_of_each)
{
	make_team();
	cr_expect_eq(in_child(try_in_threads, NULL), 0);
}

enum { MOST = 65536 };

static int use_as_legion(void *arg)
{
	static gid_t groups[MOST];
	bool member = *(bool *)arg;

	for (unsigned int i = 0; i < MOST; i++)
		groups[i] = 100000 + i;
	if (member)
		groups[MOST - 1] = TEAM;
	if (set_groups(MOST, groups) || setresgid(2004, 2004, 2004) < 0 ||
	    setresuid(1004, 1004, 1004) < 0)
		return 200;
	if (try_to_open(O_RDONLY) != (member ? 0 : EACCES))
		return 201;
	int fd = openat(mnt, "dir/file", O_CREAT | O_EXCL | O_WRONLY, 0640);
	if (fd < 0)
		return member ? errno : errno == EACCES ? 0 : 202;
	return member ? 0 : 203;
}

Test(groups, a_user_with_65536_groups_is_in_each_of_them)
{
	bool member = true;

	make_team();
	cr_assert_eq(in_child(use_as_legion, &member), 0);
	struct stat st = stat_of(host, "dir/file");
	cr_expect(st.st_uid == 1004 && st.st_gid == TEAM, "%u:%u", st.st_uid, st.st_gid);
	must(unlinkat(host, "dir/file", 0));
	member = false;
	cr_assert_eq(in_child(use_as_legion, &member), 0);
}
