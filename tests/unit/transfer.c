/* SPDX-License-Identifier: BSD-3-Clause */
/* Moving bytes between scattered memory, files and plain memory. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fsbackend/transfer.h>

/* A file of @size bytes of which no two neighbours are alike. */
static int patterned_file(size_t size)
{
	int fd = memfd_create("transfer", MFD_CLOEXEC);

	cr_assert_geq(fd, 0);
	for (size_t i = 0; i < size; i++) {
		unsigned char byte = (unsigned char)(i * 7);
		cr_assert_eq(pwrite(fd, &byte, 1, (off_t)i), 1);
	}
	return fd;
}

static bool is_pattern(const unsigned char *bytes, size_t from, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i] != (unsigned char)((from + i) * 7))
			return false;
	return true;
}

Test(transfer, length_is_cut_to_what_the_pieces_hold)
{
	char a[3], b[4];
	struct iovec iov[] = { { a, 3 }, { NULL, 0 }, { b, 4 } };
	struct fsb_transfer t;

	fsb_transfer_init(&t, iov, 3, 100);
	cr_assert_eq(t.left, 7);
	fsb_transfer_init(&t, iov, 3, 5);
	cr_assert_eq(t.left, 5);
	fsb_transfer_init(&t, NULL, 0, 5);
	cr_assert_eq(t.left, 0);
}

Test(transfer, pieces_whose_sum_overflows_are_counted_to_the_length)
{
	char a[8];
	struct iovec iov[] = { { a, SIZE_MAX }, { a, SIZE_MAX } };
	struct fsb_transfer t;

	fsb_transfer_init(&t, iov, 2, SIZE_MAX);
	cr_assert_eq(t.left, SIZE_MAX);
	fsb_transfer_init(&t, iov, 2, 8);
	cr_assert_eq(t.left, 8);
}

Test(transfer, put_and_get_cross_pieces_in_any_cut)
{
	const char text[] = "the bytes of a file";
	const size_t length = sizeof(text) - 1;

	for (size_t cut = 0; cut <= length; cut++) {
		for (size_t step = 1; step <= length; step++) {
			char memory[32] = { 0 }, back[32] = { 0 };
			struct iovec iov[] = { { memory, cut },
					       { NULL, 0 },
					       { memory + cut, length - cut } };
			struct fsb_transfer t;

			fsb_transfer_init(&t, iov, 3, length);
			for (size_t at = 0; at < length; at += step)
				fsb_transfer_put(&t, text + at,
						 at + step < length ? step : length - at);
			cr_assert_eq(t.left, 0);
			cr_assert_str_eq(memory, text);

			fsb_transfer_init(&t, iov, 3, length);
			for (size_t at = 0; at < length; at += step)
				fsb_transfer_get(&t, back + at,
						 at + step < length ? step : length - at);
			cr_assert_str_eq(back, text);
		}
	}
}

Test(transfer, put_and_get_stop_at_the_end)
{
	char memory[4], more[] = "abcdef";
	struct iovec iov = { memory, 4 };
	struct fsb_transfer t;

	fsb_transfer_init(&t, &iov, 1, 4);
	cr_assert_eq(fsb_transfer_put(&t, more, 6), 4);
	cr_assert_eq(fsb_transfer_put(&t, more, 6), 0);
	cr_assert_eq(memcmp(memory, "abcd", 4), 0);
	fsb_transfer_init(&t, &iov, 1, 3);
	cr_assert_eq(fsb_transfer_get(&t, more, 6), 3);
	cr_assert_eq(fsb_transfer_get(&t, more, 6), 0);
}

Test(transfer, skipped_bytes_are_left_as_they_are)
{
	char memory[] = "0123456789";
	struct iovec iov[] = { { memory, 3 }, { memory + 3, 7 } };
	struct fsb_transfer t;

	fsb_transfer_init(&t, iov, 2, 10);
	fsb_transfer_skip(&t, 4);
	cr_assert_eq(fsb_transfer_put(&t, "x", 1), 1);
	fsb_transfer_skip(&t, 100);
	cr_assert_eq(t.left, 0);
	cr_assert_str_eq(memory, "0123x56789");
}

Test(transfer, file_is_read_into_pieces)
{
	unsigned char memory[100];
	struct iovec iov[] = { { memory, 1 }, { memory + 1, 50 }, { memory + 51, 49 } };
	struct fsb_transfer t;
	int fd = patterned_file(1000);

	fsb_transfer_init(&t, iov, 3, 100);
	cr_assert_eq(fsb_transfer_from_fd(&t, fd, 10, 60), 60);
	/* And goes on where it stopped. */
	cr_assert_eq(fsb_transfer_from_fd(&t, fd, 70, 100), 40);
	cr_assert(is_pattern(memory, 10, 100));
	cr_assert_eq(t.left, 0);
	close(fd);
}

Test(transfer, reading_stops_at_the_end_of_the_file)
{
	unsigned char memory[100];
	struct iovec iov = { memory, 100 };
	struct fsb_transfer t;
	int fd = patterned_file(30);

	fsb_transfer_init(&t, &iov, 1, 100);
	cr_assert_eq(fsb_transfer_from_fd(&t, fd, 10, 100), 20);
	cr_assert_eq(t.left, 80);
	cr_assert_eq(fsb_transfer_from_fd(&t, fd, 30, 100), 0);
	cr_assert_eq(fsb_transfer_from_fd(&t, fd, 1ull << 40, 100), 0);
	close(fd);
}

Test(transfer, more_pieces_than_one_system_call_takes_are_moved)
{
	enum { PIECES = 3000 };
	static unsigned char memory[PIECES * 2], back[PIECES * 2];
	static struct iovec iov[PIECES];
	struct fsb_transfer t;
	int fd = patterned_file(sizeof(memory));

	for (size_t i = 0; i < PIECES; i++)
		iov[i] = (struct iovec){ memory + 2 * i, 2 };
	fsb_transfer_init(&t, iov, PIECES, sizeof(memory));
	cr_assert_eq(fsb_transfer_from_fd(&t, fd, 0, sizeof(memory)), sizeof(memory));
	cr_assert(is_pattern(memory, 0, sizeof(memory)));

	int out = memfd_create("out", MFD_CLOEXEC);
	fsb_transfer_init(&t, iov, PIECES, sizeof(memory));
	cr_assert_eq(fsb_transfer_to_fd(&t, out, 5, sizeof(memory)), sizeof(memory));
	cr_assert_eq(pread(out, back, sizeof(back), 5), sizeof(back));
	cr_assert(is_pattern(back, 0, sizeof(back)));
	close(fd);
	close(out);
}

Test(transfer, pieces_are_written_to_a_file)
{
	char memory[] = "abcdefghij", back[11] = { 0 };
	struct iovec iov[] = { { memory, 4 }, { memory + 4, 6 } };
	struct fsb_transfer t;
	int fd = memfd_create("out", MFD_CLOEXEC);

	fsb_transfer_init(&t, iov, 2, 10);
	fsb_transfer_skip(&t, 1);
	cr_assert_eq(fsb_transfer_to_fd(&t, fd, 100, 5), 5);
	cr_assert_eq(t.left, 4);
	cr_assert_eq(pread(fd, back, 10, 100), 5);
	cr_assert_str_eq(back, "bcdef");
	close(fd);
}

Test(transfer, appending_descriptor_ignores_the_offset)
{
	char memory[] = "end", back[8] = { 0 }, path[] = "/tmp/fsbackend-transfer-XXXXXX";
	struct iovec iov = { memory, 3 };
	struct fsb_transfer t;
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	unlink(path);
	cr_assert_eq(write(fd, "begin", 5), 5);
	cr_assert_eq(fcntl(fd, F_SETFL, O_APPEND), 0);
	fsb_transfer_init(&t, &iov, 1, 3);
	cr_assert_eq(fsb_transfer_to_fd(&t, fd, 0, 3), 3);
	cr_assert_eq(pread(fd, back, 8, 0), 8);
	cr_assert_eq(memcmp(back, "beginend", 8), 0);
	close(fd);
}

Test(transfer, offsets_above_63_bits_are_invalid)
{
	char memory[4];
	struct iovec iov = { memory, 4 };
	struct fsb_transfer t;
	int fd = patterned_file(4);

	fsb_transfer_init(&t, &iov, 1, 4);
	cr_assert_eq(fsb_transfer_from_fd(&t, fd, 1ull << 63, 4), -EINVAL);
	cr_assert_eq(fsb_transfer_to_fd(&t, fd, UINT64_MAX, 4), -EINVAL);
	cr_assert_eq(t.left, 4);
	close(fd);
}

Test(transfer, error_before_the_first_byte_is_returned)
{
	char memory[4];
	struct iovec iov = { memory, 4 };
	struct fsb_transfer t;

	fsb_transfer_init(&t, &iov, 1, 4);
	cr_assert_eq(fsb_transfer_from_fd(&t, -1, 0, 4), -EBADF);
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(fsb_transfer_from_fd(&t, fd, 0, 4), -EISDIR);
	close(fd);
	fd = open("/", O_PATH | O_CLOEXEC);
	cr_assert_eq(fsb_transfer_from_fd(&t, fd, 0, 4), -EBADF);
	close(fd);
	cr_assert_eq(t.left, 4);
}

Test(transfer, error_behind_the_first_bytes_leaves_their_count)
{
	/* The second page of memory is not there: the kernel moves the first, then fails. */
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *memory =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec iov = { memory, 2 * page };
	struct fsb_transfer t;
	int fd = memfd_create("in", MFD_CLOEXEC);

	cr_assert_neq(memory, MAP_FAILED);
	cr_assert_eq(ftruncate(fd, (off_t)(2 * page)), 0);
	munmap(memory + page, page);
	fsb_transfer_init(&t, &iov, 1, 2 * page);
	cr_assert_eq(fsb_transfer_from_fd(&t, fd, 0, 2 * page), (ssize_t)page);
	cr_assert_eq(t.left, page);
	cr_assert_eq(fsb_transfer_from_fd(&t, fd, page, page), -EFAULT);
	close(fd);
}

Test(transfer, pipe_cannot_be_read_at_an_offset)
{
	char memory[4];
	struct iovec iov = { memory, 4 };
	struct fsb_transfer t;
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	fsb_transfer_init(&t, &iov, 1, 4);
	cr_assert_eq(fsb_transfer_from_fd(&t, fds[0], 0, 4), -ESPIPE);
	close(fds[0]);
	close(fds[1]);
}
