/* SPDX-License-Identifier: BSD-3-Clause */
/* How many requests an operation costs through a real mount, each one that can be avoided being
 * avoided. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fsbackend/fsbackend.h>

#include "fixture.h"

/* ---- A mount of a directory, in this process ---- */

static char top[] = "/tmp/fsbackend-unit-XXXXXX";
static int host, mnt;
static struct fsb_passthrough_config config;
static struct fsb_filesystem *fs;
static struct fsb_server *server;
static struct fsb_device *device;
static struct fsb_proc_groups *groups;

static void set_up(void)
{
	char path[64];

	cr_assert_not_null(mkdtemp(top));
	umask(022);
	snprintf(path, sizeof(path), "%s/host", top);
	must(mkdir(path, 0755));
	host = (int)must(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	snprintf(path, sizeof(path), "%s/mnt", top);
	must(mkdir(path, 0755));
	fsb_passthrough_config_init(&config);
	config.source_fd = host;
	config.backing = FSB_BACKING_OFF;
}

static void start(void)
{
	struct fsb_server_config of_server;
	struct fsb_device_config of_device;
	struct fsb_mount_config of_mount;
	char path[64];
	int fd;

	must_be(fsb_passthrough_new(&config, &fs), 0);
	fsb_server_config_init(&of_server);
	of_server.filesystem = fs;
	of_server.stats = true;
	must_be(fsb_proc_groups_new(&groups), 0);
	of_server.groups = fsb_proc_groups_get;
	of_server.groups_opaque = groups;
	of_server.groups_on_demand = config.permissions == FSB_PERMISSIONS_CLIENT;
	must_be(fsb_server_new(&of_server, &server), 0);
	fsb_mount_config_init(&of_mount);
	snprintf(path, sizeof(path), "%s/mnt", top);
	of_mount.mountpoint = path;
	of_mount.default_permissions = true;
	must_be(fsb_mount(&of_mount, &fd), 0);
	fsb_device_config_init(&of_device);
	of_device.server = server;
	of_device.fd = fd;
	must_be(fsb_device_start(&of_device, &device), 0);
	close(fd);
	must_be(fsb_device_wait_ready(device), 0);
	mnt = (int)must(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static void tear_down(void)
{
	char path[64], command[128];

	snprintf(path, sizeof(path), "%s/mnt", top);
	close(mnt);
	must(umount2(path, 0));
	fsb_device_free(device);
	fsb_server_free(server);
	fsb_passthrough_free(fs);
	fsb_proc_groups_free(groups);
	close(host);
	snprintf(command, sizeof(command), "rm -r --one-file-system %s", top);
	must_be(system(command), 0);
}

TestSuite(roundtrips, .init = set_up, .fini = tear_down, .timeout = 60);

/* ---- Counting ---- */

/* Those that nobody waits for come when they come. */
static bool is_waited_for(uint32_t opcode)
{
	return opcode != FUSE_RELEASE && opcode != FUSE_RELEASEDIR && opcode != FUSE_FORGET &&
	       opcode != FUSE_BATCH_FORGET && opcode != FUSE_INTERRUPT;
}

static uint64_t count_of(uint32_t opcode)
{
	struct fsb_stats stats;

	return fsb_server_stats(server, opcode, &stats) == 0 ? stats.count : 0;
}

/* What is asked by an operation, in the order of the table: "LOOKUP CREATE". More than one of a
 * kind: "GETATTR*2". */
static const char *requests_of(void (*operation)(void))
{
	static char text[256];
	uint64_t before[64], after[64];
	const struct fsb_opcode *op;
	size_t n = 0;

	for (size_t i = 0; (op = fsb_opcode_at(i)) && i < 64; i++)
		before[i] = count_of(op->number);
	operation();
	text[0] = '\0';
	for (size_t i = 0; (op = fsb_opcode_at(i)) && i < 64; i++) {
		after[i] = count_of(op->number) - before[i];
		if (after[i] == 0 || !is_waited_for(op->number))
			continue;
		n += (size_t)snprintf(text + n, sizeof(text) - n, n ? " %s" : "%s", op->name);
		if (after[i] > 1)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "*%lu",
					      (unsigned long)after[i]);
	}
	return text;
}

#define must_ask(operation, expected)                                                              \
	do {                                                                                       \
		const char *must_ask_found = requests_of(operation);                               \
		cr_expect_str_eq(must_ask_found, expected, "%s: '%s' instead of '%s'", #operation, \
				 must_ask_found, expected);                                        \
	} while (0)

/* ---- Operations ---- */

static char block[4096];
static int serial;

static const char *new_name(void)
{
	static char name[32];

	snprintf(name, sizeof(name), "new-%d", serial++);
	return name;
}

static void create_and_close(void)
{
	close((int)must(openat(mnt, new_name(), O_WRONLY | O_CREAT | O_EXCL, 0644)));
}

static void create_write_and_close(void)
{
	int fd = (int)must(openat(mnt, new_name(), O_WRONLY | O_CREAT | O_EXCL, 0644));

	must_be(write(fd, block, sizeof(block)), sizeof(block));
	close(fd);
}

static void read_it(void)
{
	int fd = (int)must(openat(mnt, "file", O_RDONLY));

	must_be(read(fd, block, sizeof(block)), sizeof(block));
	must_be(read(fd, block, sizeof(block)), 0);
	close(fd);
}

static void write_it(void)
{
	int fd = (int)must(openat(mnt, "file", O_WRONLY));

	must_be(write(fd, block, sizeof(block)), sizeof(block));
	close(fd);
}

static void stat_it(void)
{
	struct stat st;

	must(fstatat(mnt, "file", &st, 0));
}

static void remove_it(void)
{
	must(unlinkat(mnt, "file", 0));
}

static void rename_it(void)
{
	must(renameat(mnt, "file", mnt, "other"));
}

static void chmod_it(void)
{
	must(fchmodat(mnt, "file", 0600, 0));
}

static void make_directory(void)
{
	must(mkdirat(mnt, new_name(), 0755));
}

static void read_link(void)
{
	char target[64];

	must_be(readlinkat(mnt, "symlink", target, sizeof(target)), 6);
}

static void look_for_missing(void)
{
	struct stat st;

	cr_expect_eq(fstatat(mnt, "missing", &st, 0), -1);
}

static void list_and_stat(void)
{
	DIR *dir = fdopendir((int)must(openat(mnt, "dir", O_RDONLY | O_DIRECTORY)));
	struct dirent *entry;
	struct stat st;

	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			must(fstatat(dirfd(dir), entry->d_name, &st, 0));
	closedir(dir);
}

/* ---- Ground ---- */

static void put_file(void)
{
	int fd = (int)must(openat(host, "file", O_RDWR | O_CREAT, 0644));

	must_be(write(fd, block, sizeof(block)), sizeof(block));
	close(fd);
}

static void put_directory(void)
{
	must(mkdirat(host, "dir", 0755));
	for (char name[] = "dir/0"; name[4] < '5'; name[4]++)
		close((int)must(openat(host, name, O_RDWR | O_CREAT, 0644)));
}

/* Longer than a change could go on, or hide another. */
static void let_it_settle(void)
{
	sleep(4);
}

/* Timeouts are not what these tests are about: none passes while they run. */
static void believe_for_long(void)
{
	config.entry_timeout_ns = config.attr_timeout_ns = 3600000000000ull;
}

/* Begin with the root's attributes and the file's known. */
static void start_knowing_the_file(void)
{
	believe_for_long();
	put_file();
	start();
	stat_it();
}

/* ---- Names ---- */

/* The directory has changed each time: to judge by its mode the client asks for its attributes. */
Test(roundtrips, a_new_file_is_looked_for_and_created_and_its_close_is_not_waited_for)
{
	start_knowing_the_file();
	must_ask(create_and_close, "LOOKUP CREATE");
	must_ask(create_and_close, "LOOKUP GETATTR CREATE");
}

Test(roundtrips, a_directory_is_looked_for_and_made)
{
	start_knowing_the_file();
	must_ask(make_directory, "LOOKUP MKDIR");
}

Test(roundtrips, a_rename_looks_for_the_new_name_alone)
{
	start_knowing_the_file();
	must_ask(rename_it, "LOOKUP RENAME");
}

Test(roundtrips, a_removal_of_a_known_name_is_one_request)
{
	start_knowing_the_file();
	must_ask(remove_it, "UNLINK");
}

Test(roundtrips, a_chmod_brings_the_attributes_with_it)
{
	start_knowing_the_file();
	must_ask(chmod_it, "SETATTR");
	must_ask(stat_it, "");
}

Test(roundtrips, a_missing_name_is_looked_for_each_time_unless_that_may_be_believed)
{
	start_knowing_the_file();
	must_ask(look_for_missing, "LOOKUP");
	must_ask(look_for_missing, "LOOKUP");
}

Test(roundtrips, a_missing_name_is_looked_for_once_where_nobody_else_makes_it)
{
	config.cache = FSB_CACHE_ALWAYS;
	start_knowing_the_file();
	must_ask(look_for_missing, "LOOKUP");
	must_ask(look_for_missing, "");
}

Test(roundtrips, a_symlink_is_read_once)
{
	must(symlinkat("target", host, "symlink"));
	start_knowing_the_file();
	must_ask(read_link, "LOOKUP READLINK");
	must_ask(read_link, "");
}

/* ---- Data ---- */

Test(roundtrips, a_file_is_read_again_from_what_the_client_has_until_it_changes)
{
	put_file();
	let_it_settle();
	believe_for_long();
	start();
	stat_it();
	must_ask(read_it, "OPEN READ");
	must_ask(read_it, "OPEN");
	put_file();
	must_ask(read_it, "OPEN READ");
}

Test(roundtrips, what_has_just_changed_is_read_each_time)
{
	start_knowing_the_file();
	must_ask(read_it, "OPEN READ");
	must_ask(read_it, "OPEN READ");
}

Test(roundtrips, files_that_are_not_opened_are_not_flushed_either)
{
	config.no_open = config.no_opendir = true;
	config.xattr = false;
	start_knowing_the_file();
	must_ask(read_it, "OPEN READ FLUSH");
	must_ask(read_it, "");
	must_ask(write_it, "WRITE GETXATTR");
	must_ask(write_it, "WRITE");
	must_ask(create_write_and_close, "LOOKUP WRITE CREATE");
	/* Nor does the client say when it is done with what it made. */
	struct fsb_usage usage;
	fsb_passthrough_usage(fs, &usage);
	cr_expect_eq(usage.handles, 0, "%lu", (unsigned long)usage.handles);
}

Test(roundtrips, a_write_asks_for_a_file_capability_once_unless_there_are_no_xattrs)
{
	config.xattr = false;
	start_knowing_the_file();
	must_ask(create_write_and_close, "LOOKUP WRITE GETXATTR CREATE");
	must_ask(create_write_and_close, "LOOKUP GETATTR WRITE CREATE");
}

Test(roundtrips, by_passthrough_neither_reads_nor_writes_are_requests)
{
	config.backing = FSB_BACKING_ON;
	config.xattr = false;
	start_knowing_the_file();
	must_ask(write_it, "OPEN GETXATTR");
	must_ask(write_it, "OPEN");
	must_ask(read_it, "OPEN");
	must_ask(create_write_and_close, "LOOKUP CREATE");
}

/* ---- Listings ---- */

Test(roundtrips, a_listing_brings_the_entries_and_an_unchanged_one_is_kept)
{
	put_directory();
	put_file();
	let_it_settle();
	believe_for_long();
	start();
	stat_it();
	must_ask(list_and_stat, "LOOKUP OPENDIR READDIRPLUS*2");
	/* It comes again: now the client keeps it. (fdopendir() asks for attributes, of which the
	 * last reading has moved the atime.) */
	list_and_stat();
	must_ask(list_and_stat, "GETATTR OPENDIR");
	close((int)must(openat(host, "dir/another", O_RDWR | O_CREAT, 0644)));
	must_ask(list_and_stat, "OPENDIR READDIRPLUS*2");
}

/* ---- Server mode: what the client checks by is asked for each time that it checks ---- */

Test(roundtrips, in_server_mode_data_is_not_asked_for_by_passthrough_either)
{
	config.permissions = FSB_PERMISSIONS_SERVER;
	config.backing = FSB_BACKING_AUTO;
	put_file();
	start();
	must_ask(stat_it, "LOOKUP GETATTR*2");
	must_ask(create_and_close, "LOOKUP GETATTR*3 CREATE");
	must_ask(read_it, "LOOKUP GETATTR*2 OPEN");
}
