// SPDX-License-Identifier: BSD-3-Clause
/* Frames that may have to be sent again. */
#include <errno.h>
#include <stdlib.h>

#include "retained.h"

void retained_init(struct retained_list *list)
{
	*list = (struct retained_list){ .last = &list->first };
}

struct retained *retained_new(size_t length)
{
	struct retained *frame = malloc(sizeof(*frame) + length);

	if (!frame)
		return NULL;
	*frame = (struct retained){ .bytes = frame->own, .length = length };
	return frame;
}

struct retained *retained_new_large(struct memory_pool *pool, void *large, uint8_t *bytes,
				    size_t length)
{
	struct retained *frame = retained_new(0);

	if (!frame)
		return NULL;
	frame->pool = pool;
	frame->large = large;
	frame->bytes = bytes;
	frame->length = length;
	return frame;
}

void retained_free(struct retained *frame)
{
	if (frame && frame->large)
		memory_give(frame->pool, frame->large);
	free(frame);
}

void retained_let_go(struct retained *frame)
{
	frame->held = false;
	if (frame->acked && !frame->sending)
		retained_free(frame);
}

void retained_adopt(struct retained_list *list, uint32_t count)
{
	uint32_t waiting = list->sent - list->acked;

	list->acked = count;
	list->sent = count + waiting;
}

struct retained *retained_take_all(struct retained_list *list)
{
	struct retained *first = list->first;
	uint32_t acked = list->acked;

	retained_init(list);
	list->sent = list->acked = acked;
	return first;
}

void retained_add(struct retained_list *list, struct retained *frame)
{
	frame->next = NULL;
	frame->acked = false;
	*list->last = frame;
	list->last = &frame->next;
	list->sent++;
	list->bytes += frame->length;
}

int retained_acknowledge(struct retained_list *list, uint32_t count)
{
	if (count - list->acked > list->sent - list->acked)
		return -EPROTO;
	struct retained *frame;
	while (list->acked != count && (frame = list->first)) {
		list->acked++;
		list->first = frame->next;
		if (!list->first)
			list->last = &list->first;
		list->bytes -= frame->length;
		frame->acked = true;
		if (!frame->sending && !frame->held)
			retained_free(frame);
	}
	return 0;
}

static void sent(struct outgoing *outgoing)
{
	struct retained *frame = (struct retained *)outgoing;

	frame->sending = false;
	if (frame->acked && !frame->held)
		retained_free(frame);
}

void retained_send(struct retained *frame, struct link *link)
{
	frame->sending = true;
	frame->out.iov[0] = (struct iovec){ frame->bytes, frame->length };
	frame->out.niov = 1;
	frame->out.done = sent;
	link_queue(link, &frame->out);
}

void retained_send_again(struct retained_list *list, struct link *link, uint32_t ack)
{
	for (struct retained *frame = list->first; frame; frame = frame->next) {
		((struct frame_header *)frame->bytes)->ack = ack;
		retained_send(frame, link);
	}
}

void retained_clear(struct retained_list *list)
{
	struct retained *frame;

	while ((frame = list->first)) {
		list->first = frame->next;
		retained_free(frame);
	}
	retained_init(list);
}
