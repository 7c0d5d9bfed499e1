// SPDX-License-Identifier: BSD-3-Clause
/* Playing scripts, and comparing. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "playing.h"

/* ---- Users ---- */

enum { MANY = 200, LEGION = 65536 };

static gid_t team_only[] = { TEAM };
static gid_t many_groups[MANY];
static gid_t legion_groups[LEGION];

const struct user players[PLAYERS] = {
	{ "root", 0, 0, 0, NULL },
	{ "a user without groups", 1001, 2001, 0, NULL },
	{ "a user with one group", 1002, 2002, 1, team_only },
	{ "a user with 200 groups", 1003, 2003, MANY, many_groups },
	{ "a user with 65536 groups", 1004, 2004, LEGION, legion_groups },
};

void players_make(void)
{
	/* Not in order, as a client need not sort them. */
	for (unsigned int i = 0; i < MANY; i++)
		many_groups[i] = 30000 + (i * 37) % MANY;
	many_groups[MANY / 3] = TEAM;
	for (unsigned int i = 0; i < LEGION; i++)
		legion_groups[i] = 100000 + (i * 40503u) % LEGION;
	legion_groups[LEGION / 3] = TEAM;
}

/* ---- Threads ---- */

static bool is_credential(const char *line)
{
	static const char *const wanted[] = { "Umask:",  "Uid:",    "Gid:",    "Groups:",
					      "CapInh:", "CapPrm:", "CapEff:", "CapAmb:" };

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (strncmp(line, wanted[i], strlen(wanted[i])) == 0)
			return true;
	return false;
}

void thread_credentials(struct thread_credentials *now)
{
	FILE *status = fopen("/proc/thread-self/status", "re");
	char line[8192];
	size_t length = 0;

	now->text[0] = '\0';
	while (status && fgets(line, sizeof(line), status))
		if (is_credential(line) && length + strlen(line) < sizeof(now->text))
			length += (size_t)sprintf(now->text + length, "%s", line);
	if (status)
		fclose(status);
}

/* ---- Steps ---- */

struct actor *play_actor(struct play *p)
{
	return &p->actor;
}

const struct user *play_user(const struct play *p)
{
	return p->user;
}

void play_umask(struct play *p, mode_t mask)
{
	p->actor.umask = mask;
	if (!p->actor.fs)
		umask(mask);
}

bool play_takes_step(struct play *p)
{
	unsigned int at = p->results->count;

	if (at == STEPS_MAX)
		return false;
	if (!p->natively || p->natively->steps[at].result == 0)
		return true;
	p->results->steps[at] = p->natively->steps[at];
	p->results->count++;
	return false;
}

void play_note(struct play *p, int result, const char *act, const char *path)
{
	unsigned int at = p->results->count++;
	struct thread_credentials now;

	p->results->steps[at].result = result;
	snprintf(p->results->steps[at].what, sizeof(p->results->steps[at].what), "%s %s", act,
		 path);
	if (!p->before || p->results->spoiled)
		return;
	thread_credentials(&now);
	if (strcmp(now.text, p->before->text) != 0)
		p->results->spoiled = p->results->count;
}

void play_here(struct play *p)
{
	p->results->count = 0;
	p->results->spoiled = 0;
	play_umask(p, 022);
	p->script->act(p);
}

/* Forked, as a user cannot become root again. */
void play_natively(struct play *p, int root)
{
	int status;

	p->actor = (struct actor){ .root = root };
	pid_t pid = (pid_t)must(fork());
	if (pid == 0) {
		if (become_user(p->user) < 0)
			_exit(1);
		play_here(p);
		_exit(0);
	}
	must_be(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0, "the native process of %s ended with status 0x%x", p->user->name,
		     (unsigned int)status);
}

/* ---- Comparing ---- */

int play_make_tree(const char *dir, const char *name, const struct script *script)
{
	struct tree t;
	int parent = (int)must(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	must(mkdirat(parent, name, 0755));
	t.root = (int)must(openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	must(fchmod(t.root, 0755));
	close(parent);
	script->make(&t);
	tree_age(t.root);
	return t.root;
}

struct results *results_new(void)
{
	struct results *results = mmap(NULL, sizeof(*results), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert(results != MAP_FAILED);
	return results;
}

void results_free(struct results *results)
{
	munmap(results, sizeof(*results));
}

static const char *named_error(int result)
{
	return result == 0 ? "0" : strerrorname_np(-result);
}

/* The line in which two texts differ first. */
static void first_difference(const char *a, const char *b, char *line_a, char *line_b, size_t size)
{
	while (*a || *b) {
		size_t length_a = strcspn(a, "\n"), length_b = strcspn(b, "\n");
		snprintf(line_a, size, "%.*s", (int)length_a, a);
		snprintf(line_b, size, "%.*s", (int)length_b, b);
		if (strcmp(line_a, line_b) != 0)
			return;
		a += length_a + (a[length_a] != '\0');
		b += length_b + (b[length_b] != '\0');
	}
}

void compare_results(const struct results *native, const struct results *other, const char *who)
{
	cr_assert_lt(native->count, STEPS_MAX, "the script is too long");
	for (unsigned int i = 0; i < native->count && i < other->count; i++)
		cr_assert_eq(native->steps[i].result, other->steps[i].result,
			     "%s, step %u, %s: %s, natively %s", who, i + 1, native->steps[i].what,
			     named_error(other->steps[i].result),
			     named_error(native->steps[i].result));
	cr_assert_eq(native->count, other->count, "%s: %u steps, natively %u", who, other->count,
		     native->count);
	cr_assert_eq(other->spoiled, 0, "%s: after step %u, %s, the thread was not as before", who,
		     other->spoiled, other->steps[other->spoiled - 1].what);
}

void compare_trees(const char *native, const char *other, const char *who)
{
	char line_native[1000], line_other[1000];

	if (strcmp(native, other) == 0)
		return;
	first_difference(native, other, line_native, line_other, sizeof(line_native));
	cr_assert_fail("%s: the trees differ:\n  here     %s\n  natively %s", who, line_other,
		       line_native);
}
