/* SPDX-License-Identifier: BSD-3-Clause */
/* --debug: requests and replies in words. */
#ifndef FSBACKEND_COMMON_TRACE_H
#define FSBACKEND_COMMON_TRACE_H

#include <fsbackend/server.h>

/** For fsb_server_config.trace: print a request and what came of it to stderr. */
void trace_print(void *opaque, const struct fsb_trace *trace);

#endif
