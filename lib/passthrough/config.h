/* SPDX-License-Identifier: BSD-3-Clause */
/* What config.c does for passthrough.c. */
#ifndef FSB_PASSTHROUGH_CONFIG_H
#define FSB_PASSTHROUGH_CONFIG_H

#include "passthrough.h"

/** Return: 0; -EINVAL, with a log line that names the field. */
int config_check(const struct fsb_passthrough_config *config);
/** Replace defaults by values. */
void config_resolve(struct fsb_passthrough_config *config);

#endif
