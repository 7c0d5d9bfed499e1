/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A passthrough of a directory of its own, which tests call through the vtable as a server would.
 *
 *	struct fixture f;
 *	fixture_make(&f);
 *	f.config.read_only = true;
 *	fixture_start(&f);
 *	... f.fs->ops->unlink(f.fs, &f.ctx, FSB_ROOT_NODEID, "name") ...
 *	fixture_end(&f);
 *
 * What is wrong in the fixture itself fails the test.
 */
#ifndef FSBACKEND_TESTS_UNIT_FIXTURE_H
#define FSBACKEND_TESTS_UNIT_FIXTURE_H

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdint.h>

#include <fsbackend/passthrough.h>

/**
 * @dir:  the directory's path; everybody may enter it and write in it
 * @host: open on it
 * @backing: where files can be registered; NULL: nowhere
 * @ctx:  the caller: whoever runs the test, with no supplementary groups
 */
struct fixture {
	char dir[64];
	int host;
	struct fsb_passthrough_config config;
	struct fsb_backing *backing;
	struct fsb_filesystem *fs;
	struct fsb_context ctx;
};

void fixture_make(struct fixture *f);
/** The same on a directory that is there, and that stays. */
void fixture_make_at(struct fixture *f, const char *dir);
/** Make the passthrough, and negotiate with a client that can do everything. */
void fixture_start(struct fixture *f);
/** Take it down, and check that nothing is left open. Removes the directory. */
void fixture_end(struct fixture *f);

/** A caller with known groups. */
struct fsb_context caller(uid_t uid, gid_t gid);

/** Look a name up in the root; its lookup count is raised. */
uint64_t nodeid_of(struct fixture *f, const char *name);
/** Open by nodeid. */
uint64_t open_node(struct fixture *f, uint64_t nodeid, int flags);
/** Look up and open. */
uint64_t open_file(struct fixture *f, const char *name, int flags);
void close_file(struct fixture *f, uint64_t fh);

/** Make or replace a file on the host. Returns nothing: it fails the test. */
void host_file(struct fixture *f, const char *name, mode_t mode, const void *bytes, size_t size);
mode_t host_mode(struct fixture *f, const char *name);

/** How many descriptors this process has open. */
unsigned int open_descriptors(void);

/** Run @body in a child process, and return its exit status; no check of Criterion inside. */
int in_child(int (*body)(void *arg), void *arg);

#define must(call)                                                                           \
	({                                                                                   \
		long must_result = (long)(call);                                             \
		cr_assert(must_result >= 0, "%s:%d: %s = %ld, errno %d", __FILE__, __LINE__, \
			  #call, must_result, errno);                                        \
		must_result;                                                                 \
	})

#define must_be(call, expected)                                                           \
	do {                                                                              \
		long must_be_result = (long)(call), must_be_expected = (long)(expected);  \
		cr_assert(must_be_result == must_be_expected, "%s:%d: %s = %ld, not %ld", \
			  __FILE__, __LINE__, #call, must_be_result, must_be_expected);   \
	} while (0)

#endif
