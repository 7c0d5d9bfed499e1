/* SPDX-License-Identifier: BSD-3-Clause */
/* A program that uses the installed library: serves a directory to itself, without any mount. */
#include <fsbackend/fsbackend.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
	struct fsb_passthrough_config config;
	struct fsb_filesystem *fs;

	if (strcmp(fsb_version(), FSB_VERSION) != 0)
		return 1;
	fsb_passthrough_config_init(&config);
	config.source = "/";
	int err = fsb_passthrough_new(&config, &fs);
	if (err) {
		fprintf(stderr, "fsb_passthrough_new: %s\n", strerror(-err));
		return 1;
	}
	fsb_passthrough_free(fs);
	return 0;
}
