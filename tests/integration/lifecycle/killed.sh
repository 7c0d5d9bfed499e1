#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A server that is killed under load leaves no client hanging, whatever it was about to ask for, and a mount that can be taken away.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

# Each goes on until something fails.
write_blocks()
{
	while dd if=/dev/zero of="$MNT/written$1" bs=1M count=8 conv=fsync status=none; do :; done
}

read_blocks()
{
	while dd if="$MNT/large" of=/dev/null bs=1M iflag=direct status=none; do :; done
}

make_and_list()
{
	while echo "$1" >"$MNT/made$1" && ls -l "$MNT" >/dev/null && mv "$MNT/made$1" "$MNT/moved$1"; do :; done
}

map()
{
	perl -e 'while (open(my $f, "+<", $ARGV[0])) { seek($f, int(rand(8e6)), 0); read($f, my $b, 9) or exit; }' "$MNT/large"
}

wait_for_lock()
{
	flock "$MNT/locked" true
}

start_clients()
{
	local number

	clients=()
	for number in 1 2; do
		write_blocks $number &
		clients+=($!)
		read_blocks &
		clients+=($!)
		make_and_list $number &
		clients+=($!)
		map &
		clients+=($!)
		wait_for_lock &
		clients+=($!)
	done 2>/dev/null
}

no_client_runs()
{
	local pid

	for pid in "${clients[@]}"; do
		! is_running "$pid" || return 1
	done
}

kill_under_load()
{
	local round

	scratch_make
	dd if=/dev/zero of="$HOST/large" bs=1M count=8 status=none
	touch "$HOST/locked"
	for round in 1 2 3; do
		server_start --locks=host "$@"
		exec 9<"$MNT/locked"
		flock 9
		start_clients
		sleep 0.$((round * 3))
		kill -KILL "$server_pid"
		wait "$server_pid" 2>/dev/null || true
		within 200 no_client_runs || fail "clients hang: $(ps -o pid,wchan:30,args "${clients[@]}")"
		wait "${clients[@]}" || true
		exec 9<&-
		# One that nobody has asked for yet.
		expect_failure timeout 10 stat "$MNT/other$round"
		timeout 10 umount "$MNT"
		rm -f "$HOST"/{made,moved,written}*
	done 2>"$scratch/said"
	server_pid=
}

test_clients_of_a_killed_server_fail_over_the_device()
{
	kill_under_load --io=classic
}

test_clients_of_a_killed_server_fail_over_io_uring()
{
	with_ring
	kill_under_load --io=uring
}

test_clients_of_a_killed_server_fail_over_io_uring_with_small_requests()
{
	with_ring
	kill_under_load --io=uring --max-write=128k
}

test_clients_of_a_killed_server_fail_with_writeback()
{
	with_ring
	kill_under_load --io=uring --writeback
}

run_tests
