// SPDX-License-Identifier: BSD-3-Clause
/* fsbackend-mount: serve a directory through /dev/fuse. */
#include "../common/messages.h"
#include "../common/process.h"
#include "options.h"
#include "session.h"

static int serve(void *opaque)
{
	struct options *options = opaque;
	struct session session;
	int err = session_open(&session, options);

	/* Statistics without a file go on to stderr. */
	if (!err)
		err = process_works(options->stats && !options->stats_file);
	if (!err && !options->command.fake)
		err = session_serve(&session);
	session_close(&session);
	return err ? EXIT_FAILED : 0;
}

int main(int argc, char *argv[])
{
	static struct options options;

	process_prepare();
	messages_begin("fsbackend-mount");
	switch (options_parse(&options, argc, argv)) {
	case PARSED_DONE:
		return 0;
	case PARSED_WRONG:
		return EXIT_USAGE;
	case PARSED:
		break;
	}
	return options.command.foreground ? serve(&options) : process_background(serve, &options);
}
