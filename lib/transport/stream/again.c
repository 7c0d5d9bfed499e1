// SPDX-License-Identifier: BSD-3-Clause
/*
 * Requests that are sent once more: those whose answers the server does not keep, and, when its
 * process has died, those that it may have run, as far as that does no harm.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "../../log.h"
#include "../../server/opcodes.h"
#include "forward.h"

/* READ and READDIR, of which the server keeps no answer. */
static bool is_kept_short(uint32_t opcode)
{
	return opcode == FUSE_READ || opcode == FUSE_READDIR;
}

static struct fuse_in_header *request_of(const struct retained *frame)
{
	return (struct fuse_in_header *)(frame->bytes + sizeof(struct frame_header));
}

static bool may_run_again(const struct fuse_in_header *header)
{
	const struct opcode_row *row = opcode_row(header->opcode);
	size_t length = header->len - sizeof(*header);
	const void *body = header + 1;

	if (!row || !row->repeats)
		return false;
	if (header->opcode == FUSE_OPEN)
		return length >= sizeof(struct fuse_open_in) &&
		       !(((const struct fuse_open_in *)body)->flags & O_TRUNC);
	if (header->opcode == FUSE_WRITE)
		return length >= sizeof(struct fuse_write_in) &&
		       !(((const struct fuse_write_in *)body)->flags & O_APPEND);
	return true;
}

/* ---- Holding ---- */

/* Long ones are held only as far as there is room. */
static size_t weight_of(const struct retained *frame)
{
	return frame->large ? frame->length : 0;
}

void lane_hold(struct lane *lane, struct pending *row, struct retained *frame)
{
	size_t weight = weight_of(frame);

	row->number = lane->log.sent;
	row->sets = lane->notes.defined;
	if (!is_kept_short(row->opcode) &&
	    !(lane->forward->recoverable && may_run_again(request_of(frame))))
		return;
	if (weight > 0 && lane->held + weight > WINDOW)
		return;
	lane->held += weight;
	frame->held = true;
	row->frame = frame;
}

void lane_forget(struct lane *lane, struct pending *row)
{
	struct retained *frame = row->frame;

	if (frame) {
		lane->held -= weight_of(frame);
		retained_let_go(frame);
	}
	pending_remove(&lane->pending, row);
}

/* As the next frame. Its set may have another meaning by now: then the caller's groups are unknown.
 */
static void add(struct lane *lane, struct pending *row, struct retained *frame)
{
	struct frame_header *header = (struct frame_header *)frame->bytes;

	if (header->groups && lane->notes.sets[header->groups].defined > row->sets)
		header->groups = 0;
	retained_add(&lane->log, frame);
	row->number = lane->log.sent;
}

int lane_ask_again(struct lane *lane)
{
	const struct frame_again *again = (const void *)lane->answer;
	struct pending *row = pending_find(&lane->pending, again->unique);

	/* What was received is acknowledged by now. */
	if (!row || !is_kept_short(row->opcode) || !row->frame || !row->frame->acked ||
	    row->frame->sending)
		return -EPROTO;
	add(lane, row, row->frame);
	lane_stamp(lane, (struct frame_header *)row->frame->bytes);
	retained_send(row->frame, &lane->link);
	return 0;
}

/* ---- Another process of the server ---- */

static struct retained *make_definition(uint32_t id, const struct noted_set *set)
{
	size_t size = set->count * sizeof(gid_t);
	struct frame_groups fixed = { .count = (uint32_t)set->count };
	struct frame_header header = frame_make(FRAME_GROUPS, sizeof(fixed) + size);
	struct retained *frame = retained_new(header.length);

	if (!frame)
		return NULL;
	header.groups = id;
	memset(frame->bytes, 0, header.length);
	memcpy(frame->bytes, &header, sizeof(header));
	memcpy(frame->bytes + sizeof(header), &fixed, sizeof(fixed));
	if (size > 0)
		memcpy(frame->bytes + sizeof(header) + sizeof(fixed), set->groups, size);
	return frame;
}

/* All sets, as they are now. Return: 0; -ENOMEM, with none of them. */
static int define_all(const struct group_notes *notes, struct retained_list *list)
{
	for (uint32_t id = 1; id <= notes->max_sets; id++) {
		if (!notes->sets[id].used)
			continue;
		struct retained *frame = make_definition(id, &notes->sets[id]);
		if (!frame) {
			retained_clear(list);
			return -ENOMEM;
		}
		retained_add(list, frame);
	}
	return 0;
}

static bool was_received(const struct pending *row, uint32_t received)
{
	return (int32_t)(received - row->number) >= 0;
}

/* Rows that move into the place of one that goes have been dealt with, or come next. Return: how
 * many fail. */
static unsigned int ask_or_fail(struct lane *lane, uint32_t received)
{
	struct pending_table *table = &lane->pending;
	unsigned int failed = 0;

	for (size_t i = 0; i <= table->mask;) {
		struct pending *row = &table->rows[i];
		if (!row->unique || !was_received(row, received)) {
			i++;
		} else if (row->frame && may_run_again(request_of(row->frame))) {
			add(lane, row, row->frame);
			i++;
		} else {
			bool init = row->opcode == FUSE_INIT;
			lane_answer_error(lane, row->unique, -ENOTCONN);
			lane_forget(lane, row);
			failed++;
			if (init)
				forward_initialised(lane->forward, -ENOTCONN);
		}
	}
	return failed;
}

/* What was never received, under new numbers. Sets are defined already. */
static void add_rest(struct lane *lane, struct retained *frame)
{
	for (struct retained *next; frame; frame = next) {
		const struct frame_header *header = (const void *)frame->bytes;
		next = frame->next;
		if (header->type == FRAME_GROUPS) {
			retained_free(frame);
			continue;
		}
		struct pending *row =
			lane_expects_answer(request_of(frame))
				? pending_find(&lane->pending, request_of(frame)->unique)
				: NULL;
		if (row)
			add(lane, row, frame);
		else
			retained_add(&lane->log, frame);
	}
}

static void add_all(struct lane *lane, struct retained *frame)
{
	for (struct retained *next; frame; frame = next) {
		next = frame->next;
		retained_add(&lane->log, frame);
	}
}

int lane_recover(struct lane *lane, uint32_t received)
{
	struct retained_list sets;

	retained_init(&sets);
	int err = define_all(&lane->notes, &sets);
	if (!err)
		err = retained_acknowledge(&lane->log, received);
	if (err) {
		retained_clear(&sets);
		return err;
	}
	struct retained *rest = retained_take_all(&lane->log);
	add_all(lane, retained_take_all(&sets));
	unsigned int failed = ask_or_fail(lane, received);
	add_rest(lane, rest);
	log_write(&lane->forward->config.log, FSB_LOG_WARNING,
		  "stream: connection %u leads to another process of the server, which knows the "
		  "session; %u requests that the former one may have run have failed",
		  lane->index, failed);
	return 0;
}
