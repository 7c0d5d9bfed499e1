/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads that go to the device by a pipe. Another pipe plays the device, as splice(2) fills it as
 * well. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fsbackend/transfer.h>

#include "transport/replypipe.h"

enum { PAGE = 4096, ROOM = 255 * PAGE, MEMORY = 1 << 20, HEAD = sizeof(struct fuse_out_header) };

static struct pipe_pool pool;
static struct slot_pipe slot;
static int device[2];
static unsigned char memory[MEMORY];
static unsigned char got[HEAD + MEMORY];
static const struct iovec payload = { memory, MEMORY };

static void prepare(void)
{
	cr_assert_eq(pipes_init(&pool, 1), 0);
	slot_pipe_init(&slot, &pool);
	cr_assert_eq(pipe2(device, O_CLOEXEC | O_NONBLOCK), 0);
	cr_assert_geq(fcntl(device[1], F_SETPIPE_SZ, MEMORY), MEMORY);
}

static void finish(void)
{
	pipes_clear(&pool);
	close(device[0]);
	close(device[1]);
}

TestSuite(replypipe, .init = prepare, .fini = finish, .timeout = 60);

static unsigned char byte_at(size_t at)
{
	return (unsigned char)(at * 7 + at / 251);
}

static int patterned_file(size_t size)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	unsigned char *bytes = malloc(size + 1);

	for (size_t i = 0; i < size; i++)
		bytes[i] = byte_at(i);
	cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
	free(bytes);
	return fd;
}

static bool is_pattern(const unsigned char *bytes, size_t from, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i] != byte_at(from + i))
			return false;
	return true;
}

static struct fsb_transfer transfer_of(size_t length)
{
	struct fsb_transfer t;

	memset(memory, 0xee, sizeof(memory));
	fsb_transfer_init(&t, &payload, 1, length);
	t.pipe = &slot.base;
	return t;
}

static ssize_t read_by(int fd, size_t offset, size_t length)
{
	struct fsb_transfer t = transfer_of(length);
	ssize_t n = fsb_transfer_from_fd(&t, fd, offset, length);

	if (n >= 0)
		cr_assert_eq(t.left, length - (size_t)n);
	return n;
}

static int send_reply(uint64_t unique, size_t body, int error)
{
	const struct fuse_out_header header = { (uint32_t)(HEAD + body), error, unique };

	return slot_pipe_send(&slot, device[1], &header);
}

/* All that the device was given. */
static size_t received(void)
{
	size_t length = 0;
	ssize_t step;

	while ((step = read(device[0], got + length, sizeof(got) - length)) > 0)
		length += (size_t)step;
	return length;
}

static void must_receive(uint64_t unique, size_t from, size_t body, int error)
{
	struct fuse_out_header header;

	cr_assert_eq(received(), HEAD + body);
	memcpy(&header, got, HEAD);
	cr_assert_eq(header.len, HEAD + body);
	cr_assert_eq(header.error, error);
	cr_assert_eq(header.unique, unique);
	cr_assert(is_pattern(got + HEAD, from, body));
}

/* Whatever happened before: the next read gets its own bytes and no others. */
static void must_work(int fd)
{
	cr_assert_eq(read_by(fd, 5000, PIPE_LEAST), PIPE_LEAST);
	cr_assert(slot_pipe_used(&slot));
	cr_assert_eq(send_reply(99, PIPE_LEAST, 0), 0);
	must_receive(99, 5000, PIPE_LEAST, 0);
	cr_assert(!slot_pipe_used(&slot));
}

Test(replypipe, reads_of_sizes_around_pages_and_the_capacity_arrive_whole)
{
	static const size_t sizes[] = { PIPE_LEAST - 1, PIPE_LEAST, PIPE_LEAST + 1, 131071,
					131072,         131073,     ROOM - PAGE,    ROOM - 1,
					ROOM,           ROOM + 1,   MEMORY };
	static const size_t offsets[] = { 0, 1, PAGE - 1, PAGE, 3 * PAGE + 1234 };
	int fd = patterned_file(2 * MEMORY);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (size_t j = 0; j < sizeof(offsets) / sizeof(*offsets); j++) {
			bool fits = sizes[i] >= PIPE_LEAST && offsets[j] % PAGE + sizes[i] <= ROOM;
			cr_assert_eq(read_by(fd, offsets[j], sizes[i]), (ssize_t)sizes[i]);
			cr_assert_eq(slot_pipe_used(&slot), fits, "%zu bytes at %zu", sizes[i],
				     offsets[j]);
			if (fits) {
				cr_assert_eq(send_reply(i, sizes[i], 0), 0);
				must_receive(i, offsets[j], sizes[i], 0);
			} else {
				cr_assert(is_pattern(memory, offsets[j], sizes[i]));
			}
		}
	close(fd);
}

Test(replypipe, a_read_across_the_end_has_the_length_that_is_left)
{
	static const size_t sizes[] = { 1, PAGE - 1, PAGE, PAGE + 1, PIPE_LEAST, 100000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		int fd = patterned_file(7777 + sizes[i]);
		cr_assert_eq(read_by(fd, 7777, 131072), (ssize_t)sizes[i]);
		cr_assert(slot_pipe_used(&slot));
		cr_assert_eq(send_reply(i, sizes[i], 0), 0);
		must_receive(i, 7777, sizes[i], 0);
		close(fd);
	}
}

Test(replypipe, a_read_at_and_beyond_the_end_leaves_the_pipe_as_it_was)
{
	int fd = patterned_file(100000);

	cr_assert_eq(read_by(fd, 100000, 131072), 0);
	cr_assert(!slot_pipe_used(&slot));
	cr_assert_eq(read_by(fd, 1ull << 40, 131072), 0);
	cr_assert_eq(read_by(fd, 1ull << 63, 131072), -EINVAL);
	must_work(fd);
	close(fd);
}

Test(replypipe, errors_are_those_of_preadv)
{
	int fd = patterned_file(100000), ends[2];
	int directory = open("/", O_RDONLY | O_CLOEXEC), path = open("/", O_PATH | O_CLOEXEC);

	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	cr_assert_eq(read_by(-1, 0, 131072), -EBADF);
	cr_assert_eq(read_by(path, 0, 131072), -EBADF);
	cr_assert_eq(read_by(directory, 0, 131072), -EISDIR);
	cr_assert_eq(read_by(ends[0], 0, 131072), -ESPIPE);
	cr_assert(!slot_pipe_used(&slot));
	must_work(fd);
}

Test(replypipe, what_cannot_be_spliced_goes_by_memory)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), file = patterned_file(100000);

	cr_assert_geq(fd, 0);
	cr_assert_eq(read_by(fd, 0, 131072), 131072);
	cr_assert(!slot_pipe_used(&slot));
	must_work(file);
}

Test(replypipe, what_does_not_fit_a_pipe_goes_on_by_memory)
{
	int fd = patterned_file(MEMORY);

	must_work(fd);
	cr_assert_geq(fcntl(pool.pipes[0].in, F_SETPIPE_SZ, 131072), 131072);
	cr_assert_eq(read_by(fd, 1, 500000), 500000);
	cr_assert(!slot_pipe_used(&slot));
	cr_assert(is_pattern(memory, 1, 500000));
	must_work(fd);
	pool.pipes[0].pages = 31;
	cr_assert_eq(read_by(fd, 1, 131072), 131072);
	cr_assert(!slot_pipe_used(&slot));
	cr_assert(is_pattern(memory, 1, 131072));
	must_work(fd);
}

Test(replypipe, what_comes_after_a_splice_goes_behind_its_bytes_in_memory)
{
	int fd = patterned_file(200000);
	struct fsb_transfer t = transfer_of(MEMORY);

	cr_assert_eq(fsb_transfer_from_fd(&t, fd, 0, 100001), 100001);
	cr_assert(slot_pipe_used(&slot));
	cr_assert_eq(fsb_transfer_from_fd(&t, fd, 100001, 70000), 70000);
	cr_assert(!slot_pipe_used(&slot));
	cr_assert_eq(fsb_transfer_put(&t, "end", 3), 3);
	cr_assert_eq(t.left, MEMORY - 170004);
	cr_assert(is_pattern(memory, 0, 170001));
	cr_assert_eq(memcmp(memory + 170001, "end", 3), 0);

	t = transfer_of(MEMORY);
	cr_assert_eq(fsb_transfer_from_fd(&t, fd, 10, 100000), 100000);
	fsb_transfer_skip(&t, 2);
	cr_assert(!slot_pipe_used(&slot));
	cr_assert(is_pattern(memory, 10, 100000));
	must_work(fd);
}

Test(replypipe, what_comes_behind_other_bytes_goes_by_memory)
{
	int fd = patterned_file(200000);
	struct fsb_transfer t = transfer_of(MEMORY);

	cr_assert_eq(fsb_transfer_put(&t, "begin", 5), 5);
	cr_assert_eq(fsb_transfer_from_fd(&t, fd, 0, 100000), 100000);
	cr_assert(!slot_pipe_used(&slot));
	cr_assert_eq(memcmp(memory, "begin", 5), 0);
	cr_assert(is_pattern(memory + 5, 0, 100000));
}

Test(replypipe, an_error_after_a_splice_is_sent_alone)
{
	int fd = patterned_file(200000);

	cr_assert_eq(read_by(fd, 0, 131072), 131072);
	cr_assert_eq(send_reply(3, 0, -EIO), 0);
	must_receive(3, 0, 0, -EIO);
	must_work(fd);
}

Test(replypipe, an_answer_shorter_than_what_was_moved_leaves_no_rest)
{
	int fd = patterned_file(200000);

	cr_assert_eq(read_by(fd, 0, 131072), 131072);
	cr_assert_eq(send_reply(4, 70001, 0), 0);
	must_receive(4, 0, 70001, 0);
	must_work(fd);
}

Test(replypipe, a_reply_that_is_not_taken_leaves_no_rest)
{
	int fd = patterned_file(200000), closed = device[1];

	cr_assert_eq(read_by(fd, 0, 131072), 131072);
	device[1] = -1;
	cr_assert_eq(send_reply(5, 131072, 0), -EBADF);
	device[1] = closed;
	cr_assert_eq(received(), 0);
	must_work(fd);
}

Test(replypipe, a_request_that_nobody_answers_leaves_no_rest)
{
	int fd = patterned_file(200000);

	cr_assert_eq(read_by(fd, 0, 131072), 131072);
	slot_pipe_reset(&slot);
	cr_assert(!slot_pipe_used(&slot));
	must_work(fd);
}

Test(replypipe, bytes_that_were_lost_are_an_error)
{
	int fd = patterned_file(200000);
	struct fsb_transfer t = transfer_of(MEMORY);

	cr_assert_eq(fsb_transfer_from_fd(&t, fd, 0, 131072), 131072);
	cr_assert_eq(read(slot.base.out, got, 100), 100);
	fsb_transfer_put(&t, "x", 1);
	cr_assert(slot_pipe_used(&slot));
	cr_assert_eq(send_reply(6, 131073, 0), -EIO);
	must_receive(6, 0, 0, -EIO);
	must_work(fd);
}

Test(replypipe, a_file_that_is_cut_after_the_splice_gives_as_much_as_was_said)
{
	int fd = patterned_file(200000);

	cr_assert_eq(read_by(fd, 0, 131072), 131072);
	cr_assert_eq(ftruncate(fd, 0), 0);
	cr_assert_eq(send_reply(7, 131072, 0), 0);
	cr_assert_eq(received(), HEAD + 131072);
}

Test(replypipe, the_header_is_right_after_a_fork)
{
	int fd = patterned_file(200000);

	must_work(fd);
	cr_assert_eq(read_by(fd, 0, 131072), 131072);
	pid_t child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	cr_assert_eq(send_reply(8, 131072, 0), 0);
	must_receive(8, 0, 131072, 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

Test(replypipe, a_second_request_goes_by_memory_while_the_only_pipe_is_in_use)
{
	struct slot_pipe second;
	int fd = patterned_file(200000);

	slot_pipe_init(&second, &pool);
	cr_assert_eq(read_by(fd, 0, 131072), 131072);
	struct fsb_transfer t = transfer_of(131072);
	t.pipe = &second.base;
	cr_assert_eq(fsb_transfer_from_fd(&t, fd, 3, 131072), 131072);
	cr_assert(!slot_pipe_used(&second));
	cr_assert(is_pattern(memory, 3, 131072));
	cr_assert_eq(send_reply(9, 131072, 0), 0);
	must_receive(9, 0, 131072, 0);
}

Test(replypipe, without_descriptors_reads_go_by_memory_until_there_are_some)
{
	struct rlimit limit, full;
	int fd = patterned_file(200000);

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	full = (struct rlimit){ (rlim_t)fd, limit.rlim_max };
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &full), 0);
	cr_assert_eq(read_by(fd, 0, 131072), 131072);
	cr_assert(!slot_pipe_used(&slot));
	cr_assert(is_pattern(memory, 0, 131072));
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	must_work(fd);
}

Test(replypipe, few_descriptors_leave_none_for_pipes)
{
	struct rlimit limit;
	struct pipe_pool few;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 63;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_assert_eq(pipes_init(&few, 8), 0);
	cr_assert_eq(few.npipes, 0);
	pipes_clear(&few);
	limit.rlim_cur = 130;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_assert_eq(pipes_init(&few, 8), 0);
	cr_assert_eq(few.npipes, 2);
	pipes_clear(&few);
}
