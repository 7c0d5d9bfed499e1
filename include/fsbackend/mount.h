/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mounting: get a /dev/fuse descriptor whose other end is a mount point of this kernel. By mount(2) when the process may,
 * by the fusermount3 helper otherwise.
 */
#ifndef FSBACKEND_MOUNT_H
#define FSBACKEND_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fsbackend/base.h>
#include <fsbackend/log.h>

FSB_BEGIN_DECLS

/**
 * How to mount. Set it up by fsb_mount_config_init().
 *
 * @size:       sizeof the struct
 * @mountpoint: an existing directory (or a file when @root_mode says so)
 * @source:     what mount(8) shows in its first column; default "fsbackend"
 * @subtype:    the type is shown as fuse.@subtype; default "fsbackend"
 * @flags:      mount(2) flags: MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME, MS_NODIRATIME, MS_RELATIME, MS_STRICTATIME,
 *              MS_LAZYTIME, MS_SYNCHRONOUS, MS_DIRSYNC. Without root, fusermount3 adds nosuid and nodev
 * @default_permissions: the kernel judges permissions
 * @allow_other: other users than the mounting one may use it
 * @max_read:   the most bytes of one read, 0 for no limit of its own
 * @root_mode:  type of the root, S_IFDIR by default
 * @log:        where the reason of a failure goes
 */
struct fsb_mount_config {
	size_t size;
	const char *mountpoint;
	const char *source;
	const char *subtype;
	unsigned long flags;
	bool default_permissions;
	bool allow_other;
	uint32_t max_read;
	uint32_t root_mode;
	struct fsb_log log;
};

/** Set every field that lies in the first @size bytes to its default; for fsb_mount_config_init(). */
FSB_API void fsb_mount_config_defaults(struct fsb_mount_config *config, size_t size);

/** Set every field to its default, and @size to that of the struct in this very header. */
static inline void fsb_mount_config_init(struct fsb_mount_config *config)
{
	fsb_mount_config_defaults(config, sizeof(*config));
}

/**
 * Translate one option of a comma-separated list as in fstab: "ro", "nosuid", "allow_other", "max_read=65536" ...
 *
 * Return: 0 when @config took it; -ENOENT for an option that is none of the kernel's; -EINVAL for a bad value.
 */
FSB_API int fsb_mount_config_option(struct fsb_mount_config *config, const char *option);

/**
 * Mount. Nothing answers there until a session serves @fd; INIT is waiting in it.
 *
 * @fd: filled with an open /dev/fuse, close-on-exec, to be closed by the caller
 *
 * Return: 0; -EINVAL; -ENOENT or -ENOTDIR (the mount point, or /dev/fuse is missing: the log says which); -EISDIR (a directory, and
 * @root_mode is something else); -EBUSY (a FUSE file system is mounted there already); -EPERM (not root, and fusermount3 is
 * missing or refused); -ENOMEM; other errnos of open(2) and mount(2). Nothing stays mounted on an error.
 */
FSB_API int fsb_mount(const struct fsb_mount_config *config, int *fd);

/**
 * Unmount what fsb_mount() mounted: umount2(2), or fusermount3 -u without root. @lazy detaches it at once, even if
 * busy. @mountpoint must not end in a symlink.
 *
 * Return: 0; -EBUSY; -EINVAL (not mounted); -EPERM; other errnos of umount2(2).
 */
FSB_API int fsb_unmount(const char *mountpoint, bool lazy);

FSB_END_DECLS

#endif
