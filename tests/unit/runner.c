/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A runner for Criterion tests under the thread sanitizer, which Criterion's own cannot live with
 * (it maps memory where the sanitizer keeps its shadow). The tests stay as they are: this file
 * takes the place of the functions of libcriterion that they call while they run, and of its main.
 * Each test runs in a forked process, one after the other.
 */
#include <criterion/criterion.h>
#include <criterion/logging.h>
#include <criterion/parameterized.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* How a test's process ends when it does not run to its end. */
enum { EXIT_FAILED = 101, EXIT_SKIPPED = 102 };

/* Where the Test() and TestSuite() macros leave pointers to their descriptions. */
extern struct criterion_test *__start_cr_tst[], *__stop_cr_tst[];
extern struct criterion_suite *__start_cr_sts[] __attribute__((weak));
extern struct criterion_suite *__stop_cr_sts[] __attribute__((weak));

static const struct criterion_test *running;
static void *parameter;
static int failed_assertions;

static const struct criterion_test_extra_data *suite_of(const struct criterion_test *test)
{
	static const struct criterion_test_extra_data none;

	for (struct criterion_suite **s = __start_cr_sts; s != __stop_cr_sts; s++)
		if (*s && (*s)->data && strcmp((*s)->name, test->category) == 0)
			return (*s)->data;
	return &none;
}

void criterion_internal_test_setup(void)
{
	if (suite_of(running)->init)
		suite_of(running)->init();
	if (running->data->init)
		running->data->init();
}

void criterion_internal_test_main(void (*fn)(void))
{
	if (running->data->kind_ == CR_TEST_PARAMETERIZED)
		((void (*)(void *))fn)(parameter);
	else
		fn();
}

void criterion_internal_test_teardown(void)
{
	if (running->data->fini)
		running->data->fini();
	if (suite_of(running)->fini)
		suite_of(running)->fini();
}

void criterion_send_assert(struct criterion_assert_stats *stats)
{
	if (stats->passed)
		return;
	printf("[----] %s:%u: %s\n", stats->file, stats->line, stats->message);
	failed_assertions++;
}

void cr_log(enum criterion_severity severity, const char *format, ...)
{
	va_list ap;

	(void)severity;
	fputs("[----] ", stdout);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}

void cri_asserts_passed_incr(void)
{
}

void criterion_abort_test(void)
{
	exit(EXIT_FAILED);
}

void criterion_skip_test(const char *format, ...)
{
	va_list ap;

	printf("[SKIP] %s::%s: ", running->category, running->name);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	exit(EXIT_SKIPPED);
}

static void run_here(const struct criterion_test *test, void *param)
{
	double timeout = test->data->timeout > 0 ? test->data->timeout : suite_of(test)->timeout;

	running = test;
	parameter = param;
	if (timeout > 0)
		alarm((unsigned int)timeout + 1);
	test->test();
	exit(failed_assertions ? EXIT_FAILED : 0);
}

static bool ended_as_expected(const struct criterion_test *test, int status)
{
	if (test->data->signal)
		return WIFSIGNALED(status) && WTERMSIG(status) == test->data->signal;
	return WIFEXITED(status) && WEXITSTATUS(status) == test->data->exit_code;
}

static struct {
	int tested, passing, failing, crashing, skipped;
} sum;

static void run_forked(const struct criterion_test *test, void *param)
{
	int status = 0;

	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		run_here(test, param);
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		perror("fork");
		exit(1);
	}

	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED) {
		sum.skipped++;
		return;
	}
	sum.tested++;
	if (ended_as_expected(test, status)) {
		sum.passing++;
		return;
	}
	printf("[FAIL] %s::%s (wait status 0x%x)\n", test->category, test->name,
	       (unsigned int)status);
	if (WIFSIGNALED(status))
		sum.crashing++;
	else
		sum.failing++;
}

static void run(const struct criterion_test *test)
{
	if (test->data->disabled || suite_of(test)->disabled) {
		sum.skipped++;
		return;
	}
	if (test->data->kind_ == CR_TEST_NORMAL) {
		run_forked(test, NULL);
		return;
	}
	struct criterion_test_params params = test->data->param_();
	for (size_t i = 0; i < params.length; i++)
		run_forked(test, (char *)params.params + i * params.size);
	if (params.cleanup)
		params.cleanup(&params);
}

/* The argument, if there is one, is a pattern of tests to run, as suite/name. */
int main(int argc, char *argv[])
{
	for (struct criterion_test **test = __start_cr_tst; test != __stop_cr_tst; test++)
		if (*test && (argc < 2 || fnmatch(argv[1], (*test)->data->identifier_, 0) == 0))
			run(*test);

	/* Criterion's closing line, which tools read. */
	printf("[====] Synthesis: Tested: %d | Passing: %d | Failing: %d | Crashing: %d\n",
	       sum.tested, sum.passing, sum.failing, sum.crashing);
	return sum.failing + sum.crashing ? 1 : 0;
}
