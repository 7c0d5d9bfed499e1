#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two clients of one server with --locks=host: what one has locked, the other waits for.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/stream.sh"
. "$FSBACKEND_TESTS/testing.sh"

two_clients()
{
	scratch_make
	echo content >"$HOST/file"
	serve_start --locks=host
	attach_start
	attach_at "$scratch/second"
	second=$scratch/second
}

end_of_both()
{
	umount "$second"
	within 100 not is_running "$attach_pid"
	stream_must_end_cleanly
}

# lock_bytes FILE COMMAND...: runs the command with a POSIX lock on the whole file.
lock_bytes()
{
	perl -e '
		use Fcntl;
		open(my $file, "+<", shift) or die;
		# struct flock of 64-bit machines: type, whence, start, length, pid.
		my $whole = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0);
		fcntl($file, F_SETLKW, $whole) or die "locking: $!";
		exit(system(@ARGV) >> 8)' "$@"
}

must_wait_for_each_other()
{
	local lock=$1

	two_clients
	$lock "$MNT/file" sh -c "touch $scratch/has; sleep 1; touch $scratch/gives" &
	local first=$!
	within 50 test -e "$scratch/has"
	$lock "$second/file" sh -c "[ -e $scratch/gives ]" || fail "the second did not wait"
	wait "$first"
	end_of_both
}

test_a_flock_of_one_client_is_waited_for_by_the_other()
{
	must_wait_for_each_other flock
}

test_a_posix_lock_of_one_client_is_waited_for_by_the_other()
{
	must_wait_for_each_other lock_bytes
}

test_a_lock_that_another_client_has_is_not_had_for_the_asking()
{
	two_clients
	exec 7<"$MNT/file"
	flock 7
	expect_failure flock -n "$second/file" true
	flock -u 7
	flock -n "$second/file" true
	exec 7<&-
	end_of_both
}

test_a_client_that_dies_frees_its_locks_for_the_one_that_waits()
{
	local lock

	two_clients
	for lock in flock lock_bytes; do
		rm -f "$scratch/has" "$scratch/got"
		$lock "$second/file" sh -c "echo \$\$ >$scratch/has; exec sleep 30" &
		within 50 test -s "$scratch/has"
		$lock "$MNT/file" touch "$scratch/got" &
		local waiting=$!
		sleep 0.3
		[[ ! -e $scratch/got ]]
		kill -KILL "$attach_pid"
		within 50 test -e "$scratch/got" || fail "$lock: the lock was not freed"
		wait "$waiting"
		umount -l "$second"
		kill "$(cat "$scratch/has")"
		attach_at "$second"
	done
	end_of_both
}

test_who_waits_for_a_lock_can_be_interrupted()
{
	two_clients
	exec 7<"$MNT/file"
	flock 7
	flock "$second/file" true &
	local waiting=$!
	sleep 0.3
	kill "$waiting"
	within 30 not is_running "$waiting" || fail "who waits for a lock cannot be killed"
	exec 7<&-
	flock -n "$second/file" true
	end_of_both
}

test_many_who_wait_do_not_keep_the_server_from_serving_others()
{
	local number waiting=()

	two_clients
	exec 7<"$MNT/file"
	flock 7
	for number in {1..60}; do
		flock "$second/file" true &
		waiting+=($!)
	done
	sleep 0.5
	timeout 5 cp -a "$FSBACKEND_TESTS" "$MNT/copy"
	timeout 5 diff -r "$FSBACKEND_TESTS" "$second/copy"
	flock -u 7
	wait "${waiting[@]}"
	exec 7<&-
	end_of_both
}

run_tests
