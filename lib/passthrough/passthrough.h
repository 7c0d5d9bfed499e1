/* SPDX-License-Identifier: BSD-3-Clause */
/* The passthrough as its files see it: the object, and one operation a line. */
#ifndef FSB_PASSTHROUGH_PASSTHROUGH_H
#define FSB_PASSTHROUGH_PASSTHROUGH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <fsbackend/filesystem.h>
#include <fsbackend/passthrough.h>

#include "backing.h"
#include "budget.h"
#include "credentials.h"
#include "handle.h"
#include "idmap.h"
#include "inode.h"
#include "locks.h"
#include "opened.h"
#include "state.h"
#include "../cleanup.h"
#include "../log.h"

struct passthrough {
	struct fsb_filesystem base;
	struct fsb_passthrough_config config; /* timeouts resolved; source and maps are not kept here */
	struct idmap uids;
	struct idmap gids;
	struct server_credentials own;
	int proc_fd; /* /proc/self/fd, to open again what an O_PATH descriptor stands for */
	uint64_t root_dev;
	uint64_t root_ino;
	dev_t avoided; /* fsb_passthrough_avoid() */
	struct mount_list mounts;
	struct inode_table inodes;
	struct handle_table handles;
	struct lock_table locks;
	struct backing backing;
	struct budget_member budget;
	struct state *state;  /* where what the client knows is mirrored now, or NULL */
	struct state *mirror; /* the same, also while there is no client */

	/* what init agreed on */
	bool writeback;
	bool submounts;
	bool client_kills; /* set-id bits are cleared by the client: no killpriv */
	bool no_open;
	bool no_opendir;
};

/* container_of: the base is the first member */
static inline struct passthrough *passthrough_of(struct fsb_filesystem *fs)
{
	return (struct passthrough *)fs;
}

/** Room for "12345", the name of a descriptor below proc_fd. */
struct fd_name {
	char text[12];
};
struct fd_name fd_name(int fd);

/**
 * The descriptor (borrowed) of a directory in which @name shall be made, moved or removed. @dir is put in use. Return: the descriptor; -ESTALE;
 * check_name()'s errnos; -EROFS.
 */
int directory_to_change(struct inode_use *dir, uint64_t nodeid, const char *name);

/**
 * Open again what an O_PATH descriptor stands for, as the thread's present credentials: a regular file or a directory, never
 * anything else (-ENXIO for FIFOs, sockets, devices; -ELOOP for symlinks). @flags as open(2); O_CREAT, O_EXCL, O_NOFOLLOW are
 * dropped. Heals a full descriptor table by dropping cached ones.
 */
int reopen(struct passthrough *pt, int fd, mode_t type, int flags);

/** openat() of one checked name as O_PATH | O_NOFOLLOW, healing a full descriptor table likewise. */
int open_name(struct passthrough *pt, int dirfd, const char *name);

/**
 * A descriptor on which reads, writes and the like of a request work: the handle's, or, for requests without a handle (no_open), one that is
 * opened for this call with @flags. Owned by the struct.
 */
struct file_use {
	struct passthrough *pt;
	struct handle *handle; /* or NULL */
	struct inode *inode;   /* in use only when there is no handle */
	int fd;
	int opened; /* to be closed, or -1 */
};

/**
 * chmod(2) of what @fd is open on, O_PATH too, where fchmod(2) refuses that: by fchmodat2(2), which costs a third of the way by the magic link.
 * Return: 0 or a negative errno.
 */
int change_mode(struct passthrough *pt, int fd, mode_t mode);

int file_use_begin(struct passthrough *pt, uint64_t nodeid, uint64_t fh, int flags, struct file_use *use);
/** A file that was opened for this use is closed already, for what close(2) has to say of what was written. Return: 0 or a negative errno. */
int file_use_written(struct file_use *use);
void file_use_end(struct file_use *use);
#define _cleanup_file_ __attribute__((cleanup(file_use_end)))

/**
 * A name must be one step: nothing that leads elsewhere, whoever calls. Return: 0; -EINVAL; -ENAMETOOLONG. lookup alone knows "." and "..".
 */
static inline int check_name(const char *name)
{
	size_t length = strnlen(name, NAME_MAX + 1);

	if (length > NAME_MAX)
		return -ENAMETOOLONG;
	if (length == 0 || memchr(name, '/', length) || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	return 0;
}

/** Everything that changes something asks this first. */
static inline int check_writable(const struct passthrough *pt)
{
	return pt->config.read_only ? -EROFS : 0;
}

/* attributes.c */
/** The attributes of what a descriptor (O_PATH is enough) is open on, as the client shall see them. */
int attributes_of_fd(struct passthrough *pt, int fd, struct fsb_attr *attr);
/** What to change in the inode numbers of a device so that they differ from the root device's. */
uint64_t ino_difference(const struct passthrough *pt, uint64_t dev);

/* lookup.c */
/** The entry of @fd (O_PATH, taken over), its lookup count raised. Not inside a credentials scope. */
int entry_of_fd(struct passthrough *pt, int fd, struct fsb_entry *entry);
/** Another descriptor of the same, healing a full descriptor table as open_name() does. */
int copy_fd(struct passthrough *pt, int fd);
/** Find a name in @dir, which @dirfd is open on, as whoever is judged; its lookup count raised. */
int entry_of_name(struct passthrough *pt, const struct fsb_context *ctx, struct inode *dir, int dirfd, const char *name,
		  struct fsb_entry *entry);
/** Fill an entry of an inode whose lookup count was raised already; @fd is open on it. */
int entry_fill(struct passthrough *pt, uint64_t nodeid, int fd, struct fsb_entry *entry);

/* data.c */
/** The flags to open a host file with, for a client's open(2) flags. */
int host_flags(const struct passthrough *pt, int flags);
/** A descriptor, to be closed, of an inode that is open for real, as the server. @inode is put in use. */
int open_as_server(struct passthrough *pt, struct inode_use *inode, uint64_t nodeid, int flags);
/** Make the handle of an opened file, which is taken over, and say how the client may cache it. @attr: its attributes if they are known. */
int open_answer(struct passthrough *pt, const struct fsb_context *ctx, struct inode *inode, int fd, int flags, const struct fsb_attr *attr,
		struct fsb_open *open);

#define ARGS struct fsb_filesystem *fs, const struct fsb_context *ctx
int passthrough_lookup(ARGS, uint64_t parent, const char *name, struct fsb_entry *entry);
void passthrough_forget(struct fsb_filesystem *fs, uint64_t nodeid, uint64_t nlookup);

int passthrough_getattr(ARGS, uint64_t nodeid, const uint64_t *fh, struct fsb_attr *attr, uint64_t *timeout_ns);
int passthrough_statx(ARGS, uint64_t nodeid, const uint64_t *fh, uint32_t flags, uint32_t mask, struct statx *stx,
		      uint64_t *timeout_ns);
int passthrough_setattr(ARGS, uint64_t nodeid, const uint64_t *fh, const struct fsb_setattr *set,
			struct fsb_attr *attr, uint64_t *timeout_ns);
ssize_t passthrough_readlink(ARGS, uint64_t nodeid, char *target, size_t size);
int passthrough_access(ARGS, uint64_t nodeid, int mask);
int passthrough_statfs(ARGS, uint64_t nodeid, struct fsb_statfs *statfs);

int passthrough_symlink(ARGS, uint64_t parent, const char *name, const char *target, const struct fsb_create *how,
			struct fsb_entry *entry);
int passthrough_mknod(ARGS, uint64_t parent, const char *name, const struct fsb_create *how, struct fsb_entry *entry);
int passthrough_mkdir(ARGS, uint64_t parent, const char *name, const struct fsb_create *how, struct fsb_entry *entry);
int passthrough_link(ARGS, uint64_t nodeid, uint64_t newparent, const char *newname, struct fsb_entry *entry);
int passthrough_create(ARGS, uint64_t parent, const char *name, const struct fsb_create *how, struct fsb_entry *entry,
		       struct fsb_open *open);
int passthrough_tmpfile(ARGS, uint64_t parent, const struct fsb_create *how, struct fsb_entry *entry,
			struct fsb_open *open);

int passthrough_unlink(ARGS, uint64_t parent, const char *name);
int passthrough_rmdir(ARGS, uint64_t parent, const char *name);
int passthrough_rename(ARGS, uint64_t parent, const char *name, uint64_t newparent, const char *newname,
		       uint32_t flags);

int passthrough_open(ARGS, uint64_t nodeid, int flags, bool kill_suidgid, struct fsb_open *open);
ssize_t passthrough_read(ARGS, uint64_t nodeid, uint64_t fh, uint64_t offset, size_t size, int flags,
			 uint64_t lock_owner, struct fsb_transfer *to);
ssize_t passthrough_write(ARGS, uint64_t nodeid, uint64_t fh, uint64_t offset, size_t size, int flags,
			  uint32_t write_flags, uint64_t lock_owner, struct fsb_transfer *from);
int passthrough_flush(ARGS, uint64_t nodeid, uint64_t fh, uint64_t lock_owner);
int passthrough_release(ARGS, uint64_t nodeid, uint64_t fh, int flags, bool unlock_flock, uint64_t lock_owner);
int passthrough_fsync(ARGS, uint64_t nodeid, uint64_t fh, bool datasync);
int passthrough_syncfs(ARGS, uint64_t nodeid);
int passthrough_poll(ARGS, uint64_t nodeid, uint64_t fh, uint64_t kh, bool notify, uint32_t events, uint32_t *revents);
int passthrough_setupmapping(ARGS, uint64_t nodeid, uint64_t fh, const struct fsb_mapping *mapping,
			     struct fsb_window *window);
int passthrough_removemapping(ARGS, uint64_t window_offset, uint64_t length, struct fsb_window *window);

int passthrough_opendir(ARGS, uint64_t nodeid, int flags, struct fsb_open *open);
int passthrough_readdir(ARGS, uint64_t nodeid, uint64_t fh, uint64_t offset, struct fsb_dirlist *list);
int passthrough_readdirplus(ARGS, uint64_t nodeid, uint64_t fh, uint64_t offset, struct fsb_dirlist *list);
int passthrough_releasedir(ARGS, uint64_t nodeid, uint64_t fh, int flags);
int passthrough_fsyncdir(ARGS, uint64_t nodeid, uint64_t fh, bool datasync);

int passthrough_setxattr(ARGS, uint64_t nodeid, const char *name, const void *value, size_t size, int flags,
			 bool kill_sgid);
ssize_t passthrough_getxattr(ARGS, uint64_t nodeid, const char *name, void *value, size_t size);
ssize_t passthrough_listxattr(ARGS, uint64_t nodeid, char *list, size_t size);
int passthrough_removexattr(ARGS, uint64_t nodeid, const char *name);

int passthrough_getlk(ARGS, uint64_t nodeid, uint64_t fh, const struct fsb_lock_owner *owner, struct fsb_lock *lock);
int passthrough_setlk(ARGS, uint64_t nodeid, uint64_t fh, const struct fsb_lock_owner *owner,
		      const struct fsb_lock *lock);
int passthrough_setlkw(ARGS, uint64_t nodeid, uint64_t fh, const struct fsb_lock_owner *owner,
		       const struct fsb_lock *lock);
void passthrough_interrupt(struct fsb_filesystem *fs, struct fsb_call *call);

int passthrough_fallocate(ARGS, uint64_t nodeid, uint64_t fh, int mode, uint64_t offset, uint64_t length);
int passthrough_lseek(ARGS, uint64_t nodeid, uint64_t fh, uint64_t offset, int whence, uint64_t *result);
ssize_t passthrough_copy_file_range(ARGS, const struct fsb_copy *copy);
ssize_t passthrough_remap_file_range(ARGS, const struct fsb_copy *copy);
int passthrough_ioctl(ARGS, uint64_t nodeid, uint64_t fh, const struct fsb_ioctl *ioctl,
		      struct fsb_ioctl_result *result);
#undef ARGS

#endif
