#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Starting in the background and in the foreground, and ending by umount and by signals: orderly, with nothing lost.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

end_by_signal()
{
	kill -"$1" "$server_pid"
	server_wait
	expect_equal "$server_status" 0 "exit status after SIG$1: $(cat "$scratch/server.err")"
	nothing_must_be_left
	expect_equal "$(cat "$HOST/file")" content
}

test_exit_status_0_means_that_the_mount_answers_already()
{
	scratch_make
	echo content >"$HOST/file"
	daemon_start
	expect_equal "$(cat "$MNT/file")" content
	is_mounted "$MNT"
	server_stop
	nothing_must_be_left
}

test_the_daemon_lets_go_of_the_terminal_the_pipe_and_the_working_directory()
{
	scratch_make
	# Whoever reads its output sees the end of it at once, not when the mount ends.
	cd "$HOST"
	timeout 20 cat < <("$FSBACKEND_MOUNT" "$HOST" "$MNT" 2>&1) >"$scratch/out"
	within 50 is_mounted "$MNT"
	server_pid=$(processes_naming "$MNT")
	expect_equal "$(cat "$scratch/out")" ""
	expect_equal "$(readlink "/proc/$server_pid/cwd")" /
	expect_equal "$(ps -o sid= -p "$server_pid" | tr -d ' ')" "$server_pid" "its own session"
	for fd in 0 1 2; do
		expect_equal "$(readlink "/proc/$server_pid/fd/$fd")" /dev/null
	done
	server_stop
	nothing_must_be_left
}

test_relative_paths_are_those_of_where_it_was_started()
{
	scratch_make
	echo content >"$HOST/file"
	cd "$scratch"
	"$FSBACKEND_MOUNT" host ./mnt
	cd /
	expect_equal "$(cat "$MNT/file")" content
	server_pid=$(pgrep -f "^$FSBACKEND_MOUNT host ./mnt" | head -n 1)
	umount "$MNT"
	within 100 not is_running "$server_pid"
	expect_failure is_mounted "$MNT"
}

test_umount_ends_the_daemon()
{
	scratch_make
	daemon_start
	echo written >"$MNT/file"
	umount "$MNT"
	within 100 not is_running "$server_pid"
	nothing_must_be_left
	expect_equal "$(cat "$HOST/file")" written
}

test_umount_ends_the_server_in_the_foreground_with_status_0()
{
	scratch_make
	server_start
	echo written >"$MNT/file"
	server_must_end_cleanly
	expect_equal "$(cat "$HOST/file")" written
}

test_each_of_SIGINT_SIGTERM_and_SIGHUP_unmounts_and_ends_with_status_0()
{
	local signal

	scratch_make
	echo content >"$HOST/file"
	for signal in INT TERM HUP; do
		server_start
		expect_equal "$(cat "$MNT/file")" content
		end_by_signal "$signal"
	done
}

test_each_of_SIGINT_SIGTERM_and_SIGHUP_ends_the_daemon()
{
	local signal

	scratch_make
	for signal in INT TERM HUP; do
		daemon_start
		kill -"$signal" "$server_pid"
		within 100 not is_running "$server_pid"
		nothing_must_be_left
	done
}

test_a_signal_ends_it_while_a_file_is_open_and_the_holder_gets_an_error_not_a_hang()
{
	scratch_make
	echo content >"$HOST/file"
	server_start
	exec 8<"$MNT/file"
	end_by_signal TERM
	expect_failure timeout 10 cat <&8 2>/dev/null
	expect_failure timeout 10 cat "/proc/self/fd/8" 2>/dev/null
	exec 8<&-
}

test_a_signal_ends_it_while_a_process_stands_in_the_mount()
{
	scratch_make
	echo content >"$HOST/file"
	mkdir "$HOST/dir"
	server_start
	(cd "$MNT/dir" && exec sleep 30) &
	local sleeper=$!
	within 50 grep -q sleep "/proc/$sleeper/comm"
	end_by_signal TERM
	kill "$sleeper"
}

test_a_signal_ends_it_under_load()
{
	local workers=() number

	scratch_make
	echo content >"$HOST/file"
	server_start
	for number in 1 2 3; do
		(while echo x >"$MNT/load$number" && cat "$MNT/file" && ls "$MNT"; do :; done) >/dev/null 2>&1 &
		workers+=($!)
	done
	sleep 0.5
	end_by_signal TERM
	for number in "${workers[@]}"; do
		within 100 not is_running "$number" || fail "a user of the mount hangs"
	done
}

test_a_busy_mount_is_not_unmounted_by_umount_and_goes_on()
{
	scratch_make
	echo content >"$HOST/file"
	server_start
	exec 8<"$MNT/file"
	expect_failure umount "$MNT" 2>/dev/null
	expect_equal "$(cat <&8)" content
	exec 8<&-
	server_must_end_cleanly
}

test_a_lazy_umount_ends_the_server_when_the_last_file_is_closed()
{
	scratch_make
	echo content >"$HOST/file"
	server_start
	exec 8<"$MNT/file"
	umount -l "$MNT"
	sleep 0.3
	is_running "$server_pid"
	expect_equal "$(cat <&8)" content
	exec 8<&-
	server_wait
	expect_equal "$server_status" 0
	nothing_must_be_left
}

test_what_writeback_has_collected_is_written_before_a_signal_ends_it()
{
	scratch_make
	echo content >"$HOST/file"
	server_start --writeback
	exec 8>"$MNT/held open"
	head -c 3000000 /dev/zero | tr '\0' 'w' >&8
	end_by_signal TERM
	exec 8>&- || true
	expect_equal "$(tr -d 'w' <"$HOST/held open" | wc -c) $(stat -c %s "$HOST/held open")" "0 3000000"
}

test_the_same_place_can_be_served_again_and_again()
{
	scratch_make
	echo content >"$HOST/file"
	for _ in 1 2 3 4 5; do
		daemon_start
		expect_equal "$(cat "$MNT/file")" content
		server_stop
	done
	nothing_must_be_left
}

test_two_servers_of_the_same_directory_do_not_disturb_each_other()
{
	local second=

	scratch_make
	server_start
	mkdir "$scratch/second"
	"$FSBACKEND_MOUNT" "$HOST" "$scratch/second"
	second=$(processes_naming "$scratch/second")
	echo one >"$MNT/one"
	expect_equal "$(cat "$scratch/second/one")" one
	umount "$scratch/second"
	within 100 not is_running "$second"
	expect_equal "$(cat "$MNT/one")" one
	server_must_end_cleanly
}

test_a_directory_can_be_served_over_itself()
{
	scratch_make
	echo content >"$HOST/file"
	rmdir "$MNT"
	MNT=$HOST
	server_start
	expect_equal "$(cat "$MNT/file")" content
	echo more >>"$MNT/file"
	server_stop
	expect_equal "$server_status" 0
	expect_equal "$(cat "$HOST/file")" "$(printf 'content\nmore')"
}

test_a_mount_below_the_served_directory_does_not_hang()
{
	scratch_make
	rmdir "$MNT"
	MNT=$HOST/mnt
	mkdir "$MNT"
	echo content >"$HOST/file"
	server_start
	expect_equal "$(cat "$MNT/file")" content
	timeout 10 ls "$MNT/mnt" >/dev/null 2>&1 || [[ $? != 124 ]] || fail "looking at itself hangs"
	# What has looked at itself keeps itself busy, so umount may refuse.
	end_by_signal TERM
}

run_tests
