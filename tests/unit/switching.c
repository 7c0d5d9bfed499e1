/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Switches of credentials that fail: each call that changes them is made to fail in turn, in every
 * operation. The operation then fails and leaves no trace, a thread of the host has its own
 * credentials, and the next user is served rightly.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "faults.h"
#include "operating.h"

static const gid_t lent[] = { LENT };

/*
 * One operation of the member with one call made to fail.
 *
 * @warm: another user was served by the thread before
 */
struct trial {
	struct fixture *f;
	const struct operation *operation;
	const struct fault *fault;
	bool warm;
	int result;
	int next;
	bool happened;
};

static int run_trial(void *arg)
{
	struct trial *trial = arg;
	struct actor a;

	if (trial->warm && create_by(trial->f->fs, &alice, "open/warm") != 0)
		return -EPROTO;
	int err = actor_serve(&a, trial->f->fs, &member);
	if (err)
		return err;
	faults_set(trial->fault);
	trial->result = trial->operation->run(&a);
	trial->happened = faults_happened();
	faults_set(NULL);
	actor_clear(&a);
	trial->next = create_by(trial->f->fs, &other, "open/next");
	return 0;
}

/* The tree after the operation without any fault, so as to know what success looks like. */
static char *text_of_success(const struct operation *operation, enum fsb_permissions permissions,
			     bool warm)
{
	struct fixture f;
	struct trial trial = { .f = &f, .operation = operation, .warm = warm };

	serve_tree(&f, permissions);
	must_be(on_donated_thread(run_trial, &trial), 0);
	cr_assert_eq(trial.result, 0, "%s, %s: %s", mode_name(permissions), operation->name,
		     strerrorname_np(-trial.result));
	char *text = tree_text(f.host);
	fixture_end(&f);
	return text;
}

static char *text_of_failure(enum fsb_permissions permissions, bool warm)
{
	return text_of_success(&operations[0], permissions, warm); /* which only looks */
}

static void check_trial(const struct trial *trial, enum fsb_permissions permissions, bool donated,
			const char *success, const char *failure)
{
	char who[200];
	char *text = tree_text(trial->f->host);

	snprintf(who, sizeof(who), "%s, %s thread, %s with %s no. %u failing with %d",
		 mode_name(permissions),
		 donated ? trial->warm ? "a warm donated" : "a donated" : "a host's",
		 trial->operation->name, faults_name(trial->fault->nr), trial->fault->nth,
		 trial->fault->error);
	cr_assert_str_eq(text, trial->result == 0 ? success : failure,
			 "%s: gave %d, and the tree is\n%s", who, trial->result, text);
	cr_assert_eq(trial->next, 0, "%s: the next user's operation: %d", who, trial->next);
	/* What could not be undone is the thread's own clothes: only there may a failure come after
	 * success. */
	cr_assert(!donated || !trial->happened || trial->result < 0,
		  "%s: it succeeded nevertheless", who);
	free(text);
	must_belong(trial->f, "open/next", other.uid, other.gid, 0640);
}

/* Return: whether there was such a call. */
static bool try_fault(const struct operation *operation, enum fsb_permissions permissions,
		      const struct fault *fault, bool donated, bool warm, const char *success,
		      const char *failure)
{
	struct fixture f;
	struct trial trial = { .f = &f, .operation = operation, .fault = fault, .warm = warm };
	struct thread_credentials before, after;

	serve_tree(&f, permissions);
	thread_credentials(&before);
	must_be(donated ? on_donated_thread(run_trial, &trial) : run_trial(&trial), 0);
	thread_credentials(&after);
	cr_assert_str_eq(before.text, after.text,
			 "%s, %s, %s no. %u: the thread's credentials changed", operation->name,
			 mode_name(permissions), faults_name(fault->nr), fault->nth);
	check_trial(&trial, permissions, donated, success, failure);
	fixture_end(&f);
	return trial.happened;
}

static void try_every_fault(enum fsb_permissions permissions, bool donated, bool warm, int error)
{
	char *failure = text_of_failure(permissions, warm);
	unsigned int happened = 0;

	for (size_t o = 0; o < COUNT(operations); o++) {
		char *success = text_of_success(&operations[o], permissions, warm);
		for (unsigned int c = 0; c < FAULTS_WATCHED; c++) {
			struct fault fault = { .nr = faults_watched[c], .nth = 1, .error = error };
			for (;
			     fault.nr != SYS_umask && try_fault(&operations[o], permissions, &fault,
								donated, warm, success, failure);
			     fault.nth++)
				happened++;
		}
		free(success);
	}
	free(failure);
	cr_log_info("%s: %u faults", mode_name(permissions), happened);
	cr_assert_gt(happened, 20);
}

static void start_faults(void)
{
	/* The server's own groups, so that there is something to take off. */
	must(syscall(SYS_setgroups, 1, lent));
	in_memory();
	int err = faults_start();
	if (err)
		cr_skip_test("system calls cannot be watched: %s", strerrorname_np(-err));
}

Test(switching,
     server_mode_a_switch_that_fails_on_a_hosts_thread_fails_the_operation_and_leaves_no_trace)
{
	start_faults();
	try_every_fault(FSB_PERMISSIONS_SERVER, false, false, EPERM);
}

Test(switching,
     server_mode_a_switch_that_fails_on_a_donated_thread_fails_the_operation_and_leaves_no_trace)
{
	start_faults();
	try_every_fault(FSB_PERMISSIONS_SERVER, true, false, EPERM);
	try_every_fault(FSB_PERMISSIONS_SERVER, true, true, ENOMEM);
}

Test(switching,
     client_mode_a_switch_that_fails_on_a_hosts_thread_fails_the_operation_and_leaves_no_trace)
{
	start_faults();
	try_every_fault(FSB_PERMISSIONS_CLIENT, false, false, EPERM);
}

Test(switching,
     client_mode_a_switch_that_fails_on_a_donated_thread_fails_the_operation_and_leaves_no_trace)
{
	start_faults();
	try_every_fault(FSB_PERMISSIONS_CLIENT, true, false, EPERM);
	try_every_fault(FSB_PERMISSIONS_CLIENT, true, true, ENOMEM);
}

/* One call fails for good: whatever succeeds nevertheless belongs to whom it should. */
struct siege {
	struct fixture *f;
	const struct fault *fault;
	unsigned int made;
};

static int run_siege(void *arg)
{
	static const struct user *const all[] = { &alice, &member, &other };
	struct siege *siege = arg;
	char path[32];

	if (create_by(siege->f->fs, &alice, "open/before") != 0)
		return -EPROTO;
	faults_set(siege->fault);
	for (unsigned int i = 0; i < 12; i++) {
		const struct user *user = all[i % COUNT(all)];
		snprintf(path, sizeof(path), "open/%u-%u-%u", user->uid, user->gid, i);
		siege->made += create_by(siege->f->fs, user, path) == 0;
	}
	faults_set(NULL);
	return create_by(siege->f->fs, &other, "open/after");
}

static void check_owner_named(struct fixture *f, const char *path)
{
	unsigned int uid, gid, number;
	struct stat st;

	cr_assert_eq(sscanf(path, "open/%u-%u-%u", &uid, &gid, &number), 3);
	must(fstatat(f->host, path, &st, AT_SYMLINK_NOFOLLOW));
	cr_assert(st.st_uid == uid && st.st_gid == gid, "%s belongs to %u:%u", path, st.st_uid,
		  st.st_gid);
}

static void lay_siege(enum fsb_permissions permissions, int nr, int error, bool donated)
{
	struct fault fault = { .nr = nr, .nth = 1, .always = true, .error = error };
	struct fixture f;
	struct siege siege = { .f = &f, .fault = &fault };
	char path[32];

	serve_tree(&f, permissions);
	int after = donated ? on_donated_thread(run_siege, &siege) : run_siege(&siege);
	if (donated)
		cr_assert_eq(after, 0, "%s, %s: afterwards %d", mode_name(permissions),
			     faults_name(nr), after);
	for (unsigned int i = 0; i < 12; i++) {
		const struct user *user = (const struct user *[]){ &alice, &member, &other }[i % 3];
		snprintf(path, sizeof(path), "open/%u-%u-%u", user->uid, user->gid, i);
		if (faccessat(f.host, path, F_OK, 0) == 0)
			check_owner_named(&f, path);
	}
	fixture_end(&f);
}

Test(switching, with_a_switch_that_always_fails_nothing_is_made_under_a_wrong_owner)
{
	start_faults();
	for (unsigned int c = 0; c < FAULTS_WATCHED; c++) {
		if (faults_watched[c] == SYS_umask)
			continue;
		lay_siege(FSB_PERMISSIONS_SERVER, faults_watched[c], EPERM, true);
		lay_siege(FSB_PERMISSIONS_CLIENT, faults_watched[c], EPERM, true);
		lay_siege(FSB_PERMISSIONS_SERVER, faults_watched[c], EAGAIN, false);
		lay_siege(FSB_PERMISSIONS_CLIENT, faults_watched[c], EAGAIN, false);
	}
}

/* A filter that pretends success is found out when the passthrough is made: it then serves as one
 * that cannot switch. */
Test(switching, switches_that_only_pretend_to_succeed_are_found_out)
{
	static const int pretending[] = { SYS_setgroups, SYS_setfsgid, SYS_setfsuid, SYS_capset };

	start_faults();
	for (size_t i = 0; i < COUNT(pretending); i++) {
		struct fault fault = { .nr = pretending[i], .nth = 1, .always = true, .error = 0 };
		struct fixture f;
		fixture_make(&f);
		f.config.permissions = FSB_PERMISSIONS_SERVER;
		make_tree(f.host);
		faults_set(&fault);
		fixture_start(&f);
		cr_expect_eq(create_by(f.fs, &member, "open/new"), -EACCES, "%s",
			     faults_name(pretending[i]));
		faults_set(NULL);
		fixture_end(&f);
	}
}
