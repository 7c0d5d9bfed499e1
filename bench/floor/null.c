// SPDX-License-Identifier: BSD-3-Clause
/*
 * bench-null: the library's transport and server, with a file system that does nothing. What a
 * mount of this takes is what the library and the kernel take together.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <fsbackend/fsbackend.h>

#include "nullfs.h"
#include "options.h"

static void complain(void *opaque, enum fsb_log_level level, const char *message)
{
	(void)opaque, (void)level;
	fprintf(stderr, "bench-null: %s\n", message);
}

static int serve(struct fsb_server *server, int fd, const struct floor_options *options)
{
	struct fsb_device_config config;
	struct fsb_device *device;

	fsb_device_config_init(&config);
	config.server = server;
	config.fd = fd;
	config.threads = options->threads;
	config.io = options->uring ? FSB_IO_URING : FSB_IO_CLASSIC;
	config.spin_us = options->spin_us;
	config.log = (struct fsb_log){ .write = complain };
	int err = fsb_device_start(&config, &device);
	close(fd);
	if (err)
		return err;
	err = fsb_device_wait(device);
	fsb_device_free(device);
	return err;
}

/* Until it is unmounted. */
static int run(const struct floor_options *options)
{
	struct fsb_filesystem filesystem = { .ops = &nullfs_ops };
	struct fsb_server_config config;
	struct fsb_mount_config mount;
	struct fsb_server *server;
	int fd;

	fsb_server_config_init(&config);
	config.filesystem = &filesystem;
	fsb_mount_config_init(&mount);
	mount.mountpoint = options->mountpoint;
	mount.subtype = "null";
	mount.log = (struct fsb_log){ .write = complain };
	int err = fsb_server_new(&config, &server);
	if (err)
		return err;
	err = fsb_mount(&mount, &fd);
	if (!err) {
		err = serve(server, fd, options);
		if (err)
			fsb_unmount(options->mountpoint, true);
	}
	fsb_server_free(server);
	return err;
}

int main(int argc, char *argv[])
{
	struct floor_options options;

	if (!floor_options_parse(argc, argv, &options))
		return 2;
	int err = run(&options);
	if (err)
		fprintf(stderr, "bench-null: %s\n", strerror(-err));
	return err ? 1 : 0;
}
