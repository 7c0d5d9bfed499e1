#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The connection is lost, and nobody dials again: what waits and what comes gets an errno, and the mount goes away when
# asked to. Nothing hangs.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/stream.sh"
. "$FSBACKEND_TESTS/testing.sh"

# What a command says of its errno: perl's stat and the like would be cached, so it opens.
errno_of_open()
{
	timeout 10 perl -e 'open(my $f, "<", $ARGV[0]) and exit 0; print $!{ENOTCONN} ? "ENOTCONN" : "$!"' "$1"
}

says_not_connected()
{
	[[ $(errno_of_open "$1") == ENOTCONN ]]
}

must_unmount()
{
	timeout 10 umount "$MNT" || timeout 10 umount -l "$MNT"
	within 100 not is_running "$server_pid" || fail "the client is still there"
	nothing_must_be_left
}

test_new_requests_fail_with_ENOTCONN_once_the_server_was_killed()
{
	scratch_make
	echo content >"$HOST/file"
	stream_start
	cat "$MNT/file" >/dev/null
	kill -KILL "$serve_pid"
	within 50 says_not_connected "$MNT/file" || fail "it says '$(errno_of_open "$MNT/file")'"
	expect_equal "$(errno_of_open "$MNT/other")" ENOTCONN
	must_unmount
}

test_requests_that_wait_fail_when_the_server_is_killed()
{
	local waiting=() number

	scratch_make
	for number in {1..20}; do
		echo content >"$HOST/file$number"
	done
	stream_start --cache=none
	kill -STOP "$serve_pid"
	for number in {1..20}; do
		errno_of_open "$MNT/file$number" >"$scratch/result$number" &
		waiting+=($!)
	done
	sleep 0.5
	is_running "${waiting[0]}"
	kill -KILL "$serve_pid"
	for number in "${waiting[@]}"; do
		within 80 not is_running "$number" || fail "a request hangs"
	done
	expect_equal "$(cat "$scratch"/result* | sed 's/ENOTCONN/&\n/g' | sort | uniq -c | sed 's/^ *//')" "20 ENOTCONN"
	must_unmount
}

test_who_waits_for_a_lock_is_told_when_the_server_is_killed()
{
	scratch_make
	echo content >"$HOST/file"
	stream_start --locks=host
	exec 8<"$HOST/file"
	flock 8
	flock "$MNT/file" true 2>"$scratch/err" &
	local waiting=$!
	sleep 0.5
	is_running "$waiting"
	kill -KILL "$serve_pid"
	within 80 not is_running "$waiting" || fail "who waits for a lock hangs"
	expect_failure wait "$waiting"
	exec 8<&-
	must_unmount
}

test_the_mount_is_unmounted_while_the_server_does_not_answer()
{
	scratch_make
	echo content >"$HOST/file"
	stream_start
	kill -STOP "$serve_pid"
	# As somebody does who has lost patience.
	timeout 10 umount -l "$MNT"
	expect_failure is_mounted "$MNT"
	within 100 not is_running "$server_pid" || fail "the client waits for a server that does not answer"
	kill -CONT "$serve_pid"
	serve_stop
}

test_a_signal_ends_the_client_while_the_server_does_not_answer()
{
	scratch_make
	echo content >"$HOST/file"
	stream_start --cache=none
	kill -STOP "$serve_pid"
	timeout 30 cat "$MNT/file" >/dev/null 2>&1 &
	local waiting=$!
	sleep 0.3
	kill -TERM "$server_pid"
	within 100 not is_running "$server_pid" || fail "the client hangs"
	within 100 not is_running "$waiting" || fail "a request hangs"
	nothing_must_be_left
	kill -CONT "$serve_pid"
	serve_stop
}

test_a_server_that_ends_in_order_is_a_loss_too()
{
	scratch_make
	echo content >"$HOST/file"
	stream_start
	exec 8<"$MNT/file"
	serve_stop
	expect_equal "$serve_status" 0
	within 50 says_not_connected "$MNT/file" || fail "it says '$(errno_of_open "$MNT/file")'"
	expect_failure timeout 10 cat <&8 2>/dev/null
	exec 8<&-
	must_unmount
}

test_a_client_that_is_killed_leaves_nothing_on_the_server()
{
	local before

	scratch_make
	echo content >"$HOST/file"
	serve_start --locks=host
	before=$(ls "/proc/$serve_pid/fd" | wc -l)
	for _ in 1 2 3; do
		attach_at "$MNT"
		exec 8<>"$MNT/file"
		flock 8
		kill -KILL "$attach_pid"
		umount -l "$MNT"
		exec 8<&- || true
	done
	within 50 fds_are_at_most "$before" || fail "$before descriptors before, $(ls "/proc/$serve_pid/fd" | wc -l) after"
	flock -w 5 "$HOST/file" true
	serve_stop
}

fds_are_at_most()
{
	[[ $(ls "/proc/$serve_pid/fd" | wc -l) -le $1 ]]
}

test_a_connection_that_breaks_anywhere_leaves_a_mount_that_can_be_unmounted()
{
	local seed

	scratch_make
	serve_start
	address=unix:$scratch/wire
	for seed in 1 2 3 4 5 6; do
		"$FSBACKEND_CUTTER" "$scratch/wire" "$scratch/socket" 400000 "$seed" >"$scratch/cuts" &
		local cutter=$!
		within 50 test -S "$scratch/wire"
		# It may break before the mount is there.
		if attach_at "$MNT" 2>/dev/null; then
			timeout 20 cp -a "$FSBACKEND_TESTS" "$MNT/copy$seed" 2>/dev/null || [[ $? != 124 ]]
			timeout 10 umount "$MNT" || timeout 10 umount -l "$MNT"
			within 100 not is_running "$attach_pid" || fail "the client is still there"
		fi
		kill "$cutter"
		wait "$cutter"
	done
	address=unix:$scratch/socket
	attach_start
	cp -a "$FSBACKEND_TESTS" "$MNT/copy"
	diff -r "$FSBACKEND_TESTS" "$HOST/copy"
	stream_must_end_cleanly
}

run_tests
