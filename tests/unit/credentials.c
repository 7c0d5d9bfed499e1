/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What threads wear: what it costs, that a host's thread gets its own back, and that nobody is lent
 * the server's groups.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fsbackend/thread.h>

#include "faults.h"
#include "operating.h"

static const gid_t lent[] = { LENT };

static void start_faults(void)
{
	/* The server's own groups, so that there is something to take off. */
	must(syscall(SYS_setgroups, 1, lent));
	in_memory();
	int err = faults_start();
	if (err)
		cr_skip_test("system calls cannot be watched: %s", strerrorname_np(-err));
}

/* Files are named after whom they should belong to. */
static void check_owner_named(struct fixture *f, const char *path)
{
	unsigned int uid, gid, number;
	struct stat st;

	cr_assert_eq(sscanf(path, "open/%u-%u-%u", &uid, &gid, &number), 3);
	must(fstatat(f->host, path, &st, AT_SYMLINK_NOFOLLOW));
	cr_assert(st.st_uid == uid && st.st_gid == gid, "%s belongs to %u:%u", path, st.st_uid,
		  st.st_gid);
}

/* ---- What it costs ---- */

struct costs {
	struct fixture *f;
	const struct user *before;
	const struct user *user;
	const struct operation *operation;
	unsigned int calls;
};

/* The calls that one operation takes after another user's, or its own user's, operation. */
static int count_calls(void *arg)
{
	struct costs *costs = arg;
	struct actor a;

	int err = create_by(costs->f->fs, costs->before, "open/warm");
	if (!err)
		err = actor_serve(&a, costs->f->fs, costs->user);
	if (err)
		return err;
	faults_set(NULL);
	err = costs->operation->run(&a);
	costs->calls = faults_calls(-1);
	actor_clear(&a);
	return err;
}

static unsigned int calls_after(enum fsb_permissions permissions, const struct user *before,
				const struct user *user, const struct operation *operation)
{
	struct fixture f;
	struct costs costs = { &f, before, user, operation, 0 };

	serve_tree(&f, permissions);
	int err = on_donated_thread(count_calls, &costs);
	cr_assert_eq(err, 0, "%s, %s: %s", mode_name(permissions), operation->name,
		     strerrorname_np(-err));
	fixture_end(&f);
	return costs.calls;
}

Test(credentials, on_a_donated_thread_the_same_user_again_costs_no_call_in_server_mode)
{
	start_faults();
	for (size_t o = 0; o < COUNT(operations); o++)
		cr_expect_eq(calls_after(FSB_PERMISSIONS_SERVER, &member, &member, &operations[o]),
			     0, "%s", operations[o].name);
}

Test(credentials, on_a_donated_thread_another_user_costs_at_most_three_calls_in_server_mode)
{
	start_faults();
	for (size_t o = 0; o < COUNT(operations); o++) {
		unsigned int calls =
			calls_after(FSB_PERMISSIONS_SERVER, &alice, &member, &operations[o]);
		cr_expect_leq(calls, 3, "%s: %u", operations[o].name, calls);
		cr_expect_gt(calls, 0);
	}
}

static int create_only(struct actor *a)
{
	struct fsb_create how = { .mode = S_IFREG | 0644, .flags = O_RDWR };
	struct fsb_entry entry, dir;
	struct fsb_open opened;

	int err = a->fs->ops->lookup(a->fs, &a->ctx, FSB_ROOT_NODEID, "open", &dir);
	faults_set(NULL);
	if (!err)
		err = a->fs->ops->create(a->fs, &a->ctx, dir.nodeid, "first", &how, &entry,
					 &opened);
	if (!err && faults_calls(-1) > 4)
		err = -E2BIG;
	faults_set(NULL);
	if (!err)
		err = a->fs->ops->create(a->fs, &a->ctx, dir.nodeid, "second", &how, &entry,
					 &opened);
	return err;
}

/* From the server itself to a creator it is one more: its power over files has to be given back to
 * the user (capset). */
Test(credentials, on_a_donated_thread_creating_again_costs_no_call_in_client_mode)
{
	static const struct operation creating = { "create", create_only };

	start_faults();
	cr_expect_eq(calls_after(FSB_PERMISSIONS_CLIENT, &alice, &member, &creating), 0);
}

/* ---- Threads of the host ---- */

/* How a thread of the host may be clothed by itself. */
static int wear_nothing_special(void)
{
	return 0;
}

static int wear_no_capability(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	data[0].effective = data[1].effective = 0;
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int wear_another_fsuid(void)
{
	syscall(SYS_setfsgid, 4321);
	syscall(SYS_setfsuid, 1234);
	return 0;
}

static int wear_many_groups(void)
{
	gid_t groups[300];

	for (unsigned int i = 0; i < COUNT(groups); i++)
		groups[i] = 9000 + i;
	return syscall(SYS_setgroups, COUNT(groups), groups) < 0 ? -errno : 0;
}

static int wear_no_fixup(void)
{
	return prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) < 0 ? -errno : 0;
}

static const struct clothing {
	const char *name;
	int (*wear)(void);
} clothings[] = {
	{ "nothing special", wear_nothing_special },
	{ "no effective capability", wear_no_capability },
	{ "another file system user", wear_another_fsuid },
	{ "300 groups", wear_many_groups },
	{ "no change of capabilities with the user", wear_no_fixup },
};

struct visit {
	struct fixture *f;
	const struct clothing *clothing;
	const struct user *user;
	const struct operation *operation;
	int result;
	bool same;
};

static void *visit(void *arg)
{
	struct visit *v = arg;
	struct thread_credentials before, after;
	struct actor a;

	v->result = v->clothing->wear();
	if (v->result == 0)
		v->result = actor_serve(&a, v->f->fs, v->user);
	if (v->result < 0)
		return NULL;
	thread_credentials(&before);
	v->result = v->operation->run(&a);
	thread_credentials(&after);
	v->same = strcmp(before.text, after.text) == 0;
	actor_clear(&a);
	return NULL;
}

static void visit_in(enum fsb_permissions permissions, const struct clothing *clothing,
		     const struct operation *operation, const char *success)
{
	struct fixture f;
	struct visit v = { .f = &f, .clothing = clothing, .user = &member, .operation = operation };
	pthread_t thread;

	serve_tree(&f, permissions);
	must_be(pthread_create(&thread, NULL, visit, &v), 0);
	must_be(pthread_join(thread, NULL), 0);
	cr_assert_eq(v.result, 0, "%s, %s, in %s: %s", mode_name(permissions), operation->name,
		     clothing->name, strerrorname_np(-v.result));
	cr_assert(v.same, "%s, %s, in %s: the thread did not get its own back",
		  mode_name(permissions), operation->name, clothing->name);
	char *text = tree_text(f.host);
	cr_assert_str_eq(text, success, "%s, %s, in %s: another result", mode_name(permissions),
			 operation->name, clothing->name);
	free(text);
	fixture_end(&f);
}

static char *text_of_operation(enum fsb_permissions permissions, const struct operation *operation)
{
	static const struct clothing ordinary = { "nothing special", wear_nothing_special };
	struct fixture f;
	struct visit v = {
		.f = &f, .clothing = &ordinary, .user = &member, .operation = operation
	};

	serve_tree(&f, permissions);
	visit(&v);
	cr_assert_eq(v.result, 0);
	char *text = tree_text(f.host);
	fixture_end(&f);
	return text;
}

Test(credentials,
     whatever_a_hosts_thread_wears_the_user_is_served_exactly_and_the_thread_gets_its_own_back)
{
	must(syscall(SYS_setgroups, 1, lent));
	in_memory();
	for (size_t o = 0; o < COUNT(operations); o++)
		for (unsigned int m = 0; m < 2; m++) {
			enum fsb_permissions permissions =
				m ? FSB_PERMISSIONS_SERVER : FSB_PERMISSIONS_CLIENT;
			char *success = text_of_operation(permissions, &operations[o]);
			for (size_t c = 0; c < COUNT(clothings); c++)
				visit_in(permissions, &clothings[c], &operations[o], success);
			free(success);
		}
}

static int refused(struct actor *a)
{
	return act_open(a, "team/file", O_RDWR) == -EACCES &&
			       act_create(a, "team/new", O_RDWR, 0600) == -EACCES &&
			       act_unlink(a, "team/goes") == -EACCES &&
			       act_chown(a, "mine", 0, 0) == -EPERM &&
			       act_write(a, "team/file") == -EACCES &&
			       act_stat(a, "nothing") == -ENOENT
		       ? 0
		       : -EPROTO;
}

Test(credentials, whatever_a_hosts_thread_wears_users_are_refused_and_the_thread_gets_its_own_back)
{
	static const struct operation being_refused = { "being refused", refused };
	struct fixture f;
	pthread_t thread;

	in_memory();
	serve_tree(&f, FSB_PERMISSIONS_SERVER);
	for (size_t c = 0; c < COUNT(clothings); c++) {
		struct visit v = { &f, &clothings[c], &alice, &being_refused, 0, false };
		must_be(pthread_create(&thread, NULL, visit, &v), 0);
		must_be(pthread_join(thread, NULL), 0);
		cr_expect_eq(v.result, 0, "in %s alice is not refused", clothings[c].name);
		cr_expect(v.same, "in %s the thread did not get its own back", clothings[c].name);
	}
	fixture_end(&f);
}

/* Where the kernel takes no capabilities away with root's id, the server has to. */
static int serve_root_and_alice(void *arg)
{
	struct fixture *f = arg;
	struct actor a;

	if (wear_no_fixup() < 0 || create_by(f->fs, &root, "open/roots") < 0)
		return -EPROTO;
	int err = actor_serve(&a, f->fs, &alice);
	if (!err)
		err = refused(&a);
	actor_clear(&a);
	return err;
}

Test(credentials, a_donated_thread_that_keeps_capabilities_lends_none_of_them)
{
	struct fixture f;

	in_memory();
	serve_tree(&f, FSB_PERMISSIONS_SERVER);
	cr_expect_eq(on_donated_thread(serve_root_and_alice, &f), 0);
	fixture_end(&f);
}

/* A thread that was the host's, changes its credentials, and is donated then. */
static void *change_and_donate(void *arg)
{
	struct visit *v = arg;
	struct actor a;

	v->result = actor_serve(&a, v->f->fs, &root);
	if (v->result == 0)
		v->result = act_stat(&a, "mine");
	if (v->result == 0)
		v->result = wear_another_fsuid();
	if (v->result == 0)
		v->result = fsb_thread_donate();
	if (v->result == 0)
		v->result = act_create(&a, "open/new", O_RDWR, 0600);
	actor_clear(&a);
	return NULL;
}

Test(credentials, what_a_thread_wears_when_it_is_donated_is_looked_at)
{
	struct fixture f;
	struct visit v = { .f = &f };
	pthread_t thread;

	in_memory();
	serve_tree(&f, FSB_PERMISSIONS_SERVER);
	must_be(pthread_create(&thread, NULL, change_and_donate, &v), 0);
	must_be(pthread_join(thread, NULL), 0);
	cr_assert_eq(v.result, 0);
	must_belong(&f, "open/new", 0, 0, 0600);
	fixture_end(&f);
}

static int set_a_umask(void *arg)
{
	(void)arg;
	umask(0123);
	return chdir("/proc");
}

Test(credentials, a_donated_thread_has_a_umask_and_a_working_directory_of_its_own)
{
	char before[4096], after[4096];

	umask(027);
	cr_assert_not_null(getcwd(before, sizeof(before)));
	must_be(on_donated_thread(set_a_umask, NULL), 0);
	cr_expect_eq(umask(0), 027);
	cr_assert_not_null(getcwd(after, sizeof(after)));
	cr_expect_str_eq(before, after);
}

/* ---- The server's groups ---- */

static void make_lent(struct fixture *f)
{
	struct tree t = { f->host };

	tree_file(&t, "lent", 0, LENT, 0660);
	tree_directory(&t, "lent-dir", 0, LENT, 0770);
	tree_directory(&t, "lent-setgid", 0, LENT, 02777);
}

static void serve_lent(struct fixture *f, enum fsb_permissions permissions,
		       enum fsb_unknown_groups unknown)
{
	must(syscall(SYS_setgroups, 1, lent));
	fixture_make(f);
	f->config.permissions = permissions;
	f->config.unknown_groups = unknown;
	make_tree(f->host);
	make_lent(f);
	fixture_start(f);
}

/* What a member of the server's group could do. Return: 0 when everything is refused. */
static int try_lent(void *arg)
{
	struct actor *a = arg;

	if (act_open(a, "lent", O_RDONLY) != -EACCES || act_open(a, "lent", O_WRONLY) != -EACCES)
		return 1;
	if (act_access(a, "lent", R_OK) != -EACCES || act_list(a, "lent-dir") != -EACCES)
		return 2;
	if (act_create(a, "lent-dir/new", O_RDWR, 0600) != -EACCES ||
	    act_mkdir(a, "lent-dir/new", 0700) != -EACCES)
		return 3;
	if (act_chown(a, "mine", -1, LENT) != -EPERM)
		return 4;
	/* The set-group-id bit stays only for members. */
	return act_create(a, "lent-setgid/new", O_RDWR, 02770) == 0 ? 0 : 5;
}

static void must_not_be_lent(struct fixture *f, struct actor *a, bool donated)
{
	int result = donated ? on_donated_thread(try_lent, a) : try_lent(a);

	cr_assert_eq(result, 0, "%s thread, user %u: %d", donated ? "donated" : "host's",
		     a->ctx.uid, result);
	must_belong(f, "lent-setgid/new", a->ctx.uid, LENT, 0770);
	must(unlinkat(f->host, "lent-setgid/new", 0));
}

Test(credentials, server_mode_the_servers_groups_are_not_lent_to_users_without_groups)
{
	struct fixture f;
	struct actor a;

	in_memory();
	serve_lent(&f, FSB_PERMISSIONS_SERVER, FSB_UNKNOWN_GROUPS_REFUSE);
	must(fchownat(f.host, "mine", alice.uid, alice.gid, 0));
	must_be(actor_serve(&a, f.fs, &alice), 0);
	must_not_be_lent(&f, &a, false);
	must_not_be_lent(&f, &a, true);
	actor_clear(&a);
	fixture_end(&f);
}

Test(credentials, server_mode_the_servers_groups_are_not_lent_to_users_with_other_groups)
{
	struct fixture f;
	struct actor a;

	in_memory();
	serve_lent(&f, FSB_PERMISSIONS_SERVER, FSB_UNKNOWN_GROUPS_REFUSE);
	must_be(actor_serve(&a, f.fs, &member), 0);
	must_not_be_lent(&f, &a, false);
	must_not_be_lent(&f, &a, true);
	actor_clear(&a);
	fixture_end(&f);
}

Test(credentials, server_mode_unknown_groups_taken_for_none_are_not_the_servers)
{
	struct fixture f;
	struct actor a;

	in_memory();
	serve_lent(&f, FSB_PERMISSIONS_SERVER, FSB_UNKNOWN_GROUPS_PRIMARY);
	must_be(actor_serve(&a, f.fs, &member), 0);
	fsb_context_unset_groups(&a.ctx);
	must_not_be_lent(&f, &a, false);
	must_not_be_lent(&f, &a, true);
	actor_clear(&a);
	fixture_end(&f);
}

static int try_everything(void *arg)
{
	struct actor *a = arg;

	for (size_t o = 0; o < COUNT(operations); o++)
		if (operations[o].run(a) != -EACCES)
			return (int)o + 1;
	return 0;
}

Test(credentials, server_mode_whoever_has_unknown_groups_is_refused)
{
	struct fixture f;
	struct actor a;

	in_memory();
	serve_lent(&f, FSB_PERMISSIONS_SERVER, FSB_UNKNOWN_GROUPS_REFUSE);
	char *before = tree_text(f.host);
	must_be(actor_serve(&a, f.fs, &member), 0);
	fsb_context_unset_groups(&a.ctx);
	int result = try_everything(&a);
	cr_assert_eq(result, 0, "host's thread: %s", operations[result - 1].name);
	result = on_donated_thread(try_everything, &a);
	cr_assert_eq(result, 0, "donated thread: %s", operations[result - 1].name);
	char *after = tree_text(f.host);
	cr_assert_str_eq(before, after);
	free(before);
	free(after);
	actor_clear(&a);
	fixture_end(&f);
}

/* Root needs no groups for what it may do. Return: 0 when everything went well. */
static int try_as_root(void *arg)
{
	struct actor *a = arg;
	gid_t groups[4];

	if (act_open(a, "lent", O_RDONLY) != 0 || act_list(a, "lent-dir") != 0)
		return 1;
	if (act_create(a, "lent-setgid/new", O_RDWR, 02770) != 0)
		return 2;
	/* And wears none meanwhile; a thread of the host's has its own back by now. */
	if (fsb_thread_is_donated() && syscall(SYS_getgroups, COUNT(groups), groups) != 0)
		return 3;
	return 0;
}

Test(credentials, server_mode_root_is_served_whatever_its_groups_and_is_lent_none)
{
	struct fixture f;
	struct actor a;

	in_memory();
	serve_lent(&f, FSB_PERMISSIONS_SERVER, FSB_UNKNOWN_GROUPS_REFUSE);
	must_be(actor_serve(&a, f.fs, &root), 0);
	fsb_context_unset_groups(&a.ctx);
	for (unsigned int donated = 0; donated < 2; donated++) {
		int result = donated ? on_donated_thread(try_as_root, &a) : try_as_root(&a);
		cr_assert_eq(result, 0, "%s thread: %d", donated ? "donated" : "host's", result);
		must_belong(&f, "lent-setgid/new", 0, LENT, 02770);
		must(unlinkat(f.host, "lent-setgid/new", 0));
	}
	actor_clear(&a);
	fixture_end(&f);
}

static int create_in_lent(void *arg)
{
	return act_create(arg, "lent-setgid/new", O_RDWR, 02770);
}

Test(credentials, client_mode_a_creator_is_not_lent_the_servers_groups)
{
	static const struct user *const creators[] = { &alice, &member };
	struct fixture f;
	struct actor a;

	in_memory();
	serve_lent(&f, FSB_PERMISSIONS_CLIENT, FSB_UNKNOWN_GROUPS_REFUSE);
	for (unsigned int i = 0; i < 8; i++) {
		const struct user *user = creators[i & 1];
		must_be(actor_serve(&a, f.fs, user), 0);
		if (i & 2)
			fsb_context_unset_groups(&a.ctx);
		must_be(i & 4 ? on_donated_thread(create_in_lent, &a) : create_in_lent(&a), 0);
		must_belong(&f, "lent-setgid/new", user->uid, LENT, 0770);
		must(unlinkat(f.host, "lent-setgid/new", 0));
		actor_clear(&a);
	}
	fixture_end(&f);
}

/* FUSE_CREATE_SUPP_GROUP: the groups are not known, but one of them is. */
Test(credentials, client_mode_the_one_group_that_comes_with_a_creation_counts)
{
	struct fixture f;
	struct actor a;

	in_memory();
	serve_lent(&f, FSB_PERMISSIONS_CLIENT, FSB_UNKNOWN_GROUPS_REFUSE);
	must_be(actor_serve(&a, f.fs, &(struct user){ "one", 1001, 2001, 1, lent }), 0);
	a.ctx.flags &= ~FSB_CONTEXT_GROUPS_KNOWN;
	must_be(create_in_lent(&a), 0);
	must_belong(&f, "lent-setgid/new", 1001, LENT, 02770);
	actor_clear(&a);
	fixture_end(&f);
}

/* In client mode nobody has judged a file that appears behind the client's back. */
Test(credentials, client_mode_creating_what_is_there_opens_it_for_whom_the_host_would)
{
	struct fixture f;
	struct actor a;

	in_memory();
	serve_lent(&f, FSB_PERMISSIONS_CLIENT, FSB_UNKNOWN_GROUPS_REFUSE);
	host_file(&f, "secret", 0600, "secret", 6);
	host_file(&f, "public", 0666, "public", 6);
	must_be(actor_serve(&a, f.fs, &alice), 0);
	cr_expect_eq(act_create(&a, "secret", O_RDWR, 0600), -EACCES);
	cr_expect_eq(act_create(&a, "secret", O_RDWR | O_TRUNC, 0600), -EACCES);
	cr_expect_eq(act_create(&a, "lent", O_RDONLY, 0600), -EACCES);
	cr_expect_eq(act_create(&a, "public", O_RDWR, 0600), 0);
	fsb_context_unset_groups(&a.ctx);
	/* The client looks again, and judges by itself. */
	cr_expect_eq(act_create(&a, "secret", O_RDWR, 0600), -ESTALE);
	cr_expect_eq(act_create(&a, "public", O_RDWR, 0600), -ESTALE);
	cr_expect_eq(act_create(&a, "public", O_RDWR | O_EXCL, 0600), -EEXIST);
	actor_clear(&a);
	fixture_end(&f);
}

/* ---- Many at once ---- */

enum { THREADS = 4, FILES = 150 };

struct worker {
	struct fixture *f;
	unsigned int number;
	bool donated;
	int result;
};

/* Every thread serves every user in turn. */
static void *create_for_everybody(void *arg)
{
	struct worker *w = arg;
	gid_t groups[8];
	char path[64];

	if (w->donated)
		w->result = fsb_thread_donate();
	for (unsigned int i = 0; i < FILES && w->result == 0; i++) {
		unsigned int who = (i * 7 + w->number * 3) % 11;
		struct user user = { "one of many", 3000 + who, 4000 + who, who % 8, groups };
		struct actor a;
		for (unsigned int g = 0; g < user.ngroups; g++)
			groups[g] = 5000 + who + g;
		w->result = actor_serve(&a, w->f->fs, &user);
		if (w->result)
			break;
		snprintf(path, sizeof(path), "open/%u-%u-%u", user.uid, user.gid,
			 w->number * FILES + i);
		w->result = act_create(&a, path, O_RDWR | O_EXCL, 0600);
		if (w->result == 0)
			w->result = act_stat(&a, path);
		actor_clear(&a);
	}
	return NULL;
}

static void create_at_once(enum fsb_permissions permissions)
{
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	struct fixture f;
	char path[64];

	serve_tree(&f, permissions);
	for (unsigned int t = 0; t < THREADS; t++) {
		workers[t] = (struct worker){ &f, t, t & 1, 0 };
		must_be(pthread_create(&threads[t], NULL, create_for_everybody, &workers[t]), 0);
	}
	for (unsigned int t = 0; t < THREADS; t++) {
		must_be(pthread_join(threads[t], NULL), 0);
		cr_assert_eq(workers[t].result, 0, "thread %u: %s", t,
			     strerrorname_np(-workers[t].result));
	}
	for (unsigned int i = 0; i < THREADS * FILES; i++) {
		unsigned int who = (i % FILES * 7 + i / FILES * 3) % 11;
		snprintf(path, sizeof(path), "open/%u-%u-%u", 3000 + who, 4000 + who, i);
		check_owner_named(&f, path);
	}
	fixture_end(&f);
}

Test(credentials, threads_that_serve_many_users_at_once_mix_nobody_up)
{
	in_memory();
	create_at_once(FSB_PERMISSIONS_SERVER);
	create_at_once(FSB_PERMISSIONS_CLIENT);
}

/* Two file systems in two modes, served by the same thread in turn. */
struct pair {
	struct fixture *server;
	struct fixture *client;
};

static int take_turns(void *arg)
{
	static const struct user *const all[] = { &alice, &member, &other, &root };
	struct pair *pair = arg;
	char path[64];

	for (unsigned int i = 0; i < 40; i++) {
		const struct user *user = all[i % COUNT(all)];
		snprintf(path, sizeof(path), "open/%u-%u-%u", user->uid, user->gid, i);
		if (create_by((i % 3 ? pair->server : pair->client)->fs, user, path) != 0)
			return -EPROTO;
		if (create_by((i % 3 ? pair->client : pair->server)->fs, user, path) != 0)
			return -EPROTO;
	}
	return 0;
}

Test(credentials, a_thread_serves_two_file_systems_in_different_modes)
{
	static const struct user *const all[] = { &alice, &member, &other, &root };
	struct fixture server, client;
	struct pair pair = { &server, &client };
	char path[64];

	in_memory();
	serve_tree(&server, FSB_PERMISSIONS_SERVER);
	serve_tree(&client, FSB_PERMISSIONS_CLIENT);
	must_be(on_donated_thread(take_turns, &pair), 0);
	for (unsigned int i = 0; i < 40; i++) {
		const struct user *user = all[i % COUNT(all)];
		snprintf(path, sizeof(path), "open/%u-%u-%u", user->uid, user->gid, i);
		check_owner_named(&server, path);
		check_owner_named(&client, path);
	}
	fixture_end(&server);
	fixture_end(&client);
}
