/* SPDX-License-Identifier: BSD-3-Clause */
/* What every public header shares: symbol visibility and C++ linkage. Include any other header; it brings this one. */
#ifndef FSBACKEND_BASE_H
#define FSBACKEND_BASE_H

#define FSB_API __attribute__((visibility("default")))

#ifdef __cplusplus
#define FSB_BEGIN_DECLS extern "C" {
#define FSB_END_DECLS }
#else
#define FSB_BEGIN_DECLS
#define FSB_END_DECLS
#endif

#endif
