/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing to a log sink. */
#ifndef FSB_LIB_LOG_H
#define FSB_LIB_LOG_H

#include <fsbackend/log.h>

/** Format one line, cut at 512 bytes, and hand it to the sink if it wants that level. Keeps errno. Any thread. */
void log_write(const struct fsb_log *log, enum fsb_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
