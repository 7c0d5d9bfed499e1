// SPDX-License-Identifier: BSD-3-Clause
/* --debug: requests and replies in words, by the decoder's own descriptions. */
#include <stdio.h>

#include "trace.h"

void trace_print(void *opaque, const struct fsb_trace *trace)
{
	const struct fsb_opcode *op = trace->request->op;
	char request[1024], reply[512];

	(void)opaque;
	fsb_request_describe(trace->request, request, sizeof(request));
	if (op && op->no_reply && !trace->error)
		fprintf(stderr, "%s\n", request);
	else
		fprintf(stderr, "%s\n    -> %s (%.1f us)\n", request,
			fsb_reply_describe(op, trace->error, trace->body, trace->length, reply,
					   sizeof(reply)),
			(double)trace->ns / 1000);
}
