// SPDX-License-Identifier: BSD-3-Clause
/* Sessions in files, as a client by hand sees them: what another process of the server knows, and
 * which files it takes. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "streaming.h"
#include "transport/stream/kept.h"

static const uint64_t wanted = FEATURE_RESUME | FEATURE_RECOVER;

static char path[] = "/tmp/fsbackend-kept-XXXXXX";
static int dir;

static void keep(struct fsb_stream_serve_config *config)
{
	config->state_dir = dir;
	config->grace_s = 30;
}

static void begin(void)
{
	cr_assert_not_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(dir, 0);
	streaming_start(keep);
}

static void end(void)
{
	char command[64];

	streaming_stop();
	close(dir);
	snprintf(command, sizeof(command), "rm -rf %s", path);
	cr_assert_eq(system(command), 0);
}

TestSuite(stream_kept, .init = begin, .fini = end, .timeout = 60);

static void serve_anew(void)
{
	streaming_stop();
	streaming_start(keep);
}

/* Return: how many there are; the name of one in @name. */
static int count_files(char *name)
{
	DIR *files = opendir(path);
	const struct dirent *entry;
	int count = 0;

	cr_assert_not_null(files);
	while ((entry = readdir(files))) {
		if (*entry->d_name == '.')
			continue;
		count++;
		snprintf(name, 20, "%.19s", entry->d_name);
	}
	closedir(files);
	return count;
}

static int open_file(void)
{
	char name[20];

	cr_assert_eq(count_files(name), 1);
	int fd = openat(dir, name, O_RDWR | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	return fd;
}

static void await_files(int count)
{
	char name[20];

	for (int i = 0; i < 300 && count_files(name) != count; i++)
		usleep(20000);
	cr_assert_eq(count_files(name), count);
}

static void come(struct hand *hand)
{
	cr_assert_eq(hand_greet(hand, wanted, 0), 0);
	hand_init(hand);
}

Test(stream_kept, a_session_goes_on_and_says_what_it_has_received)
{
	struct hand hand = { 0 };
	struct frame_bye bye = { 0 };
	struct stat st;

	come(&hand);
	cr_expect_eq(hand.welcome.features, wanted);
	cr_expect_eq(hand.welcome.epoch, 0);
	hand_lookup(&hand, 0, 4, "5");
	cr_expect_eq(hand_answer(&hand, 4), 0);
	int fd = open_file();
	cr_assert_eq(fstat(fd, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
	close(fd);
	for (uint32_t epoch = 1; epoch < 4; epoch++) {
		serve_anew();
		cr_assert_eq(hand_greet(&hand, wanted, 0), 0);
		cr_expect_eq(hand.welcome.epoch, epoch);
		cr_expect_eq(hand.welcome.received, 1 + epoch);
		hand_lookup(&hand, 0, 4, "5");
		cr_expect_eq(hand_answer(&hand, 4), 0);
		cr_expect_eq(atomic_load(&streaming.runs[5]), 1);
	}
	hand_send(&hand, FRAME_BYE, 0, &bye, sizeof(bye));
	await_files(0);
}

Test(stream_kept, connections_are_lost_and_come_back_there_as_before)
{
	struct hand hand = { 0 };

	come(&hand);
	serve_anew();
	cr_assert_eq(hand_greet(&hand, wanted, 0), 0);
	hand_lookup(&hand, 0, 4, "5");
	await(&streaming.runs[5], 1);
	close(hand.fd);
	/* Its answer was not received, and comes again. */
	cr_assert_eq(hand_greet(&hand, wanted, 0), 0);
	cr_expect_eq(hand.welcome.epoch, 1);
	cr_expect_eq(hand.welcome.received, 2);
	cr_expect_eq(hand_answer(&hand, 4), 0);
	cr_expect_eq(atomic_load(&streaming.runs[5]), 1);
}

Test(stream_kept, what_is_notified_of_before_the_first_connection_is_back_comes_by_it)
{
	struct hand first = { 0 };
	uint8_t body[4096];

	come(&first);
	struct hand second = { 0 };
	memcpy(second.token, first.token, TOKEN_SIZE);
	cr_assert_eq(hand_greet(&second, wanted, 1), 0);
	serve_anew();
	cr_assert_eq(hand_greet(&second, wanted, 1), 0);
	cr_expect_eq(second.welcome.epoch, 1);
	struct fsb_server *server = atomic_load(&streaming.server);
	cr_assert_eq(fsb_server_notify_inval_inode(server, 7, 0, 0), 0);
	cr_assert_eq(fsb_server_notify_inval_inode(server, 8, 0, 0), 0);
	cr_assert_eq(hand_greet(&first, wanted, 0), 0);
	for (uint64_t nodeid = 7; nodeid <= 8; nodeid++) {
		const struct fuse_notify_inval_inode_out *told = (void *)(body + 16);
		cr_assert_eq(hand_receive(&first, body), FRAME_NOTIFY);
		cr_expect_eq(told->ino, nodeid);
	}
	hand_lookup(&first, 0, 4, "5");
	cr_expect_eq(hand_answer(&first, 4), 0);
	close(second.fd);
}

Test(stream_kept, sets_of_groups_are_not_known_any_more)
{
	static const uint32_t groups[] = { 1, 0, 50, 0 };
	struct hand hand = { 0 };

	come(&hand);
	hand_send(&hand, FRAME_GROUPS, 1, groups, sizeof(groups));
	hand_lookup(&hand, 1, 4, "file");
	cr_expect_eq(hand_answer(&hand, 4), 0);
	serve_anew();
	cr_assert_eq(hand_greet(&hand, wanted, 0), 0);
	hand_lookup(&hand, 1, 6, "file");
	hand_must_be_cut_off(&hand);
}

Test(stream_kept, a_client_that_knows_nothing_of_it_has_no_file)
{
	struct hand hand = { 0 };
	char name[20];

	cr_assert_eq(hand_greet(&hand, FEATURE_RESUME, 0), 0);
	hand_init(&hand);
	cr_expect_eq(hand.welcome.features, FEATURE_RESUME);
	cr_expect_eq(count_files(name), 0);
	serve_anew();
	cr_expect_eq(hand_greet(&hand, FEATURE_RESUME, 0), -ESTALE);
}

Test(stream_kept, the_name_alone_is_not_enough)
{
	struct hand hand = { 0 };
	char name[20];

	come(&hand);
	serve_anew();
	struct hand other = hand;
	other.token[12] ^= 1;
	cr_expect_eq(hand_greet(&other, wanted, 0), -ESTALE);
	cr_expect_eq(count_files(name), 1);
	cr_expect_eq(hand_greet(&hand, wanted, 0), 0);
}

Test(stream_kept, a_want_of_descriptors_does_not_end_a_session)
{
	struct hand hand = { 0 };
	struct kept *kept = NULL;
	struct rlimit before;
	unsigned int descriptors = 0;
	int err;

	come(&hand);
	serve_anew();
	int next = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	cr_assert_geq(next, 0);
	close(next);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	do {
		struct rlimit few = { (rlim_t)next + descriptors, before.rlim_max };
		cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
		err = kept_find(streaming.serve, hand.token, &kept);
		cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
		cr_assert(err == 0 || err == -EMFILE, "%d with %u descriptors", err, descriptors);
	} while (err && descriptors++ < 16);
	cr_expect_gt(descriptors, 0);
	kept_close(streaming.serve, kept, false);
	cr_assert_eq(hand_greet(&hand, wanted, 0), 0);
	cr_expect_eq(hand.welcome.epoch, 1);
}

Test(stream_kept, a_file_that_a_living_process_uses_is_waited_for)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct hand hand = { 0 };

	come(&hand);
	streaming_stop();
	int fd = open_file();
	cr_assert_eq(fcntl(fd, F_OFD_SETLK, &whole), 0);
	streaming_start(keep);
	struct hand early = hand;
	cr_expect_eq(hand_greet(&early, wanted, 0), -EAGAIN);
	close(fd);
	cr_expect_eq(hand_greet(&hand, wanted, 0), 0);
}

Test(stream_kept, a_session_without_an_init_begins_anew)
{
	struct hand hand = { 0 };
	char name[20];

	cr_assert_eq(hand_greet(&hand, wanted, 0), 0);
	serve_anew();
	cr_expect_eq(hand_greet(&hand, wanted, 0), -ESTALE);
	cr_expect_eq(count_files(name), 0);
}

/* What is in a file at @offset becomes something else. */
static void damage(size_t offset)
{
	struct hand hand = { 0 };
	uint8_t byte;

	come(&hand);
	streaming_stop();
	int fd = open_file();
	cr_assert_eq(pread(fd, &byte, 1, (off_t)offset), 1);
	byte ^= 0x55;
	cr_assert_eq(pwrite(fd, &byte, 1, (off_t)offset), 1);
	close(fd);
	streaming_start(keep);
	cr_expect_eq(hand_greet(&hand, wanted, 0), -ESTALE);
	struct hand anew = { 0 };
	come(&anew);
}

Test(stream_kept, a_damaged_token_is_no_session)
{
	damage(offsetof(struct kept_page, session.token) + 9);
}

Test(stream_kept, a_session_of_another_boot_is_none)
{
	damage(offsetof(struct kept_page, session.boot));
}

Test(stream_kept, a_session_of_another_version_is_none)
{
	damage(offsetof(struct kept_page, session.version));
}

Test(stream_kept, a_damaged_init_is_not_said_again)
{
	damage(offsetof(struct kept_page, init.request) + 50);
}

Test(stream_kept, a_length_beyond_all_bounds_is_no_init)
{
	damage(offsetof(struct kept_page, init.length) + 3);
}

Test(stream_kept, a_channel_that_there_cannot_be_is_none)
{
	damage(offsetof(struct kept_page, used) + 200);
}

Test(stream_kept, an_answer_of_init_that_would_be_another_one_ends_the_session)
{
	struct hand hand = { 0 };
	struct kept_page page;

	come(&hand);
	streaming_stop();
	int fd = open_file();
	cr_assert_eq(pread(fd, &page, sizeof(page), 0), sizeof(page));
	page.init.agreed.max_write += 4096;
	page.init_check = statefile_check(&page.init, sizeof(page.init));
	cr_assert_eq(pwrite(fd, &page, sizeof(page), 0), sizeof(page));
	close(fd);
	streaming_start(keep);
	cr_expect_eq(hand_greet(&hand, wanted, 0), -ESTALE);
	await(&streaming.closed, 1);
}

Test(stream_kept, a_file_that_was_cut_or_that_others_may_read_is_none)
{
	struct hand hand = { 0 };

	come(&hand);
	streaming_stop();
	int fd = open_file();
	cr_assert_eq(fchmod(fd, 0644), 0);
	streaming_start(keep);
	struct hand open_to_all = hand;
	cr_expect_eq(hand_greet(&open_to_all, wanted, 0), -ESTALE);
	cr_assert_eq(fchmod(fd, 0600), 0);
	cr_assert_eq(ftruncate(fd, 100), 0);
	struct hand cut_short = hand;
	cr_expect_eq(hand_greet(&cut_short, wanted, 0), -ESTALE);
	close(fd);
}

static void make_old(const char *name, bool claim)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct timespec old[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 1000000000 } };
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(futimens(fd, old), 0);
	if (claim)
		cr_assert_eq(fcntl(fd, F_OFD_SETLK, &whole), 0);
	else
		close(fd);
}

Test(stream_kept, old_files_that_nobody_uses_are_removed_and_no_others)
{
	make_old("0123456789abcdef", false);
	make_old("0123456789abcde0", true);
	make_old("notes.of.mine.ab", false);
	close(openat(dir, "0123456789abcde1", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	serve_anew();
	cr_expect_eq(faccessat(dir, "0123456789abcdef", F_OK, 0), -1);
	cr_expect_eq(faccessat(dir, "0123456789abcde0", F_OK, 0), 0);
	cr_expect_eq(faccessat(dir, "0123456789abcde1", F_OK, 0), 0);
	cr_expect_eq(faccessat(dir, "notes.of.mine.ab", F_OK, 0), 0);
}
