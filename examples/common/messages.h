/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program says: on stderr, and to syslog once it is in the background. */
#ifndef FSBACKEND_COMMON_MESSAGES_H
#define FSBACKEND_COMMON_MESSAGES_H

#include <fsbackend/log.h>

/** Who speaks: a string that lives as long as the program. */
void messages_begin(const char *program);

/** Say one line. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/** How many errors were said, by us or the library. */
unsigned int errors_said(void);

/** From now on to syslog. */
void messages_to_syslog(void);

/** The sink for the library's messages, up to @level. */
struct fsb_log messages_log(enum fsb_log_level level);

#endif
