/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of opcodes, as the server sees it: what is public, and who does the work. */
#ifndef FSB_LIB_SERVER_OPCODES_H
#define FSB_LIB_SERVER_OPCODES_H

#include <fsbackend/message.h>

struct fsb_call;

/* Opcodes have numbers below this one. */
#define OPCODE_LIMIT 55

/** Whose supplementary groups the operation may have to know. */
enum caller {
	CALLER_NONE, /* nobody's: the client's kernel speaks for itself */
	CALLER_FILE, /* nobody's, as the open was judged; the caller's where files are not opened */
	CALLER_DIR,  /* the same for directories */
	CALLER_JUDGED, /* the caller's */
};

/**
 * A row.
 *
 * @op:        what the public knows
 * @since:     the minor version that brought the opcode, 0 for those that every client has
 * @operation: offset of the vtable's member that must be there, 0 for none
 * @caller:    whether the caller's groups matter
 * @check:     refuses fixed arguments that make no sense: 0 or a negative errno; NULL when any do
 * @counts:    the operation returns a count, not just 0
 * @repeats:   may run once more when the answer was lost with the process that ran it. Counts and
 * handles of a lost answer stay until the session ends, and locks went with the process
 * @run:       typed request to vtable call; returns what the operation does
 * @answer:    result (call->result and what was given back) to reply bytes; returns their number,
 * or a negative errno when the result is of no use; NULL when a success has no bytes
 */
struct opcode_row {
	struct fsb_opcode op;
	uint32_t since;
	size_t operation;
	enum caller caller;
	bool counts;
	bool repeats;
	int (*check)(const struct fsb_protocol *protocol, const struct fsb_request *request);
	ssize_t (*run)(struct fsb_call *call);
	ssize_t (*answer)(struct fsb_call *call);
};

/** The row of an opcode, or NULL. */
const struct opcode_row *opcode_row(uint32_t number);

#endif
