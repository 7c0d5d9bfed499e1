// SPDX-License-Identifier: BSD-3-Clause
/*
 * Id maps: owners that are shown, set and given to what is made; ids inside ACLs and file
 * capabilities.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fixture.h"

TestSuite(passthrough_ids, .timeout = 60);

/* The client's 0 to 999 are these of the host. */
enum { UIDS = 100000, GIDS = 200000, MAPPED = 1000 };

static const struct fsb_id_range uids[] = { { .client = 0, .host = UIDS, .count = MAPPED } };
static const struct fsb_id_range gids[] = { { .client = 0, .host = GIDS, .count = MAPPED } };

static struct fixture f;

static void start(enum fsb_permissions judge)
{
	if (geteuid() != 0)
		cr_skip_test("needs root, to own files as others");
	fixture_make(&f);
	f.config.permissions = judge;
	f.config.uid_map = uids;
	f.config.nuid_map = 1;
	f.config.gid_map = gids;
	f.config.ngid_map = 1;
	fixture_start(&f);
	f.ctx = caller(5, 6);
	host_file(&f, "file", 0644, "", 0);
	must(fchownat(f.host, "file", UIDS + 5, GIDS + 6, 0));
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

static void host_owner_is(const char *name, uid_t uid, gid_t gid)
{
	struct stat st;

	must(fstatat(f.host, name, &st, AT_SYMLINK_NOFOLLOW));
	cr_assert_eq(st.st_uid, uid, "%s belongs to user %u", name, st.st_uid);
	cr_assert_eq(st.st_gid, gid, "%s belongs to group %u", name, st.st_gid);
}

static struct fsb_attr attributes_of(const char *name)
{
	struct fsb_entry entry;

	must_be(OP(lookup, FSB_ROOT_NODEID, name, &entry), 0);
	return entry.attr;
}

static int chown_to(uid_t uid, gid_t gid)
{
	const struct fsb_setattr set = { .valid = FSB_SET_UID | FSB_SET_GID,
					 .uid = uid,
					 .gid = gid };
	struct fsb_attr attr;
	uint64_t timeout;
	int err = OP(setattr, nodeid_of(&f, "file"), NULL, &set, &attr, &timeout);

	if (!err) {
		cr_expect_eq(attr.uid, uid);
		cr_expect_eq(attr.gid, gid);
	}
	return err;
}

/* ---- Owners ---- */

Test(passthrough_ids, owners_are_shown_as_the_client_numbers_them, .init = set_up_client,
     .fini = tear_down)
{
	struct fsb_attr attr = attributes_of("file");

	cr_expect_eq(attr.uid, 5);
	cr_expect_eq(attr.gid, 6);
	must(fchownat(f.host, "file", 5, GIDS + MAPPED, 0));
	attr = attributes_of("file");
	cr_expect_eq(attr.uid, 65534, "an owner whom the client does not have");
	cr_expect_eq(attr.gid, 65534);
}

Test(passthrough_ids, owners_are_set_as_the_client_numbers_them, .init = set_up_client,
     .fini = tear_down)
{
	must_be(chown_to(7, 8), 0);
	host_owner_is("file", UIDS + 7, GIDS + 8);
	must_be(chown_to(MAPPED, 8), -EOVERFLOW);
	must_be(chown_to(7, MAPPED), -EOVERFLOW);
	must_be(chown_to(UIDS, 8), -EOVERFLOW);
	host_owner_is("file", UIDS + 7, GIDS + 8);
}

static void makes_its_own(void)
{
	struct fsb_create how = { .mode = S_IFREG | 0644, .flags = O_RDWR };
	struct fsb_entry entry;
	struct fsb_open opened;

	must_be(OP(create, FSB_ROOT_NODEID, "created", &how, &entry, &opened), 0);
	cr_expect_eq(entry.attr.uid, 5);
	cr_expect_eq(entry.attr.gid, 6);
	host_owner_is("created", UIDS + 5, GIDS + 6);
	must_be(OP(mknod, FSB_ROOT_NODEID, "node", &how, &entry), 0);
	host_owner_is("node", UIDS + 5, GIDS + 6);
	must_be(OP(symlink, FSB_ROOT_NODEID, "symlink", "target", &how, &entry), 0);
	host_owner_is("symlink", UIDS + 5, GIDS + 6);
	how.mode = 0755;
	must_be(OP(mkdir, FSB_ROOT_NODEID, "dir", &how, &entry), 0);
	host_owner_is("dir", UIDS + 5, GIDS + 6);
}

Test(passthrough_ids, what_is_made_belongs_to_the_caller_in_client_mode, .init = set_up_client,
     .fini = tear_down)
{
	makes_its_own();
}

Test(passthrough_ids, what_is_made_belongs_to_the_caller_in_server_mode, .init = set_up_server,
     .fini = tear_down)
{
	makes_its_own();
}

Test(passthrough_ids, a_caller_without_a_place_on_the_host_makes_nothing, .init = set_up_client,
     .fini = tear_down)
{
	const struct fsb_create how = { .mode = S_IFREG | 0644, .flags = O_RDWR };
	struct fsb_entry entry;
	struct fsb_open opened;

	f.ctx = caller(MAPPED, 6);
	must_be(OP(create, FSB_ROOT_NODEID, "created", &how, &entry, &opened), -EOVERFLOW);
	f.ctx = caller(5, MAPPED);
	must_be(OP(mkdir, FSB_ROOT_NODEID, "created", &how, &entry), -EOVERFLOW);
	cr_expect_eq(faccessat(f.host, "created", F_OK, 0), -1);
}

Test(passthrough_ids, the_clients_root_is_nobody_special_on_the_host, .init = set_up_server,
     .fini = tear_down)
{
	struct fsb_open opened;

	host_file(&f, "secret", 0600, "", 0);
	f.ctx = caller(0, 0);
	must_be(OP(open, nodeid_of(&f, "secret"), O_RDONLY, false, &opened), -EACCES);
	must_be(OP(setxattr, nodeid_of(&f, "file"), "trusted.x", "v", 1, 0, false), -EPERM);
}

Test(passthrough_ids, trusted_xattrs_are_not_for_a_mapped_root, .init = set_up_client,
     .fini = tear_down)
{
	f.ctx = caller(0, 0);
	must_be(OP(setxattr, nodeid_of(&f, "file"), "trusted.x", "v", 1, 0, false), -EPERM);
	must_be(OP(getxattr, nodeid_of(&f, "file"), "trusted.x", NULL, 0), -ENODATA);
}

/* ---- ACLs ---- */

struct acl {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} entries[6];
};

static struct acl acl_of(uint32_t user, uint32_t group)
{
	return (struct acl){ 2,
			     { { 0x01, 7, -1 },
			       { 0x02, 4, user },
			       { 0x04, 5, -1 },
			       { 0x08, 6, group },
			       { 0x10, 7, -1 },
			       { 0x20, 0, -1 } } };
}

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", f.dir, name);
	return path;
}

#define ACL "system.posix_acl_access"

Test(passthrough_ids, acls_name_ids_of_either_side, .init = set_up_client, .fini = tear_down)
{
	uint64_t nodeid = nodeid_of(&f, "file");
	struct acl acl = acl_of(7, 8), expected = acl_of(UIDS + 7, GIDS + 8), back;

	must_be(OP(setxattr, nodeid, ACL, &acl, sizeof(acl), 0, false), 0);
	must_be(getxattr(path_of("file"), ACL, &back, sizeof(back)), sizeof(back));
	cr_expect_arr_eq(&back, &expected, sizeof(back));
	memset(&back, 0, sizeof(back));
	must_be(OP(getxattr, nodeid, ACL, &back, sizeof(back)), sizeof(back));
	cr_expect_arr_eq(&back, &acl, sizeof(back));
	must_be(OP(getxattr, nodeid, ACL, NULL, 0), sizeof(back));
	must_be(OP(getxattr, nodeid, ACL, &back, sizeof(back) - 1), -ERANGE);
}

Test(passthrough_ids, ids_in_acls_without_a_place_are_refused_or_shown_as_nobody,
     .init = set_up_client, .fini = tear_down)
{
	uint64_t nodeid = nodeid_of(&f, "file");
	struct acl acl = acl_of(MAPPED, 8), back;

	must_be(OP(setxattr, nodeid, ACL, &acl, sizeof(acl), 0, false), -EINVAL);
	acl = acl_of(7, MAPPED);
	must_be(OP(setxattr, nodeid, ACL, &acl, sizeof(acl), 0, false), -EINVAL);
	acl = acl_of(7, 8);
	must(setxattr(path_of("file"), ACL, &acl, sizeof(acl), 0));
	must_be(OP(getxattr, nodeid, ACL, &back, sizeof(back)), sizeof(back));
	acl = acl_of(65534, 65534);
	cr_expect_arr_eq(&back, &acl, sizeof(back));
}

Test(passthrough_ids, broken_acls_are_the_hosts_to_refuse, .init = set_up_client, .fini = tear_down)
{
	uint64_t nodeid = nodeid_of(&f, "file");
	struct acl acl = acl_of(7, 8);

	must_be(OP(setxattr, nodeid, ACL, &acl, 3, 0, false), -EINVAL);
	must_be(OP(setxattr, nodeid, ACL, &acl, sizeof(acl) - 1, 0, false), -EINVAL);
	acl.version = 3;
	must_be(OP(setxattr, nodeid, ACL, &acl, sizeof(acl), 0, false), -EOPNOTSUPP);
	must_be(OP(getxattr, nodeid, ACL, NULL, 0), -ENODATA);
}

/* ---- File capabilities ---- */

#define CAPS "security.capability"

/* CAP_NET_RAW, for the root user of the initial user namespace. */
static const unsigned char caps_v2[20] = { 1, 0, 0, 2, 0, 0x20 };

static uint32_t root_of(const unsigned char *caps)
{
	return caps[20] | (uint32_t)caps[21] << 8 | (uint32_t)caps[22] << 16 |
	       (uint32_t)caps[23] << 24;
}

Test(passthrough_ids, capabilities_of_the_client_count_for_its_root_alone, .init = set_up_client,
     .fini = tear_down)
{
	uint64_t nodeid = nodeid_of(&f, "file");
	unsigned char back[32];

	f.ctx = caller(0, 0);
	must_be(OP(setxattr, nodeid, CAPS, caps_v2, sizeof(caps_v2), 0, false), 0);
	must_be(getxattr(path_of("file"), CAPS, back, sizeof(back)), 24);
	cr_expect_eq(back[3], 3, "a version that names its root");
	cr_expect_eq(back[0], 1);
	cr_expect_eq(root_of(back), UIDS);
	must_be(OP(getxattr, nodeid, CAPS, NULL, 0), 20);
	must_be(OP(getxattr, nodeid, CAPS, back, sizeof(back)), 20);
	cr_expect_arr_eq(back, caps_v2, 20);
}

Test(passthrough_ids, capabilities_of_another_root_keep_naming_him, .init = set_up_client,
     .fini = tear_down)
{
	uint64_t nodeid = nodeid_of(&f, "file");
	unsigned char caps[24] = { 1, 0, 0, 3, 0, 0x20, [20] = 77 }, back[32];

	f.ctx = caller(0, 0);
	must_be(OP(setxattr, nodeid, CAPS, caps, sizeof(caps), 0, false), 0);
	must_be(getxattr(path_of("file"), CAPS, back, sizeof(back)), 24);
	cr_expect_eq(root_of(back), UIDS + 77);
	must_be(OP(getxattr, nodeid, CAPS, back, sizeof(back)), 24);
	cr_expect_arr_eq(back, caps, 24);
	must_be(OP(getxattr, nodeid, CAPS, back, 20), -ERANGE);
	caps[21] = 0xff;
	must_be(OP(setxattr, nodeid, CAPS, caps, sizeof(caps), 0, false), -EINVAL);
}

Test(passthrough_ids, capabilities_of_the_hosts_root_are_not_the_clients, .init = set_up_client,
     .fini = tear_down)
{
	must(setxattr(path_of("file"), CAPS, caps_v2, sizeof(caps_v2), 0));
	must_be(OP(getxattr, nodeid_of(&f, "file"), CAPS, NULL, 0), -EOVERFLOW);
}

Test(passthrough_ids, broken_capabilities_are_refused, .init = set_up_client, .fini = tear_down)
{
	uint64_t nodeid = nodeid_of(&f, "file");
	const unsigned char v1[12] = { 0, 0, 0, 1 };

	must_be(OP(setxattr, nodeid, CAPS, v1, sizeof(v1), 0, false), -EINVAL);
	must_be(OP(setxattr, nodeid, CAPS, caps_v2, 19, 0, false), -EINVAL);
	must_be(OP(setxattr, nodeid, CAPS, caps_v2, 2, 0, false), -EINVAL);
}
