// SPDX-License-Identifier: BSD-3-Clause
/* The example programs hello and embed, as a user runs them. They lie beside this program. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <fsbackend/mount.h>

TestSuite(examples, .timeout = 60);

static char dir[] = "/tmp/fsbackend-hello-XXXXXX";

static void make_directory(void)
{
	cr_assert_not_null(mkdtemp(dir));
}

static const char *inside(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static const char *program(const char *name)
{
	static char self[PATH_MAX], path[2 * PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	cr_assert_gt(length, 0);
	self[length] = '\0';
	snprintf(path, sizeof(path), "%s/%s", dirname(self), name);
	if (access(path, X_OK))
		cr_skip_test("%s was not built", path);
	return path;
}

static pid_t start_hello(void)
{
	const char *path = program("fsbackend-hello");

	make_directory();
	pid_t pid = fork();

	if (pid == 0) {
		execl(path, path, dir, (char *)NULL);
		_exit(127);
	}
	const struct timespec pause = { .tv_nsec = 10000000 };
	for (int i = 0; i < 1000 && access(inside("hello"), F_OK); i++)
		nanosleep(&pause, NULL);
	return pid;
}

static void expect_clean_end(pid_t pid)
{
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
	cr_expect_eq(rmdir(dir), 0, "nothing is mounted there any more");
}

Test(examples, hello_shows_its_file)
{
	char text[64];
	struct stat st;
	char names[256] = "";

	pid_t pid = start_hello();

	int fd = open(inside("hello"), O_RDONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	ssize_t length = read(fd, text, sizeof(text));
	cr_expect_eq(length, (ssize_t)strlen("Hello, world.\n"));
	cr_expect_eq(memcmp(text, "Hello, world.\n", (size_t)length), 0);
	cr_expect_eq(pread(fd, text, sizeof(text), 7), 7);
	cr_expect_eq(memcmp(text, "world.\n", 7), 0);
	close(fd);

	cr_expect_eq(stat(inside("hello"), &st), 0);
	cr_expect_eq(st.st_mode, S_IFREG | 0444);
	cr_expect_eq(st.st_size, length);

	DIR *list = opendir(dir);
	cr_assert_not_null(list);
	for (struct dirent *entry; (entry = readdir(list));)
		strcat(strcat(names, entry->d_name), " ");
	closedir(list);
	cr_expect_str_eq(names, ". .. hello ");

	cr_expect_eq(open(inside("hello"), O_WRONLY), -1);
	cr_expect_eq(errno, EACCES);
	cr_expect_eq(access(inside("other"), F_OK), -1);
	cr_expect_eq(errno, ENOENT);

	cr_expect_eq(fsb_unmount(dir, false), 0);
	expect_clean_end(pid);
}

Test(examples, hello_unmounts_when_it_is_interrupted)
{
	pid_t pid = start_hello();
	kill(pid, SIGINT);
	expect_clean_end(pid);
}

Test(examples, embed_prints_requests_and_replies)
{
	char command[3 * PATH_MAX], output[8192];
	const char *embed = program("fsbackend-embed");

	make_directory();
	FILE *file = fopen(inside("note"), "we");
	cr_assert_not_null(file);
	fputs("a note", file);
	fclose(file);

	snprintf(command, sizeof(command), "%s %s note 2>&1", embed, dir);
	FILE *pipe = popen(command, "re");
	cr_assert_not_null(pipe);
	size_t length = fread(output, 1, sizeof(output) - 1, pipe);
	output[length] = '\0';
	cr_expect_eq(pclose(pipe), 0);
	static const char *const words[] = { "INIT", "LOOKUP", "GETATTR", "OPEN", "READ" };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		cr_expect(strstr(output, words[i]), "%s is in the output:\n%s", words[i], output);
	unlink(inside("note"));
	rmdir(dir);
}
