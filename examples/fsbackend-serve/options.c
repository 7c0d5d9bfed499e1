// SPDX-License-Identifier: BSD-3-Clause
/* The command line of fsbackend-serve: what it has besides the tree's settings. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "../common/messages.h"
#include "../common/values.h"
#include "options.h"

/* ---- Values ---- */

/* N, FIRST-LAST, or several of them with commas between. */
static int parse_ids(const char *text, struct fsb_stream_ids *ids, size_t *count)
{
	for (const char *at = text;; at++) {
		char *rest;
		if (*count == MAX_ALLOWED || *at < '0' || *at > '9')
			return -EINVAL;
		errno = 0;
		unsigned long first = strtoul(at, &rest, 10), last = first;
		if (*rest == '-') {
			at = rest + 1;
			if (*at < '0' || *at > '9')
				return -EINVAL;
			last = strtoul(at, &rest, 10);
		}
		if (errno || last < first || last >= UINT32_MAX)
			return -EINVAL;
		ids[(*count)++] =
			(struct fsb_stream_ids){ (uint32_t)first, (uint32_t)(last - first + 1) };
		if (!*rest)
			return 0;
		if (*rest != ',')
			return -EINVAL;
		at = rest;
	}
}

static int parse_user(const char *text, uid_t *uid)
{
	const struct passwd *user = getpwnam(text);
	unsigned long number;

	if (user) {
		*uid = user->pw_uid;
		return 0;
	}
	int err = parse_number(text, UINT32_MAX - 1, &number);
	if (!err)
		*uid = (uid_t)number;
	return err;
}

static int parse_group(const char *text, gid_t *gid)
{
	const struct group *group = getgrnam(text);
	unsigned long number;

	if (group) {
		*gid = group->gr_gid;
		return 0;
	}
	int err = parse_number(text, UINT32_MAX - 1, &number);
	if (!err)
		*gid = (gid_t)number;
	return err;
}

static int parse_limit(const char *text, unsigned long most, unsigned int *value)
{
	unsigned long number;
	int err = parse_number(text, most, &number);

	if (!err)
		*value = (unsigned int)number;
	return err;
}

/* ---- Settings ---- */

static int set_listen(void *target, const char *value)
{
	struct options *o = target;

	if (o->naddresses == MAX_ADDRESSES)
		return -EINVAL;
	return address_parse(value, &o->addresses[o->naddresses++]);
}

static int set_stdio(void *target, const char *value)
{
	struct options *o = target;

	(void)value;
	o->stdio = true;
	return 0;
}

static int set_daemon(void *target, const char *value)
{
	struct options *o = target;

	(void)value;
	o->daemon = true;
	return 0;
}

static int set_allow_uid(void *target, const char *value)
{
	struct options *o = target;

	return parse_ids(value, o->uids, &o->nuids);
}

static int set_allow_cid(void *target, const char *value)
{
	struct options *o = target;

	return parse_ids(value, o->cids, &o->ncids);
}

static int set_claim_uid(void *target, const char *value)
{
	struct options *o = target;

	return parse_ids(value, o->claim_uids, &o->nclaim_uids);
}

static int set_claim_gid(void *target, const char *value)
{
	struct options *o = target;

	return parse_ids(value, o->claim_gids, &o->nclaim_gids);
}

static int set_max_clients(void *target, const char *value)
{
	struct options *o = target;
	int err = parse_limit(value, 65536, &o->serve.max_sessions);

	return err || o->serve.max_sessions == 0 ? -EINVAL : 0;
}

static int set_max_open(void *target, const char *value)
{
	struct options *o = target;
	int err = parse_limit(value, INT32_MAX, &o->share);

	return err || o->share == 0 ? -EINVAL : 0;
}

static int set_socket_mode(void *target, const char *value)
{
	struct options *o = target;
	char *rest;
	unsigned long mode = strtoul(value, &rest, 8);

	if (*value < '0' || *value > '7' || *rest || mode > 0777)
		return -EINVAL;
	o->socket.mode = (mode_t)mode;
	return 0;
}

static int set_socket_owner(void *target, const char *value)
{
	struct options *o = target;
	const char *colon = strchr(value, ':');
	char user[256] = "";
	size_t length = colon ? (size_t)(colon - value) : strlen(value);

	if (length >= sizeof(user))
		return -EINVAL;
	memcpy(user, value, length);
	if (*user && parse_user(user, &o->socket.uid))
		return -EINVAL;
	return colon ? parse_group(colon + 1, &o->socket.gid) : *user ? 0 : -EINVAL;
}

static int set_grace(void *target, const char *value)
{
	struct options *o = target;

	return parse_limit(value, 86400, &o->serve.grace_s);
}

static int set_state(void *target, const char *value)
{
	struct options *o = target;

	o->state = value;
	return *value ? 0 : -EINVAL;
}

static int set_idle(void *target, const char *value)
{
	struct options *o = target;
	int err = parse_limit(value, 3600, &o->serve.idle_s);

	return err || o->serve.idle_s == 0 ? -EINVAL : 0;
}

static int set_stall(void *target, const char *value)
{
	struct options *o = target;
	int err = parse_limit(value, 3600, &o->serve.stall_s);

	return err || o->serve.stall_s == 0 ? -EINVAL : 0;
}

static int set_threads(void *target, const char *value)
{
	struct options *o = target;

	return parse_limit(value, 256, &o->serve.threads);
}

static int set_spin(void *target, const char *value)
{
	struct options *o = target;

	return parse_limit(value, 1000, &o->serve.spin_us);
}

static int set_debug(void *target, const char *value)
{
	struct options *o = target;

	(void)value;
	o->debug = true;
	return 0;
}

static const struct setting settings[] = {
	{ "listen", VALUE, "unix:PATH|vsock:PORT|fd:N",
	  "where clients come; may be repeated. Default: what systemd hands over", set_listen },
	{ "stdio", NONE, NULL, "one client, at standard input and output; for ssh", set_stdio },
	{ "daemon", NONE, NULL, "go to the background once clients can come", set_daemon },
	{ "allow-uid", VALUE, "UID[-UID][,...]",
	  "users that may connect to a Unix socket (default: root and the server's own)",
	  set_allow_uid },
	{ "allow-cid", VALUE, "CID[-CID][,...]",
	  "machines that may connect by vsock (default: 1 and 2, this machine and the host)",
	  set_allow_cid },
	{ "claim-uid", VALUE, "UID[-UID][,...]",
	  "users that a client may speak for (default: any); others get EPERM", set_claim_uid },
	{ "claim-gid", VALUE, "GID[-GID][,...]",
	  "groups that a client may speak for, supplementary ones too (default: any)",
	  set_claim_gid },
	{ "max-clients", VALUE, "NUMBER", "mounts at a time (default 64)", set_max_clients },
	{ "max-open", VALUE, "NUMBER",
	  "descriptors that one client may hold, by open files above all (default: an eighth of "
	  "the limit is divided between --max-clients; of another quarter each may take half of "
	  "what others leave)",
	  set_max_open },
	{ "socket-mode", VALUE, "MODE", "permissions of Unix sockets, octal (default 600)",
	  set_socket_mode },
	{ "socket-owner", VALUE, "[USER][:GROUP]", "owner of Unix sockets", set_socket_owner },
	{ "grace", VALUE, "SECONDS",
	  "how long the mount of a client that reconnects is kept (default 60; 0: never)",
	  set_grace },
	{ "state", VALUE, "DIR",
	  "keep there what a server that is started after this one has to know: clients that "
	  "reconnect go on",
	  set_state },
	{ "idle", VALUE, "SECONDS",
	  "a silent client is asked after so long, and given up after three times that (default "
	  "15)",
	  set_idle },
	{ "stall", VALUE, "SECONDS", "how long a client may stop half-way (default 30)",
	  set_stall },
	{ "threads", VALUE, "1..256", "threads that serve (default: two more than cores)",
	  set_threads },
	{ "spin", VALUE, "US",
	  "microseconds to look for the next request before sleeping, while that pays (default 50)",
	  set_spin },
	{ "debug", NONE, NULL, "print each request and its reply", set_debug },
};

static const char usage[] =
	"Usage: fsbackend-serve [OPTION]... --listen=unix:PATH|vsock:PORT|fd:N DIRECTORY\n"
	"       fsbackend-serve [OPTION]... --stdio DIRECTORY\n"
	"\n"
	"Serve DIRECTORY to clients on other machines, in other namespaces or guests, which mount "
	"it by fsbackend-attach.\n"
	"SIGINT, SIGTERM and SIGHUP end it.\n"
	"\n"
	"  -h, --help                   show this text\n"
	"  -V, --version                show the version\n"
	"\n";

static void set_defaults(struct options *o)
{
	*o = (struct options){ .socket = { 0600, (uid_t)-1, (gid_t)-1 } };
	tree_options_init(&o->tree);
	fsb_stream_serve_config_init(&o->serve);
	o->serve.max_sessions = 64;
	o->command = (struct command){
		.program = "fsbackend-serve",
		.usage = usage,
		.tables = { { settings, sizeof(settings) / sizeof(settings[0]), o },
			    { tree_settings, ntree_settings, &o->tree } },
	};
}

/*
 * Every client has a file system of its own: together they shall get along with the limit. Half of
 * it is for what can be closed at any time, three eighths for what only clients close, and the rest
 * for connections and for calls that run.
 */
static void share_descriptors(struct options *o)
{
	enum { LEAST_CACHED = 8, USUAL = 1024, MOST = 1 << 30 };
	struct rlimit limit = { .rlim_cur = USUAL };
	unsigned int clients = o->stdio ? 1 : o->serve.max_sessions;

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	unsigned int most = limit.rlim_cur < MOST ? (unsigned int)limit.rlim_cur : MOST;
	if (!o->tree.passthrough.max_fds)
		o->tree.passthrough.max_fds =
			most / 2 / clients > LEAST_CACHED ? most / 2 / clients : LEAST_CACHED;
	if (o->share)
		return;
	/* One on its own has the pool, too. */
	o->pool = clients > 1 ? most / 4 : 0;
	o->share = (clients > 1 ? most / 8 : most / 8 * 3) / clients;
	if (!o->share)
		o->share = 1;
}

/* What follows from several settings. */
static enum parsed resolve(struct options *o)
{
	struct fsb_passthrough_config *passthrough = &o->tree.passthrough;
	struct fsb_stream_serve_config *serve = &o->serve;

	tree_options_resolve(&o->tree);
	if (o->stdio && (o->naddresses || o->daemon)) {
		complain("--stdio serves one client, in the foreground: neither --listen nor "
			 "--daemon goes with it");
		return PARSED_WRONG;
	}
	if (o->state && serve->grace_s == 0) {
		complain("--state is for clients that may come back: not with --grace=0");
		return PARSED_WRONG;
	}
	share_descriptors(o);
	serve->wants_groups = passthrough->permissions == FSB_PERMISSIONS_SERVER
				      ? FSB_STREAM_GROUPS_ALWAYS
				      : FSB_STREAM_GROUPS_SELDOM;
	if (tree_options_kernel_judges(&o->tree))
		serve->advice |= FSB_STREAM_CLIENT_JUDGES;
	if (passthrough->read_only)
		serve->advice |= FSB_STREAM_READ_ONLY;
	if (o->tree.server.max_write > serve->max_write || o->tree.server.max_write < 128 * 1024)
		serve->max_write = 1024 * 1024;
	else
		serve->max_write = o->tree.server.max_write;

	struct fsb_log log = messages_log(o->debug ? FSB_LOG_DEBUG : FSB_LOG_WARNING);
	passthrough->log = o->tree.server.log = serve->log = log;
	return PARSED;
}

enum parsed options_parse(struct options *o, int argc, char *argv[])
{
	set_defaults(o);
	enum parsed parsed = command_parse(&o->command, argc, argv);
	if (parsed != PARSED)
		return parsed;
	if (argc - optind != 1) {
		complain("expected DIRECTORY; --help explains");
		return PARSED_WRONG;
	}
	o->directory = argv[optind];
	return resolve(o);
}
