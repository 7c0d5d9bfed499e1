// SPDX-License-Identifier: BSD-3-Clause
/*
 * wander DIRECTORY COUNT TIMES
 *
 *	Stat, open, fstat and close TIMES files of the COUNT that plant made, criss-cross.
 *
 * wander DIRECTORY COUNT TIMES COMMAND...
 *
 *	Open TIMES files, hold them while COMMAND runs, and end with its status.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "numbered.h"

static int visit(int dir, unsigned long number)
{
	char name[NUMBERED_MAX];
	struct stat by_name, by_fd;

	numbered(name, number);
	if (fstatat(dir, name, &by_name, 0) < 0)
		return -errno;
	int fd = openat(dir, name, O_RDONLY);
	if (fd < 0)
		return -errno;
	int err = fstat(fd, &by_fd) < 0 ? -errno : by_fd.st_ino != by_name.st_ino ? -ESTALE : 0;
	close(fd);
	return err;
}

static int hold(int dir, unsigned long number)
{
	char name[NUMBERED_MAX];

	numbered(name, number);
	return openat(dir, name, O_RDWR) < 0 ? -errno : 0;
}

static int run(char **command)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execvp(command[0], command);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status)
									       : 1;
}

/*
 * None twice before all were visited, and no two neighbours: a large prime is coprime to any count.
 */
static unsigned long pick(unsigned long i, unsigned long count)
{
	return i * 2147483647 % count;
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: %s DIRECTORY COUNT TIMES [COMMAND...]\n", argv[0]);
		return 2;
	}
	unsigned long count = strtoul(argv[2], NULL, 10), times = strtoul(argv[3], NULL, 10);
	int dir = open(argv[1], O_RDONLY | O_DIRECTORY);
	int err = dir < 0 ? -errno : 0;
	for (unsigned long i = 0; i < times && !err; i++)
		err = (argc > 4 ? hold : visit)(dir, pick(i, count));
	if (!err)
		return argc > 4 ? run(argv + 4) : 0;
	fprintf(stderr, "%s: %s: %s\n", argv[0], argv[1], strerror(-err));
	return 1;
}
