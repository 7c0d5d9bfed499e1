/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file system vtable: the one interface between whoever receives requests (the server of this library, or a 9P or
 * NFS server of yours) and whoever carries them out (the passthrough of this library, or a file system of yours).
 *
 * A file system of your own embeds struct fsb_filesystem as its first member and points it at a table:
 *
 *	static const struct fsb_filesystem_ops my_ops = {
 *		.size = sizeof(my_ops),
 *		.lookup = my_lookup, .getattr = my_getattr, .readdir = my_readdir, .read = my_read,
 *	};
 *	struct my_fs { struct fsb_filesystem base; ... } fs = { .base.ops = &my_ops };
 *
 * Rules for every operation, unless its comment says otherwise:
 * - It returns 0 (or a count where the type is ssize_t), or a negative errno, which goes to the client as it is.
 * - Any number of threads may call any operations at once.
 * - Arguments are borrowed: valid until the call returns, or, if it was deferred, until it is completed.
 * - Names are NUL-terminated, 1 to 255 bytes, hold no '/', and are neither "." nor ".." when the server calls
 *   (lookup excepted, which gets "." and ".." where export support was negotiated). Their bytes are not necessarily UTF-8.
 * - nodeids and handles come from the client and may be anything: answer -ESTALE for an unknown nodeid and -EBADF for
 *   an unknown handle.
 * - A member that is NULL, or lies beyond the table's size, answers -ENOSYS. The client's kernel then stops asking and
 *   behaves as noted at the member.
 *
 * Numbers of flags are those of the FUSE protocol (<fsbackend/fuse_wire.h>) or of Linux' own system calls.
 */
#ifndef FSBACKEND_FILESYSTEM_H
#define FSBACKEND_FILESYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <fsbackend/base.h>
#include <fsbackend/context.h>
#include <fsbackend/transfer.h>

FSB_BEGIN_DECLS

struct statx;
struct fsb_filesystem;

/** The nodeid of the root. It is never forgotten. */
#define FSB_ROOT_NODEID 1

/** What an operation returns after fsb_call_defer(): the answer comes later. No errno has this value. */
#define FSB_DEFERRED (-4096)

/* ---- What operations give back ------------------------------------------------------------------------------- */

/** A point in time since the epoch; @nsec is 0 to 999,999,999, also for times before it. */
struct fsb_time {
	int64_t sec;
	uint32_t nsec;
};

/** fsb_attr.flags: the directory is the root of another mount (FUSE_ATTR_SUBMOUNT). */
#define FSB_ATTR_SUBMOUNT (1u << 0)
/** fsb_attr.flags: access the file by DAX (FUSE_ATTR_DAX). */
#define FSB_ATTR_DAX (1u << 1)

/** The attributes of an inode, stat(2)'s. @blocks counts 512 bytes, @rdev is a host dev_t, @mode includes the type. */
struct fsb_attr {
	uint64_t ino;
	uint64_t size;
	uint64_t blocks;
	struct fsb_time atime;
	struct fsb_time mtime;
	struct fsb_time ctime;
	mode_t mode;
	uint32_t nlink;
	uid_t uid;
	gid_t gid;
	dev_t rdev;
	uint32_t blksize;
	uint32_t flags;
};

/**
 * A directory entry that was found or made. Every entry handed out with a @nodeid other than 0 adds one to the
 * inode's lookup count; forget takes it away again.
 *
 * @nodeid:           the inode; 0 says "there is no such name" in a way that the client may cache for @entry_timeout_ns
 * @generation:       with @nodeid never the same for two inodes (matters to NFS export)
 * @entry_timeout_ns: how long the client may believe that the name leads here, in nanoseconds
 * @attr_timeout_ns:  how long the client may believe @attr
 */
struct fsb_entry {
	uint64_t nodeid;
	uint64_t generation;
	uint64_t entry_timeout_ns;
	uint64_t attr_timeout_ns;
	struct fsb_attr attr;
};

/* fsb_open.flags, the protocol's FOPEN_* */
#define FSB_OPEN_DIRECT_IO (1u << 0)              /* bypass the client's page cache */
#define FSB_OPEN_KEEP_CACHE (1u << 1)             /* what the client has cached of it is still right */
#define FSB_OPEN_NONSEEKABLE (1u << 2)            /* no lseek, no pread */
#define FSB_OPEN_CACHE_DIR (1u << 3)              /* the client may cache the listing */
#define FSB_OPEN_STREAM (1u << 4)                 /* no file position at all */
#define FSB_OPEN_NOFLUSH (1u << 5)                /* send no FLUSH on close (unless writeback needs one) */
#define FSB_OPEN_PARALLEL_DIRECT_WRITES (1u << 6) /* direct writes may go side by side */
#define FSB_OPEN_PASSTHROUGH (1u << 7)            /* @backing_id serves reads and writes in the client's kernel */

/** A file or directory that was opened. @fh is the file system's; 0 is as good as any. */
struct fsb_open {
	uint64_t fh;
	uint32_t flags;
	int32_t backing_id;
};

/** What statfs gives, statvfs(3)'s. Counts of blocks are in units of @frsize bytes. */
struct fsb_statfs {
	uint64_t blocks;
	uint64_t bfree;
	uint64_t bavail;
	uint64_t files;
	uint64_t ffree;
	uint32_t bsize;
	uint32_t frsize;
	uint32_t namelen;
};

/** One name of a directory. @type is a DT_* of <dirent.h>; @next is the cookie at which reading goes on behind it. */
struct fsb_dirent {
	const char *name;
	size_t namelen;
	uint64_t ino;
	uint64_t next;
	uint32_t type;
};

/**
 * Where readdir puts names. The caller of the vtable provides it.
 *
 * @fits: whether an entry with a name of @namelen bytes can still be added. readdirplus asks before it looks the
 *        name up, so that no lookup count has to be taken back.
 * @add:  add one. @entry is NULL for readdir and for "." and ".."; with nodeid 0 the client will look the name up by
 *        itself. Return: 0; -ENOSPC when it does not fit (nothing was added: stop, and give it again next time);
 *        -EINVAL for a name of 0 or more than 255 bytes.
 */
struct fsb_dirlist {
	bool (*fits)(struct fsb_dirlist *list, size_t namelen);
	int (*add)(struct fsb_dirlist *list, const struct fsb_dirent *dirent, const struct fsb_entry *entry);
};

/* ---- What operations are told -------------------------------------------------------------------------------- */

/** A security label for a new inode: an xattr's name ("security.selinux") and its value. */
struct fsb_security_context {
	const char *name;
	const void *value;
	size_t size;
};

/**
 * How to make an inode.
 *
 * @mode:       type and permissions, as open(2), mkdir(2) or mknod(2) got them
 * @umask:      what to take away from @mode, where no default ACL rules instead. 0 when the client has done it already
 * @rdev:       for mknod of devices
 * @flags:      for create and tmpfile: open(2) flags
 * @kill_suidgid: create of an existing file that truncates it must clear its set-id bits (see open)
 * @nsecurity, @security: labels that must be on the inode before anybody can see it
 */
struct fsb_create {
	mode_t mode;
	mode_t umask;
	dev_t rdev;
	int flags;
	bool kill_suidgid;
	size_t nsecurity;
	const struct fsb_security_context *security;
};

/* fsb_setattr.valid, the protocol's FATTR_* */
#define FSB_SET_MODE (1u << 0)
#define FSB_SET_UID (1u << 1)
#define FSB_SET_GID (1u << 2)
#define FSB_SET_SIZE (1u << 3)
#define FSB_SET_ATIME (1u << 4)
#define FSB_SET_MTIME (1u << 5)
#define FSB_SET_ATIME_NOW (1u << 7) /* with FSB_SET_ATIME: the host's present time, needs write permission only */
#define FSB_SET_MTIME_NOW (1u << 8)
#define FSB_SET_LOCKOWNER (1u << 9)
#define FSB_SET_CTIME (1u << 10)
#define FSB_SET_KILL_SUIDGID (1u << 11) /* the caller is not privileged: set-id bits must go */

/** Which attributes to set, and to what. */
struct fsb_setattr {
	uint32_t valid;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	uint64_t size;
	struct fsb_time atime;
	struct fsb_time mtime;
	struct fsb_time ctime;
	uint64_t lock_owner;
};

/* flags of write */
#define FSB_WRITE_CACHE (1u << 0)        /* from the client's page cache: pid and handle may not be the writer's */
#define FSB_WRITE_LOCKOWNER (1u << 1)    /* lock_owner is valid */
#define FSB_WRITE_KILL_SUIDGID (1u << 2) /* the writer is not privileged: set-id bits and file capabilities must go */

/** A byte-range lock or a whole-file lock. @type is F_RDLCK, F_WRLCK or F_UNLCK; @end is inclusive, INT64_MAX to the end. */
struct fsb_lock {
	uint64_t start;
	uint64_t end;
	int type;
	pid_t pid;
};

/** Whose lock: @owner is the client's lock owner; @flock tells flock(2)'s locks from POSIX ones. */
struct fsb_lock_owner {
	uint64_t owner;
	bool flock;
};

/** A copy or a remap between two open files, in bytes. */
struct fsb_copy {
	uint64_t nodeid_in;
	uint64_t fh_in;
	uint64_t off_in;
	uint64_t nodeid_out;
	uint64_t fh_out;
	uint64_t off_out;
	uint64_t len;
	uint64_t flags;
};

/* fsb_ioctl.flags and fsb_ioctl_result.flags, the protocol's FUSE_IOCTL_* */
#define FSB_IOCTL_COMPAT (1u << 0)       /* a 32-bit caller on a 64-bit client */
#define FSB_IOCTL_UNRESTRICTED (1u << 1) /* never on an ordinary mount */
#define FSB_IOCTL_RETRY (1u << 2)
#define FSB_IOCTL_32BIT (1u << 3)
#define FSB_IOCTL_DIR (1u << 4) /* on a directory */
#define FSB_IOCTL_COMPAT_X32 (1u << 5) /* an x32 caller: 64-bit time_t */

/** An ioctl as the client's kernel prepared it: @in_size bytes at @in, up to @out_size bytes wanted back. */
struct fsb_ioctl {
	uint32_t cmd;
	uint32_t flags;
	uint64_t arg;
	const void *in;
	size_t in_size;
	size_t out_size;
};

/**
 * What came of it. @result is the system call's own; @out_size of the bytes at @out (room for the asked size, zeroed by the
 * server) count. With FSB_IOCTL_RETRY, which only answers an unrestricted ioctl, they are @in_iovs and then @out_iovs struct
 * fuse_ioctl_iovec: the memory of the caller that the next try shall bring and take. All fields are 0 before.
 */
struct fsb_ioctl_result {
	int32_t result;
	uint32_t flags;
	void *out;
	size_t out_size;
	uint32_t in_iovs;
	uint32_t out_iovs;
};

/** A client's file range that shall appear in its shared memory window (DAX). */
struct fsb_mapping {
	uint64_t file_offset;
	uint64_t window_offset;
	uint64_t length;
	bool read;
	bool write;
};

/** The shared memory window of a transport, which maps files into it for setupmapping. */
struct fsb_window {
	/* Map a range of @fd into the window. Return: 0 or a negative errno. @fd may be closed afterwards. */
	int (*map)(struct fsb_window *window, int fd, const struct fsb_mapping *mapping);
	/* Remove what lies at a range of the window. Return: 0 or a negative errno. */
	int (*unmap)(struct fsb_window *window, uint64_t window_offset, uint64_t length);
};

/**
 * Where a file system registers host files whose bytes the client's kernel then reads, writes and maps by itself (FSB_OPEN_PASSTHROUGH).
 * A transport that has this provides it. Any thread.
 */
struct fsb_backing {
	/*
	 * Register what @fd is open on, in whichever way; it may be closed afterwards. The kernel will act as the calling thread is now: by
	 * its file system ids, groups and capabilities. Return: an id above 0; -EPERM without CAP_SYS_ADMIN; -ELOOP when the file lies in
	 * a file system that is stacked itself; or another negative errno of the kernel.
	 */
	int (*open)(struct fsb_backing *backing, int fd);
	/* The id is not to be used for a further open. Files that are open by it stay so. Return: 0; -EPERM; -ENOENT. */
	int (*close)(struct fsb_backing *backing, int id);
};

/** How often the client drops a reference: one element of batch_forget. */
struct fsb_forget {
	uint64_t nodeid;
	uint64_t nlookup;
};

/* Capabilities that a file system decides on; bit for bit the protocol's INIT flags. */
#define FSB_CAP_POSIX_LOCKS (1ull << 1)      /* send POSIX locks to getlk, setlk, setlkw */
#define FSB_CAP_ATOMIC_O_TRUNC (1ull << 3)   /* open and create truncate by themselves */
#define FSB_CAP_EXPORT_SUPPORT (1ull << 4)   /* lookup knows "." and ".." */
#define FSB_CAP_DONT_MASK (1ull << 6)        /* modes come unmasked, with the umask beside them */
#define FSB_CAP_FLOCK_LOCKS (1ull << 10)     /* send flock(2) to setlk, setlkw */
#define FSB_CAP_AUTO_INVAL_DATA (1ull << 12) /* cached data goes stale with mtime or size */
#define FSB_CAP_READDIRPLUS (1ull << 13)
#define FSB_CAP_READDIRPLUS_AUTO (1ull << 14)
#define FSB_CAP_WRITEBACK_CACHE (1ull << 16)
#define FSB_CAP_NO_OPEN_SUPPORT (1ull << 17) /* open may answer -ENOSYS: files need no open */
#define FSB_CAP_PARALLEL_DIROPS (1ull << 18)
#define FSB_CAP_HANDLE_KILLPRIV (1ull << 19) /* the file system clears set-id bits on every write, truncate and chown */
#define FSB_CAP_POSIX_ACL (1ull << 20)
#define FSB_CAP_CACHE_SYMLINKS (1ull << 23)
#define FSB_CAP_NO_OPENDIR_SUPPORT (1ull << 24)
#define FSB_CAP_EXPLICIT_INVAL_DATA (1ull << 25)
#define FSB_CAP_SUBMOUNTS (1ull << 27)
#define FSB_CAP_HANDLE_KILLPRIV_V2 (1ull << 28) /* it clears them where the request says so */
#define FSB_CAP_SECURITY_CTX (1ull << 32)
#define FSB_CAP_INODE_DAX (1ull << 33)
#define FSB_CAP_CREATE_SUPP_GROUP (1ull << 34)
#define FSB_CAP_DIRECT_IO_ALLOW_MMAP (1ull << 36)
#define FSB_CAP_PASSTHROUGH (1ull << 37)
#define FSB_CAP_NO_EXPORT_SUPPORT (1ull << 38)
#define FSB_CAP_ALLOW_IDMAP (1ull << 40)

/**
 * The negotiation of a mount, handed to init, which may change what is marked so.
 *
 * @minor:                the minor version that both sides speak, 31 to 45 (of major 7)
 * @capable:              what the client offers and this library can serve: FSB_CAP_*
 * @want:                 (change) what will be used. Preset with the server's defaults, see docs/architecture.md; bits
 *                        that are not in @capable are dropped
 * @max_readahead:        (lower) bytes
 * @max_write:            (lower) bytes of one write, 4096 at least
 * @max_background:       (change) requests that the client keeps in flight in the background
 * @congestion_threshold: (change)
 * @time_gran_ns:         (change) granularity of the times that the file system keeps, 1 to 1,000,000,000
 * @max_stack_depth:      (change) with FSB_CAP_PASSTHROUGH: 1 or 2
 * @backing:              with FSB_CAP_PASSTHROUGH in @capable, where to register files; valid until destroy has returned
 */
struct fsb_init {
	uint32_t minor;
	uint64_t capable;
	uint64_t want;
	uint32_t max_readahead;
	uint32_t max_write;
	uint16_t max_background;
	uint16_t congestion_threshold;
	uint32_t time_gran_ns;
	uint32_t max_stack_depth;
	struct fsb_backing *backing;
};

/* ---- The table ------------------------------------------------------------------------------------------------ */

/** The operations. @size is sizeof the struct as its author knew it; new members are only ever added at the end. */
struct fsb_filesystem_ops {
	size_t size;

	/**
	 * The client says hello; called once before anything else, again if it does so again after destroy. Return: 0; a
	 * negative errno refuses the mount. NULL: the server's defaults hold.
	 */
	int (*init)(struct fsb_filesystem *fs, struct fsb_init *init);
	/** The client is gone: forget every lookup count, close every handle. Runs alone. NULL: nothing to do. */
	void (*destroy)(struct fsb_filesystem *fs);

	/** Find @name in @parent. -ENOENT when there is none (or 0 with nodeid 0, which may be cached). */
	int (*lookup)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent, const char *name, struct fsb_entry *entry);
	/** Take @nlookup off an inode's lookup count. Nobody waits for an answer; unknown nodeids are ignored. */
	void (*forget)(struct fsb_filesystem *fs, uint64_t nodeid, uint64_t nlookup);
	/** Many forgets at once. NULL: forget is called for each. */
	void (*batch_forget)(struct fsb_filesystem *fs, const struct fsb_forget *list, size_t count);

	/** Attributes; @fh points at an open handle of the inode, or is NULL. */
	int (*getattr)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, const uint64_t *fh, struct fsb_attr *attr, uint64_t *timeout_ns);
	/** statx(2) with its flags and mask. NULL: the client falls back to getattr, without birth times. */
	int (*statx)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, const uint64_t *fh, uint32_t flags, uint32_t mask, struct statx *stx,
		     uint64_t *timeout_ns);
	/** Change attributes: all of them or an error. */
	int (*setattr)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, const uint64_t *fh, const struct fsb_setattr *set,
		       struct fsb_attr *attr, uint64_t *timeout_ns);
	/** The target of a symlink, not NUL-terminated, at most @size bytes. Return: its length. */
	ssize_t (*readlink)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, char *target, size_t size);

	int (*symlink)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent, const char *name, const char *target, const struct fsb_create *how,
		       struct fsb_entry *entry);
	int (*mknod)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent, const char *name, const struct fsb_create *how,
		     struct fsb_entry *entry);
	int (*mkdir)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent, const char *name, const struct fsb_create *how,
		     struct fsb_entry *entry);
	int (*unlink)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent, const char *name);
	int (*rmdir)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent, const char *name);
	/** @flags are renameat2(2)'s. */
	int (*rename)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent, const char *name, uint64_t newparent, const char *newname,
		      uint32_t flags);
	int (*link)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t newparent, const char *newname, struct fsb_entry *entry);

	/**
	 * Open a file. @flags are open(2)'s without O_CREAT, O_EXCL, O_NOCTTY; O_TRUNC only with FSB_CAP_ATOMIC_O_TRUNC, and then
	 * @kill_suidgid says that set-id bits go with the data. NULL, or -ENOSYS with FSB_CAP_NO_OPEN_SUPPORT: files are not
	 * opened, read and write get fh 0.
	 */
	int (*open)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, int flags, bool kill_suidgid, struct fsb_open *open);
	/** Make and open a file in one step. NULL: the client uses mknod and open. */
	int (*create)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent, const char *name, const struct fsb_create *how,
		      struct fsb_entry *entry, struct fsb_open *open);
	/** Make and open a file without a name in directory @parent (O_TMPFILE). NULL: the client says EOPNOTSUPP. */
	int (*tmpfile)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent, const struct fsb_create *how, struct fsb_entry *entry,
		       struct fsb_open *open);
	/**
	 * Read @size bytes at @offset into @to. @flags are the handle's present open(2) flags; @lock_owner is a lock owner or 0.
	 * Return: how many, fewer only at the end of the file.
	 */
	ssize_t (*read)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh, uint64_t offset, size_t size, int flags,
			uint64_t lock_owner, struct fsb_transfer *to);
	/** Write @size bytes from @from at @offset. @write_flags are FSB_WRITE_*. Return: how many. */
	ssize_t (*write)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh, uint64_t offset, size_t size, int flags,
			 uint32_t write_flags, uint64_t lock_owner, struct fsb_transfer *from);
	/** A descriptor of the open file was closed; POSIX locks of @lock_owner go. NULL: the client stops sending it. */
	int (*flush)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh, uint64_t lock_owner);
	/** The last use of the handle ended. With @unlock_flock the flock(2) lock of @lock_owner goes too. */
	int (*release)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh, int flags, bool unlock_flock, uint64_t lock_owner);
	/** NULL: the client takes every fsync for done. */
	int (*fsync)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh, bool datasync);

	/** NULL, or -ENOSYS with FSB_CAP_NO_OPENDIR_SUPPORT: directories are not opened, readdir gets fh 0. */
	int (*opendir)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, int flags, struct fsb_open *open);
	/** Give names from cookie @offset on (0 at first) until @list is full; none given means the end. */
	int (*readdir)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh, uint64_t offset, struct fsb_dirlist *list);
	/** The same with an entry for each name; each entry with a nodeid adds to its lookup count. */
	int (*readdirplus)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh, uint64_t offset, struct fsb_dirlist *list);
	int (*releasedir)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh, int flags);
	int (*fsyncdir)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh, bool datasync);

	/** NULL: the client sees zeros. */
	int (*statfs)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, struct fsb_statfs *statfs);
	/** syncfs(2) of the file system that holds @nodeid. NULL: the client takes it for done. */
	int (*syncfs)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid);

	/** @flags are XATTR_CREATE, XATTR_REPLACE; @kill_sgid: setting this ACL must clear the set-group-id bit. */
	int (*setxattr)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, const char *name, const void *value, size_t size, int flags,
			bool kill_sgid);
	/** With @size 0 the length is asked. Return: the length; -ERANGE when @size is too small. */
	ssize_t (*getxattr)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, const char *name, void *value, size_t size);
	/** Names, each with its NUL. With @size 0 the length is asked. */
	ssize_t (*listxattr)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, char *list, size_t size);
	int (*removexattr)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, const char *name);
	/** access(2) with R_OK, W_OK, X_OK or F_OK. NULL: everything is allowed, unless the client judges by itself. */
	int (*access)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, int mask);

	/** Find a lock that is in the way of @lock and put it there, or set its type to F_UNLCK. */
	int (*getlk)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh, const struct fsb_lock_owner *owner,
		     struct fsb_lock *lock);
	/** Set or drop a lock without waiting: -EAGAIN when another is in the way. */
	int (*setlk)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh, const struct fsb_lock_owner *owner,
		     const struct fsb_lock *lock);
	/** The same, waiting for it. Must not hold the thread: defer. Called directly (no ctx->call) it waits in the call. */
	int (*setlkw)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh, const struct fsb_lock_owner *owner,
		      const struct fsb_lock *lock);

	/** fallocate(2). NULL: the client says EOPNOTSUPP. */
	int (*fallocate)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh, int mode, uint64_t offset, uint64_t length);
	/**
	 * lseek(2). @offset is the 64 bits of the wire: two's complement for SEEK_CUR and SEEK_END only, otherwise unsigned. NULL:
	 * the client knows no holes.
	 */
	int (*lseek)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh, uint64_t offset, int whence, uint64_t *result);
	/** copy_file_range(2). Return: the number of bytes copied, at most INT32_MAX for the old opcode. */
	ssize_t (*copy_file_range)(struct fsb_filesystem *fs, const struct fsb_context *ctx, const struct fsb_copy *copy);
	/** FICLONERANGE: share a range; len 0 is to the end of the source. Return: the number of bytes shared. */
	ssize_t (*remap_file_range)(struct fsb_filesystem *fs, const struct fsb_context *ctx, const struct fsb_copy *copy);
	int (*ioctl)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh, const struct fsb_ioctl *ioctl,
		     struct fsb_ioctl_result *result);
	/** poll(2) events that are ready now. With @notify, tell the server's fsb_server_notify_poll() of @kh when more are. */
	int (*poll)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh, uint64_t kh, bool notify, uint32_t events,
		    uint32_t *revents);
	/** Map a file's block to the device's; only block device mounts ask. */
	int (*bmap)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t block, uint32_t blocksize, uint64_t *result);
	int (*setupmapping)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh, const struct fsb_mapping *mapping,
			    struct fsb_window *window);
	int (*removemapping)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t window_offset, uint64_t length, struct fsb_window *window);
	/** The answer to fsb_server_notify_retrieve(): @size bytes of the client's cache at @offset. No reply is sent. */
	void (*notify_reply)(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t cookie, uint64_t nodeid, uint64_t offset, size_t size,
			     struct fsb_transfer *from);
	/**
	 * A deferred call shall end soon, because its caller got a signal or the mount ends: complete it with -EINTR, or with its
	 * result if that is there; that may be done in here. Comes only after the operation has returned FSB_DEFERRED. @call may
	 * have been completed meanwhile by another thread: compare it, never follow it. Until this returns it stands for no other
	 * request.
	 */
	void (*interrupt)(struct fsb_filesystem *fs, struct fsb_call *call);
};

/** A file system: what it can do. Embed it as the first member of yours. */
struct fsb_filesystem {
	const struct fsb_filesystem_ops *ops;
};

/** Whether the table of @fs has the operation @member. */
#define FSB_HAS_OP(fs, member)                                                                                        \
	((fs)->ops->size >= offsetof(struct fsb_filesystem_ops, member) + sizeof((fs)->ops->member) &&                 \
	 (fs)->ops->member != NULL)

/* ---- Answering later ------------------------------------------------------------------------------------------ */

/**
 * Detach the request that @ctx belongs to, so that it can be answered later from any thread. The operation then
 * returns FSB_DEFERRED. All its arguments stay valid, and its out-parameters may be filled, until fsb_call_complete().
 *
 * Return: the call, never NULL, to be completed exactly once (it may be, even before the operation has returned);
 * NULL when @ctx has no call, that is when the vtable was called directly: answer in the call.
 */
FSB_API struct fsb_call *fsb_call_defer(const struct fsb_context *ctx);

/**
 * Ask for the supplementary groups of the caller that @ctx stands for, if they are not known yet: the server's host may have a provider
 * that is asked on demand only (groups_on_demand). By the thread that runs the operation. @ctx has the groups afterwards.
 *
 * Return: 0 when the groups are known; -ENODATA when they cannot be told.
 */
FSB_API int fsb_call_groups(const struct fsb_context *ctx);

/**
 * Answer a deferred call. @result is what the operation would have returned. The out-parameters must be filled before.
 * The arguments of the operation are gone afterwards. Any thread; exactly once for each call.
 */
FSB_API void fsb_call_complete(struct fsb_call *call, ssize_t result);

FSB_END_DECLS

#endif
