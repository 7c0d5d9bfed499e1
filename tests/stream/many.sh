#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# 50 clients of one server, each copying a tree, while one of the others is killed every moment: all complete, the server's memory stays
# bounded, and so does the number of its descriptors.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/stream.sh"
. "$FSBACKEND_TESTS/testing.sh"

clients=50
victims=8
tree=$FSBACKEND_TESTS/programs
pause=0.2
if [[ -n ${FSB_LONG:-} ]]; then
	victims=30 tree=$FSBACKEND_TESTS pause=1
fi

memory_of_server()
{
	awk '/^VmHWM:/ { print int($2 / 1024) }' "/proc/$serve_pid/status"
}

# Client $1 copies the tree below its mount, and compares.
copy_by()
{
	local from=$scratch/clients/$1

	mkdir "$from/of$1" && cp -r "$tree" "$from/of$1/copy" && diff -r "$tree" "$from/of$1/copy"
}

# Works on its mount until that is gone.
be_a_victim()
{
	while cp -r "$tree" "$scratch/victims/$1/victim$1" && rm -r "$scratch/victims/$1/victim$1"; do
		:
	done 2>/dev/null
}

test_fifty_clients_copy_trees_while_others_are_killed()
{
	local number copies=() workers=() pids=()

	scratch_make
	serve_start --max-clients=100
	mkdir "$scratch/clients" "$scratch/victims"
	for ((number = 0; number < clients; number++)); do
		attach_at "$scratch/clients/$number"
	done
	for ((number = 0; number < victims; number++)); do
		attach_at "$scratch/victims/$number"
		pids[number]=$attach_pid
		be_a_victim "$number" &
		workers+=($!)
	done
	for ((number = 0; number < clients; number++)); do
		copy_by "$number" >"$scratch/copy$number" 2>&1 &
		copies+=($!)
	done
	for ((number = 0; number < victims; number++)); do
		kill -KILL "${pids[number]}"
		sleep "$pause"
	done
	for ((number = 0; number < clients; number++)); do
		wait "${copies[number]}" || fail "client $number: $(tail -n 3 "$scratch/copy$number")"
	done
	for ((number = 0; number < clients; number++)); do
		diff -r "$tree" "$HOST/of$number/copy"
	done
	# A sanitizer's own memory is not the server's.
	grep -q 'lib[at]san' "/proc/$serve_pid/maps" || [[ $(memory_of_server) -le 64 ]] || fail "the server took $(memory_of_server) MiB"
	for ((number = 0; number < victims; number++)); do
		umount -l "$scratch/victims/$number"
	done
	for ((number = 0; number < clients; number++)); do
		umount "$scratch/clients/$number"
	done
	within 100 no_process_names "$scratch/clients"
	wait "${workers[@]}" || true
	serve_stop
	expect_equal "$serve_status" 0
}

run_tests
