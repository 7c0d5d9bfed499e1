// SPDX-License-Identifier: BSD-3-Clause
/* Writing to a log sink. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "log.h"

void log_write(const struct fsb_log *log, enum fsb_log_level level, const char *format, ...)
{
	char line[512];
	va_list arguments;

	if (!log->write || level > log->level)
		return;
	int saved = errno;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	log->write(log->opaque, level, line);
	errno = saved;
}
