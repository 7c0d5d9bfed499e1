// SPDX-License-Identifier: BSD-3-Clause
/*
 * A file system of one file, through a vtable of its own: fsbackend-hello MOUNTPOINT
 * It stays in the foreground until it is unmounted or interrupted.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fsbackend/fsbackend.h>

static const char file_name[] = "hello";
static const char file_text[] = "Hello, world.\n";

enum { ROOT = FSB_ROOT_NODEID, FILE_NODEID = 2 };
static const uint64_t one_day = 86400ull * 1000000000;

static int fill_attr(uint64_t nodeid, struct fsb_attr *attr)
{
	static const struct fsb_attr attrs[] = {
		[ROOT] = { .ino = ROOT, .mode = S_IFDIR | 0555, .nlink = 2 },
		[FILE_NODEID] = { .ino = FILE_NODEID,
				  .mode = S_IFREG | 0444,
				  .nlink = 1,
				  .size = sizeof(file_text) - 1 },
	};

	if (nodeid != ROOT && nodeid != FILE_NODEID)
		return -ESTALE;
	*attr = attrs[nodeid];
	return 0;
}

static int hello_lookup(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent,
			const char *name, struct fsb_entry *entry)
{
	(void)fs, (void)ctx;
	if (parent != ROOT || strcmp(name, file_name) != 0)
		return -ENOENT;
	*entry = (struct fsb_entry){ .nodeid = FILE_NODEID,
				     .entry_timeout_ns = one_day,
				     .attr_timeout_ns = one_day };
	return fill_attr(FILE_NODEID, &entry->attr);
}

static int hello_getattr(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
			 const uint64_t *fh, struct fsb_attr *attr, uint64_t *timeout_ns)
{
	(void)fs, (void)ctx, (void)fh;
	*timeout_ns = one_day;
	return fill_attr(nodeid, attr);
}

static int hello_open(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
		      int flags, bool kill_suidgid, struct fsb_open *open)
{
	(void)fs, (void)ctx, (void)kill_suidgid;
	*open = (struct fsb_open){ .flags = FSB_OPEN_KEEP_CACHE };
	if (nodeid != FILE_NODEID)
		return -ESTALE;
	return (flags & O_ACCMODE) == O_RDONLY ? 0 : -EACCES;
}

static ssize_t hello_read(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
			  uint64_t fh, uint64_t offset, size_t size, int flags, uint64_t lock_owner,
			  struct fsb_transfer *to)
{
	(void)fs, (void)ctx, (void)nodeid, (void)fh, (void)flags, (void)lock_owner;
	size_t length = strlen(file_text);

	if (offset >= length)
		return 0;
	length -= offset;
	return (ssize_t)fsb_transfer_put(to, file_text + offset, length < size ? length : size);
}

/* Three names; the cookie of a name is the number of the next one. */
static int hello_readdir(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
			 uint64_t fh, uint64_t offset, struct fsb_dirlist *list)
{
	(void)fs, (void)ctx, (void)nodeid, (void)fh;
	const struct fsb_dirent names[] = {
		{ .name = ".", .namelen = 1, .ino = ROOT, .next = 1, .type = S_IFDIR >> 12 },
		{ .name = "..", .namelen = 2, .ino = ROOT, .next = 2, .type = S_IFDIR >> 12 },
		{ .name = file_name,
		  .namelen = strlen(file_name),
		  .ino = FILE_NODEID,
		  .next = 3,
		  .type = S_IFREG >> 12 },
	};

	for (; offset < sizeof(names) / sizeof(names[0]); offset++)
		if (list->add(list, &names[offset], NULL) < 0)
			break; /* the list is full: the rest comes with the next call */
	return 0;
}

static const struct fsb_filesystem_ops hello_ops = {
	.size = sizeof(hello_ops),
	.lookup = hello_lookup,
	.getattr = hello_getattr,
	.open = hello_open,
	.read = hello_read,
	.readdir = hello_readdir,
};

static struct fsb_device *device;
static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
	fsb_device_stop(device);
}

static void complain(void *opaque, enum fsb_log_level level, const char *message)
{
	(void)opaque, (void)level;
	fprintf(stderr, "fsbackend-hello: %s\n", message);
}

static int serve(const char *mountpoint)
{
	struct fsb_filesystem hello = { .ops = &hello_ops };
	struct fsb_server_config config;
	struct fsb_mount_config mount;
	struct fsb_device_config session;
	struct fsb_server *server;

	fsb_server_config_init(&config);
	config.filesystem = &hello;
	fsb_mount_config_init(&mount);
	mount.mountpoint = mountpoint;
	mount.subtype = "hello";
	mount.log = (struct fsb_log){ .write = complain };
	fsb_device_config_init(&session);

	int err = fsb_server_new(&config, &server);
	if (err)
		return err;
	err = fsb_mount(&mount, &session.fd);
	if (!err) {
		session.server = server;
		err = fsb_device_start(&session, &device);
		close(session.fd);
		if (!err) {
			signal(SIGINT, stop);
			signal(SIGTERM, stop);
			err = fsb_device_wait(device);
		}
		/* Otherwise somebody else has unmounted it. */
		if (err || stopped)
			fsb_unmount(mountpoint, true);
		fsb_device_free(device);
	}
	fsb_server_free(server);
	return err;
}

int main(int argc, char *argv[])
{
	if (argc != 2) {
		fprintf(stderr, "Usage: fsbackend-hello MOUNTPOINT\n");
		return 2;
	}
	int err = serve(argv[1]);
	if (err)
		fprintf(stderr, "fsbackend-hello: %s\n", strerror(-err));
	return err ? 1 : 0;
}
