// SPDX-License-Identifier: BSD-3-Clause
/* Command lines: one kind of table for long options, for the -o list, and for --help. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fsbackend/version.h>

#include "messages.h"
#include "settings.h"

enum { LONG_FIRST = 256 };

/* A copy of an -o list, cut up: settings lead into it. */
struct option_list {
	struct option_list *next;
	char text[];
};

/* So that nobody takes them for lost. */
static struct option_list *lists;

/* ---- Settings ---- */

/* Walk all tables. Return: the setting of that number, or NULL; @target is where it is set. */
static const struct setting *setting_at(const struct command *command, size_t number, void **target)
{
	*target = NULL;
	for (const struct settings *table = command->tables; table->rows; table++) {
		*target = table->target;
		if (number < table->count)
			return &table->rows[number];
		number -= table->count;
	}
	return NULL;
}

/*
 * Options for mount(8) itself, which it may leave in the list. Those that end in '=' or '-' are
 * beginnings.
 */
static const char *const foreign_options[] = {
	"defaults", "auto",    "noauto",   "user",  "nouser",   "users",   "owner", "group",
	"nofail",   "_netdev", "comment=", "user=", "uhelper=", "helper=", "x-",    "X-",
};

static bool is_foreign(const char *option)
{
	for (size_t i = 0; i < sizeof(foreign_options) / sizeof(foreign_options[0]); i++) {
		const char *name = foreign_options[i];
		size_t length = strlen(name);
		bool beginning = name[length - 1] == '=' || name[length - 1] == '-';
		if (beginning ? !strncmp(option, name, length) : !strcmp(option, name))
			return true;
	}
	return false;
}

static enum parsed apply(const struct setting *setting, void *target, const char *value)
{
	if (setting->argument == VALUE && !value) {
		complain("option %s needs a value: %s", setting->name, setting->value);
		return PARSED_WRONG;
	}
	if (setting->argument == NONE && value) {
		complain("option %s takes no value", setting->name);
		return PARSED_WRONG;
	}
	if (setting->set(target, value) < 0) {
		complain("option %s cannot be '%s'; it takes %s", setting->name, value,
			 setting->value);
		return PARSED_WRONG;
	}
	return PARSED;
}

/* ---- The list of -o ---- */

/* Names are equal if they differ in '_' and '-' only. */
static bool same_name(const char *option, size_t length, const char *name)
{
	if (strlen(name) != length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (option[i] != name[i] && !(option[i] == '_' && name[i] == '-'))
			return false;
	return true;
}

/* "exec" without a value is mount(8)'s, whatever "exec=" is of ours. */
static bool is_kernels(const struct command *command, const struct setting *setting,
		       const char *option)
{
	return setting->argument == VALUE && !strchr(option, '=') &&
	       fsb_mount_config_option(command->mount, option) == 0;
}

/* One option of the -o list: ours, the kernel's, or mount(8)'s. */
static enum parsed apply_listed(struct command *command, char *option)
{
	const char *value = strchr(option, '=');
	size_t length = value ? (size_t)(value - option) : strlen(option);
	const struct setting *setting;
	void *target;

	for (size_t i = 0; (setting = setting_at(command, i, &target)); i++)
		if (same_name(option, length, setting->name) &&
		    !is_kernels(command, setting, option))
			return apply(setting, target, value ? value + 1 : NULL);

	int err = fsb_mount_config_option(command->mount, option);
	if (!err || is_foreign(option) || (err == -ENOENT && command->sloppy))
		return PARSED;
	if (!strcmp(option, "remount"))
		complain("to change a mount, the kernel alone is asked: mount -i -o remount,...");
	else
		complain(err == -ENOENT ? "unknown option '%s'; --help lists them"
					: "bad value in option '%s'",
			 option);
	return PARSED_WRONG;
}

/* Cut the next option off a list. "\\," is a comma of the option, "\\\\" a backslash. */
static char *next_option(char **list)
{
	char *option = *list, *to = option, *from = option;

	if (!option)
		return NULL;
	for (; *from && *from != ','; from++) {
		if (*from == '\\' && (from[1] == ',' || from[1] == '\\'))
			from++;
		*to++ = *from;
	}
	*list = *from ? from + 1 : NULL;
	*to = '\0';
	return option;
}

static enum parsed apply_list(struct command *command, const char *text)
{
	struct option_list *copy = malloc(sizeof(*copy) + strlen(text) + 1);
	char *option;

	if (!copy) {
		complain("%s", strerror(ENOMEM));
		return PARSED_WRONG;
	}
	copy->next = lists;
	lists = copy;
	char *list = strcpy(copy->text, text);
	while ((option = next_option(&list)))
		if (*option && apply_listed(command, option) != PARSED)
			return PARSED_WRONG;
	return PARSED;
}

/* ---- The command line ---- */

static void print_help(const struct command *command)
{
	const struct setting *s;
	void *target;

	fputs(command->usage, stdout);
	for (size_t i = 0; (s = setting_at(command, i, &target)); i++) {
		char name[64];
		if (s->argument == NONE)
			snprintf(name, sizeof(name), "%s", s->name);
		else
			snprintf(name, sizeof(name), s->argument == VALUE ? "%s=%s" : "%s[=%s]",
				 s->name, s->value);
		printf("  --%-29s %s\n", name, s->help);
	}
}

static size_t count_settings(const struct command *command)
{
	size_t count = 0;

	for (const struct settings *table = command->tables; table->rows; table++)
		count += table->count;
	return count;
}

/* Return: rows for getopt_long(), allocated; or NULL. */
static struct option *make_long_options(const struct command *command)
{
	size_t count = count_settings(command);
	struct option *rows = calloc(count + 4, sizeof(*rows));
	const struct setting *s;
	void *target;

	if (!rows)
		return NULL;
	for (size_t i = 0; (s = setting_at(command, i, &target)); i++)
		rows[i] = (struct option){ s->name, (int)s->argument, NULL, LONG_FIRST + (int)i };
	rows[count++] = (struct option){ "help", no_argument, NULL, 'h' };
	rows[count++] = (struct option){ "version", no_argument, NULL, 'V' };
	if (command->mount)
		rows[count] = (struct option){ "foreground", no_argument, NULL, 'f' };
	return rows;
}

static enum parsed parse_short(struct command *command, int option, const char *argument)
{
	switch (option) {
	case 'o':
		return apply_list(command, argument);
	case 'f':
		/* mount(8) means by it that nothing shall be mounted. */
		*(command->helper ? &command->fake : &command->foreground) = true;
		return PARSED;
	case 'h':
		print_help(command);
		return PARSED_DONE;
	case 'V':
		printf("%s %s\n", command->program, fsb_version());
		return PARSED_DONE;
	case 's':
		command->sloppy = true;
		return PARSED;
	case 'n':
	case 'v':
	case 'N':
	case 't':
		return PARSED; /* of mount(8): no mtab, verbose, namespace, type */
	default:
		return PARSED_WRONG;
	}
}

/* getopt_long() found no such option, or one that is written in a wrong way. */
static enum parsed explain_option(const struct command *command, int found, char *argv[])
{
	void *target;

	if (optopt >= LONG_FIRST) {
		const struct setting *s =
			setting_at(command, (size_t)(optopt - LONG_FIRST), &target);
		complain(found == ':' ? "option %s needs a value: %s" : "option %s takes no value",
			 s->name, s->value);
	} else if (optopt) {
		complain(found == ':' ? "option -%c needs a value"
				      : "unknown option -%c; --help lists them",
			 optopt);
	} else {
		complain("unknown option %s; --help lists them", argv[optind - 1]);
	}
	return PARSED_WRONG;
}

static bool called_by_mount(const char *program)
{
	const char *slash = strrchr(program, '/');

	return !strncmp(slash ? slash + 1 : program, "mount.", strlen("mount."));
}

static enum parsed parse_options(struct command *command, const struct option *rows, int argc,
				 char *argv[])
{
	const char *letters = !command->mount   ? ":hV"
			      : command->helper ? ":o:fhVsnvN:t:"
						: ":o:fhV";
	enum parsed parsed;
	int option;

	while ((option = getopt_long(argc, argv, letters, rows, NULL)) >= 0) {
		void *target;
		if (option == '?' || option == ':') {
			parsed = explain_option(command, option, argv);
		} else if (option >= LONG_FIRST) {
			const struct setting *s =
				setting_at(command, (size_t)(option - LONG_FIRST), &target);
			parsed = apply(s, target, optarg);
		} else {
			parsed = parse_short(command, option, optarg);
		}
		if (parsed != PARSED)
			return parsed;
	}
	return PARSED;
}

enum parsed command_parse(struct command *command, int argc, char *argv[])
{
	struct option *rows = make_long_options(command);

	if (!rows) {
		complain("%s", strerror(ENOMEM));
		return PARSED_WRONG;
	}
	command->helper = command->mount && called_by_mount(argv[0]);
	opterr = 0;
	enum parsed parsed = parse_options(command, rows, argc, argv);
	free(rows);
	return parsed;
}
