// SPDX-License-Identifier: BSD-3-Clause
/*
 * plant DIRECTORY COUNT: make COUNT empty files "NUMBER/NUMBER", a thousand in each directory. A
 * shell would take an hour for what this does in seconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "numbered.h"

static int plant(int dir, unsigned long number)
{
	char name[NUMBERED_MAX];

	if (number % PER_DIRECTORY == 0) {
		snprintf(name, sizeof(name), "%lu", number / PER_DIRECTORY);
		if (mkdirat(dir, name, 0755) < 0)
			return -errno;
	}
	numbered(name, number);
	return mknodat(dir, name, S_IFREG | 0644, 0) < 0 ? -errno : 0;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s DIRECTORY COUNT\n", argv[0]);
		return 2;
	}
	int dir = open(argv[1], O_RDONLY | O_DIRECTORY);
	int err = dir < 0 ? -errno : 0;
	unsigned long count = strtoul(argv[2], NULL, 10);
	for (unsigned long i = 0; i < count && !err; i++)
		err = plant(dir, i);
	if (err)
		fprintf(stderr, "%s: %s: %s\n", argv[0], argv[1], strerror(-err));
	return err != 0;
}
