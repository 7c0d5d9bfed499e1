/* SPDX-License-Identifier: BSD-3-Clause */
/* Which fsbackend this is: at compile time, and at run time. */
#ifndef FSBACKEND_VERSION_H
#define FSBACKEND_VERSION_H

#include <fsbackend/base.h>

FSB_BEGIN_DECLS

#define FSB_VERSION_MAJOR 0
#define FSB_VERSION_MINOR 1
#define FSB_VERSION_PATCH 0
#define FSB_VERSION "0.1.0"

/** The version of the library that the program runs with, as "0.1.0". */
FSB_API const char *fsb_version(void);

FSB_END_DECLS

#endif
