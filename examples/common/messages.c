// SPDX-License-Identifier: BSD-3-Clause
/* What a program says, and where. */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <syslog.h>

#include "messages.h"

static const char *program = "fsbackend";
static bool use_syslog;
static atomic_uint errors;

unsigned int errors_said(void)
{
	return atomic_load(&errors);
}

void messages_begin(const char *name)
{
	program = name;
}

static void say(int priority, const char *text)
{
	if (priority == LOG_ERR)
		atomic_fetch_add(&errors, 1);
	if (use_syslog)
		syslog(priority, "%s", text);
	else
		fprintf(stderr, "%s: %s\n", program, text);
}

void complain(const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	say(LOG_ERR, text);
}

void messages_to_syslog(void)
{
	openlog(program, LOG_PID, LOG_DAEMON);
	use_syslog = true;
}

static void on_message(void *opaque, enum fsb_log_level level, const char *text)
{
	static const int priorities[] = {
		[FSB_LOG_ERROR] = LOG_ERR,
		[FSB_LOG_WARNING] = LOG_WARNING,
		[FSB_LOG_INFO] = LOG_INFO,
		[FSB_LOG_DEBUG] = LOG_DEBUG,
	};

	(void)opaque;
	say(priorities[level], text);
}

struct fsb_log messages_log(enum fsb_log_level level)
{
	return (struct fsb_log){ .write = on_message, .level = level };
}
