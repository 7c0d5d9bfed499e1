#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# With nothing to do both programs sleep: no thread of theirs is run for seconds. And however long they sleep, they answer.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/stream.sh"
. "$FSBACKEND_TESTS/testing.sh"

# How often threads of the processes were run, so far.
switches()
{
	local pid
	for pid; do
		cat /proc/"$pid"/task/*/status
	done | awk '/ctxt_switches/ { sum += $2 } END { print sum }'
}

must_sleep()
{
	local before after

	scratch_make
	serve_start
	attach_start "$@"
	cp -a "$FSBACKEND_TESTS" "$MNT/copy"
	sleep 2
	before=$(switches "$serve_pid" "$server_pid")
	sleep 4
	after=$(switches "$serve_pid" "$server_pid")
	# One question whether the other lives may fall into it.
	[[ $((after - before)) -le 8 ]] || fail "threads were run $((after - before)) times in 4 s"
	stream_must_end_cleanly
}

test_both_programs_sleep_when_there_is_nothing_to_do()
{
	must_sleep
}

test_both_programs_sleep_with_two_connections_that_reconnect()
{
	must_sleep --connections=2 --reconnect
}

# Work makes them look again for a while before they sleep. That the other end lives is no work: who looks for more of it, by
# sched_yield(2), is run again and again where both share a core.
test_a_question_whether_the_other_lives_is_answered_and_nobody_looks_for_more()
{
	local before after i

	scratch_make
	serve_start --idle=1 --spin=1000
	attach_start --spin=1000
	for ((i = 0; i < 2000; i++)); do
		echo >"$MNT/file"
	done
	sleep 2
	before=$(switches "$serve_pid" "$server_pid")
	sleep 6
	after=$(switches "$serve_pid" "$server_pid")
	[[ $after -gt $before ]] || fail "nobody asked anything in 6 s"
	# Either asks once a second; the keeper, the thread that hears it, and the lane are run for it.
	[[ $((after - before)) -le 84 ]] || fail "threads were run $((after - before)) times in 6 s"
	stream_must_end_cleanly
}

test_a_silent_client_that_lives_is_kept_and_one_that_is_stopped_is_given_up()
{
	scratch_make
	serve_start --idle=1
	attach_start
	attach_at "$scratch/second"
	sleep 5
	timeout 5 touch "$MNT/still there"
	kill -STOP "$attach_pid"
	within 80 grep -q "lost\|gone\|ended\|given up" "$scratch/serve.err" || fail "a client that is stopped is kept"
	timeout 5 touch "$MNT/still there too"
	kill -CONT "$attach_pid"
	umount -l "$scratch/second"
	within 50 not is_running "$attach_pid"
	stream_must_end_cleanly
}

test_a_client_that_stops_within_a_frame_is_given_up()
{
	scratch_make
	serve_start --stall=1
	attach_start
	perl -e '
		use Socket;
		socket(my $peer, PF_UNIX, SOCK_STREAM, 0) or die;
		connect($peer, pack_sockaddr_un($ARGV[0])) or die;
		syswrite($peer, "\x48\0\0") == 3 or die;
		$SIG{ALRM} = sub { die "it is still connected" };
		alarm(8);
		sysread($peer, my $rest, 1000);
		sysread($peer, $rest, 1000)' "$scratch/socket"
	touch "$MNT/served"
	stream_must_end_cleanly
}

run_tests
