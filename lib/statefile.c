// SPDX-License-Identifier: BSD-3-Clause
/* Files in which a process keeps what the one after it has to know. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "statefile.h"

int statefile_claim(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
		return -EPERM;
	if (fcntl(fd, F_OFD_SETLK, &whole) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

int statefile_extend(int fd, uint64_t offset, uint64_t length)
{
	int err;

	/* Room that is promised: to store into a hole of a full disk would be SIGBUS, the end of all sessions. */
	do
		err = fallocate(fd, 0, (off_t)offset, (off_t)length) < 0 ? -errno : 0;
	while (err == -EINTR);
	return err;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int statefile_boot_id(uint8_t id[BOOT_ID_SIZE])
{
	char text[64];
	_cleanup_fd_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text));
	unsigned int digits = 0;

	if (length < 0)
		return -errno;
	memset(id, 0, BOOT_ID_SIZE);
	for (ssize_t i = 0; i < length && digits < 2 * BOOT_ID_SIZE; i++) {
		int digit = hex_digit(text[i]);
		if (digit < 0)
			continue;
		id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | digit);
		digits++;
	}
	return digits == 2 * BOOT_ID_SIZE ? 0 : -EIO;
}

uint64_t statefile_check(const void *bytes, size_t length)
{
	uint64_t hash = 0x5346425354415445u ^ length;

	for (size_t i = 0; i < length; i += 8) {
		uint64_t word = 0;
		memcpy(&word, (const char *)bytes + i, length - i < 8 ? length - i : 8);
		hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 32;
	}
	return hash | 1;
}
