// SPDX-License-Identifier: BSD-3-Clause
/* What a thread wears. Raw system calls throughout: libc's wrappers of setgroups and the like change every thread. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fsbackend/filesystem.h>
#include <fsbackend/thread.h>

#include "passthrough.h"

#define CAP(name) (1ull << (name))

/* What setfsuid() takes away and gives back: the capabilities over files (capabilities(7)). */
#define CAPS_FILES                                                                                                    \
	(CAP(CAP_CHOWN) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_DAC_READ_SEARCH) | CAP(CAP_FOWNER) | CAP(CAP_FSETID) |       \
	 CAP(CAP_LINUX_IMMUTABLE) | CAP(CAP_MKNOD) | CAP(CAP_MAC_OVERRIDE))
#define CAPS_SWITCH (CAP(CAP_SETUID) | CAP(CAP_SETGID))
/* All that is ever effective while requests are served. */
#define CAPS_SERVING (CAPS_FILES | CAPS_SWITCH)
/* With all of these it does not matter what groups there are. */
#define CAPS_OVER_GROUPS                                                                                              \
	(CAP(CAP_CHOWN) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_DAC_READ_SEARCH) | CAP(CAP_FOWNER) | CAP(CAP_FSETID))

/* One set of credentials. */
struct clothes {
	uid_t uid;
	gid_t gid;
	uint64_t effective;
	size_t ngroups;
	const gid_t *groups;
	bool any_group; /* nothing is made in them: groups may stay as they are */
};

struct group_array {
	gid_t *groups;
	size_t capacity;
};

/*
 * What a thread wears now and what it came with, in memory of their own, and room to map a caller's groups.
 *
 * @known: @now is what the kernel has
 * @busy:  within a scope
 */
struct wardrobe {
	bool known;
	bool busy;
	bool fixup;
	bool verify;
	uint64_t permitted;
	uint64_t inheritable;
	struct clothes now;
	struct clothes own;
	struct group_array now_groups;
	struct group_array own_groups;
	struct group_array mapped_groups;
};

static pthread_key_t wardrobe_key;
static pthread_once_t wardrobe_once = PTHREAD_ONCE_INIT;
static _Thread_local struct wardrobe *thread_wardrobe;
static _Thread_local mode_t thread_umask;

static void wardrobe_free(void *pointer)
{
	struct wardrobe *w = pointer;

	free(w->now_groups.groups);
	free(w->own_groups.groups);
	free(w->mapped_groups.groups);
	free(w);
}

static void make_key(void)
{
	(void)pthread_key_create(&wardrobe_key, wardrobe_free);
}

static struct wardrobe *wardrobe_get(void)
{
	if (thread_wardrobe)
		return thread_wardrobe;
	pthread_once(&wardrobe_once, make_key);
	struct wardrobe *w = calloc(1, sizeof(*w));
	if (w && pthread_setspecific(wardrobe_key, w) != 0) {
		free(w);
		w = NULL;
	}
	return thread_wardrobe = w;
}

/* ---- System calls ---- */

static int get_caps(uint64_t *effective, uint64_t *permitted, uint64_t *inheritable)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	*effective = data[0].effective | (uint64_t)data[1].effective << 32;
	*permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	*inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
	return 0;
}

static int set_effective(const struct wardrobe *w, uint64_t wanted)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)wanted, (uint32_t)w->permitted, (uint32_t)w->inheritable },
		{ (uint32_t)(wanted >> 32), (uint32_t)(w->permitted >> 32), (uint32_t)(w->inheritable >> 32) },
	};

	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/*
 * setfsuid() and setfsgid() answer the former id whether they succeed or not (setfsuid(2)). With CAP_SETUID in the initial user
 * namespace they cannot fail for a valid id; elsewhere a second call, with an invalid id, tells. A former id that is not the
 * expected one means that something else answered in its place (a seccomp filter), or that the books are wrong.
 */
static int set_fsid(long call, uint32_t former, uint32_t wanted, bool verify)
{
	if ((uint32_t)syscall(call, wanted) != former)
		return -EPERM;
	if (verify && (uint32_t)syscall(call, (uint32_t)-1) != wanted)
		return -EPERM;
	return 0;
}

/* ---- Clothes ---- */

static int reserve(struct group_array *array, size_t ngroups)
{
	if (ngroups <= array->capacity)
		return 0;
	gid_t *larger = realloc(array->groups, ngroups * sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	array->groups = larger;
	array->capacity = ngroups;
	return 0;
}

/* Copy groups into memory of the clothes' own. */
static int clothes_set_groups(struct clothes *c, struct group_array *array, size_t ngroups, const gid_t *groups)
{
	int err = reserve(array, ngroups);
	if (err)
		return err;
	if (ngroups > 0)
		memcpy(array->groups, groups, ngroups * sizeof(*groups));
	c->groups = array->groups;
	c->ngroups = ngroups;
	return 0;
}

static bool same_groups(const struct clothes *a, const struct clothes *b)
{
	if (b->any_group)
		return true;
	return a->ngroups == b->ngroups &&
	       (a->ngroups == 0 || memcmp(a->groups, b->groups, a->ngroups * sizeof(*a->groups)) == 0);
}

/* Ask the kernel what the thread wears. */
static int learn(struct wardrobe *w)
{
	w->known = false;
	int err = get_caps(&w->now.effective, &w->permitted, &w->inheritable);
	if (err)
		return err;
	/* An invalid id changes nothing. -1 is nobody's id: something answered in the kernel's place, and would at a switch too. */
	w->now.uid = (uid_t)syscall(SYS_setfsuid, (uid_t)-1);
	w->now.gid = (gid_t)syscall(SYS_setfsgid, (gid_t)-1);
	if (w->now.uid == (uid_t)-1 || w->now.gid == (gid_t)-1)
		return -EPERM;
	int securebits = prctl(PR_GET_SECUREBITS, 0ul, 0ul, 0ul, 0ul);
	if (securebits < 0)
		return -errno;
	w->fixup = !(securebits & SECBIT_NO_SETUID_FIXUP);

	long ngroups = syscall(SYS_getgroups, 0, NULL);
	_cleanup_free_ gid_t *groups = ngroups > 0 ? malloc((size_t)ngroups * sizeof(*groups)) : NULL;
	if (ngroups > 0 && !groups)
		return -ENOMEM;
	if (ngroups > 0)
		ngroups = syscall(SYS_getgroups, ngroups, groups);
	if (ngroups < 0)
		return -errno;
	err = clothes_set_groups(&w->now, &w->now_groups, (size_t)ngroups, groups);
	w->known = !err;
	return err;
}

/* What the kernel does to the effective set when the file system user changes. */
static void follow_uid(struct wardrobe *w, uid_t uid)
{
	if (w->fixup && w->now.uid == 0 && uid != 0)
		w->now.effective &= ~CAPS_FILES;
	else if (w->fixup && w->now.uid != 0 && uid == 0)
		w->now.effective |= CAPS_FILES & w->permitted;
	w->now.uid = uid;
}

static int change_groups(struct wardrobe *w, const struct clothes *to)
{
	if (same_groups(&w->now, to))
		return 0;
	/* First the books' memory, so that a change that was made is never forgotten. */
	int err = reserve(&w->now_groups, to->ngroups);
	if (err)
		return err;
	w->now.groups = w->now_groups.groups;
	if (syscall(SYS_setgroups, to->ngroups, to->groups) < 0)
		return -errno;
	return clothes_set_groups(&w->now, &w->now_groups, to->ngroups, to->groups);
}

static int change_effective(struct wardrobe *w, uint64_t wanted)
{
	if (w->now.effective == wanted)
		return 0;
	int err = set_effective(w, wanted);
	if (!err)
		w->now.effective = wanted;
	return err;
}

/* A thread of the host may have put the capabilities to switch aside; without them setfsuid() does nothing, and says nothing. */
static int be_able_to_switch(struct wardrobe *w, const struct clothes *to)
{
	bool same_gid = w->now.gid == to->gid || to->any_group;

	if (w->now.uid == to->uid && same_gid && same_groups(&w->now, to))
		return 0;
	return change_effective(w, w->now.effective | CAPS_SWITCH);
}

/* Change what differs, in an order in which each step has the capability that it needs. */
static int become(struct wardrobe *w, const struct clothes *to)
{
	int err = be_able_to_switch(w, to);
	if (!err)
		err = change_groups(w, to);
	if (err)
		return err;
	if (w->now.gid != to->gid && !to->any_group) {
		err = set_fsid(SYS_setfsgid, w->now.gid, to->gid, w->verify);
		if (err)
			return err;
		w->now.gid = to->gid;
	}
	if (w->now.uid != to->uid) {
		err = set_fsid(SYS_setfsuid, w->now.uid, to->uid, w->verify);
		if (err)
			return err;
		follow_uid(w, to->uid);
	}
	return change_effective(w, to->effective);
}

/*
 * A host's thread gets its own back. Once more after a failure, by what the kernel says: it must not stay somebody else. What it wears is
 * asked for again the next time, as the host may change it, or donate the thread.
 */
static void put_back(struct wardrobe *w)
{
	if (become(w, &w->own) < 0 && learn(w) == 0)
		(void)become(w, &w->own);
	w->known = false;
}

/* ---- Who is who ---- */

static unsigned int who(unsigned int how)
{
	return how & ~(unsigned int)(WEAR_KILL | WEAR_GROUPS | WEAR_REGISTER | WEAR_KEEP);
}

static int add_groups(struct passthrough *pt, const struct fsb_context *ctx, struct group_array *mapped,
		      struct clothes *c)
{
	c->ngroups = ctx->ngroups;
	c->groups = ctx->groups;
	if (idmap_identity(&pt->gids))
		return 0;
	int err = reserve(mapped, ctx->ngroups);
	if (err)
		return err;
	size_t kept = 0;
	for (size_t i = 0; i < ctx->ngroups; i++) {
		/* A group that has no place on the host can neither own a file there nor be named by an ACL. */
		uint32_t host;
		if (idmap_to_host(&pt->gids, ctx->groups[i], &host) == 0)
			mapped->groups[kept++] = host;
	}
	c->ngroups = kept;
	c->groups = mapped->groups;
	return 0;
}

static int caller_ids(struct passthrough *pt, const struct fsb_context *ctx, struct clothes *c)
{
	uint32_t uid, gid;
	int err = idmap_to_host(&pt->uids, ctx->uid, &uid);
	if (!err)
		err = idmap_to_host(&pt->gids, ctx->gid, &gid);
	if (err)
		return err;
	if (uid == (uid_t)-1 || gid == (gid_t)-1)
		return -EOVERFLOW;
	c->uid = uid;
	c->gid = gid;
	return 0;
}

/* As the server, which makes nothing in its own name: with power over files its groups do not matter. */
static void dress_server(struct passthrough *pt, unsigned int how, struct clothes *c)
{
	*c = (struct clothes){
		.uid = pt->own.uid,
		.gid = pt->own.gid,
		.effective = pt->own.effective,
		.ngroups = pt->own.ngroups,
		.groups = pt->own.groups,
		.any_group = (pt->own.effective & CAPS_OVER_GROUPS) == CAPS_OVER_GROUPS,
	};
	if (who(how) != WEAR_ADMIN && who(how) != WEAR_SERVER_ADMIN)
		c->effective &= CAPS_SERVING;
}

/* As the server, but so that the host clears set-id bits as for the caller. */
static int dress_to_kill(struct passthrough *pt, const struct fsb_context *ctx, unsigned int how,
			 const struct clothes *now, struct group_array *mapped, struct clothes *c)
{
	dress_server(pt, how, c);
	/* By handle it does not matter who: a user that is worn already does as well. */
	if (who(how) == WEAR_SERVER && !(now->effective & CAP(CAP_FSETID))) {
		c->uid = now->uid;
		c->effective = now->effective;
	}
	c->effective &= ~CAP(CAP_FSETID);
	if (!(how & WEAR_GROUPS) || !c->any_group)
		return 0;
	uint32_t gid;
	c->any_group = false;
	c->ngroups = 0;
	c->gid = idmap_to_host(&pt->gids, ctx->gid, &gid) == 0 && gid != (gid_t)-1 ? gid : IDMAP_OVERFLOW;
	return add_groups(pt, ctx, mapped, c);
}

/*
 * Whether it is all the same which groups a caller has, so that nobody needs to ask: root's power over files goes past them. On a network
 * file system root may be somebody without power on the other side, and his groups are somebody's again; so they are for the root of a user
 * namespace, who has no power over what belongs to those outside of it.
 */
static bool is_above_groups(struct passthrough *pt, unsigned int how, const struct clothes *c)
{
	return c->uid == 0 && !pt->own.verify && !(how & WEAR_KILL) && (pt->own.effective & CAPS_OVER_GROUPS) == CAPS_OVER_GROUPS &&
	       !atomic_load_explicit(&pt->mounts.any_foreign, memory_order_relaxed);
}

static int dress_caller(struct passthrough *pt, const struct fsb_context *ctx, unsigned int how,
			struct group_array *mapped, struct clothes *c)
{
	bool server = pt->config.permissions == FSB_PERMISSIONS_SERVER;
	bool judged = server || who(how) == WEAR_CALLER;

	*c = (struct clothes){ .effective = pt->own.effective };
	int err = caller_ids(pt, ctx, c);
	if (err)
		return err;
	bool above = is_above_groups(pt, how, c);
	bool known = judged && !above ? fsb_call_groups(ctx) == 0 : fsb_context_groups_known(ctx);
	if (judged && !known && !above && !(server && pt->config.unknown_groups == FSB_UNKNOWN_GROUPS_PRIMARY))
		return -EACCES;
	/* In client mode there may be the one group that matters to a creation. */
	if (known || !judged)
		err = add_groups(pt, ctx, mapped, c);

	if (c->uid != 0 || who(how) != WEAR_ADMIN)
		c->effective &= CAPS_SERVING;
	if (c->uid != 0 && judged)
		c->effective &= ~CAPS_FILES;
	else if (c->uid != 0 || (how & WEAR_KILL))
		/* In client mode the client has judged, but whether a set-group-id bit may stay depends on the groups. */
		c->effective &= ~CAP(CAP_FSETID);
	return err;
}

/* A server that cannot switch may act for nobody but itself, and only for one with just its groups. */
static bool in_groups(gid_t primary, size_t ngroups, const gid_t *groups, gid_t group)
{
	if (group == primary)
		return true;
	for (size_t i = 0; i < ngroups; i++)
		if (groups[i] == group)
			return true;
	return false;
}

static int check_is_server(struct passthrough *pt, const struct fsb_context *ctx, unsigned int how)
{
	struct group_array mapped = { 0 };
	struct clothes c;
	int err = dress_caller(pt, ctx, how, &mapped, &c);

	if (!err && (c.uid != pt->own.uid || c.gid != pt->own.gid))
		err = -EACCES;
	bool judged = pt->config.permissions == FSB_PERMISSIONS_SERVER || who(how) == WEAR_CALLER;
	if (!err && judged && !is_above_groups(pt, how, &c)) {
		for (size_t i = 0; i < c.ngroups; i++)
			if (!in_groups(pt->own.gid, pt->own.ngroups, pt->own.groups, c.groups[i]))
				err = -EACCES;
		for (size_t i = 0; i < pt->own.ngroups; i++)
			if (!in_groups(c.gid, c.ngroups, c.groups, pt->own.groups[i]))
				err = -EACCES;
	}
	free(mapped.groups);
	return err;
}

static bool as_server(struct passthrough *pt, unsigned int how)
{
	if (who(how) == WEAR_SERVER || who(how) == WEAR_SERVER_ADMIN || who(how) == WEAR_ANYBODY)
		return true;
	return who(how) != WEAR_CREATOR && who(how) != WEAR_CALLER &&
	       pt->config.permissions == FSB_PERMISSIONS_CLIENT;
}

/* ---- Wearing ---- */

/* A host's thread is asked each time, as the host may have changed it, and gets its own back. */
static int open_wardrobe(struct passthrough *pt, struct wardrobe *w)
{
	w->verify = pt->own.verify;
	if (fsb_thread_is_donated())
		return w->known ? 0 : learn(w);
	int err = learn(w);
	if (err)
		return err;
	w->own = w->now;
	return clothes_set_groups(&w->own, &w->own_groups, w->now.ngroups, w->now.groups);
}

/* See WEAR_REGISTER. */
static uint64_t register_capability(const struct passthrough *pt, unsigned int how, const struct clothes *now,
				    const struct clothes *next)
{
	uint64_t capability = CAP(CAP_SYS_ADMIN) & pt->own.effective;

	if (how & WEAR_REGISTER)
		return capability;
	bool may_stay = (how & WEAR_KEEP) && pt->backing.files && (next->effective & CAP(CAP_DAC_OVERRIDE));
	return may_stay ? now->effective & capability : 0;
}

static int dress(struct passthrough *pt, const struct fsb_context *ctx, unsigned int how, struct wardrobe *w,
		 struct clothes *next)
{
	int err = 0;

	if (who(how) == WEAR_ANYBODY)
		*next = w->now;
	else if (!as_server(pt, how))
		err = dress_caller(pt, ctx, how, &w->mapped_groups, next);
	else if (how & WEAR_KILL)
		err = dress_to_kill(pt, ctx, how, &w->now, &w->mapped_groups, next);
	else
		dress_server(pt, how, next);
	if (!err)
		next->effective |= register_capability(pt, how, &w->now, next);
	/* Who cannot switch is that user already; there may be capabilities to take off. */
	if (!pt->own.can_switch)
		next->any_group = true;
	return err;
}

int credentials_wear(struct passthrough *pt, const struct fsb_context *ctx, unsigned int how, struct worn *worn)
{
	if (!pt->own.can_switch) {
		int err = as_server(pt, how) ? 0 : check_is_server(pt, ctx, how);
		if (err || !(pt->own.effective & CAPS_FILES))
			return err;
	}
	struct wardrobe *w = wardrobe_get();
	if (!w)
		return -ENOMEM;
	if (w->busy)
		return -EPERM;
	int err = open_wardrobe(pt, w);
	if (err)
		return err;
	struct clothes next;
	err = dress(pt, ctx, how, w, &next);
	if (err)
		return err;
	err = become(w, &next);
	if (err) {
		/* A donated thread asks the kernel the next time: never go on by wrong books. */
		if (fsb_thread_is_donated())
			w->known = false;
		else
			put_back(w);
		return err == -ENOSYS ? -EPERM : err; /* which would tell the client that there is no such operation */
	}
	w->busy = true;
	worn->wardrobe = w;
	return 0;
}

void credentials_restore(struct worn *worn)
{
	struct wardrobe *w = worn->wardrobe;

	if (!w)
		return;
	worn->wardrobe = NULL;
	w->busy = false;
	if (!fsb_thread_is_donated())
		put_back(w);
}

int credentials_settle(struct worn *worn, bool keep_sgid)
{
	struct wardrobe *w = worn->wardrobe;
	if (!w)
		return 0;
	uint64_t kept = keep_sgid ? w->permitted : w->now.effective;
	return change_effective(w, (w->now.effective & ~CAPS_FILES) | (kept & CAP(CAP_FSETID)));
}

unsigned int credentials_kill(const struct fsb_context *ctx, int fd)
{
	struct stat st;

	if (fsb_context_groups_known(ctx))
		return WEAR_KILL | WEAR_GROUPS;
	if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode) || (st.st_mode & (S_ISGID | S_IXGRP)) != S_ISGID)
		return WEAR_KILL;
	(void)fsb_call_groups(ctx);
	return WEAR_KILL | WEAR_GROUPS;
}

bool credentials_can_register(const struct server_credentials *own)
{
	return own->can_switch && (own->effective & CAP(CAP_SYS_ADMIN));
}

bool credentials_can_open_again(const struct server_credentials *own)
{
	return own->effective & CAP(CAP_DAC_OVERRIDE);
}

mode_t credentials_mode(mode_t mode, mode_t mask)
{
	if (!fsb_thread_is_donated())
		return mode & ~mask;
	if (thread_umask != mask) {
		umask(mask);
		thread_umask = mask;
	}
	return mode;
}

/* ---- The server's own ---- */

static bool in_initial_user_namespace(void)
{
	char map[128] = "";
	_cleanup_fd_ int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, map, sizeof(map) - 1);
	unsigned long inside, outside, count;

	return length > 0 && sscanf(map, "%lu %lu %lu", &inside, &outside, &count) == 3 && inside == 0 &&
	       outside == 0 && count == UINT32_MAX;
}

/*
 * By its capabilities a process may switch; a security module or a filter of system calls may still see to it that a switch does
 * nothing, and not even say so. Tried once, to another user without groups and back.
 */
static bool switch_works(const struct clothes *is)
{
	struct wardrobe w = { .verify = true, .own = *is }, seen = { 0 };
	struct clothes other = { .uid = is->uid + 1, .gid = is->gid + 1, .effective = is->effective & CAPS_SWITCH };

	bool works = learn(&w) == 0;
	if (works) {
		works = become(&w, &other) == 0 && learn(&seen) == 0 && seen.now.uid == other.uid &&
			seen.now.gid == other.gid && seen.now.ngroups == 0 && seen.now.effective == other.effective;
		put_back(&w);
	}
	free(w.now_groups.groups);
	free(seen.now_groups.groups);
	return works;
}

int credentials_init(struct server_credentials *own)
{
	struct wardrobe w = { 0 };
	int err = learn(&w);

	if (err) {
		free(w.now_groups.groups);
		return err;
	}
	own->uid = w.now.uid;
	own->gid = w.now.gid;
	own->ngroups = w.now.ngroups;
	own->groups = w.now_groups.groups;
	own->effective = w.now.effective;
	own->can_switch = (own->effective & CAP(CAP_SETUID)) && (own->effective & CAP(CAP_SETGID));
	own->verify = !in_initial_user_namespace();
	if (own->can_switch && !own->verify)
		own->can_switch = switch_works(&w.now);
	return 0;
}

void credentials_clear(struct server_credentials *own)
{
	free(own->groups);
	own->groups = NULL;
}
