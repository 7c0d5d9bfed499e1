/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the library's messages go. The library itself prints nothing: it hands complete lines, without a newline, to
 * the callback of the object's configuration, or to nobody.
 */
#ifndef FSBACKEND_LOG_H
#define FSBACKEND_LOG_H

#include <fsbackend/base.h>

FSB_BEGIN_DECLS

enum fsb_log_level {
	FSB_LOG_ERROR = 0,   /* something that the host has to see to: a request failed for a reason of the server's own */
	FSB_LOG_WARNING = 1, /* works, but not as asked: a feature is missing, a client misbehaves */
	FSB_LOG_INFO = 2,    /* once in an object's life: what was negotiated, which limits rule */
	FSB_LOG_DEBUG = 3    /* for whoever debugs the library */
};

/**
 * A log sink, copied by value into whatever is configured with it. All zero means silence.
 *
 * @write:  called with a level and one line of UTF-8 text without a newline, valid during the call. May be called
 *          from any thread, several at once; it must not call back into the object that logs.
 * @opaque: handed to @write as it is
 * @level:  the most verbose level that @write wants to see
 */
struct fsb_log {
	void (*write)(void *opaque, enum fsb_log_level level, const char *message);
	void *opaque;
	enum fsb_log_level level;
};

FSB_END_DECLS

#endif
