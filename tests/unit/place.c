// SPDX-License-Identifier: BSD-3-Clause
/* A served tree, and beside it what must not be reached. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place.h"

enum { LONG_AGO = 1000000000 };

/* Any read would move its access time, any change its contents or its change time. */
static void make_canary(int dir, const char *name)
{
	const struct timespec times[2] = { { .tv_sec = LONG_AGO }, { .tv_sec = LONG_AGO } };
	int fd = (int)must(openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666));

	must_be(write(fd, "canary", 6), 6);
	must(fchmod(fd, 0666));
	must(futimens(fd, times));
	close(fd);
}

void place_make(struct place *p, enum fsb_permissions permissions)
{
	char path[64];

	in_memory();
	fixture_make(&p->scratch);
	must(mkdirat(p->scratch.host, "outside", 0777));
	must(mkdirat(p->scratch.host, "outside/below", 0777));
	must(mkdirat(p->scratch.host, "tree", 0777));
	p->outside =
		(int)must(openat(p->scratch.host, "outside", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	make_canary(p->outside, "secret");
	make_canary(p->outside, "below/secret");
	snprintf(path, sizeof(path), "%s/tree", p->scratch.dir);
	fixture_make_at(&p->f, path);
	p->f.config.permissions = permissions;
	fixture_start(&p->f);
}

static void must_be_untouched(struct place *p, const char *name)
{
	struct stat st;
	char content[16];

	must(fstatat(p->outside, name, &st, AT_SYMLINK_NOFOLLOW));
	cr_assert_eq(st.st_atime, LONG_AGO, "outside/%s was read", name);
	cr_assert_eq(st.st_mtime, LONG_AGO, "outside/%s was written", name);
	cr_assert_eq(st.st_mode, S_IFREG | 0666, "outside/%s has another mode", name);
	cr_assert_eq(st.st_nlink, 1, "outside/%s was linked", name);
	cr_assert_eq(st.st_uid, 0, "outside/%s has another owner", name);
	int fd = (int)must(openat(p->outside, name, O_RDONLY | O_NOATIME | O_CLOEXEC));
	must_be(read(fd, content, sizeof(content)), 6);
	cr_assert_eq(memcmp(content, "canary", 6), 0);
	close(fd);
}

void place_end(struct place *p)
{
	char *text = tree_text(p->outside);
	unsigned int lines = 0;

	must_be_untouched(p, "secret");
	must_be_untouched(p, "below/secret");
	for (const char *at = text; *at; at++)
		lines += *at == '\n';
	cr_assert_eq(lines, 3, "there is something new outside:\n%s", text);
	free(text);
	fixture_end(&p->f);
	close(p->outside);
	fixture_end(&p->scratch);
}
