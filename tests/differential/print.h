/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Printing a sequence as a C program of one file that does the same, for people who have no oracle.
 */
#ifndef FSBACKEND_TESTS_DIFFERENTIAL_PRINT_H
#define FSBACKEND_TESTS_DIFFERENTIAL_PRINT_H

#include "compare.h"

void print_program(FILE *file, const struct sequence *sequence,
		   const struct difference *difference);

/* One operation as the call that the program makes, for a message. */
void print_call(FILE *file, const struct operation *op);

#endif
