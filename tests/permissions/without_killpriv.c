// SPDX-License-Identifier: BSD-3-Clause
/*
 * A server that stands in for fsbackend-mount in a test: without FUSE_HANDLE_KILLPRIV_V2, as older
 * kernels have it, so that the client clears set-id bits and file capabilities by itself.
 *
 *	without_killpriv SOURCE MOUNTPOINT -f [--permissions=server]
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <fsbackend/fsbackend.h>

/* All that is needed to serve, in the order in which it is made. */
struct session {
	struct fsb_filesystem *fs;
	struct fsb_proc_groups *groups;
	struct fsb_server *server;
	struct fsb_device *device;
};

static int make_file_system(struct session *s, const char *source, bool server_mode)
{
	struct fsb_passthrough_config config;

	fsb_passthrough_config_init(&config);
	config.source = source;
	if (server_mode)
		config.permissions = FSB_PERMISSIONS_SERVER;
	int err = fsb_passthrough_new(&config, &s->fs);
	return err ? err : fsb_proc_groups_new(&s->groups);
}

static int make_server(struct session *s)
{
	struct fsb_server_config config;

	fsb_server_config_init(&config);
	config.filesystem = s->fs;
	config.disable = FSB_CAP_HANDLE_KILLPRIV_V2;
	config.groups = fsb_proc_groups_get;
	config.groups_opaque = s->groups;
	return fsb_server_new(&config, &s->server);
}

static int mount_and_start(struct session *s, const char *mountpoint)
{
	struct fsb_mount_config mount;
	struct fsb_device_config device;

	fsb_mount_config_init(&mount);
	mount.mountpoint = mountpoint;
	mount.default_permissions = true;
	mount.allow_other = true;
	fsb_device_config_init(&device);
	device.server = s->server;
	int err = fsb_mount(&mount, &device.fd);
	if (err)
		return err;
	err = fsb_device_start(&device, &s->device);
	close(device.fd);
	return err;
}

int main(int argc, char **argv)
{
	struct session s = { 0 };
	bool server_mode = argc > 4 && strcmp(argv[4], "--permissions=server") == 0;
	int err = argc < 4;

	if (!err)
		err = make_file_system(&s, argv[1], server_mode);
	if (!err)
		err = make_server(&s);
	if (!err)
		err = mount_and_start(&s, argv[2]);
	if (!err)
		err = fsb_device_wait(s.device);
	if (err)
		fprintf(stderr, "%s: %s\n", argv[0], strerror(-err));
	fsb_device_free(s.device);
	fsb_server_free(s.server);
	fsb_passthrough_free(s.fs);
	fsb_proc_groups_free(s.groups);
	return err != 0;
}
