// SPDX-License-Identifier: BSD-3-Clause
/* Files of sessions that outlive the process. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../cleanup.h"
#include "../../log.h"
#include "../clock.h"
#include "kept.h"
#include "serve.h"

_Static_assert(sizeof(struct kept_page) <= KEPT_SIZE, "the stream's part has its place");

enum { NAME_DIGITS = 16 };

/* By the half of the token that is no secret. */
static void fill_name(char *name, size_t size, const uint8_t *token)
{
	uint64_t number;

	memcpy(&number, token, sizeof(number));
	snprintf(name, size, "%016" PRIx64, number);
}

static uint64_t check_session(const struct kept_page *page)
{
	return statefile_check(&page->session, sizeof(page->session));
}

static uint64_t check_init(const struct kept_page *page)
{
	return statefile_check(&page->init, sizeof(page->init));
}

static int map(struct kept *kept)
{
	int err = statefile_extend(kept->fd, 0, KEPT_SIZE);
	if (err)
		return err;
	void *start = mmap(NULL, KEPT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, kept->fd, 0);
	if (start == MAP_FAILED)
		return -errno;
	kept->page = start;
	return 0;
}

static struct kept *allocate(const uint8_t *token)
{
	struct kept *kept = calloc(1, sizeof(*kept));

	if (!kept)
		return NULL;
	kept->fd = -1;
	fill_name(kept->name, sizeof(kept->name), token);
	return kept;
}

static void fill(struct kept_page *page, const struct session *session)
{
	struct kept_session *fixed = &page->session;

	fixed->version = KEPT_VERSION;
	fixed->kind = session->peer.kind;
	fixed->uid = session->peer.uid;
	fixed->cid = session->peer.cid;
	fixed->max_message = session->max_message;
	memcpy(fixed->token, session->token, TOKEN_SIZE);
	__atomic_store_n(&page->check, check_session(page), __ATOMIC_RELEASE);
}

static int make(struct kept *kept, const struct session *session)
{
	kept->fd = openat(session->serve->config.state_dir, kept->name,
			  O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (kept->fd < 0)
		return -errno;
	int err = statefile_claim(kept->fd);
	if (!err)
		err = map(kept);
	if (!err)
		err = statefile_boot_id(kept->page->session.boot);
	if (!err)
		fill(kept->page, session);
	return err;
}

struct kept *kept_new(const struct session *session)
{
	struct kept *kept = allocate(session->token);
	int err = kept ? make(kept, session) : -ENOMEM;

	if (!err)
		return kept;
	log_write(&session->serve->config.log, FSB_LOG_WARNING,
		  "stream: a session is lost with this process, as its state cannot be kept: %s",
		  strerror(-err));
	if (kept)
		kept_close(session->serve, kept, kept->fd >= 0);
	return NULL;
}

static bool is_of_token(const struct kept_page *page, const uint8_t *token)
{
	unsigned int difference = 0;

	/* Takes the same time wherever they differ. */
	for (size_t i = 0; i < TOKEN_SIZE; i++)
		difference |= page->session.token[i] ^ token[i];
	return difference == 0;
}

/* Whether it is whole, and of this boot. Return: 0; -ESTALE; or why that cannot be told now. */
static int check_page(const struct kept_page *page)
{
	uint8_t boot[BOOT_ID_SIZE];

	if (page->session.version != KEPT_VERSION || page->check != check_session(page))
		return -ESTALE;
	int err = statefile_boot_id(boot);
	if (err)
		return err == -EMFILE || err == -ENFILE || err == -ENOMEM ? err : -ESTALE;
	return memcmp(page->session.boot, boot, sizeof(boot)) == 0 ? 0 : -ESTALE;
}

static int take_up(struct fsb_stream_serve *serve, struct kept *kept, const uint8_t *token)
{
	struct stat st;

	kept->fd = openat(serve->config.state_dir, kept->name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (kept->fd < 0)
		return errno == EMFILE || errno == ENFILE ? -errno : -ESTALE;
	int err = statefile_claim(kept->fd);
	if (err)
		return err == -EBUSY ? -EAGAIN : -ESTALE;
	/* Somebody may have removed it just before. */
	if (fstat(kept->fd, &st) < 0 || st.st_nlink == 0 || st.st_size < KEPT_SIZE)
		return -ESTALE;
	err = map(kept);
	if (err)
		return err == -ENOMEM ? err : -ESTALE;
	err = check_page(kept->page);
	return err || is_of_token(kept->page, token) ? err : -ESTALE;
}

int kept_find(struct fsb_stream_serve *serve, const uint8_t *token, struct kept **out)
{
	struct kept *kept = allocate(token);

	if (!kept)
		return -ENOMEM;
	int err = take_up(serve, kept, token);
	if (err)
		kept_close(serve, kept, false);
	else
		*out = kept;
	return err;
}

void kept_close(struct fsb_stream_serve *serve, struct kept *kept, bool remove)
{
	if (!kept)
		return;
	if (remove)
		unlinkat(serve->config.state_dir, kept->name, 0);
	if (kept->page)
		munmap(kept->page, KEPT_SIZE);
	if (kept->fd >= 0)
		close(kept->fd);
	free(kept);
}

void kept_note_init(struct kept *kept, const struct fuse_in_header *request, const void *answer,
		    size_t length)
{
	struct kept_init *init = &kept->page->init;

	if (request->len > sizeof(init->request) || length > sizeof(init->agreed))
		return;
	init->length = request->len;
	memcpy(init->request, request, request->len);
	memcpy(&init->agreed, answer, length);
	__atomic_store_n(&kept->page->init_check, check_init(kept->page), __ATOMIC_RELEASE);
}

bool kept_has_init(const struct kept *kept)
{
	const struct kept_page *page = kept->page;

	return page->init_check == check_init(page) &&
	       page->init.length >= sizeof(struct fuse_in_header) &&
	       page->init.length <= sizeof(page->init.request);
}

/* ---- Old ones ---- */

void kept_touch(struct fsb_stream_serve *serve, struct kept *kept, uint32_t now)
{
	if (now - kept->touched_s < serve->config.idle_s)
		return;
	kept->touched_s = now;
	(void)futimens(kept->fd, NULL); /* what others cannot see they take for old */
}

uint32_t kept_retention(const struct fsb_stream_serve *serve)
{
	/* Touched once in that time, more or less. */
	return serve->config.grace_s + 4 * serve->config.idle_s;
}

static bool is_name(const char *name)
{
	return strspn(name, "0123456789abcdef") == NAME_DIGITS && !name[NAME_DIGITS];
}

/* Somebody's own file may have such a name. One that was not filled yet when its process died is empty. */
static bool is_ours(int fd)
{
	struct kept_page page = { 0 };

	if (pread(fd, &page, sizeof(page), 0) < 0)
		return false;
	return page.session.version == KEPT_VERSION ? page.check == check_session(&page)
						     : page.session.version == 0 && page.check == 0;
}

static void remove_if_old(struct fsb_stream_serve *serve, const char *name)
{
	int dir = serve->config.state_dir;
	struct timespec now;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
	    clock_gettime(CLOCK_REALTIME, &now) < 0 ||
	    now.tv_sec - st.st_mtime <= (time_t)kept_retention(serve))
		return;
	_cleanup_fd_ int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && statefile_claim(fd) == 0 && is_ours(fd))
		unlinkat(dir, name, 0);
}

void kept_sweep(struct fsb_stream_serve *serve)
{
	int fd = serve->config.state_dir < 0
			 ? -1
			 : openat(serve->config.state_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		fd_close(&fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (is_name(entry->d_name))
			remove_if_old(serve, entry->d_name);
	closedir(dir);
}
