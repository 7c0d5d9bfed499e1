/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Command lines. Each setting has one name: a long option (--attr-timeout=2), and, for programs
 * that mount and so for fstab, an option of the -o list (attr_timeout=2, or attr-timeout=2).
 * Settings stand in tables, of which a program has several.
 */
#ifndef FSBACKEND_COMMON_SETTINGS_H
#define FSBACKEND_COMMON_SETTINGS_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include <fsbackend/mount.h>

/* What a setting takes: nothing, a value, or either. The numbers are getopt_long's. */
enum argument { NONE = no_argument, VALUE = required_argument, OPTIONAL = optional_argument };

/**
 * A setting.
 *
 * @value: how the value is called in --help
 * @set:   take the value over into the table's target. Return: 0; negative for a wrong value
 */
struct setting {
	const char *name;
	enum argument argument;
	const char *value;
	const char *help;
	int (*set)(void *target, const char *value);
};

/** A table of them, and what they are set in. */
struct settings {
	const struct setting *rows;
	size_t count;
	void *target;
};

enum { MAX_TABLES = 8 };

/**
 * How a program is called.
 *
 * @program:    its name
 * @usage:      what --help prints before the settings
 * @tables:     its settings, up to a table without rows
 * @mount:      takes options of the -o list that are the kernel's; NULL for a program that does not
 * mount: it has neither -o nor -f
 * @foreground: -f was said
 * @fake:       mount -f: everything but the mount
 * @helper:     called by mount(8), which has options of its own
 * @sloppy:     mount -s: unknown options of the list are ignored
 */
struct command {
	const char *program;
	const char *usage;
	struct settings tables[MAX_TABLES];
	struct fsb_mount_config *mount;
	bool foreground;
	bool fake;
	bool helper;
	bool sloppy;
};

enum parsed { PARSED, PARSED_DONE, PARSED_WRONG };

/**
 * Read the options of a command line; the arguments begin at optind then.
 *
 * Return: PARSED; PARSED_DONE after --help and --version, which it has printed; PARSED_WRONG, and
 * then one line on stderr says why. Strings that were set lead into @argv, or are allocated and
 * live as long as the program.
 */
enum parsed command_parse(struct command *command, int argc, char *argv[]);

#endif
