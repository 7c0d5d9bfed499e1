#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A mount made elsewhere is served by its inherited descriptor, given as /dev/fd/N in place of the mount point.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

mount_by_hand()
{
	exec 7<>/dev/fuse
	mount -i -t fuse.foreign foreign "$MNT" \
		-o "fd=7,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
}

test_a_foreign_mount_is_served_from_the_background_until_it_is_unmounted()
{
	scratch_make
	echo content >"$HOST/file"
	mount_by_hand
	timeout 20 "$FSBACKEND_MOUNT" "$HOST" /dev/fd/7
	exec 7>&-
	server_pid=$(processes_naming "$HOST")
	expect_equal "$(timeout 10 cat "$MNT/file")" content
	timeout 10 sh -c "echo written >'$MNT/new'"
	expect_equal "$(cat "$HOST/new")" written
	umount "$MNT"
	within 100 not is_running "$server_pid"
	nothing_must_be_left
}

test_a_foreign_mount_is_served_in_the_foreground_and_a_signal_ends_it()
{
	scratch_make
	echo content >"$HOST/file"
	mount_by_hand
	"$FSBACKEND_MOUNT" -f "$HOST" /dev/fd/7 &
	server_pid=$!
	exec 7>&-
	expect_equal "$(timeout 10 cat "$MNT/file")" content
	kill -TERM "$server_pid"
	server_wait
	expect_equal "$server_status" 0
	# Who mounted it unmounts it; meanwhile it is dead, and does not hang.
	expect_failure timeout 10 cat "$MNT/file" 2>/dev/null
	! is_mounted "$MNT" || umount "$MNT"
	nothing_must_be_left
}

run_tests
