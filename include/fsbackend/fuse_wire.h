/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The FUSE wire format, protocol 7.45: what the kernel and a FUSE server say to each other, byte
 * for byte.
 *
 * Names are the kernel's own, so that code reads like every other FUSE code; the text is ours.
 * Nothing here needs a kernel header, and old headers do not limit what the library can speak.
 *
 * A message from the client is a struct fuse_in_header, the fixed arguments of its opcode, then
 * what the opcode carries of variable length: names (NUL-terminated), data, arrays. An opcode that
 * creates something may be followed by extension blocks (in_header.total_extlen says how much). An
 * answer is a struct fuse_out_header and, when error is 0, the reply's struct or data. All numbers
 * are in the byte order of the machine. Structs have the same layout on 32-bit and 64-bit machines;
 * every padding byte has a name.
 *
 * Lengths and counts in a request come from outside: check them before believing them. The
 * library's own decoder (fsbackend/message.h) does that.
 *
 * This header stands in for <linux/fuse.h>. It takes that header's include guard too, so that
 * including the kernel's afterwards adds nothing and clashes with nothing. The other order cannot
 * work (an older kernel header would have declared shorter structs under the same names), and is
 * refused.
 *
 * "Since 7.n" is the minor protocol version that brought a thing; what has no such note is older
 * than 7.31, the oldest minor that the server accepts.
 */
#ifndef FSBACKEND_FUSE_WIRE_H
#define FSBACKEND_FUSE_WIRE_H

#ifdef _LINUX_FUSE_H
#error "<fsbackend/fuse_wire.h> replaces <linux/fuse.h>: include it first"
#endif
#define _LINUX_FUSE_H

#include <stddef.h>
#include <stdint.h>

/* Version and roots. */

#define FUSE_KERNEL_VERSION 7
#define FUSE_KERNEL_MINOR_VERSION 45

/* The nodeid of the root: known from the start, never looked up, never forgotten. */
#define FUSE_ROOT_ID 1

/* Opcodes. */

enum fuse_opcode {
	FUSE_LOOKUP = 1,
	FUSE_FORGET = 2, /* has no reply */
	FUSE_GETATTR = 3,
	FUSE_SETATTR = 4,
	FUSE_READLINK = 5,
	FUSE_SYMLINK = 6,
	FUSE_MKNOD = 8,
	FUSE_MKDIR = 9,
	FUSE_UNLINK = 10,
	FUSE_RMDIR = 11,
	FUSE_RENAME = 12,
	FUSE_LINK = 13,
	FUSE_OPEN = 14,
	FUSE_READ = 15,
	FUSE_WRITE = 16,
	FUSE_STATFS = 17,
	FUSE_RELEASE = 18,
	FUSE_FSYNC = 20,
	FUSE_SETXATTR = 21,
	FUSE_GETXATTR = 22,
	FUSE_LISTXATTR = 23,
	FUSE_REMOVEXATTR = 24,
	FUSE_FLUSH = 25, /* one for each close(2), so there may be several for an open */
	FUSE_INIT = 26,
	FUSE_OPENDIR = 27,
	FUSE_READDIR = 28,
	FUSE_RELEASEDIR = 29,
	FUSE_FSYNCDIR = 30,
	FUSE_GETLK = 31,
	FUSE_SETLK = 32,
	FUSE_SETLKW = 33,
	FUSE_ACCESS = 34,
	FUSE_CREATE = 35,
	FUSE_INTERRUPT = 36, /* has a reply only to ask for it again: -EAGAIN */
	FUSE_BMAP = 37,
	FUSE_DESTROY = 38,
	FUSE_IOCTL = 39,
	FUSE_POLL = 40,
	FUSE_NOTIFY_REPLY = 41, /* what FUSE_NOTIFY_RETRIEVE asked for; has no reply */
	FUSE_BATCH_FORGET = 42, /* has no reply */
	FUSE_FALLOCATE = 43,
	FUSE_READDIRPLUS = 44,
	FUSE_RENAME2 = 45,
	FUSE_LSEEK = 46,
	FUSE_COPY_FILE_RANGE = 47,
	FUSE_SETUPMAPPING = 48,       /* virtio-fs DAX window */
	FUSE_REMOVEMAPPING = 49,      /* virtio-fs DAX window */
	FUSE_SYNCFS = 50,             /* since 7.34 */
	FUSE_TMPFILE = 51,            /* since 7.37 */
	FUSE_STATX = 52,              /* since 7.39 */
	FUSE_COPY_FILE_RANGE_64 = 53, /* since 7.45 */

	/* Character devices in user space; not served by this library. */
	CUSE_INIT = 4096,

	/* What INIT looks like when the other side has the other byte order: reserved, to be
	   recognised. */
	CUSE_INIT_BSWAP_RESERVED = 0x00100000,
	FUSE_INIT_BSWAP_RESERVED = 0x1a000000,
};

/*
 * Codes of messages that the server sends unasked: fuse_out_header.unique is 0 and .error holds the
 * code, as a positive number.
 */
enum fuse_notify_code {
	FUSE_NOTIFY_POLL = 1,
	FUSE_NOTIFY_INVAL_INODE = 2,
	FUSE_NOTIFY_INVAL_ENTRY = 3,
	FUSE_NOTIFY_STORE = 4,
	FUSE_NOTIFY_RETRIEVE = 5,
	FUSE_NOTIFY_DELETE = 6,
	FUSE_NOTIFY_RESEND = 7,    /* since 7.40; carries nothing */
	FUSE_NOTIFY_INC_EPOCH = 8, /* since 7.44; carries nothing */
	FUSE_NOTIFY_PRUNE = 9,     /* since 7.45 */
};

/* Headers. */

struct fuse_in_header {
	uint32_t len; /* of the whole message, this header included */
	uint32_t opcode;
	uint64_t unique; /* to be echoed in the reply */
	uint64_t nodeid;
	uint32_t uid; /* whose filesystem identity the operation has */
	uint32_t gid;
	uint32_t pid; /* a thread id; 0 when the caller lives in a pid namespace that the server
			 cannot name */
	uint16_t total_extlen; /* since 7.38: length of all extension blocks, in units of 8 bytes */
	uint16_t padding;
};

struct fuse_out_header {
	uint32_t len;  /* of the whole reply, this header included */
	int32_t error; /* 0 or a negative errno; in a notification its code */
	uint64_t unique;
};

/*
 * In fuse_in_header.unique: the kernel sends this request a second time, because the server asked
 * so by FUSE_NOTIFY_RESEND (it may have been carried out already). Since 7.40.
 */
#define FUSE_UNIQUE_RESEND (1ULL << 63)

/* In fuse_in_header.uid and .gid, with FUSE_ALLOW_IDMAP: there is no identity. Since 7.41. */
#define FUSE_INVALID_UIDGID 0xffffffffU

/* The smallest buffer with which a device may be read. */
#define FUSE_MIN_READ_BUFFER 8192

/* INIT. */

struct fuse_init_in {
	uint32_t major;
	uint32_t minor;
	uint32_t max_readahead;
	uint32_t flags;
	uint32_t flags2; /* since 7.36, where flags has FUSE_INIT_EXT: bits 32 to 63 */
	uint32_t unused[11];
};

struct fuse_init_out {
	uint32_t major;
	uint32_t minor;
	uint32_t max_readahead;
	uint32_t flags;
	uint16_t max_background;
	uint16_t congestion_threshold;
	uint32_t max_write;
	uint32_t time_gran;       /* granularity of timestamps, in nanoseconds */
	uint16_t max_pages;       /* counts where flags has FUSE_MAX_PAGES */
	uint16_t map_alignment;   /* log2; counts where flags has FUSE_MAP_ALIGNMENT */
	uint32_t flags2;          /* since 7.36, where flags has FUSE_INIT_EXT */
	uint32_t max_stack_depth; /* since 7.40, counts with FUSE_PASSTHROUGH */
	uint16_t request_timeout; /* since 7.43, seconds; counts with FUSE_REQUEST_TIMEOUT */
	uint16_t unused[11];
};

/*
 * Flags of INIT, in both directions. All are 64 bits wide: bits 0 to 31 travel in flags, 32 to 63
 * in flags2, and a complement (~flag) applied to the joined value keeps the upper half.
 */
#define FUSE_ASYNC_READ (1ULL << 0)          /* several reads of a handle at a time */
#define FUSE_POSIX_LOCKS (1ULL << 1)         /* fcntl locks go to the server */
#define FUSE_FILE_OPS (1ULL << 2)            /* not used by the kernel */
#define FUSE_ATOMIC_O_TRUNC (1ULL << 3)      /* OPEN truncates, no SETATTR before it */
#define FUSE_EXPORT_SUPPORT (1ULL << 4)      /* the server looks up "." and ".." */
#define FUSE_BIG_WRITES (1ULL << 5)          /* writes of more than a page */
#define FUSE_DONT_MASK (1ULL << 6)           /* the umask is the server's to apply */
#define FUSE_SPLICE_WRITE (1ULL << 7)        /* the device can be spliced to */
#define FUSE_SPLICE_MOVE (1ULL << 8)         /* and takes pages over */
#define FUSE_SPLICE_READ (1ULL << 9)         /* the device can be spliced from */
#define FUSE_FLOCK_LOCKS (1ULL << 10)        /* flock goes to the server */
#define FUSE_HAS_IOCTL_DIR (1ULL << 11)      /* ioctl on directories */
#define FUSE_AUTO_INVAL_DATA (1ULL << 12)    /* cached data goes when size or mtime change */
#define FUSE_DO_READDIRPLUS (1ULL << 13)     /* READDIRPLUS may be used */
#define FUSE_READDIRPLUS_AUTO (1ULL << 14)   /* but only where it seems to pay */
#define FUSE_ASYNC_DIO (1ULL << 15)          /* direct I/O is submitted asynchronously */
#define FUSE_WRITEBACK_CACHE (1ULL << 16)    /* the client caches writes, and owns size and times */
#define FUSE_NO_OPEN_SUPPORT (1ULL << 17)    /* OPEN may answer ENOSYS: open without asking */
#define FUSE_PARALLEL_DIROPS (1ULL << 18)    /* LOOKUP and READDIR in one directory at a time */
#define FUSE_HANDLE_KILLPRIV (1ULL << 19)    /* the server clears set-id bits and capabilities */
#define FUSE_POSIX_ACL (1ULL << 20)          /* POSIX ACLs, with default_permissions semantics */
#define FUSE_ABORT_ERROR (1ULL << 21)        /* reading an aborted device says ECONNABORTED */
#define FUSE_MAX_PAGES (1ULL << 22)          /* init_out.max_pages counts */
#define FUSE_CACHE_SYMLINKS (1ULL << 23)     /* targets of symlinks are cached */
#define FUSE_NO_OPENDIR_SUPPORT (1ULL << 24) /* OPENDIR may answer ENOSYS */
#define FUSE_EXPLICIT_INVAL_DATA (1ULL << 25)  /* cached data goes only when the server says so */
#define FUSE_MAP_ALIGNMENT (1ULL << 26)        /* init_out.map_alignment counts */
#define FUSE_SUBMOUNTS (1ULL << 27)            /* since 7.32: FUSE_ATTR_SUBMOUNT is understood */
#define FUSE_HANDLE_KILLPRIV_V2 (1ULL << 28)   /* since 7.33: KILLPRIV, with flags that say when */
#define FUSE_SETXATTR_EXT (1ULL << 29)         /* since 7.33: fuse_setxattr_in has its long form */
#define FUSE_INIT_EXT (1ULL << 30)             /* since 7.36: flags2 counts */
#define FUSE_INIT_RESERVED (1ULL << 31)        /* since 7.36: not to be used */
#define FUSE_SECURITY_CTX (1ULL << 32)         /* since 7.36: creations carry a security context */
#define FUSE_HAS_INODE_DAX (1ULL << 33)        /* since 7.36: DAX is chosen inode by inode */
#define FUSE_CREATE_SUPP_GROUP (1ULL << 34)    /* since 7.38: creations carry one group */
#define FUSE_HAS_EXPIRE_ONLY (1ULL << 35)      /* since 7.38: FUSE_EXPIRE_ONLY is understood */
#define FUSE_DIRECT_IO_ALLOW_MMAP (1ULL << 36) /* since 7.39: mmap of FOPEN_DIRECT_IO files */
#define FUSE_DIRECT_IO_RELAX FUSE_DIRECT_IO_ALLOW_MMAP /* its first name */
#define FUSE_PASSTHROUGH (1ULL << 37)       /* since 7.40: opens may name a backing file */
#define FUSE_NO_EXPORT_SUPPORT (1ULL << 38) /* since 7.40: refuse file handles altogether */
#define FUSE_HAS_RESEND (1ULL << 39)        /* since 7.40: FUSE_NOTIFY_RESEND is understood */
#define FUSE_ALLOW_IDMAP (1ULL << 40)       /* since 7.41: the mount may be id-mapped */
#define FUSE_OVER_IO_URING (1ULL << 41)     /* since 7.42: requests may travel by io_uring */
#define FUSE_REQUEST_TIMEOUT (1ULL << 42)   /* since 7.43: init_out.request_timeout counts */

/* Attributes. */

struct fuse_attr {
	uint64_t ino;
	uint64_t size;
	uint64_t blocks; /* of 512 bytes */
	uint64_t atime;
	uint64_t mtime;
	uint64_t ctime;
	uint32_t atimensec;
	uint32_t mtimensec;
	uint32_t ctimensec;
	uint32_t mode;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint32_t rdev;
	uint32_t blksize;
	uint32_t flags; /* since 7.32: FUSE_ATTR_*; before it padding */
};

#define FUSE_ATTR_SUBMOUNT (1U << 0) /* since 7.32: a file system begins at this directory */
#define FUSE_ATTR_DAX (1U << 1)      /* since 7.36: use DAX for this inode */

struct fuse_getattr_in {
	uint32_t getattr_flags; /* FUSE_GETATTR_* */
	uint32_t dummy;
	uint64_t fh;
};

#define FUSE_GETATTR_FH (1U << 0) /* fh is valid; for STATX too */

struct fuse_attr_out {
	uint64_t attr_valid; /* how long the client may keep them: seconds */
	uint32_t attr_valid_nsec;
	uint32_t dummy;
	struct fuse_attr attr;
};

struct fuse_setattr_in {
	uint32_t valid; /* FATTR_* */
	uint32_t padding;
	uint64_t fh;
	uint64_t size;
	uint64_t lock_owner;
	uint64_t atime;
	uint64_t mtime;
	uint64_t ctime;
	uint32_t atimensec;
	uint32_t mtimensec;
	uint32_t ctimensec;
	uint32_t mode;
	uint32_t unused4;
	uint32_t uid;
	uint32_t gid;
	uint32_t unused5;
};

#define FATTR_MODE (1U << 0)
#define FATTR_UID (1U << 1)
#define FATTR_GID (1U << 2)
#define FATTR_SIZE (1U << 3)
#define FATTR_ATIME (1U << 4)
#define FATTR_MTIME (1U << 5)
#define FATTR_FH (1U << 6)        /* act on the handle: it was judged when it was opened */
#define FATTR_ATIME_NOW (1U << 7) /* comes with FATTR_ATIME */
#define FATTR_MTIME_NOW (1U << 8)
#define FATTR_LOCKOWNER (1U << 9)     /* lock_owner is valid */
#define FATTR_CTIME (1U << 10)        /* only under writeback, where the client owns the times */
#define FATTR_KILL_SUIDGID (1U << 11) /* since 7.33: clear set-id bits, as killpriv v2 says */

/* Times of STATX. */
struct fuse_sx_time {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t __reserved;
};

/* The answer of statx(2), as it travels; since 7.39. */
struct fuse_statx {
	uint32_t mask;
	uint32_t blksize;
	uint64_t attributes;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint16_t mode;
	uint16_t __spare0[1];
	uint64_t ino;
	uint64_t size;
	uint64_t blocks;
	uint64_t attributes_mask;
	struct fuse_sx_time atime;
	struct fuse_sx_time btime;
	struct fuse_sx_time ctime;
	struct fuse_sx_time mtime;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint64_t __spare2[14];
};

struct fuse_statx_in {
	uint32_t getattr_flags;
	uint32_t reserved;
	uint64_t fh;
	uint32_t sx_flags; /* AT_STATX_* */
	uint32_t sx_mask;  /* STATX_* */
};

struct fuse_statx_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec;
	uint32_t flags;
	uint64_t spare[2];
	struct fuse_statx stat;
};

struct fuse_access_in {
	uint32_t mask; /* R_OK | W_OK | X_OK, or F_OK */
	uint32_t padding;
};

/* Names: lookup, forget, create, remove. */

/* The answer of whatever finds or makes a name. A nodeid other than 0 counts as one lookup more. */
struct fuse_entry_out {
	uint64_t nodeid; /* 0: there is no such name, and that may be cached for entry_valid */
	uint64_t generation;
	uint64_t entry_valid; /* how long the name may be cached: seconds */
	uint64_t attr_valid;  /* how long the attributes */
	uint32_t entry_valid_nsec;
	uint32_t attr_valid_nsec;
	struct fuse_attr attr;
};

struct fuse_forget_in {
	uint64_t nlookup; /* how many lookups to take back */
};

struct fuse_forget_one {
	uint64_t nodeid;
	uint64_t nlookup;
};

/* Followed by count times struct fuse_forget_one. */
struct fuse_batch_forget_in {
	uint32_t count;
	uint32_t dummy;
};

/* Followed by the name. */
struct fuse_mknod_in {
	uint32_t mode;
	uint32_t rdev;
	uint32_t umask;
	uint32_t padding;
};

/* Followed by the name. */
struct fuse_mkdir_in {
	uint32_t mode;
	uint32_t umask;
};

/* Followed by the old name and the new one; the old directory is the header's nodeid. */
struct fuse_rename_in {
	uint64_t newdir;
};

/* As fuse_rename_in, with the flags of renameat2(2). */
struct fuse_rename2_in {
	uint64_t newdir;
	uint32_t flags; /* RENAME_* */
	uint32_t padding;
};

/* Followed by the new name; the new directory is the header's nodeid. */
struct fuse_link_in {
	uint64_t oldnodeid;
};

/* Open files. */

struct fuse_open_in {
	uint32_t flags;      /* O_* of open(2) */
	uint32_t open_flags; /* since 7.33: FUSE_OPEN_*; before it unused */
};

/* For CREATE, followed by the name; and for TMPFILE, where the name means nothing. */
struct fuse_create_in {
	uint32_t flags;
	uint32_t mode;
	uint32_t umask;
	uint32_t open_flags; /* since 7.33: FUSE_OPEN_*; before it padding */
};

/* Since 7.33: this open truncates, and set-id bits go with it. */
#define FUSE_OPEN_KILL_SUIDGID (1U << 0)

/* The answer to OPEN and OPENDIR; to CREATE and TMPFILE, after a struct fuse_entry_out. */
struct fuse_open_out {
	uint64_t fh;
	uint32_t open_flags; /* FOPEN_* */
	int32_t backing_id;  /* since 7.40, counts with FOPEN_PASSTHROUGH; before it padding */
};

#define FOPEN_DIRECT_IO (1U << 0)   /* past the page cache */
#define FOPEN_KEEP_CACHE (1U << 1)  /* what is cached of the file stays valid */
#define FOPEN_NONSEEKABLE (1U << 2) /* lseek is refused */
#define FOPEN_CACHE_DIR (1U << 3)   /* entries of this directory may be cached */
#define FOPEN_STREAM (1U << 4)      /* there is no file position at all */
#define FOPEN_NOFLUSH (1U << 5)     /* since 7.35: no FLUSH at close, unless writeback is on */
#define FOPEN_PARALLEL_DIRECT_WRITES (1U << 6) /* since 7.38: several direct writes at a time */
#define FOPEN_PASSTHROUGH (1U << 7) /* since 7.40: data goes straight to the backing file */

struct fuse_release_in {
	uint64_t fh;
	uint32_t flags; /* those of the open */
	uint32_t release_flags;
	uint64_t lock_owner;
};

#define FUSE_RELEASE_FLUSH (1U << 0)
#define FUSE_RELEASE_FLOCK_UNLOCK (1U << 1) /* lock_owner's flock ends with this handle */

struct fuse_flush_in {
	uint64_t fh;
	uint32_t unused;
	uint32_t padding;
	uint64_t lock_owner; /* whose POSIX locks end with this close */
};

/* For READ, and for READDIR and READDIRPLUS, where offset is the cookie of the last entry. */
struct fuse_read_in {
	uint64_t fh;
	uint64_t offset;
	uint32_t size; /* the most that the answer may hold */
	uint32_t read_flags;
	uint64_t lock_owner;
	uint32_t flags; /* those of the open file */
	uint32_t padding;
};

#define FUSE_READ_LOCKOWNER (1U << 1) /* lock_owner is valid */

/* Followed by size bytes. */
struct fuse_write_in {
	uint64_t fh;
	uint64_t offset;
	uint32_t size;
	uint32_t write_flags;
	uint64_t lock_owner;
	uint32_t flags;
	uint32_t padding;
};

/* Written back from the page cache: the header's ids may be anybody's. */
#define FUSE_WRITE_CACHE (1U << 0)
#define FUSE_WRITE_LOCKOWNER (1U << 1)               /* lock_owner is valid */
#define FUSE_WRITE_KILL_SUIDGID (1U << 2)            /* since 7.33: clear set-id bits */
#define FUSE_WRITE_KILL_PRIV FUSE_WRITE_KILL_SUIDGID /* the name it had in 7.31 */

struct fuse_write_out {
	uint32_t size;
	uint32_t padding;
};

struct fuse_fsync_in {
	uint64_t fh;
	uint32_t fsync_flags;
	uint32_t padding;
};

#define FUSE_FSYNC_FDATASYNC (1U << 0)

struct fuse_fallocate_in {
	uint64_t fh;
	uint64_t offset;
	uint64_t length;
	uint32_t mode; /* FALLOC_FL_* */
	uint32_t padding;
};

/* The offset is unsigned here, although SEEK_CUR and SEEK_END mean a signed one by it. */
struct fuse_lseek_in {
	uint64_t fh;
	uint64_t offset;
	uint32_t whence;
	uint32_t padding;
};

struct fuse_lseek_out {
	uint64_t offset;
};

/* For COPY_FILE_RANGE, answered by a struct fuse_write_out, and for COPY_FILE_RANGE_64. */
struct fuse_copy_file_range_in {
	uint64_t fh_in;
	uint64_t off_in;
	uint64_t nodeid_out;
	uint64_t fh_out;
	uint64_t off_out;
	uint64_t len;
	uint64_t flags;
};

/* The answer to COPY_FILE_RANGE_64; since 7.45. */
struct fuse_copy_file_range_out {
	uint64_t bytes_copied;
};

struct fuse_bmap_in {
	uint64_t block;
	uint32_t blocksize;
	uint32_t padding;
};

struct fuse_bmap_out {
	uint64_t block;
};

/* Directories. */

/* Flexible arrays, and structs that end in one, are extensions that every compiler we know has. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"

/* One entry of READDIR. The name is not terminated; FUSE_DIRENT_SIZE() leads to the next entry. */
struct fuse_dirent {
	uint64_t ino;
	uint64_t off; /* the cookie of the entry after this one */
	uint32_t namelen;
	uint32_t type; /* DT_* of <dirent.h> */
	char name[];
};

/* One entry of READDIRPLUS. entry_out.nodeid may be 0: then only the dirent counts. */
struct fuse_direntplus {
	struct fuse_entry_out entry_out;
	struct fuse_dirent dirent;
};

#pragma GCC diagnostic pop

/* Records in a message begin at multiples of 8 bytes. */
#define FUSE_REC_ALIGN(x) (((x) + sizeof(uint64_t) - 1) & ~(sizeof(uint64_t) - 1))
#define FUSE_NAME_OFFSET offsetof(struct fuse_dirent, name)
#define FUSE_DIRENT_ALIGN(x) FUSE_REC_ALIGN(x)
#define FUSE_DIRENT_SIZE(d) FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + (d)->namelen)
#define FUSE_NAME_OFFSET_DIRENTPLUS (offsetof(struct fuse_direntplus, dirent) + FUSE_NAME_OFFSET)
#define FUSE_DIRENTPLUS_SIZE(d) FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + (d)->dirent.namelen)

/* The file system as a whole. */

struct fuse_kstatfs {
	uint64_t blocks;
	uint64_t bfree;
	uint64_t bavail;
	uint64_t files;
	uint64_t ffree;
	uint32_t bsize;
	uint32_t namelen;
	uint32_t frsize;
	uint32_t padding;
	uint32_t spare[6];
};

struct fuse_statfs_out {
	struct fuse_kstatfs st;
};

/* Since 7.34. */
struct fuse_syncfs_in {
	uint64_t padding;
};

/* Extended attributes. */

/* Followed by name and value. Without FUSE_SETXATTR_EXT only its first 8 bytes travel. */
struct fuse_setxattr_in {
	uint32_t size;
	uint32_t flags;          /* XATTR_CREATE, XATTR_REPLACE */
	uint32_t setxattr_flags; /* since 7.33 */
	uint32_t padding;
};

/* Since 7.33: this ACL takes the set-group-id bit with it. */
#define FUSE_SETXATTR_ACL_KILL_SGID (1U << 0)

/* For GETXATTR, followed by the name, and for LISTXATTR. */
struct fuse_getxattr_in {
	uint32_t size; /* 0 asks for the length only */
	uint32_t padding;
};

/* The answer when only the length was asked for; otherwise the answer is the value. */
struct fuse_getxattr_out {
	uint32_t size;
	uint32_t padding;
};

/* Locks. */

struct fuse_file_lock {
	uint64_t start;
	uint64_t end;  /* inclusive */
	uint32_t type; /* F_RDLCK, F_WRLCK, F_UNLCK */
	uint32_t pid;
};

struct fuse_lk_in {
	uint64_t fh;
	uint64_t owner;
	struct fuse_file_lock lk;
	uint32_t lk_flags;
	uint32_t padding;
};

#define FUSE_LK_FLOCK (1U << 0) /* it is flock(2) that asks */

struct fuse_lk_out {
	struct fuse_file_lock lk;
};

/* Interrupt, ioctl, poll. */

struct fuse_interrupt_in {
	uint64_t unique; /* of the request to be given up */
};

/* Followed by in_size bytes. */
struct fuse_ioctl_in {
	uint64_t fh;
	uint32_t flags;
	uint32_t cmd;
	uint64_t arg;
	uint32_t in_size;
	uint32_t out_size; /* the most that the answer may hold */
};

#define FUSE_IOCTL_COMPAT (1U << 0)       /* a 32-bit caller on a 64-bit kernel */
#define FUSE_IOCTL_UNRESTRICTED (1U << 1) /* CUSE alone: any memory of the caller */
#define FUSE_IOCTL_RETRY (1U << 2)        /* in the answer: ask again with these iovecs */
#define FUSE_IOCTL_32BIT (1U << 3)
#define FUSE_IOCTL_DIR (1U << 4)        /* on a directory's handle */
#define FUSE_IOCTL_COMPAT_X32 (1U << 5) /* an x32 caller: 64-bit time_t */

#define FUSE_IOCTL_MAX_IOV 256

struct fuse_ioctl_iovec {
	uint64_t base;
	uint64_t len;
};

/* Followed by the data, or with FUSE_IOCTL_RETRY by in_iovs + out_iovs struct fuse_ioctl_iovec. */
struct fuse_ioctl_out {
	int32_t result; /* what ioctl(2) returns */
	uint32_t flags;
	uint32_t in_iovs;
	uint32_t out_iovs;
};

struct fuse_poll_in {
	uint64_t fh;
	uint64_t kh; /* names this poller in FUSE_NOTIFY_POLL */
	uint32_t flags;
	uint32_t events; /* POLL* that are waited for */
};

#define FUSE_POLL_SCHEDULE_NOTIFY (1U << 0) /* the client wants to be told by FUSE_NOTIFY_POLL */

struct fuse_poll_out {
	uint32_t revents;
	uint32_t padding;
};

/* Extensions: blocks after a request that creates something. */

/*
 * Extension blocks are padded to multiples of 8 bytes. A type of up to FUSE_MAX_NR_SECCTX is not a
 * type but the number of security contexts, and the block is a struct fuse_secctx_header with those
 * contexts.
 */
enum fuse_ext_type {
	FUSE_MAX_NR_SECCTX = 31,
	FUSE_EXT_GROUPS = 32, /* since 7.38: a struct fuse_supp_groups */
};

/* Since 7.38. */
struct fuse_ext_header {
	uint32_t size; /* of this block, header and padding included */
	uint32_t type; /* enum fuse_ext_type */
};

/* Since 7.36: the header of the security contexts; the same 8 bytes as a struct fuse_ext_header. */
struct fuse_secctx_header {
	uint32_t size;
	uint32_t nr_secctx;
};

/* Since 7.36: followed by the attribute's name, NUL-terminated, and size bytes of context. */
struct fuse_secctx {
	uint32_t size;
	uint32_t padding;
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"

/* Since 7.38: follows a struct fuse_ext_header of type FUSE_EXT_GROUPS. */
struct fuse_supp_groups {
	uint32_t nr_groups;
	uint32_t groups[];
};

#pragma GCC diagnostic pop

/* Notifications: what follows the header of a message that the server sends unasked. */

struct fuse_notify_poll_wakeup_out {
	uint64_t kh;
};

struct fuse_notify_inval_inode_out {
	uint64_t ino;
	int64_t off; /* negative: attributes only */
	int64_t len; /* 0 or less: to the end */
};

/* Followed by the name, NUL-terminated; namelen does not count the NUL. */
struct fuse_notify_inval_entry_out {
	uint64_t parent;
	uint32_t namelen;
	uint32_t flags; /* since 7.38: FUSE_EXPIRE_ONLY; before it padding */
};

/* Since 7.38: look the name up again at its next use, but keep what is mounted on it. */
#define FUSE_EXPIRE_ONLY (1U << 0)

/* Followed by the name, NUL-terminated. */
struct fuse_notify_delete_out {
	uint64_t parent;
	uint64_t child;
	uint32_t namelen;
	uint32_t padding;
};

/* Followed by size bytes for the client's page cache. */
struct fuse_notify_store_out {
	uint64_t nodeid;
	uint64_t offset;
	uint32_t size;
	uint32_t padding;
};

struct fuse_notify_retrieve_out {
	uint64_t notify_unique; /* comes back as the unique of NOTIFY_REPLY */
	uint64_t nodeid;
	uint64_t offset;
	uint32_t size;
	uint32_t padding;
};

/* What FUSE_NOTIFY_REPLY carries before its data. It is as long as a struct fuse_write_in. */
struct fuse_notify_retrieve_in {
	uint64_t dummy1;
	uint64_t offset;
	uint32_t size;
	uint32_t dummy2;
	uint64_t dummy3;
	uint64_t dummy4;
};

/* Since 7.45: followed by count nodeids, 8 bytes each. */
struct fuse_notify_prune_out {
	uint32_t count;
	uint32_t padding;
	uint64_t spare;
};

/* virtio-fs DAX window. */

struct fuse_setupmapping_in {
	uint64_t fh;
	uint64_t foffset;
	uint64_t len;
	uint64_t flags;
	uint64_t moffset; /* where in the window */
};

#define FUSE_SETUPMAPPING_FLAG_WRITE (1ULL << 0)
#define FUSE_SETUPMAPPING_FLAG_READ (1ULL << 1)

/* Followed by count times struct fuse_removemapping_one. */
struct fuse_removemapping_in {
	uint32_t count;
};

struct fuse_removemapping_one {
	uint64_t moffset;
	uint64_t len;
};

/* As many as fit into a page of 4096 bytes. */
#define FUSE_REMOVEMAPPING_MAX_ENTRY (4096 / sizeof(struct fuse_removemapping_one))

/* The device: ioctls of /dev/fuse. */

/* The argument of FUSE_DEV_IOC_BACKING_OPEN; since 7.40. */
struct fuse_backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};

#define FUSE_DEV_IOC_MAGIC 229

/*
 * Request numbers in the common encoding (x86, Arm, RISC-V, s390, LoongArch). Alpha, MIPS, PowerPC,
 * SPARC and PA-RISC encode direction and size otherwise; there they are left out rather than wrong.
 */
#if !defined(__alpha__) && !defined(__mips__) && !defined(__powerpc__) && !defined(__sparc__) && \
	!defined(__hppa__)
#define FUSE_DEV_IOC_CLONE 0x8004e500U         /* uint32_t *: the fd whose session to join */
#define FUSE_DEV_IOC_BACKING_OPEN 0x4010e501U  /* struct fuse_backing_map *: gives a backing id */
#define FUSE_DEV_IOC_BACKING_CLOSE 0x4004e502U /* uint32_t *: the backing id */
#define FUSE_DEV_IOC_SYNC_INIT 0x0000e503U     /* mount(2) is to wait for INIT */
#endif

/* FUSE over io_uring; since 7.42. */

#define FUSE_URING_IN_OUT_HEADER_SZ 128
#define FUSE_URING_OP_IN_OUT_SZ 128

struct fuse_uring_ent_in_out {
	uint64_t flags;
	uint64_t commit_id;  /* the ticket by which the answer is handed in */
	uint32_t payload_sz; /* of the payload buffer used, in both directions */
	uint32_t padding;
	uint64_t reserved;
};

/* The header buffer of a ring entry. */
struct fuse_uring_req_header {
	char in_out[FUSE_URING_IN_OUT_HEADER_SZ]; /* fuse_in_header or fuse_out_header */
	char op_in[FUSE_URING_OP_IN_OUT_SZ];      /* the opcode's fixed arguments */
	struct fuse_uring_ent_in_out ring_ent_in_out;
};

enum fuse_uring_cmd {
	FUSE_IO_URING_CMD_INVALID = 0,
	FUSE_IO_URING_CMD_REGISTER = 1,
	FUSE_IO_URING_CMD_COMMIT_AND_FETCH = 2,
};

/* In the command area of the submission queue entry. */
struct fuse_uring_cmd_req {
	uint64_t flags;
	uint64_t commit_id;
	uint16_t qid; /* the number of the core */
	uint8_t padding[6];
};

/* CUSE: character devices, for completeness. */

#define CUSE_INIT_INFO_MAX 4096
#define CUSE_UNRESTRICTED_IOCTL (1U << 0)

struct cuse_init_in {
	uint32_t major;
	uint32_t minor;
	uint32_t unused;
	uint32_t flags;
};

struct cuse_init_out {
	uint32_t major;
	uint32_t minor;
	uint32_t unused;
	uint32_t flags;
	uint32_t max_read;
	uint32_t max_write;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint32_t spare[10];
};

/* Lengths that structs had before they grew. */

#define FUSE_COMPAT_INIT_OUT_SIZE 8     /* before 7.5 */
#define FUSE_COMPAT_22_INIT_OUT_SIZE 24 /* 7.5 to 7.22 */
#define FUSE_COMPAT_STATFS_SIZE 48      /* before 7.4 */
#define FUSE_COMPAT_ENTRY_OUT_SIZE 120  /* before 7.9, as the next two */
#define FUSE_COMPAT_ATTR_OUT_SIZE 96
#define FUSE_COMPAT_WRITE_IN_SIZE 24
#define FUSE_COMPAT_MKNOD_IN_SIZE 8    /* before 7.12 */
#define FUSE_COMPAT_SETXATTR_IN_SIZE 8 /* wherever FUSE_SETXATTR_EXT was not agreed on */

#endif /* FSBACKEND_FUSE_WIRE_H */
