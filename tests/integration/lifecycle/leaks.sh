#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# After the unmount no memory and no descriptor is left, and while it runs no more descriptors are held than needed.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

# A bit of everything that the server keeps something for.
work_on_the_mount()
{
	local number

	for number in {1..40}; do
		mkdir "$MNT/dir$number"
		echo "$number" >"$MNT/dir$number/file"
		ln -s file "$MNT/dir$number/symlink"
		ln "$MNT/dir$number/file" "$MNT/dir$number/link"
	done
	find "$MNT" -type f -exec cat {} + >/dev/null
	ls -lR "$MNT" >/dev/null
	for number in {1..40..3}; do
		mv "$MNT/dir$number" "$MNT/renamed$number"
		rm -r "$MNT/renamed$number"
	done
	setfattr -n user.key -v value "$MNT/dir2/file"
	getfattr -d "$MNT/dir2/file" >/dev/null 2>&1
	setfacl -m u:77:r "$MNT/dir2/file"
	lsattr -d "$MNT/dir2/file" >/dev/null
	mkfifo "$MNT/fifo"
	flock "$MNT/dir2/file" true
	(
		flock 9
		flock -w 0.2 "$MNT/dir3/file" true
		expect_failure flock -w 0.2 "$MNT/dir2/file" true
	) 9<"$MNT/dir2/file"
	fallocate -l 1M "$MNT/dir2/file"
	cp "$MNT/dir2/file" "$MNT/dir2/copy"
	truncate -s 5 "$MNT/dir2/copy"
	sqlite3 "$MNT/data.db" 'PRAGMA journal_mode=wal; CREATE TABLE t(n); INSERT INTO t VALUES(1);' >/dev/null
	exec 8<>"$MNT/dir5/file"
	rm "$MNT/dir5/file"
	echo unlinked >&8
	exec 8>&-
	expect_failure cat "$MNT/missing" 2>/dev/null
}

# Which are open at the end, of those that the program opened itself.
own_descriptors()
{
	awk '/Open file descriptor/ { open = $0; next }
		open && !/inherited from parent/ { print open }
		{ open = "" }' "$1"
}

must_leave_nothing()
{
	if grep -q __asan_init "$FSBACKEND_MOUNT" || grep -q __tsan_init "$FSBACKEND_MOUNT"; then
		skip "this build has a sanitizer of its own, which each run's exit status tells of"
	fi
	command -v valgrind >/dev/null || skip "valgrind is not installed"
	scratch_make
	# Undefined values are not its business here: it takes half of what capget(2) gives for such.
	FSBACKEND_WRAPPER="valgrind -q --undef-value-errors=no --leak-check=full --show-leak-kinds=all
		--errors-for-leak-kinds=all --track-fds=yes --error-exitcode=99 --log-file=$scratch/valgrind"
	# It lets no other thread run while one waits in a ring.
	server_start --io=classic "$@"
	work_on_the_mount
	server_stop || fail "$(cat "$scratch/valgrind")"
	expect_equal "$server_status" 0 "$(cat "$scratch/valgrind" "$scratch/server.err")"
	expect_equal "$(own_descriptors "$scratch/valgrind")" "" "descriptors that were not inherited"
	nothing_must_be_left
}

test_no_memory_and_no_descriptor_is_left_in_client_mode()
{
	must_leave_nothing
}

test_no_memory_and_no_descriptor_is_left_in_server_mode_with_host_locks()
{
	must_leave_nothing --permissions=server --locks=host
}

test_no_memory_and_no_descriptor_is_left_with_writeback_and_statistics()
{
	must_leave_nothing --writeback --stats
}

count_fds()
{
	ls "/proc/$server_pid/fd" | wc -l
}

fds_are_at_most()
{
	[[ $(count_fds) -le $1 ]]
}

plant_files()
{
	local dir

	for dir in {1..20}; do
		mkdir "$HOST/dir$dir"
		touch "$HOST/dir$dir/"file{1..100}
	done
}

test_a_tree_larger_than_the_budget_is_walked_within_the_budget()
{
	local before

	scratch_make
	plant_files
	server_start --max-fds=50
	before=$(count_fds)
	expect_equal "$(find "$MNT" -type f -size -1 | wc -l)" 2000
	find "$MNT" -type f -exec cat {} +
	within 50 fds_are_at_most $((before + 50)) || fail "$before descriptors before, $(count_fds) after"
	# All are still there for who asks.
	chmod 600 "$MNT/dir1/file1" "$MNT/dir20/file100"
	expect_equal "$(stat -c %a "$HOST/dir1/file1" "$HOST/dir20/file100" | uniq)" 600
	server_must_end_cleanly
}

test_the_descriptors_of_open_files_go_when_they_are_closed()
{
	local before number

	scratch_make
	plant_files
	server_start --max-fds=50
	find "$MNT" >/dev/null
	before=$(count_fds)
	(
		for number in {1..100}; do
			# shellcheck disable=SC2034 # a new number for each
			exec {fd}<"$MNT/dir1/file$number"
		done
		[[ $(count_fds) -ge 100 ]] || fail "how does it hold 100 files open by $(count_fds) descriptors?"
	)
	within 50 fds_are_at_most $((before + 50)) || fail "$before descriptors before, $(count_fds) after"
	server_must_end_cleanly
}

test_what_the_client_forgets_holds_no_descriptor()
{
	local before

	scratch_make
	before=0
	plant_files
	server_start
	before=$(count_fds)
	find "$MNT" -type f >/dev/null
	within 50 forget_all "$before" || fail "$before descriptors before, $(count_fds) after the client forgot all"
	server_must_end_cleanly
}

# Makes every client of this kernel forget what is not in use.
forget_all()
{
	echo 2 >/proc/sys/vm/drop_caches
	fds_are_at_most "$(($1 + 1))"
}

run_tests
