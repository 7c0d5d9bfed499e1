// SPDX-License-Identifier: BSD-3-Clause
/* Options of a mount. */
#include <errno.h>
#include <unistd.h>

#include "mount_options.h"

static int set_fsname(void *target, const char *value)
{
	struct mount_options *o = target;
	o->mount.source = value;
	return *value ? 0 : -EINVAL;
}

static int set_allow_other(void *target, const char *value)
{
	struct mount_options *o = target;
	(void)value;
	o->allow_other = true;
	return 0;
}

static int set_no_allow_other(void *target, const char *value)
{
	struct mount_options *o = target;
	(void)value;
	o->allow_other = false;
	return 0;
}

static const struct setting settings[] = {
	{ "fsname", VALUE, "NAME", "what df and findmnt show as source (default SOURCE)",
	  set_fsname },
	{ "allow-other", NONE, NULL, "all users may use the mount (default as root)",
	  set_allow_other },
	{ "no-allow-other", NONE, NULL, "only the user who mounts may", set_no_allow_other },
};

const struct setting *const mount_settings = settings;
const size_t nmount_settings = sizeof(settings) / sizeof(settings[0]);

void mount_options_init(struct mount_options *o)
{
	*o = (struct mount_options){ .allow_other = -1 };
	fsb_mount_config_init(&o->mount);
	o->mount.source = NULL;
}

void mount_options_resolve(struct mount_options *o, const char *source)
{
	if (o->allow_other < 0)
		o->allow_other = o->mount.allow_other || geteuid() == 0;
	o->mount.allow_other = o->allow_other;
	if (!o->mount.source)
		o->mount.source = source;
}
