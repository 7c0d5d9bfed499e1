// SPDX-License-Identifier: BSD-3-Clause
/*
 * Mounting and unmounting: by mount(2) and umount2(2) where the process may, by fusermount3 where
 * not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fsbackend/mount.h>

#include "../cleanup.h"
#include "../log.h"
#include "../sized.h"
#include "fusermount.h"

enum { OPTIONS_MAX = 4096, LINE_MAX_LENGTH = 512 };

/* ---- Configuration ---- */

/* Options of mount(8) that are a flag of mount(2): what they set, and what they clear. */
struct flag_option {
	const char *name;
	unsigned long set;
	unsigned long clear;
};

static const struct flag_option flag_options[] = {
	{ "ro", MS_RDONLY, 0 },
	{ "rw", 0, MS_RDONLY },
	{ "nosuid", MS_NOSUID, 0 },
	{ "suid", 0, MS_NOSUID },
	{ "nodev", MS_NODEV, 0 },
	{ "dev", 0, MS_NODEV },
	{ "noexec", MS_NOEXEC, 0 },
	{ "exec", 0, MS_NOEXEC },
	{ "sync", MS_SYNCHRONOUS, 0 },
	{ "async", 0, MS_SYNCHRONOUS },
	{ "dirsync", MS_DIRSYNC, 0 },
	{ "noatime", MS_NOATIME, MS_RELATIME | MS_STRICTATIME },
	{ "atime", 0, MS_NOATIME },
	{ "nodiratime", MS_NODIRATIME, 0 },
	{ "diratime", 0, MS_NODIRATIME },
	{ "relatime", MS_RELATIME, MS_NOATIME | MS_STRICTATIME },
	{ "norelatime", 0, MS_RELATIME },
	{ "strictatime", MS_STRICTATIME, MS_NOATIME | MS_RELATIME },
	{ "nostrictatime", 0, MS_STRICTATIME },
	{ "lazytime", MS_LAZYTIME, 0 },
	{ "nolazytime", 0, MS_LAZYTIME },
};

static const size_t nflag_options = sizeof(flag_options) / sizeof(flag_options[0]);

/* All flags that an option can set. */
static unsigned long known_flags(void)
{
	unsigned long flags = 0;

	for (size_t i = 0; i < nflag_options; i++)
		flags |= flag_options[i].set;
	return flags;
}

void fsb_mount_config_defaults(struct fsb_mount_config *config, size_t size)
{
	const struct fsb_mount_config defaults = {
		.source = "fsbackend",
		.subtype = "fsbackend",
		.root_mode = S_IFDIR,
	};

	sized_fill(config, size, &defaults, sizeof(defaults));
}

static int parse_max_read(const char *text, uint32_t *max_read)
{
	char *rest;

	errno = 0;
	unsigned long value = strtoul(text, &rest, 10);
	if (errno || *rest || *text < '0' || *text > '9' || value > UINT32_MAX)
		return -EINVAL;
	*max_read = (uint32_t)value;
	return 0;
}

int fsb_mount_config_option(struct fsb_mount_config *config, const char *option)
{
	for (size_t i = 0; i < nflag_options; i++) {
		if (strcmp(option, flag_options[i].name))
			continue;
		config->flags = (config->flags & ~flag_options[i].clear) | flag_options[i].set;
		return 0;
	}
	if (!strcmp(option, "default_permissions")) {
		config->default_permissions = true;
		return 0;
	}
	if (!strcmp(option, "allow_other")) {
		config->allow_other = true;
		return 0;
	}
	if (!strncmp(option, "max_read=", strlen("max_read=")))
		return parse_max_read(option + strlen("max_read="), &config->max_read);
	return -ENOENT;
}

/* ---- The mount point ---- */

/* Whether the line of mountinfo is that of mount @id, and a FUSE file system. */
static bool line_is_fuse(const char *line, unsigned long long id)
{
	char *rest;

	if (strtoull(line, &rest, 10) != id || *rest != ' ')
		return false;
	/* Behind the separator stands the type: fuse, fuse.subtype, fuseblk ... */
	const char *separator = strstr(rest, " - ");
	return separator && !strncmp(separator + 3, "fuse", 4);
}

/*
 * Whether mount @id is a FUSE mount. Asked of mountinfo, since any other question goes to the
 * server behind it, which may be gone. Without /proc it cannot be told.
 */
static bool mount_is_fuse(unsigned long long id)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	bool found = false;

	if (!file)
		return false;
	while (!found && getline(&line, &size, file) >= 0)
		found = line_is_fuse(line, id);
	fclose(file);
	return found;
}

static int explain(const struct fsb_mount_config *config, int err, const char *why)
{
	log_write(&config->log, FSB_LOG_ERROR, "cannot mount on %s: %s", config->mountpoint, why);
	return err;
}

/* Where the user may not open it, the helper may. */
static int explain_device(const struct fsb_mount_config *config, int err)
{
	if (err != -EPERM && err != -EACCES)
		log_write(&config->log, FSB_LOG_ERROR,
			  "cannot open /dev/fuse: %s; is the kernel module loaded (modprobe fuse)?",
			  strerror(-err));
	return err;
}

static int check_mountpoint(const struct fsb_mount_config *config)
{
	struct statx stx;

	/* Only what is known without asking a file system that may be mounted there. */
	if (statx(AT_FDCWD, config->mountpoint, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
		  STATX_TYPE | STATX_MNT_ID, &stx) < 0)
		return explain(config, -errno, strerror(errno));
	if ((stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) && mount_is_fuse(stx.stx_mnt_id))
		return explain(config, -EBUSY,
			       "a FUSE file system is mounted there already; unmount it first");
	if (S_ISDIR(config->root_mode) && !S_ISDIR(stx.stx_mode))
		return explain(config, -ENOTDIR, "it is not a directory");
	if (!S_ISDIR(config->root_mode) && S_ISDIR(stx.stx_mode))
		return explain(config, -EISDIR, "it is a directory, the root to be mounted is not");
	return 0;
}

static int check_config(const struct fsb_mount_config *config)
{
	if (!config->mountpoint || !config->source || !config->subtype)
		return -EINVAL;
	if (config->flags & ~known_flags())
		return explain(config, -EINVAL, "unknown mount flags");
	if (config->root_mode & ~(uint32_t)S_IFMT || !config->root_mode)
		return explain(config, -EINVAL, "root_mode is not the type of a file");
	return check_mountpoint(config);
}

/* ---- By mount(2) ---- */

/** Text that is put together piece by piece; once it does not fit, it stays overflown. */
struct text {
	char bytes[OPTIONS_MAX];
	size_t length;
	bool overflow;
};

static void text_add(struct text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void text_add(struct text *text, const char *format, ...)
{
	size_t room = sizeof(text->bytes) - text->length;
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(text->bytes + text->length, room, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= room)
		text->overflow = true;
	else
		text->length += (size_t)length;
}

/* Options of the FUSE file system itself, which both ways take in the same words. */
static void add_fuse_options(struct text *text, const struct fsb_mount_config *config)
{
	if (config->default_permissions)
		text_add(text, ",default_permissions");
	if (config->allow_other)
		text_add(text, ",allow_other");
	if (config->max_read)
		text_add(text, ",max_read=%u", config->max_read);
}

/* Return: 0; -EPERM or -EACCES when the process may not, which is not logged. */
static int mount_directly(const struct fsb_mount_config *config, int *result)
{
	struct text type = { .length = 0 }, options = { .length = 0 };
	_cleanup_fd_ int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return explain_device(config, -errno);
	text_add(&type, "fuse");
	if (*config->subtype)
		text_add(&type, ".%s", config->subtype);
	text_add(&options, "fd=%d,rootmode=%o,user_id=%u,group_id=%u", fd, config->root_mode,
		 getuid(), getgid());
	add_fuse_options(&options, config);
	if (type.overflow || options.overflow)
		return explain(config, -EINVAL, "the options are too long");
	if (mount(config->source, config->mountpoint, type.bytes, config->flags,
		  options.bytes) < 0) {
		int err = -errno;
		return err == -EPERM ? err : explain(config, err, strerror(-err));
	}
	*result = fd_steal(&fd);
	return 0;
}

/* ---- By fusermount3 ---- */

/* Commas separate options, so those of a value get a backslash. */
static void add_escaped(struct text *text, const char *name, const char *value)
{
	text_add(text, ",%s=", name);
	for (; *value; value++)
		text_add(text, *value == ',' || *value == '\\' ? "\\%c" : "%c", *value);
}

static void add_flags(struct text *text, unsigned long flags)
{
	for (size_t i = 0; i < nflag_options; i++)
		if (flags & flag_options[i].set)
			text_add(text, ",%s", flag_options[i].name);
}

static int mount_by_helper(const struct fsb_mount_config *config, int *result)
{
	struct text options = { .length = 0 };
	char said[LINE_MAX_LENGTH];

	text_add(&options, "%s", config->flags & MS_RDONLY ? "ro" : "rw");
	add_flags(&options, config->flags & ~(unsigned long)MS_RDONLY);
	add_fuse_options(&options, config);
	add_escaped(&options, "fsname", config->source);
	if (*config->subtype)
		add_escaped(&options, "subtype", config->subtype);
	if (options.overflow)
		return explain(config, -EINVAL, "the options are too long");

	const char *const args[] = {
		FUSERMOUNT, "-o", options.bytes, "--", config->mountpoint, NULL
	};
	int err = fusermount(args, result, said, sizeof(said));
	if (err == -ENOENT)
		return explain(config, -EPERM,
			       "mount(2) needs root, and " FUSERMOUNT
			       " is not installed (package fuse3)");
	if (err)
		return explain(config, err,
			       *said ? said : "mount(2) needs root, and " FUSERMOUNT " failed");
	return 0;
}

int fsb_mount(const struct fsb_mount_config *theirs, int *fd)
{
	struct fsb_mount_config known, *config = &known;

	fsb_mount_config_init(config);
	int err = sized_take(config, sizeof(*config), theirs, sizeof(*config));
	if (!err)
		err = check_config(config);
	if (err)
		return err;
	err = mount_directly(config, fd);
	if (err == -EPERM || err == -EACCES)
		err = mount_by_helper(config, fd);
	return err;
}

/* ---- Unmounting ---- */

static bool is_mount_root(const char *path)
{
	struct statx stx;

	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW, 0,
		  &stx) < 0)
		return false;
	return (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static int unmount_by_helper(const char *mountpoint, bool lazy)
{
	char said[LINE_MAX_LENGTH];

	if (!is_mount_root(mountpoint))
		return -EINVAL;
	const char *const args[] = {
		FUSERMOUNT, "-u", lazy ? "-uz" : "-u", "--", mountpoint, NULL
	};
	int err = fusermount(args, NULL, said, sizeof(said));
	if (err == -ENOENT)
		return -EPERM;
	/* It ends with umount2(2)'s errno in words, untranslated. */
	if (err == -EPERM && strstr(said, "busy"))
		return -EBUSY;
	return err;
}

int fsb_unmount(const char *mountpoint, bool lazy)
{
	if (umount2(mountpoint, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
		return 0;
	return errno == EPERM ? unmount_by_helper(mountpoint, lazy) : -errno;
}
