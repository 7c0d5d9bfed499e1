#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# After the unmount neither program has memory or descriptors left, under valgrind.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/stream.sh"
. "$FSBACKEND_TESTS/testing.sh"

work_on_the_mount()
{
	local number

	for number in {1..20}; do
		mkdir "$MNT/dir$number"
		echo "$number" >"$MNT/dir$number/file"
		ln -s file "$MNT/dir$number/symlink"
	done
	find "$MNT" -type f -exec cat {} + >/dev/null
	ls -lR "$MNT" >/dev/null
	mv "$MNT/dir1" "$MNT/dir2/moved"
	setfattr -n user.key -v value "$MNT/dir2/file"
	setpriv --reuid=1001 --regid=1001 --groups=1,2,3 ls "$MNT" >/dev/null
	head -c 3M /dev/zero >"$MNT/large"
	cp "$MNT/large" "$MNT/copy"
	flock "$MNT/large" true
	rm -r "$MNT"/dir*
	expect_failure cat "$MNT/missing" 2>/dev/null
}

# Which are open at the end, of those that the program opened itself.
own_descriptors()
{
	awk '/Open file descriptor/ { open = $0; next }
		open && !/inherited from parent/ { print open }
		{ open = "" }' "$1"
}

test_no_memory_and_no_descriptor_is_left()
{
	local name valgrind

	if grep -q __asan_init "$FSBACKEND_SERVE" || grep -q __tsan_init "$FSBACKEND_SERVE"; then
		skip "this build has a sanitizer of its own, which each run's exit status tells of"
	fi
	command -v valgrind >/dev/null || skip "valgrind is not installed"
	scratch_make
	# Undefined values are not its business here: it takes half of what capget(2) gives for such.
	valgrind="valgrind -q --undef-value-errors=no --leak-check=full --show-leak-kinds=all
		--errors-for-leak-kinds=all --track-fds=yes --error-exitcode=99"
	FSBACKEND_SERVE_WRAPPER="$valgrind --log-file=$scratch/valgrind.serve"
	FSBACKEND_WRAPPER="$valgrind --log-file=$scratch/valgrind.attach"
	serve_start --permissions=server --locks=host
	attach_start --connections=2 --reconnect
	work_on_the_mount
	server_stop
	serve_stop
	for name in serve attach; do
		expect_equal "$(own_descriptors "$scratch/valgrind.$name")" "" "$name: descriptors"
	done
	expect_equal "$server_status $serve_status" "0 0" "$(cat "$scratch"/valgrind.*)"
}

run_tests
