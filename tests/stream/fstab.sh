#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# mount -t fuse.fsbackend-attach, and a line in fstab: by the helper mount.fuse of fuse3, which finds the program in
# PATH, and by one of our own name. The programs are in /usr/local/bin, and in /sbin, of a mount namespace of each test's own.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/stream.sh"
. "$FSBACKEND_TESTS/testing.sh"

# Runs a script where the programs can be found as if they were installed.
with_installed()
{
	mkdir -p "$scratch/bin" "$scratch/sbin"
	ln -sf "$FSBACKEND_ATTACH" "$FSBACKEND_SERVE" "$scratch/bin"
	export HOST MNT scratch address
	in_own_namespace bash -euc "mount --bind '$scratch/bin' /usr/local/bin
		$1"
}

test_the_helper_of_fuse3_mounts_by_the_type()
{
	[[ -x /sbin/mount.fuse ]] || skip "fuse3 is not installed"
	scratch_make
	echo content >"$HOST/file"
	serve_start
	with_installed '
		timeout 30 mount -t fuse.fsbackend-attach "$address" "$MNT" -o nosuid,connections=2,reconnect
		[[ $(cat "$MNT/file") == content ]]
		[[ $(findmnt -n -o FSTYPE "$MNT") == fuse.fsbackend-attach ]]
		[[ ,$(findmnt -n -o OPTIONS "$MNT"), == *,nosuid,* ]]
		umount "$MNT"'
	within 100 no_process_names "$MNT"
	serve_stop
}

test_a_line_in_fstab_is_mounted_by_its_mount_point()
{
	[[ -x /sbin/mount.fuse ]] || skip "fuse3 is not installed"
	scratch_make
	echo content >"$HOST/file"
	serve_start
	echo "$address $MNT fuse.fsbackend-attach noauto,nofail,_netdev,reconnect,x-systemd.automount 0 0" >"$scratch/fstab"
	with_installed '
		timeout 30 mount --fstab "$scratch/fstab" "$MNT"
		[[ $(cat "$MNT/file") == content ]]
		umount "$MNT"'
	within 100 no_process_names "$MNT"
	serve_stop
}

test_a_helper_of_our_own_name_does_the_same()
{
	scratch_make
	echo content >"$HOST/file"
	serve_start
	with_installed '
		cp -a "$(realpath /sbin)/." "$scratch/sbin/"
		ln -s "$scratch/bin/fsbackend-attach" "$scratch/sbin/mount.fuse.fsbackend-attach"
		mount --bind "$scratch/sbin" "$(realpath /sbin)"
		timeout 30 mount -t fuse.fsbackend-attach "$address" "$MNT" -o ro
		[[ $(cat "$MNT/file") == content ]]
		if touch "$MNT/new" 2>/dev/null; then exit 1; fi
		umount "$MNT"'
	within 100 no_process_names "$MNT"
	serve_stop
}

test_a_server_that_is_not_there_makes_mount_fail()
{
	scratch_make
	address=unix:$scratch/nowhere
	with_installed '
		if timeout 30 mount -t fuse.fsbackend-attach "$address" "$MNT" 2>"$scratch/err"; then exit 1; fi
		if findmnt "$MNT"; then exit 1; fi'
	grep -q "$scratch/nowhere" "$scratch/err" || fail "$(cat "$scratch/err")"
	nothing_must_be_left
}

run_tests
