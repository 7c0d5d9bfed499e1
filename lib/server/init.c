// SPDX-License-Identifier: BSD-3-Clause
/* INIT: which version both sides speak, and which of the protocol's features are used. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "server/server.h"

#define OLDEST_MINOR 31

/* Linux pages are never smaller, and it never writes less at once. */
#define SMALLEST_WRITE 4096u

/* A ring's payload is as long as the longest write. An xattr with its name would not fit in less. */
#define SMALLEST_RING_WRITE (128u * 1024)

#define NSEC_PER_SEC 1000000000u

/*
 * Each flag of the protocol, decided on purpose. A flag is only ever used when the client offers it
 * and config.disable does not name it.
 */
static const struct init_flag flags[] = {
	{ FUSE_ASYNC_READ, "ASYNC_READ", INIT_ALWAYS, "reads by handle and offset need no order" },
	{ FUSE_POSIX_LOCKS, "POSIX_LOCKS", INIT_OPERATION,
	  "for file systems that keep locks themselves: getlk, setlk" },
	{ FUSE_FILE_OPS, "FILE_OPS", INIT_NEVER, "no kernel uses it" },
	{ FUSE_ATOMIC_O_TRUNC, "ATOMIC_O_TRUNC", INIT_WANTED,
	  "open has to truncate, and to clear set-id bits" },
	{ FUSE_EXPORT_SUPPORT, "EXPORT_SUPPORT", INIT_WANTED,
	  "lookup has to know \".\" and \"..\"" },
	{ FUSE_BIG_WRITES, "BIG_WRITES", INIT_ALWAYS,
	  "max_write says how big; newer kernels take it for granted" },
	{ FUSE_DONT_MASK, "DONT_MASK", INIT_WANTED,
	  "the file system has to apply the umask, or a default ACL instead" },
	{ FUSE_SPLICE_WRITE, "SPLICE_WRITE", INIT_NEVER,
	  "says what the device can do; it is not asked for by INIT" },
	{ FUSE_SPLICE_MOVE, "SPLICE_MOVE", INIT_NEVER, "as SPLICE_WRITE" },
	{ FUSE_SPLICE_READ, "SPLICE_READ", INIT_NEVER, "as SPLICE_WRITE" },
	{ FUSE_FLOCK_LOCKS, "FLOCK_LOCKS", INIT_OPERATION, "as POSIX_LOCKS, by setlk and setlkw" },
	{ FUSE_HAS_IOCTL_DIR, "HAS_IOCTL_DIR", INIT_ALWAYS,
	  "an ioctl on a directory is one like others" },
	{ FUSE_AUTO_INVAL_DATA, "AUTO_INVAL_DATA", INIT_DEFAULT,
	  "files may change on the host: a new mtime or size drops what is cached" },
	{ FUSE_DO_READDIRPLUS, "READDIRPLUS", INIT_OPERATION, "for file systems that have it" },
	{ FUSE_READDIRPLUS_AUTO, "READDIRPLUS_AUTO", INIT_OPERATION,
	  "with it: only where names are looked up after they were listed" },
	{ FUSE_ASYNC_DIO, "ASYNC_DIO", INIT_ALWAYS, "as ASYNC_READ" },
	{ FUSE_WRITEBACK_CACHE, "WRITEBACK_CACHE", INIT_WANTED,
	  "hands size and times to the client; files must be readable to be written" },
	{ FUSE_NO_OPEN_SUPPORT, "NO_OPEN_SUPPORT", INIT_OPERATION,
	  "for file systems without open, or whose open says ENOSYS" },
	{ FUSE_PARALLEL_DIROPS, "PARALLEL_DIROPS", INIT_DEFAULT,
	  "operations run in any number of threads" },
	{ FUSE_HANDLE_KILLPRIV, "HANDLE_KILLPRIV", INIT_WANTED,
	  "the file system has to clear set-id bits always" },
	{ FUSE_POSIX_ACL, "POSIX_ACL", INIT_WANTED,
	  "makes the client judge permissions, by ACLs that it reads as xattrs" },
	{ FUSE_ABORT_ERROR, "ABORT_ERROR", INIT_ALWAYS,
	  "tells an aborted connection from an unmount" },
	{ FUSE_MAX_PAGES, "MAX_PAGES", INIT_ALWAYS,
	  "without it requests end at 32 pages, whatever max_write says" },
	{ FUSE_CACHE_SYMLINKS, "CACHE_SYMLINKS", INIT_WANTED,
	  "stale targets live as long as the attributes' timeout allows" },
	{ FUSE_NO_OPENDIR_SUPPORT, "NO_OPENDIR_SUPPORT", INIT_OPERATION,
	  "for file systems without opendir, or whose opendir says ENOSYS" },
	{ FUSE_EXPLICIT_INVAL_DATA, "EXPLICIT_INVAL_DATA", INIT_WANTED,
	  "the file system has to notify of every change; AUTO_INVAL_DATA yields to it" },
	{ FUSE_MAP_ALIGNMENT, "MAP_ALIGNMENT", INIT_TRANSPORT,
	  "only a transport with a shared memory window has an alignment" },
	{ FUSE_SUBMOUNTS, "SUBMOUNTS", INIT_WANTED,
	  "the file system has to mark where other mounts begin" },
	{ FUSE_HANDLE_KILLPRIV_V2, "HANDLE_KILLPRIV_V2", INIT_WANTED,
	  "the file system has to clear set-id bits when told" },
	{ FUSE_SETXATTR_EXT, "SETXATTR_EXT", INIT_ALWAYS,
	  "carries the flag that an ACL clears the set-group-id bit" },
	{ FUSE_INIT_EXT, "INIT_EXT", INIT_ALWAYS, "flags above bit 31 need it" },
	{ FUSE_INIT_RESERVED, "INIT_RESERVED", INIT_NEVER, "the protocol says so" },
	{ FUSE_SECURITY_CTX, "SECURITY_CTX", INIT_WANTED,
	  "the file system has to label what it creates before others see it" },
	{ FUSE_HAS_INODE_DAX, "INODE_DAX", INIT_WANTED,
	  "the file system has to say for which files" },
	{ FUSE_CREATE_SUPP_GROUP, "CREATE_SUPP_GROUP", INIT_WANTED,
	  "the group that matters to a creation, for file systems whose transport has no groups" },
	{ FUSE_HAS_EXPIRE_ONLY, "EXPIRE_ONLY", INIT_ALWAYS, "for fsb_server_notify_inval_entry()" },
	{ FUSE_DIRECT_IO_ALLOW_MMAP, "DIRECT_IO_ALLOW_MMAP", INIT_WANTED,
	  "mapped pages of direct files are as stale as the file system can bear" },
	{ FUSE_PASSTHROUGH, "PASSTHROUGH", INIT_WANTED,
	  "the file system has to register backing files with the transport; the client refuses it "
	  "beside WRITEBACK_CACHE" },
	{ FUSE_NO_EXPORT_SUPPORT, "NO_EXPORT_SUPPORT", INIT_WANTED,
	  "for file systems whose nodeids mean nothing later" },
	{ FUSE_HAS_RESEND, "HAS_RESEND", INIT_ALWAYS, "for fsb_server_notify_resend()" },
	{ FUSE_ALLOW_IDMAP, "ALLOW_IDMAP", INIT_WANTED,
	  "ids of callers are then those of the mount, and only creations have any; needs "
	  "default_permissions" },
	{ FUSE_OVER_IO_URING, "OVER_IO_URING", INIT_TRANSPORT,
	  "only the device transport has rings" },
	{ FUSE_REQUEST_TIMEOUT, "REQUEST_TIMEOUT", INIT_CONFIGURED, "config.request_timeout_s" },
};

const struct init_flag *init_flag_at(size_t index)
{
	return index < sizeof(flags) / sizeof(flags[0]) ? &flags[index] : NULL;
}

static uint64_t decided(enum init_decision decision)
{
	uint64_t set = 0;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (flags[i].decision == decision)
			set |= flags[i].flag;
	return set;
}

/* Those that the file system decides on; FSB_CAP_* are the same bits. */
static uint64_t file_systems_flags(void)
{
	return decided(INIT_DEFAULT) | decided(INIT_WANTED) | decided(INIT_OPERATION);
}

/* What is wanted of a file system that says nothing: what its table shows. */
static uint64_t shown_by(const struct fsb_filesystem_ops *ops)
{
	uint64_t want = 0;

	if (ops->getlk && ops->setlk)
		want |= FUSE_POSIX_LOCKS;
	if (ops->setlk && ops->setlkw)
		want |= FUSE_FLOCK_LOCKS;
	if (ops->readdirplus)
		want |= FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO;
	if (!ops->open)
		want |= FUSE_NO_OPEN_SUPPORT;
	if (!ops->opendir)
		want |= FUSE_NO_OPENDIR_SUPPORT;
	return want;
}

/* Pairs of which the client's kernel takes one, or none. */
static uint64_t settle(struct fsb_server *server, uint64_t used)
{
	if (used & FUSE_EXPLICIT_INVAL_DATA)
		used &= ~FUSE_AUTO_INVAL_DATA;
	if (!(used & FUSE_DO_READDIRPLUS))
		used &= ~FUSE_READDIRPLUS_AUTO;
	if (used & FUSE_EXPORT_SUPPORT)
		used &= ~FUSE_NO_EXPORT_SUPPORT;
	if ((used & FUSE_PASSTHROUGH) && (used & FUSE_WRITEBACK_CACHE)) {
		log_write(&server->config.log, FSB_LOG_WARNING,
			  "passthrough is not used: the client refuses it beside the writeback "
			  "cache");
		used &= ~FUSE_PASSTHROUGH;
	}
	return used;
}

static uint32_t page_size(void)
{
	return (uint32_t)sysconf(_SC_PAGESIZE);
}

/* Whole pages, at least one, and no more than the transport's buffers hold. */
static uint32_t settle_write(uint32_t asked, uint32_t most)
{
	uint32_t page = page_size() > SMALLEST_WRITE ? page_size() : SMALLEST_WRITE;
	uint32_t size = asked < most ? asked : most;

	size -= size % page;
	return size < page ? page : size;
}

static struct fsb_init propose(const struct fsb_server *server, const struct fuse_init_in *in,
			       uint64_t offered)
{
	const struct fsb_server_config *config = &server->config;
	uint64_t capable = offered & file_systems_flags();

	if (!server->backing)
		capable &= ~FUSE_PASSTHROUGH;
	return (struct fsb_init){
		.minor = in->minor < FUSE_KERNEL_MINOR_VERSION ? in->minor
							       : FUSE_KERNEL_MINOR_VERSION,
		.capable = capable,
		.want = capable & (decided(INIT_DEFAULT) | shown_by(&server->ops)),
		.max_readahead = in->max_readahead < config->max_readahead ? in->max_readahead
									   : config->max_readahead,
		.max_write = config->max_write,
		.max_background = config->max_background,
		.congestion_threshold = (uint16_t)(config->max_background * 3u / 4u),
		.time_gran_ns = 1,
		.max_stack_depth = 1,
		.backing = capable & FUSE_PASSTHROUGH ? server->backing : NULL,
	};
}

static uint64_t flags_to_use(struct fsb_server *server, const struct fsb_init *init,
			     uint64_t offered)
{
	const struct fsb_server_config *config = &server->config;
	uint64_t used = decided(INIT_ALWAYS) | (decided(INIT_TRANSPORT) & config->capabilities);

	if (config->request_timeout_s > 0)
		used |= FUSE_REQUEST_TIMEOUT;
	if (settle_write(init->max_write, config->max_write) < SMALLEST_RING_WRITE)
		used &= ~FUSE_OVER_IO_URING;
	return settle(server, (used & offered) | (init->want & init->capable));
}

static void reply_init(struct fsb_call *call, const struct fsb_init *init,
		       const struct fsb_protocol *protocol, uint32_t max_readahead)
{
	const struct fsb_server_config *config = &call->server->config;
	struct fuse_init_out *out = &call->wire.init;

	*out = (struct fuse_init_out){
		.major = FUSE_KERNEL_VERSION,
		.minor = protocol->minor,
		.max_readahead = max_readahead,
		.flags = (uint32_t)protocol->flags,
		.max_background = init->max_background,
		.congestion_threshold = init->congestion_threshold,
		.max_write = protocol->max_write,
		.time_gran = init->time_gran_ns >= 1 && init->time_gran_ns <= NSEC_PER_SEC
				     ? init->time_gran_ns
				     : 1,
	};
	if (protocol->flags & FUSE_INIT_EXT)
		out->flags2 = (uint32_t)(protocol->flags >> 32);
	if (protocol->flags & FUSE_MAX_PAGES)
		out->max_pages = (uint16_t)((protocol->max_write + page_size() - 1) / page_size());
	if (protocol->flags & FUSE_MAP_ALIGNMENT)
		out->map_alignment = config->map_alignment;
	if (protocol->flags & FUSE_PASSTHROUGH)
		out->max_stack_depth = init->max_stack_depth;
	if (protocol->flags & FUSE_REQUEST_TIMEOUT)
		out->request_timeout = config->request_timeout_s;
}

static int negotiate(struct fsb_call *call)
{
	struct fsb_server *server = call->server;
	const struct fuse_init_in *in = &call->request.in.init;
	uint64_t offered = in->flags & ~server->config.disable;

	/* Without it the answer has no place for the upper ones either. */
	if (offered & FUSE_INIT_EXT)
		offered |= ((uint64_t)in->flags2 << 32) & ~server->config.disable;

	struct fsb_init init = propose(server, in, offered);
	uint32_t max_readahead = init.max_readahead;
	if (server->ops.init) {
		int err = server->ops.init(server->fs, &init);
		if (err) {
			log_write(&server->config.log, FSB_LOG_ERROR,
				  "the file system refused the mount: error %d", err);
			return err;
		}
	}

	struct fsb_protocol protocol = {
		.minor = in->minor < FUSE_KERNEL_MINOR_VERSION ? in->minor
							       : FUSE_KERNEL_MINOR_VERSION,
		.flags = flags_to_use(server, &init, offered),
		.max_write = settle_write(init.max_write, server->config.max_write),
		.remap_opcode = server->config.remap_opcode,
	};
	reply_init(call, &init, &protocol,
		   init.max_readahead < max_readahead ? init.max_readahead : max_readahead);

	pthread_mutex_lock(&server->lock);
	server->protocol = protocol;
	server->started = true;
	pthread_mutex_unlock(&server->lock);
	log_write(&server->config.log, FSB_LOG_INFO, "protocol %u.%u, flags 0x%llx, max_write %u",
		  FUSE_KERNEL_VERSION, protocol.minor, (unsigned long long)protocol.flags,
		  protocol.max_write);
	return 0;
}

/* A client of a later major version asks again in ours once it knows it. */
static int tell_version(struct fsb_call *call)
{
	call->wire.init = (struct fuse_init_out){
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
	};
	return 0;
}

static int begin(struct fsb_server *server)
{
	enum server_state state;

	pthread_mutex_lock(&server->lock);
	state = server->state;
	if (state == STATE_NEW || state == STATE_CLOSED)
		server->state = STATE_STARTING;
	pthread_mutex_unlock(&server->lock);
	if (state == STATE_NEW || state == STATE_CLOSED)
		return 0;
	/* Said twice: the mount goes on as it was. */
	return state == STATE_CLOSING ? -ENODEV : -EISCONN;
}

ssize_t run_init(struct fsb_call *call)
{
	struct fsb_server *server = call->server;
	const struct fuse_init_in *in = &call->request.in.init;

	if (in->major > FUSE_KERNEL_VERSION)
		return tell_version(call);
	if (in->major < FUSE_KERNEL_VERSION || in->minor < OLDEST_MINOR) {
		log_write(&server->config.log, FSB_LOG_ERROR,
			  "the client speaks protocol %u.%u; %u.%u is the oldest that is served",
			  in->major, in->minor, FUSE_KERNEL_VERSION, OLDEST_MINOR);
		return -EPROTO;
	}
	int err = begin(server);
	if (err)
		return err;
	err = negotiate(call);
	pthread_mutex_lock(&server->lock);
	server->state = err ? STATE_NEW : STATE_ACTIVE;
	pthread_mutex_unlock(&server->lock);
	return err;
}

ssize_t answer_init(struct fsb_call *call)
{
	return payload_put(call, &call->wire.init, sizeof(call->wire.init));
}
