// SPDX-License-Identifier: BSD-3-Clause
/* Extended attributes through the vtable: on every kind of inode, and who may do what. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fixture.h"

TestSuite(passthrough_xattr, .timeout = 60);

static struct fixture f;

static void start(enum fsb_permissions judge)
{
	if (geteuid() != 0)
		cr_skip_test("needs root: trusted xattrs, and being somebody else");
	fixture_make(&f);
	f.config.permissions = judge;
	fixture_start(&f);
	host_file(&f, "file", 0644, "bytes", 5);
	must(fchownat(f.host, "file", 1000, 1000, 0));
	must(mkdirat(f.host, "dir", 0755));
	must(symlinkat("nowhere", f.host, "symlink"));
	must(mkfifoat(f.host, "fifo", 0666));
	must(mknodat(f.host, "device", S_IFCHR | 0666, 0x0103));
}

static void set_up_client(void)
{
	start(FSB_PERMISSIONS_CLIENT);
}

static void set_up_server(void)
{
	start(FSB_PERMISSIONS_SERVER);
}

static void tear_down(void)
{
	fixture_end(&f);
}

#define OP(name, ...) f.fs->ops->name(f.fs, &f.ctx, __VA_ARGS__)

static int set(const char *file, const char *name, const void *value, size_t size, int flags)
{
	return OP(setxattr, nodeid_of(&f, file), name, value, size, flags, false);
}

static ssize_t get(const char *file, const char *name, void *value, size_t size)
{
	return OP(getxattr, nodeid_of(&f, file), name, value, size);
}

static ssize_t host_get(const char *file, const char *name, void *value, size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", f.dir, file);
	return lgetxattr(path, name, value, size);
}

static bool lists(const char *file, const char *name)
{
	char list[4096];
	ssize_t length = OP(listxattr, nodeid_of(&f, file), list, sizeof(list));

	cr_assert_geq(length, 0);
	must_be(OP(listxattr, nodeid_of(&f, file), NULL, 0), length);
	for (char *at = list; at < list + length; at += strlen(at) + 1)
		if (strcmp(at, name) == 0)
			return true;
	return false;
}

/* ---- What they are ---- */

Test(passthrough_xattr, values_come_back, .init = set_up_client, .fini = tear_down)
{
	char value[3000], back[4096];

	memset(value, 'v', sizeof(value));
	must_be(set("file", "user.long", value, sizeof(value), 0), 0);
	must_be(get("file", "user.long", back, sizeof(back)), 3000);
	cr_expect_arr_eq(back, value, 3000);
	must_be(set("file", "user.empty", "", 0, 0), 0);
	must_be(get("file", "user.empty", back, sizeof(back)), 0);
	cr_expect(lists("file", "user.long"));
	cr_expect(lists("file", "user.empty"));
	must_be(OP(removexattr, nodeid_of(&f, "file"), "user.long"), 0);
	cr_expect_not(lists("file", "user.long"));
	must_be(OP(removexattr, nodeid_of(&f, "file"), "user.long"), -ENODATA);
	must_be(get("file", "user.long", back, sizeof(back)), -ENODATA);
}

Test(passthrough_xattr, size_0_asks_and_too_small_is_erange, .init = set_up_client,
     .fini = tear_down)
{
	char back[64];

	must_be(set("file", "user.x", "12345", 5, 0), 0);
	must_be(get("file", "user.x", NULL, 0), 5);
	must_be(get("file", "user.x", back, 0), 5);
	must_be(get("file", "user.x", back, 4), -ERANGE);
	must_be(get("file", "user.x", back, 5), 5);
	must_be(OP(listxattr, nodeid_of(&f, "file"), back, 3), -ERANGE);
}

Test(passthrough_xattr, create_and_replace_are_told_apart, .init = set_up_client, .fini = tear_down)
{
	must_be(set("file", "user.x", "1", 1, XATTR_REPLACE), -ENODATA);
	must_be(set("file", "user.x", "1", 1, XATTR_CREATE), 0);
	must_be(set("file", "user.x", "2", 1, XATTR_CREATE), -EEXIST);
	must_be(set("file", "user.x", "3", 1, XATTR_REPLACE), 0);
	must_be(set("file", "user.x", "4", 1, 8), -EINVAL);
}

Test(passthrough_xattr, limits_are_linux_own, .init = set_up_client, .fini = tear_down)
{
	static char large[65537];
	char name[300] = "user.";

	must_be(set("file", "user.x", large, sizeof(large), 0), -E2BIG);
	memset(name + 5, 'n', 250);
	must_be(set("file", name, "v", 1, 0), 0);
	strcat(name, "n");
	must_be(set("file", name, "v", 1, 0), -ERANGE);
	must_be(set("file", "nonsense", "v", 1, 0), -EOPNOTSUPP);
	must_be(set("file", "", "v", 1, 0), -ERANGE);
}

static void on_every_kind(void)
{
	static const char *const kinds[] = { "file", "dir", "symlink", "fifo", "device" };
	char back[16] = "";

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		must_be(set(kinds[i], "trusted.x", "value", 5, 0), 0);
		must_be(host_get(kinds[i], "trusted.x", back, sizeof(back)), 5);
		must_be(get(kinds[i], "trusted.x", back, sizeof(back)), 5);
		cr_expect(lists(kinds[i], "trusted.x"));
		must_be(OP(removexattr, nodeid_of(&f, kinds[i]), "trusted.x"), 0);
		must_be(get(kinds[i], "trusted.x", back, sizeof(back)), -ENODATA);
	}
	must_be(set("symlink", "user.x", "v", 1, 0), -EPERM);
	must_be(set("fifo", "user.x", "v", 1, 0), -EPERM);
}

Test(passthrough_xattr, every_kind_of_inode_has_them, .init = set_up_client, .fini = tear_down)
{
	on_every_kind();
}

/* As on kernels before 6.13, and under filters of system calls. */
static void refuse_at_calls(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 463, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 466, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
	cr_assert_eq(syscall(463, -1, "", 0, "", NULL, 0), -1);
	cr_assert_eq(errno, ENOSYS);
}

Test(passthrough_xattr, works_without_the_newer_system_calls, .init = set_up_client,
     .fini = tear_down)
{
	refuse_at_calls();
	on_every_kind();
	must_be(get("file", "user.none", NULL, 0), -ENODATA);
}

Test(passthrough_xattr, unlinked_inodes_have_them, .init = set_up_client, .fini = tear_down)
{
	uint64_t nodeid = nodeid_of(&f, "file");
	uint64_t fh = open_node(&f, nodeid, O_RDONLY);

	must_be(OP(unlink, FSB_ROOT_NODEID, "file"), 0);
	must_be(OP(setxattr, nodeid, "user.x", "v", 1, 0, false), 0);
	must_be(OP(getxattr, nodeid, "user.x", NULL, 0), 1);
	close_file(&f, fh);
}

Test(passthrough_xattr, switched_off_nothing_is_supported)
{
	char back[16];

	fixture_make(&f);
	f.config.xattr = false;
	fixture_start(&f);
	host_file(&f, "file", 0666, "", 0);
	must_be(set("file", "user.x", "v", 1, 0), -ENOSYS);
	must_be(get("file", "user.x", back, sizeof(back)), -ENOSYS);
	must_be(OP(listxattr, nodeid_of(&f, "file"), back, sizeof(back)), -ENOSYS);
	must_be(OP(removexattr, nodeid_of(&f, "file"), "user.x"), -ENOSYS);
	fixture_end(&f);
}

/* ---- Who may ---- */

static void trusted_is_for_root(void)
{
	char back[16];

	must_be(set("file", "trusted.x", "v", 1, 0), 0);
	must_be(set("file", "user.x", "v", 1, 0), 0);
	f.ctx = caller(1000, 1000);
	must_be(set("file", "trusted.y", "v", 1, 0), -EPERM);
	must_be(get("file", "trusted.x", back, sizeof(back)), -ENODATA);
	must_be(OP(removexattr, nodeid_of(&f, "file"), "trusted.x"), -EPERM);
	cr_expect_not(lists("file", "trusted.x"));
	cr_expect(lists("file", "user.x"));
	f.ctx = caller(0, 0);
	cr_expect(lists("file", "trusted.x"));
}

Test(passthrough_xattr, trusted_ones_are_for_root_when_the_server_judges, .init = set_up_server,
     .fini = tear_down)
{
	trusted_is_for_root();
}

Test(passthrough_xattr, trusted_ones_are_for_root_when_the_client_judges, .init = set_up_client,
     .fini = tear_down)
{
	trusted_is_for_root();
}

/* Version 2, nothing permitted. */
static const unsigned char caps[20] = { 0, 0, 0, 2 };

Test(passthrough_xattr, a_user_sets_no_security_xattrs, .init = set_up_server, .fini = tear_down)
{
	char back[32];

	f.ctx = caller(1000, 1000);
	must_be(set("file", "security.capability", caps, sizeof(caps), 0), -EPERM);
	must_be(set("file", "security.other", "v", 1, 0), -EPERM);
	f.ctx = caller(0, 0);
	must_be(set("file", "security.capability", caps, sizeof(caps), 0), 0);
	must_be(set("file", "security.other", "v", 1, 0), 0);
	f.ctx = caller(1000, 1000);
	must_be(get("file", "security.capability", back, sizeof(back)), 20);
	must_be(OP(removexattr, nodeid_of(&f, "file"), "security.other"), -EPERM);
}

static void chown_to_nobody_as(uid_t uid)
{
	pid_t child = must(fork());
	int status;

	if (child == 0)
		_exit(setresuid(uid, uid, uid) < 0 || fchownat(f.host, "file", -1, -1, 0) < 0);
	must(waitpid(child, &status, 0));
	cr_assert_eq(status, 0);
}

/*
 * What the client does, as the caller, before a write, a truncation or a chown(2). Natively a
 * chown(2) that changes nothing does it for anybody, unless set-id bits would have to go as well.
 */
static void let_take_capabilities(uid_t uid, mode_t mode, int expected)
{
	f.ctx = caller(0, 0);
	must(fchmodat(f.host, "file", mode, 0));
	must_be(set("file", "security.capability", caps, sizeof(caps), 0), 0);
	must_be(get("file", "security.capability", NULL, 0), 20);
	f.ctx = caller(uid, uid);
	must_be(OP(removexattr, nodeid_of(&f, "file"), "security.capability"), expected);
	must_be(get("file", "security.capability", NULL, 0), expected ? 20 : -ENODATA);
}

Test(passthrough_xattr, file_capabilities_are_taken_off_for_whom_the_host_would_do_it,
     .init = set_up_server, .fini = tear_down)
{
	let_take_capabilities(1000, 0444, 0);
	let_take_capabilities(1000, 06444, 0);
	let_take_capabilities(1001, 0444, 0);
	let_take_capabilities(1001, 04444, -EPERM);
	let_take_capabilities(1001, 02454, -EPERM);
	let_take_capabilities(1001, 04446, 0);

	f.ctx = caller(0, 0);
	must(fchmodat(f.host, "file", 0444, 0));
	must_be(set("file", "security.capability", caps, sizeof(caps), 0), 0);
	chown_to_nobody_as(1001);
	must_be(get("file", "security.capability", NULL, 0), -ENODATA);
}

Test(passthrough_xattr, the_client_judges_security_xattrs, .init = set_up_client, .fini = tear_down)
{
	f.ctx = caller(1000, 1000);
	must_be(set("file", "security.capability", caps, sizeof(caps), 0), 0);
	must_be(get("file", "security.capability", NULL, 0), 20);
	must_be(OP(removexattr, nodeid_of(&f, "file"), "security.capability"), 0);
}

Test(passthrough_xattr, user_ones_follow_the_files_permissions, .init = set_up_server,
     .fini = tear_down)
{
	must_be(set("file", "user.x", "v", 1, 0), 0);
	f.ctx = caller(1001, 1001);
	must_be(get("file", "user.x", NULL, 0), 1);
	must_be(set("file", "user.x", "w", 1, 0), -EACCES);
	must_be(OP(removexattr, nodeid_of(&f, "file"), "user.x"), -EACCES);
	must(fchmodat(f.host, "file", 0600, 0));
	must_be(get("file", "user.x", NULL, 0), -EACCES);
	f.ctx = caller(1000, 1000);
	must_be(set("file", "user.x", "w", 1, 0), 0);
}

/* An open file is asked by its own descriptor, but that lends nobody what its opener may. */
Test(passthrough_xattr, that_somebody_has_a_file_open_changes_nothing, .init = set_up_server, .fini = tear_down)
{
	struct fsb_open open;
	uint64_t nodeid = nodeid_of(&f, "file");
	char value[8];

	must_be(set("file", "user.x", "value", 5, 0), 0);
	must(fchmodat(f.host, "file", 0600, 0));
	for (unsigned int i = 0; i < 2; i++) {
		f.ctx = caller(0, 0);
		must_be(OP(open, nodeid, i ? O_WRONLY : O_RDONLY, false, &open), 0);
		must_be(get("file", "user.x", value, sizeof(value)), 5);
		cr_expect_arr_eq(value, "value", 5);
		must_be(get("file", "user.none", value, sizeof(value)), -ENODATA);
		f.ctx = caller(1001, 1001);
		must_be(OP(getxattr, nodeid, "user.x", value, sizeof(value)), -EACCES);
		f.ctx = caller(0, 0);
		close_file(&f, open.fh);
		must_be(get("file", "user.x", value, sizeof(value)), 5);
	}
}

/* ---- ACLs and the set-group-id bit ---- */

struct acl {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} entries[5];
};

static const struct acl acl = {
	2, { { 0x01, 7, -1 }, { 0x02, 4, 1234 }, { 0x04, 5, -1 }, { 0x10, 5, -1 }, { 0x20, 0, -1 } }
};

static void set_acl(const char *file, gid_t group, bool kill_sgid, mode_t after)
{
	must(fchownat(f.host, file, 1000, group, 0));
	must(fchmodat(f.host, file, 02777, 0));
	must_be(OP(setxattr, nodeid_of(&f, file), "system.posix_acl_access", &acl, sizeof(acl), 0,
		   kill_sgid),
		0);
	cr_expect_eq(host_mode(&f, file), after, "%s: %o", file, host_mode(&f, file));
}

Test(passthrough_xattr, an_acl_takes_the_set_group_id_bit_when_asked_to, .init = set_up_client,
     .fini = tear_down)
{
	/* A group of nobody here, and the server's own, where the host would leave the bit. */
	set_acl("file", 4321, true, 0750);
	set_acl("file", 0, true, 0750);
	set_acl("dir", 0, true, 0750);
	set_acl("file", 4321, false, 02750);
}

Test(passthrough_xattr, only_the_owner_sets_an_acl, .init = set_up_server, .fini = tear_down)
{
	char back[64];

	f.ctx = caller(1001, 1001);
	must_be(set("file", "system.posix_acl_access", &acl, sizeof(acl), 0), -EPERM);
	f.ctx = caller(1000, 1000);
	must_be(set("file", "system.posix_acl_access", &acl, sizeof(acl), 0), 0);
	must_be(get("file", "system.posix_acl_access", back, sizeof(back)), sizeof(acl));
	cr_expect_arr_eq(back, &acl, sizeof(acl));
	must_be(set("file", "system.posix_acl_default", &acl, sizeof(acl), 0), -EACCES);
}

Test(passthrough_xattr, an_owner_outside_the_group_loses_the_bit_by_an_acl, .init = set_up_server,
     .fini = tear_down)
{
	f.ctx = caller(1000, 1000);
	set_acl("file", 4321, true, 0750);
	set_acl("file", 4321, false, 0750);
	f.ctx = caller(1000, 4321);
	set_acl("file", 4321, false, 02750);
}
