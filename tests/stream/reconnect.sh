#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# With --reconnect: the connection is cut, anywhere and often, and nobody who uses the mount sees more of it than a pause. What was
# asked for is done exactly once.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/stream.sh"
. "$FSBACKEND_TESTS/testing.sh"

cutter=

# A wire that is cut after at most $1 bytes each way; 0: when told to.
stream_start_over_wire()
{
	local most=$1
	shift
	serve_start "$@"
	"$FSBACKEND_CUTTER" "$scratch/wire" "$scratch/socket" "$most" >"$scratch/cuts" &
	cutter=$!
	within 50 test -S "$scratch/wire"
	address=unix:$scratch/wire
	attach_start --reconnect "${attach_options[@]}"
}

end_over_wire()
{
	server_must_end_cleanly
	kill "$cutter"
	wait "$cutter"
	serve_stop
	expect_equal "$serve_status" 0 "$(cat "$scratch/serve.err")"
}

storm_and_cut()
{
	local operations=$1 most=$2 seconds=100
	shift 2

	[[ -z ${FSB_LONG:-} ]] || operations=$((operations * 20)) seconds=1500
	scratch_make
	stream_start_over_wire "$most" "$@"
	timeout "$seconds" "$FSBACKEND_STORM" "$MNT" "$HOST" 4 "$operations" 7 >"$scratch/storm" 2>&1 ||
		fail "$(tail -n 20 "$scratch/storm" "$scratch/server.err" "$scratch/serve.err")"
	end_over_wire
	[[ $(cat "$scratch/cuts") -ge 5 ]] || fail "the wire was cut only $(cat "$scratch/cuts") times"
}

attach_options=()

test_a_storm_of_operations_over_a_wire_that_breaks_is_done_exactly_once()
{
	storm_and_cut 1500 150000
}

test_a_storm_over_two_connections_that_break_is_done_exactly_once()
{
	attach_options=(--connections=2)
	storm_and_cut 1500 150000
}

test_a_storm_in_server_mode_over_a_wire_that_breaks_is_done_exactly_once()
{
	storm_and_cut 1500 150000 --permissions=server
}

test_a_storm_over_a_wire_that_breaks_within_nearly_every_message_is_done_exactly_once()
{
	storm_and_cut 150 6000
}

test_a_large_file_written_over_a_wire_that_breaks_is_whole()
{
	scratch_make
	stream_start_over_wire 3000000
	head -c 60M /dev/urandom >"$scratch/large"
	timeout 60 cp "$scratch/large" "$MNT/large"
	cmp "$scratch/large" "$HOST/large"
	echo 3 >/proc/sys/vm/drop_caches
	timeout 60 cmp "$scratch/large" "$MNT/large"
	end_over_wire
}

test_open_files_locks_and_directories_are_what_they_were()
{
	scratch_make
	mkdir "$HOST/dir"
	echo content >"$HOST/locked"
	echo content >"$HOST/removed"
	stream_start_over_wire 0 --locks=host
	exec 7<>"$MNT/removed" 8<"$MNT/locked"
	cd "$MNT/dir"
	flock 8
	rm "$MNT/removed"
	for _ in 1 2 3; do
		kill -USR1 "$cutter"
		sleep 0.2
		echo more >&7
		expect_failure flock -n "$HOST/locked" true
		touch here
	done
	# The file has no name any more.
	expect_equal "$(perl -e 'open(my $f, "<&=", 7); seek($f, 0, 0); print <$f>' | tr '\n' ' ')" "more more more "
	[[ -e $HOST/dir/here ]]
	cd /
	exec 7>&- 8<&-
	end_over_wire
}

test_a_lock_is_kept_while_the_connection_is_away_and_who_waits_gets_it_then()
{
	scratch_make
	echo content >"$HOST/file"
	stream_start_over_wire 0 --locks=host
	exec 7<>"$MNT/file"
	flock 7
	kill -USR1 "$cutter"
	expect_failure flock -n "$HOST/file" true
	touch "$MNT/back"
	expect_failure flock -n "$HOST/file" true
	# One that waits on the server, and is cut off there.
	flock 9 9<"$HOST/file" &
	local waiting=$!
	flock -u 7
	wait "$waiting"
	(
		exec 9<"$HOST/file"
		flock 9
		flock "$MNT/file" touch "$scratch/got" &
		sleep 0.3
		kill -USR1 "$cutter"
		sleep 0.5
		[[ ! -e $scratch/got ]]
		flock -u 9
		wait
	)
	[[ -e $scratch/got ]]
	exec 7>&-
	end_over_wire
}

test_a_wire_that_is_gone_for_a_while_is_dialled_until_it_is_back()
{
	scratch_make
	echo content >"$HOST/file"
	stream_start_over_wire 0 --cache=none
	kill "$cutter"
	wait "$cutter"
	timeout 20 cat "$MNT/file" >"$scratch/read" &
	local waiting=$!
	sleep 2
	is_running "$waiting"
	"$FSBACKEND_CUTTER" "$scratch/wire" "$scratch/socket" 0 >"$scratch/cuts" &
	cutter=$!
	wait "$waiting"
	expect_equal "$(cat "$scratch/read")" content
	end_over_wire
}

test_a_mount_whose_server_stays_away_fails_and_can_be_unmounted()
{
	scratch_make
	echo content >"$HOST/file"
	attach_options=(--reconnect=2)
	stream_start_over_wire 0 --cache=none
	kill "$cutter"
	wait "$cutter"
	expect_failure timeout 20 cat "$MNT/file" 2>"$scratch/err"
	grep -qi "not connected" "$scratch/err" || fail "$(cat "$scratch/err")"
	timeout 20 umount "$MNT" || timeout 20 umount -l "$MNT"
	within 100 not is_running "$server_pid" || fail "the client hangs"
	serve_stop
}

test_a_mount_can_be_unmounted_while_it_is_dialled()
{
	scratch_make
	stream_start_over_wire 0 --cache=none
	kill "$cutter"
	wait "$cutter"
	timeout 20 umount -l "$MNT"
	within 150 not is_running "$server_pid" || fail "the client hangs"
	nothing_must_be_left
	serve_stop
}

test_a_client_without_it_does_not_come_back()
{
	scratch_make
	echo content >"$HOST/file"
	serve_start
	"$FSBACKEND_CUTTER" "$scratch/wire" "$scratch/socket" >"$scratch/cuts" &
	cutter=$!
	within 50 test -S "$scratch/wire"
	address=unix:$scratch/wire
	attach_start --cache=none 2>/dev/null || attach_start
	kill -USR1 "$cutter"
	sleep 0.3
	expect_failure timeout 10 cat "$MNT/file" 2>/dev/null
	kill "$cutter"
	timeout 20 umount "$MNT" || timeout 20 umount -l "$MNT"
	within 100 not is_running "$server_pid"
	serve_stop
}

test_a_server_that_was_killed_and_started_again_serves_what_is_opened_anew()
{
	scratch_make
	mkdir "$HOST/dir"
	echo content >"$HOST/dir/file"
	serve_start
	attach_start --reconnect
	exec 7<>"$MNT/dir/file"
	kill -KILL "$serve_pid"
	within 50 not is_running "$serve_job"
	rm -f "$scratch/socket"
	# Nobody on the way to the new server may ask the old one.
	serve_start 7>&-
	# It takes a failure to learn that the session is lost.
	within 100 cat "$MNT/dir/file" >/dev/null 2>&1
	expect_equal "$(timeout 20 cat "$MNT/dir/file")" content
	timeout 20 touch "$MNT/dir/new"
	[[ -e $HOST/dir/new ]]
	# What was open before is lost, and says so.
	expect_failure timeout 20 sh -c 'echo more >&7' 2>/dev/null
	expect_equal "$(cat "$HOST/dir/file")" content
	exec 7>&-
	stream_must_end_cleanly
}

run_tests
