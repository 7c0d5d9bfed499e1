/* SPDX-License-Identifier: BSD-3-Clause */
/* FIFOs, sockets and device nodes: they live in the client's kernel, the host keeps the names. */
#include "testing.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

TestSuite(special, .init = enter_fresh_directory, .timeout = 30);

static int write_into_fifo(void *arg)
{
	int fd = openat(mnt, "fifo", O_WRONLY);

	if (fd < 0)
		return errno;
	for (int i = 0; i < 100; i++)
		if (write(fd, arg, 1000) != 1000)
			return errno;
	return 0;
}

Test(special, a_fifo_carries_bytes_from_one_process_to_another)
{
	unsigned char bytes[1000];
	unsigned char found[1000];
	size_t total = 0;

	fill_pattern(bytes, sizeof(bytes), 1);
	must(mkfifo(mnt_path("fifo"), 0640));
	cr_assert_eq(stat_of(host, "fifo").st_mode, S_IFIFO | 0640);
	pid_t writer = start_child(write_into_fifo, bytes);
	int fd = must(openat(mnt, "fifo", O_RDONLY));
	for (ssize_t count; (count = must(read(fd, found, sizeof(found) - total % 1000))) > 0;) {
		cr_assert_eq(memcmp(found, bytes + total % 1000, count), 0);
		total += count;
	}
	cr_assert_eq(total, 100000);
	cr_assert_eq(result_of(writer), 0);
}

Test(special, a_fifo_without_a_reader_is_ENXIO_for_one_who_does_not_wait)
{
	must(mknodat(mnt, "fifo", S_IFIFO | 0644, 0));
	must_fail(openat(mnt, "fifo", O_WRONLY | O_NONBLOCK), ENXIO);
}

Test(special, a_fifo_made_on_the_host_is_listed_and_removed_without_being_opened)
{
	must(mknodat(host, "fifo", S_IFIFO | 0644, 0));
	cr_assert(S_ISFIFO(stat_of(mnt, "fifo").st_mode));
	must(renameat(mnt, "fifo", mnt, "renamed"));
	must(fchmodat(mnt, "renamed", 0600, 0));
	cr_assert_eq(stat_of(host, "renamed").st_mode, S_IFIFO | 0600);
	must(unlinkat(mnt, "renamed", 0));
	cr_assert_eq(count_entries(host), 0);
}

static int connect_and_ask(void *arg)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
	char answer[16] = "";
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)arg;
	if (fd < 0 || fchdir(mnt) < 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return errno;
	if (write(fd, "question", 8) != 8 || read(fd, answer, sizeof(answer)) != 6)
		return EPROTO;
	return strcmp(answer, "answer") ? EPROTO : 0;
}

Test(special, a_socket_bound_in_the_tree_takes_connections)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
	char question[16] = "";
	int listener = must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	/* An address has room for 107 bytes of path: go there. */
	must(fchdir(mnt));
	must(bind(listener, (const struct sockaddr *)&address, sizeof(address)));
	must(listen(listener, 1));
	cr_assert(S_ISSOCK(stat_of(host, "socket").st_mode));
	cr_assert(S_ISSOCK(stat_of(mnt, "socket").st_mode));
	must_fail(openat(mnt, "socket", O_RDONLY), ENXIO);

	pid_t client = start_child(connect_and_ask, NULL);
	int fd = must(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	cr_assert_eq(must(read(fd, question, sizeof(question))), 8);
	cr_assert_str_eq(question, "question");
	must(write(fd, "answer", 6));
	cr_assert_eq(result_of(client), 0);
}

Test(special, a_socket_name_can_be_bound_once)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };

	must(fchdir(mnt));
	must(bind(must(socket(AF_UNIX, SOCK_DGRAM, 0)), (const struct sockaddr *)&address,
		  sizeof(address)));
	must_fail(bind(must(socket(AF_UNIX, SOCK_DGRAM, 0)), (const struct sockaddr *)&address,
		       sizeof(address)),
		  EADDRINUSE);
}

Test(special, device_nodes_keep_their_type_and_large_numbers)
{
	must(mknodat(mnt, "char", S_IFCHR | 0600, makedev(300, 70000)));
	must(mknodat(mnt, "block", S_IFBLK | 0640, makedev(259, 200000)));

	struct stat found = stat_of(mnt, "char");
	cr_assert_eq(found.st_mode, S_IFCHR | 0600);
	cr_assert_eq(found.st_rdev, makedev(300, 70000));
	cr_assert_eq(stat_of(host, "char").st_rdev, makedev(300, 70000));
	found = stat_of(mnt, "block");
	cr_assert_eq(found.st_mode, S_IFBLK | 0640);
	cr_assert_eq(found.st_rdev, makedev(259, 200000));
	cr_assert_eq(stat_of(host, "block").st_rdev, makedev(259, 200000));
}

Test(special, a_device_made_on_the_host_is_shown_the_same)
{
	must(mknodat(host, "char", S_IFCHR | 0600, makedev(5, 4095)));
	cr_assert_eq(stat_of(mnt, "char").st_rdev, makedev(5, 4095));
	cr_assert_eq(stat_of(mnt, "char").st_mode, S_IFCHR | 0600);
}

Test(special, a_device_node_opens_the_clients_device_where_the_mount_allows_devices)
{
	struct statvfs fs;
	char byte = 'x';

	must(mknodat(mnt, "zero", S_IFCHR | 0666, makedev(1, 5)));
	must(fstatvfs(mnt, &fs));
	if (fs.f_flag & ST_NODEV) {
		must_fail(openat(mnt, "zero", O_RDWR), EACCES);
		return;
	}
	int fd = must(openat(mnt, "zero", O_RDWR));
	cr_assert_eq(must(read(fd, &byte, 1)), 1);
	cr_assert_eq(byte, 0);
}

Test(special, mknod_makes_an_empty_regular_file_and_no_existing_name_twice)
{
	must(mknodat(mnt, "file", S_IFREG | 0640, 0));
	cr_assert_eq(stat_of(host, "file").st_mode, S_IFREG | 0640);
	cr_assert_eq(stat_of(mnt, "file").st_size, 0);
	must_fail(mknodat(mnt, "file", S_IFREG | 0640, 0), EEXIST);
	must_fail(mknodat(mnt, "file", S_IFIFO | 0640, 0), EEXIST);
}

static int make_device(void *arg)
{
	(void)arg;
	return mknodat(mnt, "device", S_IFCHR | 0600, makedev(1, 3)) < 0 ? errno : 0;
}

Test(special, a_user_without_the_capability_makes_no_device)
{
	const struct user user = { .uid = 4711, .gid = 4711 };

	must(fchmod(host, 0777));
	cr_assert(eventually((stat_of_fd(mnt).st_mode & 07777) == 0777));
	cr_assert_eq(as_user(&user, make_device, NULL), EPERM);
	cr_assert(!exists(host, "device"));
}
