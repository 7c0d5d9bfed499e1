// SPDX-License-Identifier: BSD-3-Clause
/* Which fsbackend runs. */
#include <fsbackend/version.h>

const char *fsb_version(void)
{
	return FSB_VERSION;
}
