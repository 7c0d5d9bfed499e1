/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a thread wears: file system user and group, supplementary groups, effective capabilities.
 *
 * Of the server's capabilities only those over files, and those to switch, are ever effective (WEAR_ADMIN excepted), so that
 * a user that is worn has none left: setfsuid(2) takes those over files away.
 *
 * Scopes do not nest: whatever needs the server's power (inode_fd(), an identity on a new mount) is done before the caller is worn,
 * or after. A nested wear fails, so that nothing can run as somebody else unnoticed.
 *
 * Sticky: each thread remembers what it wears, and only what differs is changed. A donated thread keeps it; any other gets its
 * own back when the scope of the _cleanup_worn_ variable ends.
 *
 *	_cleanup_worn_ struct worn worn = { 0 };
 *	int err = credentials_wear(pt, ctx, WEAR_JUDGED, &worn);
 *	if (err)
 *		return err;
 *	... system calls ...
 */
#ifndef FSB_PASSTHROUGH_CREDENTIALS_H
#define FSB_PASSTHROUGH_CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <fsbackend/context.h>

struct passthrough;

enum wear {
	WEAR_SERVER,  /* the server itself: what is done by handle was judged when it was opened */
	WEAR_SERVER_ADMIN, /* the server itself with every capability */
	WEAR_JUDGED,  /* whoever is judged: the caller in server mode; in client mode the server, as the client has judged */
	WEAR_CREATOR, /* whoever shall own what is made: the caller; in client mode with the server's power over permissions */
	WEAR_ADMIN,   /* as WEAR_JUDGED, but root keeps every capability: trusted and security xattrs */
	WEAR_ANYBODY, /* whoever is worn already: it does not matter */
	WEAR_CALLER,  /* the caller with just its groups, in client mode too: what the client has not judged. The groups must be known */
	/*
	 * Bits to add, as credentials_kill() says: without CAP_FSETID, so that the host clears set-id bits of what is written as it does
	 * for the caller; and, where it is the server that is worn, with the caller's groups. With WEAR_SERVER it does not matter who it is.
	 */
	WEAR_KILL = 0x100,
	WEAR_GROUPS = 0x200,
	/*
	 * With CAP_SYS_ADMIN, for registering backing files. A change of capabilities costs more than most system calls (3 us), so it may
	 * stay on where it changes nothing: with WEAR_KEEP, if that is somebody with power over files.
	 */
	WEAR_REGISTER = 0x400,
	WEAR_KEEP = 0x800,
};

/** The credentials of the process that made the passthrough, and what they allow. */
struct server_credentials {
	uid_t uid;
	gid_t gid;
	size_t ngroups;
	gid_t *groups;
	uint64_t effective;
	bool can_switch; /* CAP_SETUID and CAP_SETGID, and they work */
	bool verify;     /* not in the initial user namespace: ids may be unmapped, so a switch has to be looked at */
};

struct wardrobe;

struct worn {
	struct wardrobe *wardrobe; /* of the thread, or NULL: nothing to end */
};

int credentials_init(struct server_credentials *own);
void credentials_clear(struct server_credentials *own);

/**
 * Make the calling thread wear what @how (enum wear) says of @ctx, which WEAR_SERVER does not look at.
 *
 * Return: 0; -EACCES when the server cannot be that user, or when the groups must be known and are not; -EOVERFLOW when an id is not
 * mapped; -EPERM inside another scope; -ENOMEM; or the errno of the switch that failed. On an error a thread of the host wears what
 * it wore before; a donated one is asked what it wears at the next scope.
 */
int credentials_wear(struct passthrough *pt, const struct fsb_context *ctx, unsigned int how, struct worn *worn);

void credentials_restore(struct worn *worn);

/**
 * What to add so that set-id bits of the file that @fd (O_PATH is enough) is open on are cleared as for the caller: WEAR_KILL; and
 * WEAR_GROUPS if it has a set-group-id bit without permission to execute, which members of its group keep. Asks for the groups then.
 */
unsigned int credentials_kill(const struct fsb_context *ctx, int fd);

/** Whether WEAR_REGISTER gives the capability. */
bool credentials_can_register(const struct server_credentials *own);

/** Whether the server may open whatever its client has opened, also when the file's mode does not let it. */
bool credentials_can_open_again(const struct server_credentials *own);

/**
 * Until the scope's end go on without any power over files, with the exception that a set-group-id bit may be kept: for what only the
 * owner may do to what was just made. Return: 0 or a negative errno.
 */
int credentials_settle(struct worn *worn, bool keep_sgid);

#define _cleanup_worn_ __attribute__((cleanup(credentials_restore)))

/**
 * The umask for what is made next by this thread. On donated threads it is the thread's own, and the host applies it, or a default ACL.
 * Others belong to the host: there it is taken from @mode, and what the process's umask takes on top is put right by
 * create.c afterwards.
 *
 * Return: the mode to make it with.
 */
mode_t credentials_mode(mode_t mode, mode_t mask);

#endif
