/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running operations on fresh trees; see session.h.
 */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

/* Whether @path's times move with every one of some changes in quick succession. */
static bool times_are_exact(const char *path)
{
	struct stat before, after;
	bool exact = true;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return false;
	for (int i = 0; i < 50 && exact; i++) {
		exact = fstat(fd, &before) == 0 && pwrite(fd, "x", 1, i) == 1 &&
			fstat(fd, &after) == 0 &&
			(before.st_mtim.tv_sec != after.st_mtim.tv_sec ||
			 before.st_mtim.tv_nsec != after.st_mtim.tv_nsec);
	}
	close(fd);
	unlink(path);
	return exact;
}

int ground_probe(struct ground *ground)
{
	const char *const directories[SIDES] = { ground->native, ground->mounted };
	struct statfs st;

	if (statfs(ground->native, &st) < 0)
		return -errno;
	ground->conditions.on_xfs = st.f_type == XFS_SUPER_MAGIC;
	for (int side = 0; side < SIDES; side++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/.probe-of-times", directories[side]);
		ground->conditions.exact_times[side] = times_are_exact(path);
	}
	return 0;
}

static int make_tree(char *path, size_t size, const char *directory, unsigned long number)
{
	snprintf(path, size, "%s/%d.%lu", directory, getpid(), number);
	if (mkdir(path, 0700) < 0 || chmod(path, 0777) < 0)
		return -errno;
	return 0;
}

int session_begin(struct session *session, struct ground *ground)
{
	const char *const roots[SIDES] = { session->native, session->mounted };
	const unsigned long number = ground->sessions++;
	int err;

	memset(session, 0, sizeof(*session));
	session->ground = ground;
	err = make_tree(session->native, sizeof(session->native), ground->native, number);
	if (err)
		return err;
	err = make_tree(session->mounted, sizeof(session->mounted), ground->mounted, number);
	if (err)
		return err;
	if (ground->host)
		snprintf(session->host, sizeof(session->host), "%s/%d.%lu", ground->host, getpid(),
			 number);
	executor_init(&session->executor, roots, ground->sabotage);
	return 0;
}

static enum verdict verdict_of(enum likeness likeness)
{
	static const enum verdict verdicts[] = {
		[ALIKE] = GOES_ON, [PARTED] = ENDS_KNOWN, [DIFFERENT] = ENDS_UNLIKE
	};

	return verdicts[likeness];
}

static bool mount_answers(const struct session *session)
{
	struct statfs st;

	return statfs(session->mounted, &st) == 0 || errno == ENOENT;
}

enum verdict session_run(struct session *session, const struct operation *op,
			 struct result results[SIDES], struct difference *difference)
{
	enum verdict verdict;

	session->last = *op;
	if (executor_run(&session->executor, op, results) != 0)
		return STUCK;
	verdict =
		verdict_of(compare_results(&session->ground->conditions, op, results, difference));
	return verdict == GOES_ON || mount_answers(session) ? verdict : GONE;
}

/* A tree that cannot even be entered says that its side is gone; the message says how. */
static bool read_or_complain(struct tree *tree, const char *root)
{
	int err = tree_read(tree, root);

	if (err)
		fprintf(stderr, "differential: %s: %s\n", root, strerror(-err));
	return !err;
}

/* Reads one more tree and compares it with the native one. */
static enum verdict compare_with(struct session *session, const struct tree *native,
				 const char *root, enum moment moment,
				 struct difference *difference)
{
	enum verdict verdict = GONE;
	struct tree other;

	if (read_or_complain(&other, root))
		verdict = verdict_of(compare_trees(&session->ground->conditions, moment, native,
						   &other, difference));
	tree_clear(&other);
	return verdict;
}

/* Under writeback the host has everything only when it has been asked for. */
static void write_back(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	syncfs(fd);
	close(fd);
}

enum verdict session_compare(struct session *session, struct difference *difference,
			     struct tree *native)
{
	enum verdict verdict = GONE;
	struct tree tree;

	memset(difference, 0, sizeof(*difference));
	difference->op = session->last;
	if (read_or_complain(&tree, session->native))
		verdict = compare_with(session, &tree, session->mounted, IN_TREE, difference);
	if (verdict == GOES_ON && session->host[0]) {
		if (session->ground->conditions.writeback)
			write_back(session->mounted);
		verdict = compare_with(session, &tree, session->host, IN_HOST_TREE, difference);
	}
	if (native && verdict == GOES_ON)
		*native = tree;
	else
		tree_clear(&tree);
	return verdict;
}

void session_end(struct session *session)
{
	executor_stop(&session->executor);
	tree_remove(session->mounted);
	if (session->host[0])
		tree_remove(session->host);
	tree_remove(session->native);
}

enum verdict session_of(struct ground *ground, const struct operation *ops, size_t count,
			bool closely, struct difference *difference, size_t *at)
{
	struct session *session = malloc(sizeof(*session));
	struct result results[SIDES];
	enum verdict verdict = GOES_ON;

	*at = 0;
	if (!session || session_begin(session, ground) != 0) {
		free(session);
		return GONE;
	}
	while (*at < count && verdict == GOES_ON) {
		verdict = session_run(session, &ops[(*at)++], results, difference);
		if (verdict == GOES_ON && (closely || *at == count))
			verdict = session_compare(session, difference, NULL);
	}
	session_end(session);
	free(session);
	return verdict;
}
