#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A mount that nobody uses takes nothing: no wake-up and no processor time, whatever it was busy with before.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

# Of all threads of the server: how often they were put on or off a core, and processor time.
events()
{
	cat "/proc/$server_pid/task/"*/status | awk '/ctxt_switches/ { sum += $2 } END { print sum }'
	cut -d ' ' -f 14,15 "/proc/$server_pid/stat"
}

be_busy()
{
	local number

	for number in {1..200}; do
		echo "$number" >"$MNT/file$number"
	done
	cat "$MNT"/file* >/dev/null
	ls -l "$MNT" >/dev/null
	dd if=/dev/zero of="$MNT/large" bs=1M count=20 status=none
	# Waiting for locks and threads that serve is over, too.
	(
		flock 9
		flock -w 0.2 "$MNT/file2" true
		expect_failure flock -w 0.2 "$MNT/file1" true
	) 9<"$MNT/file1"
	rm "$MNT"/file*
	sync "$MNT"/large
}

must_be_idle_when_it_is()
{
	local before

	scratch_make
	server_start "$@"
	be_busy
	# What was written is written back some time, and what is not in use is forgotten: not in these ten seconds.
	sync -f "$MNT"
	sleep 1
	# The kernel itself may have something to say: it forgets inodes when somebody drops caches. One span without anything tells.
	for _ in 1 2 3; do
		before=$(events)
		sleep 10
		[[ $(events) != "$before" ]] || break
	done
	expect_equal "$(events)" "$before" "switches, and user and system time"
	be_busy
	[[ $(events) != "$before" ]] || fail "these are not the threads that serve"
	server_must_end_cleanly
}

test_an_idle_mount_does_nothing_over_the_device()
{
	must_be_idle_when_it_is --io=classic
}

test_an_idle_mount_does_nothing_over_the_device_with_host_locks_in_server_mode()
{
	must_be_idle_when_it_is --io=classic --locks=host --permissions=server --threads=8
}

test_an_idle_mount_does_nothing_without_spinning()
{
	must_be_idle_when_it_is --io=classic --spin=0
}

test_an_idle_mount_does_nothing_over_io_uring()
{
	with_ring
	must_be_idle_when_it_is --io=uring
}

test_an_idle_mount_does_nothing_over_io_uring_with_host_locks()
{
	with_ring
	must_be_idle_when_it_is --io=uring --locks=host
}

run_tests
