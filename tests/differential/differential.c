/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The differential oracle: does the same things, at random, to a directory of the host and to one
 * that is served by the library, and finds what comes out differently. This file is the command
 * line and the way through a run.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "generator.h"
#include "known.h"
#include "print.h"
#include "session.h"
#include "shrink.h"

#define MAX_DIFFERENCES 64

enum { EXIT_ALIKE, EXIT_DIFFERENT, EXIT_UNUSABLE, EXIT_STUCK };

static const char usage[] =
	"Usage: differential --native DIR --mount DIR [OPTION]...\n"
	"\n"
	"Runs random operations in new directories below DIR and DIR, as several users, and "
	"compares what comes out.\n"
	"Both must lie on the same kind of file system. Needs root.\n"
	"\n"
	"  --native DIR       a directory of the host\n"
	"  --mount DIR        a directory behind the mount under test\n"
	"  --host DIR         the latter as the host has it; compared from time to time as well\n"
	"  --seed N           begin with this seed (default: from the clock)\n"
	"  --ops N            how many operations (default: 100000)\n"
	"  --epoch N          operations until both sides begin anew, each time with the next seed "
	"(default: 2000)\n"
	"  --compare-every N  operations between comparisons of the whole trees (default: 400)\n"
	"  --mode MODE        client or server: who judges permissions (default: client)\n"
	"  --unchecked        with --mode server: the client's kernel does not check as well (no "
	"default_permissions)\n"
	"  --writeback        the mount collects writes in the client\n"
	"  --uncached         the mount keeps no pages in the client\n"
	"  --passthrough      the client's kernel reads and writes the files of the mount by itself\n"
	"  --differences N    stop after so many that are not alike (default: 1)\n"
	"  --save PREFIX      write PREFIX.N.ops, to be replayed, and PREFIX.N.c for each; else "
	"the program is printed\n"
	"  --replay FILE      run what was saved instead of random operations, and compare "
	"everything after each\n"
	"  --shrink           with --replay: shrink it further\n"
	"  --no-shrink        do not look for the shortest sequence\n"
	"  --sabotage HOW     make the second side wrong on purpose: umask (it has none) or groups "
	"(nor any groups)\n"
	"  --quiet            no progress\n"
	"\n"
	"Exit status: 0 no difference but known ones, 1 differences, 2 it could not run, 3 a side "
	"does not answer.\n";

struct settings {
	struct ground ground;
	uint64_t seed;
	uint64_t ops, epoch, compare_every;
	int max_differences;
	const char *save, *replay;
	bool shrink, shrink_replay, quiet;
};

/* How far a run has come. */
struct run {
	const struct settings *settings;
	struct ground *ground;
	uint64_t done, succeeded, epochs, again;
	int count;
	struct difference differences[MAX_DIFFERENCES];
	struct timespec started, shown;
};

static double seconds_since(struct timespec then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - then.tv_sec) + (double)(now.tv_nsec - then.tv_nsec) / 1e9;
}

static void show_progress(struct run *run, bool at_last)
{
	const double seconds = seconds_since(run->started);

	if (!at_last && (run->settings->quiet || seconds_since(run->shown) < 5))
		return;
	clock_gettime(CLOCK_MONOTONIC, &run->shown);
	fprintf(stderr,
		"%" PRIu64 " of %" PRIu64 " operations, %.0f a second, %.0f%% succeeded, %" PRIu64
		" epochs, %d differences\n",
		run->done, run->settings->ops, (double)run->done / seconds,
		run->done ? 100.0 * (double)run->succeeded / (double)run->done : 0, run->epochs,
		run->count);
}

/* The whole of a short sequence, the end of a long one. */
static void print_sequence(const struct sequence *sequence)
{
	for (size_t i = sequence->count > 100 ? sequence->count - 20 : 0; i < sequence->count;
	     i++) {
		printf("  %2zu  user %" PRId64 "  ", i + 1, sequence->ops[i].user);
		print_call(stdout, &sequence->ops[i]);
		putchar('\n');
	}
	fflush(stdout);
}

static void save_both(const char *prefix, int number, const struct sequence *sequence,
		      const struct difference *difference)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s.%d.ops", prefix, number);
	if (!sequence_save(sequence, path))
		perror(path);
	snprintf(path, sizeof(path), "%s.%d.c", prefix, number);
	file = fopen(path, "w");
	if (!file) {
		perror(path);
		return;
	}
	print_program(file, sequence, difference);
	fclose(file);
	printf("  saved as %s.%d.ops and %s.%d.c\n", prefix, number, prefix, number);
}

static void publish(const struct run *run, const struct sequence *sequence,
		    const struct difference *difference)
{
	difference_write(stdout, difference);
	print_sequence(sequence);
	if (run->settings->save)
		save_both(run->settings->save, run->count, sequence, difference);
	else
		print_program(stdout, sequence, difference);
	fflush(stdout);
}

static bool seen_already(const struct run *run, const struct difference *difference)
{
	for (int i = 0; i < run->count; i++) {
		if (difference_is_like(&run->differences[i], difference))
			return true;
	}
	return false;
}

/* Takes @sequence, which showed @difference at its end, down to what matters and prints it. */
static void handle_difference(struct run *run, struct sequence *sequence,
			      struct difference *difference, uint64_t seed)
{
	if (seen_already(run, difference)) {
		run->again++;
		return;
	}
	run->differences[run->count++] = *difference;
	printf("\ndifference %d, after %zu operations from seed %" PRIu64 ":\n", run->count,
	       sequence->count, seed);
	difference_write(stdout, difference);
	fflush(stdout);
	if (run->settings->shrink && !shrink(run->ground, sequence, difference))
		printf("it does not show again: it depends on time, or on what came before this "
		       "epoch\n");
	publish(run, sequence, difference);
}

static enum verdict tell_where_it_stuck(const struct run *run, const struct sequence *sequence,
					enum verdict verdict)
{
	printf("\n%s, after these operations:\n",
	       verdict == GONE ? "the mount does not answer any more"
			       : "a side does not answer, or its worker has died");
	print_sequence(sequence);
	if (run->settings->save) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s.stuck.ops", run->settings->save);
		sequence_save(sequence, path);
		printf("  saved as %s\n", path);
	}
	return verdict;
}

/* Random operations on fresh trees, until @count have run or a difference shows. */
static enum verdict run_epoch(struct run *run, struct session *session, struct generator *generator,
			      uint64_t count, struct sequence *sequence,
			      struct difference *difference)
{
	struct result results[SIDES];
	enum verdict verdict = GOES_ON;

	for (uint64_t i = 1; i <= count && verdict == GOES_ON; i++) {
		struct operation op;

		generator_next(generator, &op);
		sequence_add(sequence, &op);
		verdict = session_run(session, &op, results, difference);
		run->done++;
		if (results[NATIVE].outcome.error == 0) {
			run->succeeded++;
			generator_learn(generator, &op);
		}
		if (verdict == GOES_ON && (i % run->settings->compare_every == 0 || i == count)) {
			struct tree tree = { 0 };

			verdict = session_compare(session, difference, &tree);
			if (verdict == GOES_ON)
				generator_look(generator, &tree);
			tree_clear(&tree);
		}
		show_progress(run, false);
	}
	return verdict;
}

static enum verdict run_next_epoch(struct run *run)
{
	const uint64_t seed = run->settings->seed + run->epochs++;
	const uint64_t left = run->settings->ops - run->done;
	struct session *session = calloc(1, sizeof(*session));
	struct generator *generator = calloc(1, sizeof(*generator));
	struct sequence sequence = { 0 };
	struct difference difference;
	enum verdict verdict = GONE;
	int err = session && generator ? session_begin(session, run->ground) : -ENOMEM;

	if (err) {
		fprintf(stderr, "differential: no fresh directory on both sides: %s\n",
			strerror(-err));
	} else {
		generator_init(generator, seed, &run->ground->conditions);
		verdict = run_epoch(run, session, generator,
				    left < run->settings->epoch ? left : run->settings->epoch,
				    &sequence, &difference);
		session_end(session);
	}
	if (verdict == ENDS_UNLIKE)
		handle_difference(run, &sequence, &difference, seed);
	else if ((verdict == STUCK || verdict == GONE))
		tell_where_it_stuck(run, &sequence, verdict);
	sequence_clear(&sequence);
	free(generator);
	free(session);
	return verdict;
}

static int run_random(struct run *run)
{
	enum verdict verdict = GOES_ON;

	printf("seed %" PRIu64 "\n", run->settings->seed);
	fflush(stdout);
	while (run->done < run->settings->ops && run->count < run->settings->max_differences &&
	       verdict != STUCK && verdict != GONE)
		verdict = run_next_epoch(run);
	show_progress(run, true);
	if (run->again)
		printf("%" PRIu64 " more epochs ended with a difference like one of those above\n",
		       run->again);
	known_write(stdout);
	if (verdict == STUCK || verdict == GONE)
		return EXIT_STUCK;
	return run->count ? EXIT_DIFFERENT : EXIT_ALIKE;
}

static int run_replay(struct run *run)
{
	struct sequence sequence = { 0 };
	struct difference difference;
	enum verdict verdict;
	size_t at;

	if (!sequence_load(&sequence, run->settings->replay)) {
		fprintf(stderr, "differential: %s cannot be read or is no sequence\n",
			run->settings->replay);
		return EXIT_UNUSABLE;
	}
	verdict = session_of(run->ground, sequence.ops, sequence.count, true, &difference, &at);
	if (verdict == ENDS_UNLIKE) {
		sequence.count = at;
		run->count = 1;
		if (run->settings->shrink_replay)
			shrink(run->ground, &sequence, &difference);
		publish(run, &sequence, &difference);
	} else if (verdict == GOES_ON || verdict == ENDS_KNOWN) {
		printf("%zu operations, no difference\n", sequence.count);
	} else {
		printf("a side does not answer after %zu operations\n", at);
	}
	known_write(stdout);
	sequence_clear(&sequence);
	switch (verdict) {
	case ENDS_UNLIKE:
		return EXIT_DIFFERENT;
	case STUCK:
	case GONE:
		return EXIT_STUCK;
	default:
		return EXIT_ALIKE;
	}
}

/* The command line. */

static bool parse_number(const char *text, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 0);
	return errno == 0 && end != text && *end == '\0';
}

static bool parse_directory(const char *text, const char **directory)
{
	struct stat st;

	*directory = realpath(text, NULL);
	return *directory && stat(*directory, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The working directory changes while trees are read, so that file names are made whole first. */
static bool parse_prefix(const char *text, const char **prefix)
{
	char cwd[PATH_MAX], *whole;

	if (!getcwd(cwd, sizeof(cwd)) || asprintf(&whole, "%s%s%s", text[0] == '/' ? "" : cwd,
						  text[0] == '/' ? "" : "/", text) < 0)
		return false;
	*prefix = whole;
	return true;
}

static bool parse_mode(const char *text, bool *server_judges)
{
	*server_judges = strcmp(text, "server") == 0;
	return *server_judges || strcmp(text, "client") == 0;
}

static bool parse_sabotage(const char *text, enum sabotage *sabotage)
{
	*sabotage = strcmp(text, "umask") == 0 ? SABOTAGE_UMASK : SABOTAGE_GROUPS;
	return *sabotage == SABOTAGE_UMASK || strcmp(text, "groups") == 0;
}

static bool parse_differences(const char *text, int *differences)
{
	uint64_t number;

	if (!parse_number(text, &number) || number < 1 || number > MAX_DIFFERENCES)
		return false;
	*differences = (int)number;
	return true;
}

static const struct option options[] = {
	{ "native", required_argument, NULL, 'n' },
	{ "mount", required_argument, NULL, 'm' },
	{ "host", required_argument, NULL, 'h' },
	{ "seed", required_argument, NULL, 's' },
	{ "ops", required_argument, NULL, 'o' },
	{ "epoch", required_argument, NULL, 'e' },
	{ "compare-every", required_argument, NULL, 'c' },
	{ "mode", required_argument, NULL, 'j' },
	{ "unchecked", no_argument, NULL, 'U' },
	{ "writeback", no_argument, NULL, 'w' },
	{ "uncached", no_argument, NULL, 'u' },
	{ "passthrough", no_argument, NULL, 'p' },
	{ "differences", required_argument, NULL, 'd' },
	{ "save", required_argument, NULL, 'S' },
	{ "replay", required_argument, NULL, 'r' },
	{ "shrink", no_argument, NULL, 'k' },
	{ "no-shrink", no_argument, NULL, 'K' },
	{ "sabotage", required_argument, NULL, 'b' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, '?' },
	{ NULL, 0, NULL, 0 },
};

static bool apply_option(struct settings *settings, int option)
{
	switch (option) {
	case 'n':
		return parse_directory(optarg, &settings->ground.native);
	case 'm':
		return parse_directory(optarg, &settings->ground.mounted);
	case 'h':
		return parse_directory(optarg, &settings->ground.host);
	case 's':
		return parse_number(optarg, &settings->seed);
	case 'o':
		return parse_number(optarg, &settings->ops);
	case 'e':
		return parse_number(optarg, &settings->epoch) && settings->epoch;
	case 'c':
		return parse_number(optarg, &settings->compare_every) && settings->compare_every;
	case 'j':
		return parse_mode(optarg, &settings->ground.conditions.server_judges);
	case 'U':
		return settings->ground.conditions.unchecked = true;
	case 'w':
		return settings->ground.conditions.writeback = true;
	case 'u':
		return settings->ground.conditions.uncached = true;
	case 'p':
		return settings->ground.conditions.passthrough = true;
	case 'd':
		return parse_differences(optarg, &settings->max_differences);
	case 'S':
		return parse_prefix(optarg, &settings->save);
	case 'r':
		return parse_prefix(optarg, &settings->replay);
	case 'k':
		return settings->shrink_replay = true;
	case 'K':
		settings->shrink = false;
		return true;
	case 'b':
		return parse_sabotage(optarg, &settings->ground.sabotage);
	case 'q':
		return settings->quiet = true;
	default:
		return false;
	}
}

static bool parse_command_line(struct settings *settings, int argc, char **argv)
{
	int option, index = 0;

	while ((option = getopt_long(argc, argv, "", options, &index)) >= 0) {
		if (option == '?')
			return false;
		if (!apply_option(settings, option)) {
			fprintf(stderr, "differential: --%s %s makes no sense\n",
				options[index].name, optarg ? optarg : "");
			return false;
		}
	}
	return optind == argc && settings->ground.native && settings->ground.mounted;
}

int main(int argc, char **argv)
{
	struct settings settings = {
		.seed = (uint64_t)time(NULL),
		.ops = 100000,
		.epoch = 2000,
		.compare_every = 400,
		.max_differences = 1,
		.shrink = true,
	};
	struct run *run = calloc(1, sizeof(*run));

	if (!run || !parse_command_line(&settings, argc, argv)) {
		fputs(usage, stderr);
		return EXIT_UNUSABLE;
	}
	if (geteuid() != 0) {
		fputs("differential: it changes users, so it needs root\n", stderr);
		return EXIT_UNUSABLE;
	}
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	run->settings = &settings;
	run->ground = &settings.ground;
	clock_gettime(CLOCK_MONOTONIC, &run->started);
	run->shown = run->started;
	if (ground_probe(run->ground) != 0) {
		perror(settings.ground.native);
		return EXIT_UNUSABLE;
	}
	return settings.replay ? run_replay(run) : run_random(run);
}
