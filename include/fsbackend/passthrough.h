/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The passthrough: a file system that is a directory of the host.
 *
 * Smallest correct use:
 *
 *	struct fsb_passthrough_config config;
 *	struct fsb_filesystem *fs;
 *	fsb_passthrough_config_init(&config);
 *	config.source = "/srv/share";
 *	int err = fsb_passthrough_new(&config, &fs);
 *	... serve it ...
 *	fsb_passthrough_free(fs);
 *
 * What the process notices: a thread that becomes another user, if only for its file system calls, makes the process undumpable
 * and loses its PR_SET_PDEATHSIG (prctl(2)); neither is given back. /proc/self/fd is used as long as the file system lives, so
 * it does not survive fork(2) in the child, the main thread must not end before, and no thread may have a descriptor table of its own (unshare(2) with CLONE_FILES).
 *
 * The process should ignore SIGXFSZ (a write beyond RLIMIT_FSIZE then fails with EFBIG instead of ending the process).
 */
#ifndef FSBACKEND_PASSTHROUGH_H
#define FSBACKEND_PASSTHROUGH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <fsbackend/base.h>
#include <fsbackend/filesystem.h>
#include <fsbackend/log.h>

FSB_BEGIN_DECLS

/** How much the client may keep. */
enum fsb_cache {
	FSB_CACHE_AUTO = 0,  /* data until its size changes or it is opened after a change; names, attributes for the timeouts (1 s) */
	FSB_CACHE_NONE = 1,  /* nothing: every read and every lookup asks (direct I/O, timeouts 0) */
	FSB_CACHE_ALWAYS = 2 /* everything: only for trees that nobody else changes (timeouts one day) */
};

/** Who judges permissions. */
enum fsb_permissions {
	FSB_PERMISSIONS_CLIENT = 0, /* the client's kernel (mounted with default_permissions); new files belong to the caller */
	FSB_PERMISSIONS_SERVER = 1  /* the server, as the caller with all the caller's groups, at each operation */
};

/** Where locks are kept. */
enum fsb_locks {
	FSB_LOCKS_LOCAL = 0, /* in the client's kernel: seen by processes of that client only */
	FSB_LOCKS_HOST = 1   /* on the host: seen by everybody */
};

/**
 * What a caller whose supplementary groups are unknown is taken for, in server mode. Root's need not be known, whose power goes past them, on
 * file systems of the host's own disks and memory; the root of a user namespace has no such power over all files, and is as anybody.
 */
enum fsb_unknown_groups {
	FSB_UNKNOWN_GROUPS_REFUSE = 0, /* the operation fails with EACCES */
	FSB_UNKNOWN_GROUPS_PRIMARY = 1 /* for one with no groups but the primary one */
};

/** Whether the client's kernel reads, writes and maps files of the host by itself (FUSE passthrough), past the server. */
enum fsb_backing_use {
	FSB_BACKING_AUTO = 0, /* where it pays, see docs/architecture.md */
	FSB_BACKING_ON = 1,   /* every regular file for which it is possible */
	FSB_BACKING_OFF = 2   /* never */
};

/** @count ids from @client on (as the client numbers them) are @count ids from @host on. */
struct fsb_id_range {
	uint32_t client;
	uint32_t host;
	uint32_t count;
};

/** Descriptors of the process that several passthroughs share: see fsb_passthrough_budget_new(). */
struct fsb_passthrough_budget;

/** A timeout that follows from the cache policy. */
#define FSB_TIMEOUT_DEFAULT UINT64_MAX

/**
 * How a passthrough is made. Set it up by fsb_passthrough_config_init(), then change what you need.
 *
 * @size:        sizeof the struct, set by fsb_passthrough_config_init()
 * @source:      the directory to serve; or NULL, and then
 * @source_fd:   an open directory (O_PATH is enough), duplicated; default -1
 * @cache:       see enum fsb_cache
 * @entry_timeout_ns, @attr_timeout_ns, @negative_timeout_ns: how long the client may believe names, attributes, and that a name
 *               does not exist; FSB_TIMEOUT_DEFAULT follows @cache. In server mode the default of names is 0, and must be: each
 *               step of a walk is judged. That of attributes is 0 there with @client_checks
 * @writeback:   the client collects writes (faster, and the host sees them late); excludes FSB_CACHE_NONE
 * @xattr:       extended attributes (default true); without, each such operation answers ENOSYS: the client does without, and no longer
 *               asks for file capabilities before it writes
 * @posix_acl:   the client's kernel handles POSIX ACLs itself (default true, needs @xattr)
 * @read_only:   everything that changes anything answers EROFS
 * @permissions, @unknown_groups, @locks: see there
 * @client_checks: in server mode, the client's kernel checks as well (default true; the mount should have default_permissions). Linux never
 *               asks a server who may open a FIFO or a device, so without this everybody may: then mount with nodev.
 *               It costs a GETATTR a step of a walk, since the client is to check by what is true now
 * @no_open, @no_opendir: files and directories are not opened where the client can do without (fewer round trips, but the
 *               permission to read or write is then checked by the client only: not with FSB_PERMISSIONS_SERVER;
 *               and no_open not with FSB_LOCKS_HOST, whose locks go with the last close). Without CAP_DAC_OVERRIDE files are opened all the
 *               same, as each request would have to open them again, which their mode need not allow any more
 * @direct_io:   O_DIRECT of the client goes through to the host's files (default false: taken off)
 * @announce_submounts: mount points below the source are shown as such (default true)
 * @max_fds:     how many file descriptors inodes may hold, 0 (default) for a quarter of the soft RLIMIT_NOFILE as it is now. Calls in
 *               flight may hold two or three more each. Open files come on top, and so do files without a lasting handle
 *               (the host file system has none, or the process lacks CAP_DAC_READ_SEARCH) and files without a name, each as
 *               long as the client knows it. When there are no descriptors left, requests that need one fail with ENFILE
 * @uid_map, @nuid_map, @gid_map, @ngid_map: id ranges, copied; no ranges: ids are the same on both sides. With ranges, a client's
 *               id outside of them is refused (EOVERFLOW), and a host's is shown as 65534
 * @log:         where messages go
 * @backing:     see enum fsb_backing_use. It takes a transport and a client that have it, CAP_SYS_ADMIN, and a file system of the host's own
 *               disks or memory (ext, xfs, btrfs, f2fs, tmpfs); what cannot be done so is served as usual. Not with @writeback nor @no_open. O_DIRECT goes to the host's
 *               file with @direct_io only
 * @first_id:    where nodeids and handles begin to count, below 2^56 (default 0). For clients that may come with what another
 *               server, which is gone, has given them: with far apart numbers, such as random ones of 32 bits times 2^24, they
 *               get ESTALE and EBADF, and not another file
 * @budget:      what it shares with other passthroughs, or NULL (default) for no bound but that of the process. Not owned
 * @state_fd:    a file, open for reading and writing, in which what the client knows is mirrored as it comes and goes, so that the passthrough
 *               that is made with it after this process has died goes on; default -1: none. A regular file of this user, closed to all
 *               others (mode 0600), which only one passthrough uses at a time (it is locked by F_OFD_SETLK). Duplicated. A new client
 *               gets an empty file. See fsb_passthrough_recovered(). Not with FSB_BACKING_ON; FSB_BACKING_AUTO is off with it
 * @state_offset: where in that file to begin, a multiple of the page size; what lies before is the host's, all behind is the passthrough's
 */
struct fsb_passthrough_config {
	size_t size;
	const char *source;
	int source_fd;
	enum fsb_cache cache;
	uint64_t entry_timeout_ns;
	uint64_t attr_timeout_ns;
	uint64_t negative_timeout_ns;
	bool writeback;
	bool xattr;
	bool posix_acl;
	bool read_only;
	enum fsb_permissions permissions;
	enum fsb_unknown_groups unknown_groups;
	enum fsb_locks locks;
	bool client_checks;
	bool no_open;
	bool no_opendir;
	bool direct_io;
	bool announce_submounts;
	unsigned int max_fds;
	const struct fsb_id_range *uid_map;
	size_t nuid_map;
	const struct fsb_id_range *gid_map;
	size_t ngid_map;
	struct fsb_log log;
	enum fsb_backing_use backing;
	uint64_t first_id;
	struct fsb_passthrough_budget *budget;
	int state_fd;
	uint64_t state_offset;
};

/** Set every field that lies in the first @size bytes to its default; for fsb_passthrough_config_init(). */
FSB_API void fsb_passthrough_config_defaults(struct fsb_passthrough_config *config, size_t size);

/** Set every field to its default, and @size to that of the struct in this very header. */
static inline void fsb_passthrough_config_init(struct fsb_passthrough_config *config)
{
	fsb_passthrough_config_defaults(config, sizeof(*config));
}

/**
 * Make a file system of a host directory.
 *
 * @config: copied, with what it points at
 * @fs:     filled; to be freed by fsb_passthrough_free() after every server that uses it
 *
 * Return: 0; -EINVAL for a configuration that makes no sense (the log says which field); -ENOTDIR when the source is no
 * directory; -ENOMEM; or the errno of opening the source or /proc/self/fd. With a state file also -EPERM when it is not as it must be,
 * -EBUSY when another process uses it, -ENOSPC, and errnos of fcntl(2), fallocate(2), mmap(2).
 */
FSB_API int fsb_passthrough_new(const struct fsb_passthrough_config *config, struct fsb_filesystem **fs);

/**
 * Share descriptors between the passthroughs of several clients, so that none of them can take the process's away from the
 * others: those that stay open for as long as a client wants, which are open files and directories, one for each owner of locks on the
 * host, files without a name, and inodes without a lasting handle. What @max_fds is about, and what calls in flight have open, is not counted.
 *
 * Each passthrough may always hold @share of them. @pool more are there for whoever needs them, where none gets more than
 * it leaves to others: one on its own half of them, two a third each. Whoever is at its limit gets ENFILE (ENOLCK for locks) for what would take one
 * more, until it closes or forgets something, and removes files that it knows no faster than it forgets them. Calls that run at the same time may
 * exceed the limit by one each. Two of them, of all passthroughs, may wait up to two seconds for a client at its limit that is forgetting what it
 * removed.
 *
 * @share, @pool: descriptors, each below 2^31; a @share of 0 makes no sense
 * @budget: filled; to be freed by fsb_passthrough_budget_free() after the passthroughs that use it
 *
 * Return: 0; -EINVAL; -ENOMEM. Any thread.
 */
FSB_API int fsb_passthrough_budget_new(unsigned int share, unsigned int pool, struct fsb_passthrough_budget **budget);

/** Free it. No passthrough may use it any more. NULL is nothing. */
FSB_API void fsb_passthrough_budget_free(struct fsb_passthrough_budget *budget);

/**
 * Whether the state file was one of the same directory, from the same boot of the machine, and what it says is known now: then the client
 * may go on without a new INIT of its kernel's (the server still wants to see the old one, fsb_server_handle()). Otherwise it was wiped.
 *
 * Inodes are found again by their file handles, when they are used; open files are opened again, by the flags that they had, without
 * being judged again. What is not there any more answers ESTALE: files that had lost their last name, and all files (but not the
 * root) where the host file system has no lasting handles. Locks on the host are lost. A million inodes take 64 MB of the file (168 MB where
 * handles are longer than 29 bytes), an open file 32 bytes; beyond 16 million inodes or a million handles, or when there is no room
 * for the file to grow, what comes is not mirrored, and the log says so once. The process maps 1.1 GB (2.9 GB) of address space. Any thread.
 */
FSB_API bool fsb_passthrough_recovered(struct fsb_filesystem *fs);

/**
 * Never look into the file system with this device number: the mount at which @fs itself is served, when that lies inside of the
 * source. A request that led there would wait for one that the same server has to answer. Names that lead there give the
 * client ELOOP. To be called before the first request; 0 (default) for none. Costs one statx(2) a lookup.
 */
FSB_API void fsb_passthrough_avoid(struct fsb_filesystem *fs, dev_t device);

/** Free it, closing every file. No operation may run. NULL is nothing. */
FSB_API void fsb_passthrough_free(struct fsb_filesystem *fs);

/** What a passthrough holds at this moment. */
struct fsb_usage {
	uint64_t inodes;     /* known to the client, the root included */
	uint64_t inode_fds;  /* descriptors held for inodes */
	uint64_t handles;    /* open files and directories */
	uint64_t lookups;    /* sum of the lookup counts, the root's excepted */
};

/** Count what @fs (made by fsb_passthrough_new()) holds. Any thread; exact when no operation runs. */
FSB_API void fsb_passthrough_usage(struct fsb_filesystem *fs, struct fsb_usage *usage);

FSB_END_DECLS

#endif
