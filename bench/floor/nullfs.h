/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file system that keeps nothing and answers at once. Whether a name is there, and what it is,
 * follows from how it begins: "thread" and "dir" are directories, "link" symlinks, "file" and
 * "data" files; all others are made without ever being found.
 */
#ifndef BENCH_NULLFS_H
#define BENCH_NULLFS_H

#include <fsbackend/filesystem.h>

extern const struct fsb_filesystem_ops nullfs_ops;

#endif
