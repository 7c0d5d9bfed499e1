/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files in which a process keeps what the one after it has to know. They are written by plain
 * stores into a shared mapping: those outlive the process, though not the machine. Whoever takes
 * one up checks that it is its own, and that nobody else uses it.
 */
#ifndef FSB_LIB_STATEFILE_H
#define FSB_LIB_STATEFILE_H

#include <stddef.h>
#include <stdint.h>

enum { BOOT_ID_SIZE = 16 };

/**
 * Claim an open file for this process: it must be a regular file of this user that nobody else may
 * open, and it is locked (an OFD lock, which goes with the last descriptor of this open file).
 *
 * Return: 0; -EPERM when it is something else; -EBUSY when another process uses it; errnos of
 * fstat(2) and fcntl(2).
 */
int statefile_claim(int fd);

/**
 * Have the bytes of a range there, so that no store ever fails for want of room. Return: 0; -ENOSPC
 * and other errnos of fallocate(2).
 */
int statefile_extend(int fd, uint64_t offset, uint64_t length);

/** What tells this boot of the machine from others. Return: 0 or a negative errno. */
int statefile_boot_id(uint8_t id[BOOT_ID_SIZE]);

/** A word that @length bytes are unlikely to have by accident; never 0. */
uint64_t statefile_check(const void *bytes, size_t length);

#endif
