/* SPDX-License-Identifier: BSD-3-Clause */
/* Values of options. Each function returns 0, or -EINVAL for a text that is no such value. */
#ifndef FSBACKEND_COMMON_VALUES_H
#define FSBACKEND_COMMON_VALUES_H

#include <stdint.h>

#include <fsbackend/passthrough.h>

/** A decimal number of at most @most. */
int parse_number(const char *text, unsigned long most, unsigned long *number);

/** Bytes, with k or m behind for KiB and MiB. */
int parse_size(const char *text, uint32_t *size);

/** Seconds, decimals allowed; at most some thirty years. */
int parse_seconds(const char *text, uint64_t *ns);

/** One of some words, the last of which is NULL: gives its index. */
int parse_word(const char *text, const char *const words[], unsigned int *index);

/** CLIENT:HOST:COUNT */
int parse_range(const char *text, struct fsb_id_range *range);

#endif
