/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Servers that are less than root: a user without capabilities, with some of them, and root of a
 * user namespace. They serve whom they can be, and nobody else: never silently under the wrong
 * owner.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "operating.h"

static const gid_t team[] = { TEAM };

/* ---- Servers in processes of their own ---- */

/*
 * A server's process: what it becomes, what it serves, and its trials, whose result is the line
 * that failed, or 0.
 *
 * @become: gives up what it is to give up. Return: 0 or a negative errno
 */
struct server {
	const char *source;
	enum fsb_permissions permissions;
	int (*become)(void);
	int (*body)(struct fsb_filesystem *fs);
	bool donated;
};

#define EXPECT(call, expected)                                                         \
	do {                                                                           \
		int expect_result = (call);                                            \
		if (expect_result != (expected)) {                                     \
			fprintf(stderr, "line %d: %s = %d, not %d\n", __LINE__, #call, \
				expect_result, (expected));                            \
			return __LINE__;                                               \
		}                                                                      \
	} while (0)

struct trial {
	int (*body)(struct fsb_filesystem *fs);
	struct fsb_filesystem *fs;
};

static int run_trial(void *arg)
{
	struct trial *trial = arg;

	return trial->body(trial->fs);
}

/* In the forked process, where no check of Criterion is of use. */
static int serve(const struct server *server)
{
	struct fsb_passthrough_config config;
	struct fsb_filesystem *fs;

	if (server->become() < 0)
		return 1;
	fsb_passthrough_config_init(&config);
	config.source = server->source;
	config.permissions = server->permissions;
	if (fsb_passthrough_new(&config, &fs) < 0)
		return 2;
	struct trial trial = { server->body, fs };
	int result = server->donated ? on_donated_thread(run_trial, &trial) : run_trial(&trial);
	fsb_passthrough_free(fs);
	return result;
}

static int exit_status_of(pid_t pid)
{
	int status;

	must_be(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status), "the server's process ended with status 0x%x",
		  (unsigned int)status);
	return WEXITSTATUS(status);
}

/* An exit status has only 8 bits; stderr says the rest. */
static int status_for(int result)
{
	return result == 0 ? 0 : (result & 0x7f) | 0x80;
}

static void must_serve(const struct server *server)
{
	pid_t pid = (pid_t)must(fork());

	if (pid == 0)
		_exit(status_for(serve(server)));
	cr_assert_eq(exit_status_of(pid), 0, "%s, on a %s thread", mode_name(server->permissions),
		     server->donated ? "donated" : "host's");
}

static void must_serve_in_both_threads(struct server server)
{
	server.donated = false;
	must_serve(&server);
	server.donated = true;
	must_serve(&server);
}

static void make_source(struct fixture *f)
{
	in_memory();
	fixture_make(f);
	make_tree(f->host);
}

static void must_not_exist(struct fixture *f, const char *path)
{
	cr_assert_eq(faccessat(f->host, path, F_OK, AT_SYMLINK_NOFOLLOW), -1, "%s was made", path);
}

/* ---- A user without capabilities ---- */

static const gid_t team_and_lent[] = { TEAM, LENT };
static const struct user itself = { "the server itself", 1000, 1000, 1, team };
static const struct user with_fewer_groups = { "one with fewer groups", 1000, 1000, 0, NULL };
static const struct user with_more_groups = { "one with more groups", 1000, 1000, 2,
					      team_and_lent };
static const struct user with_another_gid = { "one with another group", 1000, 1001, 1, team };

static int become_itself(void)
{
	return become_user(&itself);
}

static int act_all(struct fsb_filesystem *fs, const struct user *user, int made, int judged)
{
	struct actor a;

	EXPECT(actor_serve(&a, fs, user), 0);
	EXPECT(act_create(&a, "open/new", O_RDWR | O_EXCL, 0640), made);
	EXPECT(act_mkdir(&a, "open/dir", 0750), made);
	EXPECT(act_symlink(&a, "target", "open/symlink"), made);
	EXPECT(act_mknod(&a, "open/fifo", S_IFIFO | 0640, 0), made);
	EXPECT(act_tmpfile(&a, "open", 0600), made);
	EXPECT(act_open(&a, "team/file", O_RDWR), judged);
	EXPECT(act_access(&a, "team/file", W_OK), judged);
	EXPECT(act_list(&a, "team"), judged);
	EXPECT(act_rename(&a, "team/moves", "team/moved", 0), judged);
	EXPECT(act_rename(&a, "team/moved", "team/moves", 0), judged);
	EXPECT(act_utimes(&a, "team/file", times_now), judged);
	actor_clear(&a);
	return 0;
}

static int serve_others_in_server_mode(struct fsb_filesystem *fs)
{
	static const struct user *const others[] = { &root, &alice, &with_fewer_groups,
						     &with_more_groups, &with_another_gid };

	for (size_t i = 0; i < COUNT(others); i++)
		EXPECT(act_all(fs, others[i], -EACCES, -EACCES), 0);
	return 0;
}

static int serve_itself(struct fsb_filesystem *fs)
{
	return act_all(fs, &itself, 0, 0);
}

static void must_belong_to_itself(struct fixture *f)
{
	must_belong(f, "open/new", 1000, 1000, 0640);
	must_belong(f, "open/dir", 1000, 1000, 0750);
	must_belong(f, "open/symlink", 1000, 1000, 0777);
	must_belong(f, "open/fifo", 1000, 1000, 0640);
}

static void clear_open(struct fixture *f)
{
	static const char *const files[] = { "open/new", "open/symlink", "open/fifo" };

	for (size_t i = 0; i < COUNT(files); i++)
		must(unlinkat(f->host, files[i], 0));
	must(unlinkat(f->host, "open/dir", AT_REMOVEDIR));
}

static void must_serve_itself(struct fixture *f, enum fsb_permissions permissions)
{
	struct server server = { f->dir, permissions, become_itself, serve_itself, false };

	must_serve(&server);
	must_belong_to_itself(f);
	clear_open(f);
	server.donated = true;
	must_serve(&server);
	must_belong_to_itself(f);
	clear_open(f);
}

Test(unprivileged, a_user_serves_itself)
{
	struct fixture f;

	make_source(&f);
	must_serve_itself(&f, FSB_PERMISSIONS_SERVER);
	must_serve_itself(&f, FSB_PERMISSIONS_CLIENT);
	fixture_end(&f);
}

Test(unprivileged, a_user_serves_nobody_else_in_server_mode)
{
	struct fixture f;

	make_source(&f);
	must_serve_in_both_threads((struct server){ f.dir, FSB_PERMISSIONS_SERVER, become_itself,
						    serve_others_in_server_mode, false });
	must_not_exist(&f, "open/new");
	must_not_exist(&f, "open/dir");
	fixture_end(&f);
}

/* What asks for permission only is the client's to judge; what is made would have the wrong owner.
 */
static int serve_others_in_client_mode(struct fsb_filesystem *fs)
{
	static const struct user *const others[] = { &root, &alice, &with_another_gid };

	for (size_t i = 0; i < COUNT(others); i++)
		EXPECT(act_all(fs, others[i], -EACCES, 0), 0);
	return 0;
}

Test(unprivileged, a_user_makes_nothing_for_anybody_else_in_client_mode)
{
	struct fixture f;

	make_source(&f);
	must_serve_in_both_threads((struct server){ f.dir, FSB_PERMISSIONS_CLIENT, become_itself,
						    serve_others_in_client_mode, false });
	must_not_exist(&f, "open/new");
	must_not_exist(&f, "open/dir");
	fixture_end(&f);
}

/* ---- A user with some capabilities ---- */

static int keep_only(uint64_t caps)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)caps, (uint32_t)caps, 0 },
		{ (uint32_t)(caps >> 32), (uint32_t)(caps >> 32), 0 },
	};

	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -errno;
	int err = become_user(&itself);
	if (!err && syscall(SYS_capset, &header, data) < 0)
		err = -errno;
	return err;
}

static int become_switcher(void)
{
	return keep_only(1ull << CAP_SETUID | 1ull << CAP_SETGID);
}

/* Without power over files its own groups are what lets it in. */
static int stay_in_own_groups(struct fsb_filesystem *fs)
{
	struct actor a;

	EXPECT(actor_serve(&a, fs, &alice), 0);
	EXPECT(act_open(&a, "team/file", O_RDWR), 0); /* in client mode, as the server */
	EXPECT(act_create(&a, "open/new", O_RDWR | O_EXCL, 0640), 0);
	EXPECT(act_open(&a, "team/file", O_RDWR), 0);
	EXPECT(act_create(&a, "team/new", O_RDWR | O_EXCL, 0640), -EACCES); /* as alice */
	EXPECT(act_open(&a, "team/file", O_RDWR), 0);
	EXPECT(act_unlink(&a, "open/new"), 0);
	actor_clear(&a);
	return 0;
}

Test(unprivileged, a_server_without_power_over_files_acts_in_its_own_groups_whomever_it_served)
{
	struct fixture f;

	make_source(&f);
	must_serve_in_both_threads((struct server){ f.dir, FSB_PERMISSIONS_CLIENT, become_switcher,
						    stay_in_own_groups, false });
	fixture_end(&f);
}

static int be_others(struct fsb_filesystem *fs)
{
	EXPECT(create_by(fs, &alice, "open/alices"), 0);
	EXPECT(create_by(fs, &member, "team/members"), 0);
	EXPECT(create_by(fs, &alice, "team/alices"), -EACCES);
	EXPECT(create_by(fs, &root, "open/roots"), 0);
	return 0;
}

Test(unprivileged, a_server_that_may_only_switch_serves_everybody)
{
	struct fixture f;

	make_source(&f);
	must_serve(&(struct server){ f.dir, FSB_PERMISSIONS_SERVER, become_switcher, be_others,
				     true });
	must_belong(&f, "open/alices", alice.uid, alice.gid, 0640);
	must_belong(&f, "team/members", member.uid, TEAM, 0640);
	must_belong(&f, "open/roots", 0, 0, 0640);
	fixture_end(&f);
}

static int become_overrider(void)
{
	return keep_only(1ull << CAP_DAC_OVERRIDE | 1ull << CAP_DAC_READ_SEARCH |
			 1ull << CAP_FOWNER | 1ull << CAP_FSETID);
}

/* The user of the server's id has natively no such power. */
static int grant_no_power(struct fsb_filesystem *fs)
{
	struct actor a;

	EXPECT(actor_serve(&a, fs, &itself), 0);
	EXPECT(act_open(&a, "secret", O_RDONLY), -EACCES);
	EXPECT(act_chmod(&a, "secret", 0666), -EPERM);
	EXPECT(act_unlink(&a, "secret"), 0); /* the directory is everybody's */
	EXPECT(act_write(&a, "suid"), 0);
	actor_clear(&a);
	return create_by(fs, &alice, "open/alices") == -EACCES ? 0 : __LINE__;
}

static void try_overrider(bool donated)
{
	struct fixture f;

	fixture_make(&f);
	make_tree(f.host);
	host_file(&f, "secret", 0600, "secret", 6);
	must_serve(&(struct server){ f.dir, FSB_PERMISSIONS_SERVER, become_overrider,
				     grant_no_power, donated });
	must_belong(&f, "suid", 0, 0, 0777);
	fixture_end(&f);
}

Test(unprivileged, power_over_files_is_not_lent_where_the_server_cannot_switch)
{
	in_memory();
	try_overrider(false);
	try_overrider(true);
}

static int kill_for_others(struct fsb_filesystem *fs)
{
	struct actor a;

	EXPECT(actor_serve(&a, fs, &alice), 0);
	EXPECT(act_write(&a, "suid"), 0);
	actor_clear(&a);
	return 0;
}

Test(unprivileged, set_id_bits_are_cleared_for_the_caller_where_the_server_cannot_switch)
{
	struct fixture f;

	make_source(&f);
	must_serve(&(struct server){ f.dir, FSB_PERMISSIONS_CLIENT, become_overrider,
				     kill_for_others, false });
	must_belong(&f, "suid", 0, 0, 0777);
	fixture_end(&f);
}

/* ---- Root of a user namespace ---- */

enum { MAPPED_FROM = 100000, MAPPED = 6000 };

static void write_map(pid_t pid, const char *file, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	int fd = (int)must(open(path, O_WRONLY | O_CLOEXEC));
	must_be(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* Root of the namespace, which had the server's groups outside; they are not mapped. */
static int become_root_inside(void)
{
	return syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0 ? -errno
											  : 0;
}

static int serve_inside(const struct server *server, int ready, int mapped)
{
	char byte = 0;

	if (unshare(CLONE_NEWUSER) < 0 || write(ready, &byte, 1) != 1 ||
	    read(mapped, &byte, 1) != 1)
		return 3;
	return serve(server);
}

/* @setgroups: "allow" or "deny", as /proc/PID/setgroups takes it. */
static void must_serve_inside(const struct server *server, const char *setgroups)
{
	char map[64], byte = 0;
	int ready[2], mapped[2];

	must(pipe(ready));
	must(pipe(mapped));
	pid_t pid = (pid_t)must(fork());
	if (pid == 0)
		_exit(status_for(serve_inside(server, ready[1], mapped[0])));
	must_be(read(ready[0], &byte, 1), 1);
	write_map(pid, "setgroups", setgroups);
	snprintf(map, sizeof(map), "0 %d %d\n", MAPPED_FROM, MAPPED);
	write_map(pid, "uid_map", map);
	write_map(pid, "gid_map", map);
	must_be(write(mapped[1], &byte, 1), 1);
	cr_assert_eq(exit_status_of(pid), 0, "%s, on a %s thread", mode_name(server->permissions),
		     server->donated ? "donated" : "host's");
	for (unsigned int i = 0; i < 2; i++) {
		close(ready[i]);
		close(mapped[i]);
	}
}

static const gid_t unmapped_group[] = { 7000 };
static const struct user unmapped = { "of an unmapped user", 7000, 7, 0, NULL };
static const struct user in_unmapped = { "of an unmapped group", 7, 7000, 0, NULL };
static const struct user with_unmapped = { "in an unmapped group", 7, 7, 1, unmapped_group };

static int serve_the_mapped(struct fsb_filesystem *fs)
{
	EXPECT(create_by(fs, &alice, "open/alices"), 0);
	EXPECT(create_by(fs, &unmapped, "open/unmapped"), -EPERM);
	EXPECT(create_by(fs, &member, "team/members"), 0);
	EXPECT(create_by(fs, &in_unmapped, "open/unmapped"), -EPERM);
	EXPECT(create_by(fs, &root, "open/roots"), 0);
	EXPECT(create_by(fs, &with_unmapped, "open/unmapped"), -EINVAL);
	EXPECT(create_by(fs, &alice, "open/alices-again"), 0);
	return 0;
}

/* The tree of operating.h as it looks from inside. */
static void make_mapped_tree(struct fixture *f)
{
	static const char *const all[] = { ".", "open", "team", "team/file", "mine" };

	fixture_make(f);
	make_tree(f->host);
	for (size_t i = 0; i < COUNT(all); i++) {
		struct stat st;
		must(fstatat(f->host, all[i], &st, 0));
		must(fchownat(f->host, all[i], st.st_uid + MAPPED_FROM, st.st_gid + MAPPED_FROM,
			      0));
		must(fchmodat(f->host, all[i], st.st_mode & 07777, 0));
	}
}

static void try_namespace(enum fsb_permissions permissions, bool donated)
{
	struct fixture f;

	make_mapped_tree(&f);
	must_serve_inside(&(struct server){ f.dir, permissions, become_root_inside,
					    serve_the_mapped, donated },
			  "allow");
	must_belong(&f, "open/alices", MAPPED_FROM + 1001, MAPPED_FROM + 2001, 0640);
	must_belong(&f, "open/alices-again", MAPPED_FROM + 1001, MAPPED_FROM + 2001, 0640);
	must_belong(&f, "team/members", MAPPED_FROM + 1002, MAPPED_FROM + TEAM, 0640);
	must_belong(&f, "open/roots", MAPPED_FROM, MAPPED_FROM, 0640);
	must_not_exist(&f, "open/unmapped");
	fixture_end(&f);
}

Test(unprivileged, in_a_user_namespace_it_switches_within_the_map_and_refuses_who_is_not_in_it)
{
	in_memory();
	try_namespace(FSB_PERMISSIONS_SERVER, false);
	try_namespace(FSB_PERMISSIONS_SERVER, true);
	try_namespace(FSB_PERMISSIONS_CLIENT, false);
	try_namespace(FSB_PERMISSIONS_CLIENT, true);
}

/* The namespace's root has no power over what belongs to somebody outside of it. */
static int ask_for_groups_of_root(struct fsb_filesystem *fs)
{
	struct actor a;

	EXPECT(actor_serve(&a, fs, &root), 0);
	fsb_context_unset_groups(&a.ctx);
	EXPECT(act_open(&a, "outside", O_RDONLY), -EACCES);
	EXPECT(fsb_context_set_groups(&a.ctx, 1, team), 0);
	EXPECT(act_open(&a, "outside", O_RDONLY), -EACCES);
	EXPECT(fsb_context_set_groups(&a.ctx, 0, NULL), 0);
	EXPECT(act_open(&a, "outside", O_RDONLY), 0);
	actor_clear(&a);
	return 0;
}

Test(unprivileged, in_a_user_namespace_roots_groups_have_to_be_known)
{
	struct fixture f;

	in_memory();
	make_mapped_tree(&f);
	host_file(&f, "outside", 0604, "", 0);
	must(fchownat(f.host, "outside", 5, MAPPED_FROM + TEAM, 0));
	must_serve_inside(&(struct server){ f.dir, FSB_PERMISSIONS_SERVER, become_root_inside,
					    ask_for_groups_of_root, true },
			  "allow");
	fixture_end(&f);
}

/* It cannot take off the groups that it came with, so it can be nobody else. */
static int serve_nobody(struct fsb_filesystem *fs)
{
	EXPECT(create_by(fs, &alice, "open/alices"), -EPERM);
	EXPECT(create_by(fs, &member, "open/members"), -EPERM);
	EXPECT(create_by(fs, &root, "open/roots"), -EPERM);
	return 0;
}

Test(unprivileged, in_a_user_namespace_that_forbids_setgroups_it_lends_no_group)
{
	static const gid_t lent[] = { LENT };
	struct fixture f;

	in_memory();
	must(syscall(SYS_setgroups, 1, lent));
	make_mapped_tree(&f);
	must_serve_inside(&(struct server){ f.dir, FSB_PERMISSIONS_SERVER, become_root_inside,
					    serve_nobody, true },
			  "deny");
	must_serve_inside(&(struct server){ f.dir, FSB_PERMISSIONS_CLIENT, become_root_inside,
					    serve_nobody, false },
			  "deny");
	must_not_exist(&f, "open/alices");
	must_not_exist(&f, "open/members");
	must_not_exist(&f, "open/roots");
	fixture_end(&f);
}
