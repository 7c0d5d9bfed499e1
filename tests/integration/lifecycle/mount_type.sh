#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# mount -t fuse.fsbackend, and a line in fstab. mount(8) looks for its helper in /sbin, so each command runs in a mount
# namespace of its own in which /sbin has one.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

# Runs a script in which mount.fuse.fsbackend is installed; what it mounts is gone from everywhere at its end.
with_helper()
{
	mkdir "$scratch/sbin"
	cp -a "$(realpath /sbin)/." "$scratch/sbin/"
	ln -s "$FSBACKEND_MOUNT" "$scratch/sbin/mount.fuse.fsbackend"
	export HOST MNT scratch
	in_own_namespace bash -euc '
		must_fail() { if "$@"; then echo "this should have failed: $*"; exit 1; fi; }
		mount --bind "$scratch/sbin" "$(realpath /sbin)"
		'"$1"
}

test_mount_of_the_type_serves_the_source_and_umount_ends_it()
{
	scratch_make
	echo content >"$HOST/file"
	with_helper '
		timeout 30 mount -t fuse.fsbackend "$HOST" "$MNT"
		[[ $(cat "$MNT/file") == content ]]
		[[ $(findmnt -n -o FSTYPE "$MNT") == fuse.fsbackend ]]
		[[ $(findmnt -n -o SOURCE "$MNT") == "$HOST" ]]
		umount "$MNT"'
	within 100 no_process_names "$MNT"
	nothing_must_be_left
}

test_options_of_the_kernel_and_of_ours_go_in_one_list()
{
	scratch_make
	echo content >"$HOST/file"
	with_helper '
		timeout 30 mount -t fuse.fsbackend "$HOST" "$MNT" \
			-o ro,nosuid,noatime,attr_timeout=0,cache=none,threads=2
		options=,$(findmnt -n -o OPTIONS "$MNT"),
		[[ $options == *,ro,* && $options == *,nosuid,* && $options == *,noatime,* ]]
		must_fail touch "$MNT/new" 2>/dev/null
		[[ $(cat "$MNT/file") == content ]]
		umount "$MNT"'
	within 100 no_process_names "$MNT"
	expect_failure test -e "$HOST/new"
}

test_a_line_in_fstab_is_mounted_by_its_mount_point()
{
	scratch_make
	echo content >"$HOST/file"
	options=defaults,noauto,nofail,x-systemd.automount,permissions=server,locks=host
	echo "$HOST $MNT fuse.fsbackend $options 0 0" >"$scratch/fstab"
	with_helper '
		timeout 30 mount --fstab "$scratch/fstab" "$MNT"
		[[ $(cat "$MNT/file") == content ]]
		[[ $(findmnt -n -o FSTYPE "$MNT") == fuse.fsbackend ]]
		umount "$MNT"'
	within 100 no_process_names "$MNT"
	nothing_must_be_left
}

test_an_unknown_option_makes_mount_fail_and_nothing_is_mounted()
{
	scratch_make
	with_helper '
		must_fail timeout 30 mount -t fuse.fsbackend "$HOST" "$MNT" -o nonsense=1 2>"$scratch/err"
		must_fail findmnt "$MNT"'
	grep -q nonsense "$scratch/err" || fail "$(cat "$scratch/err")"
	within 100 no_process_names "$MNT"
}

test_an_unknown_option_is_ignored_by_a_sloppy_mount()
{
	scratch_make
	echo content >"$HOST/file"
	with_helper '
		timeout 30 mount -s -t fuse.fsbackend "$HOST" "$MNT" -o nonsense=1
		[[ $(cat "$MNT/file") == content ]]
		umount "$MNT"'
	within 100 no_process_names "$MNT"
}

test_a_missing_source_makes_mount_fail()
{
	scratch_make
	with_helper '
		must_fail timeout 30 mount -t fuse.fsbackend "$HOST/missing" "$MNT" 2>"$scratch/err"
		must_fail findmnt "$MNT"'
	grep -q "$HOST/missing" "$scratch/err" || fail "$(cat "$scratch/err")"
}

test_a_fake_mount_mounts_nothing_and_succeeds()
{
	scratch_make
	with_helper '
		timeout 30 mount -f -t fuse.fsbackend "$HOST" "$MNT"
		must_fail findmnt "$MNT"'
	nothing_must_be_left
}

run_tests
