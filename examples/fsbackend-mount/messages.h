/* SPDX-License-Identifier: BSD-3-Clause */
/* What fsbackend-mount says: on stderr, and to syslog once it is in the background. */
#ifndef FSBACKEND_MOUNT_MESSAGES_H
#define FSBACKEND_MOUNT_MESSAGES_H

#include <fsbackend/log.h>

/** Say one line. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/** How many errors were said, by us or the library. */
unsigned int errors_said(void);

/** From now on to syslog. */
void messages_to_syslog(void);

/** The sink for the library's messages, up to @level. */
struct fsb_log messages_log(enum fsb_log_level level);

#endif
