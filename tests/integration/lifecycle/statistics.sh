#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# --stats counts what was asked, prints at the end and on SIGUSR1; --debug prints requests and replies in words.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

# The count in the last table's row of an opcode.
count_of()
{
	grep -w "^ *$1" "$2" | tail -n 1 | awk '{ print $2 }'
}

has_count()
{
	[[ $(count_of "$1" "$3") == "$2" ]]
}

test_SIGUSR1_prints_the_counts_so_far_and_the_end_prints_them_again()
{
	scratch_make
	server_start --stats
	mkdir "$MNT/"dir{1..7}
	kill -USR1 "$server_pid"
	within 50 has_count MKDIR 7 "$scratch/server.err" || fail "$(cat "$scratch/server.err")"
	rmdir "$MNT/"dir{1..3}
	expect_equal "$(count_of RMDIR "$scratch/server.err")" ""
	server_must_end_cleanly
	expect_equal "$(count_of MKDIR "$scratch/server.err")" 7 "$(cat "$scratch/server.err")"
	expect_equal "$(count_of RMDIR "$scratch/server.err")" 3
	expect_equal "$(count_of INIT "$scratch/server.err")" 1
}

test_a_daemon_writes_its_statistics_into_the_file()
{
	scratch_make
	daemon_start --stats="$scratch/stats"
	mkdir "$MNT/"dir{1..5}
	kill -USR1 "$server_pid"
	within 50 has_count MKDIR 5 "$scratch/stats" || fail "$(cat "$scratch/stats")"
	mkdir "$MNT/dir6"
	server_stop
	within 50 has_count MKDIR 6 "$scratch/stats" || fail "$(cat "$scratch/stats")"
	nothing_must_be_left
}

test_without_stats_nothing_is_printed_and_SIGUSR1_does_no_harm()
{
	scratch_make
	echo content >"$HOST/file"
	server_start
	kill -USR1 "$server_pid"
	sleep 0.2
	expect_equal "$(cat "$MNT/file")" content
	server_must_end_cleanly
	expect_equal "$(cat "$scratch/server.out" "$scratch/server.err")" ""
}

test_debug_prints_requests_with_their_names_and_replies_with_their_errors()
{
	scratch_make
	server_start --debug
	mkdir "$MNT/some directory"
	expect_failure cat "$MNT/missing file" 2>/dev/null
	server_must_end_cleanly
	grep -q 'MKDIR.*some directory' "$scratch/server.err" || fail "no MKDIR: $(cat "$scratch/server.err")"
	grep -A1 'LOOKUP.*missing file' "$scratch/server.err" | grep -q ENOENT ||
		fail "no failed LOOKUP: $(cat "$scratch/server.err")"
	grep -q INIT "$scratch/server.err"
}

test_debug_does_not_hand_a_terminal_the_control_characters_of_a_name()
{
	scratch_make
	server_start --debug
	mkdir "$MNT/"$'red\e[31m\nnext line'
	server_must_end_cleanly
	grep -q 'MKDIR' "$scratch/server.err"
	expect_failure grep -q $'\e' "$scratch/server.err"
	expect_failure grep -q '^next line' "$scratch/server.err"
}

run_tests
