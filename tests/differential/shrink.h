/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding the shortest sequence that still shows a difference, by leaving parts out and trying
 * again.
 */
#ifndef FSBACKEND_TESTS_DIFFERENTIAL_SHRINK_H
#define FSBACKEND_TESTS_DIFFERENTIAL_SHRINK_H

#include "session.h"

/*
 * Shrink @sequence, which showed @difference at its end, in place.
 *
 * Return: true when it shows the difference still; false when it does not show it again even at
 * full length, and is left as it was. @difference is then, or else, the one that the last sequence
 * showed.
 */
bool shrink(struct ground *ground, struct sequence *sequence, struct difference *difference);

#endif
