/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System calls made to fail, and counted: a seccomp filter hands the calls that change credentials
 * to a supervisor thread, which lets them through or answers in their place.
 */
#ifndef FSBACKEND_TESTS_UNIT_FAULTS_H
#define FSBACKEND_TESTS_UNIT_FAULTS_H

#include <stdbool.h>

/** The watched calls: setgroups, setfsgid, setfsuid, capset, umask. */
#define FAULTS_WATCHED 5
extern const int faults_watched[FAULTS_WATCHED];
const char *faults_name(int nr);

/**
 * Which call is to fail: the @nth from now on of system call @nr, where 1 is the next, with @error
 * (positive; 0 pretends success without doing anything); @always: and each one behind it.
 */
struct fault {
	int nr;
	unsigned int nth;
	bool always;
	int error;
};

/**
 * Watch the calling thread, and those that it will make, for the rest of their lives.
 *
 * Return: 0; a negative errno where the kernel or the system does not allow it.
 */
int faults_start(void);
/** Begin anew: with that fault, or with NULL for none, and counts of 0. */
void faults_set(const struct fault *fault);
/** How often a watched call was made since, or with -1 any but umask, which is no credential. */
unsigned int faults_calls(int nr);
/** Whether the fault has happened. */
bool faults_happened(void);

#endif
