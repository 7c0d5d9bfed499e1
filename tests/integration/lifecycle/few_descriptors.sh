#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Many files with few descriptors: what the client is told where there are not enough, and that it heals.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

readonly files=600 descriptors=200

# This server has few descriptors, and no more can be had.
few_start()
{
	FSBACKEND_WRAPPER="prlimit --nofile=$descriptors:$descriptors" server_start "$@"
}

plant_files()
{
	local number

	mkdir "$HOST/dir"
	for ((number = 1; number <= files; number++)); do
		echo "$number" >"$HOST/dir/file$number"
	done
}

# Serves our own mount once more: a file system without lasting file handles, whose files hold a descriptor each.
# Afterwards $MNT is the upper mount, $HOST the lower one.
stack_mounts()
{
	lower=$HOST
	server_start
	lower_pid=$server_pid
	HOST=$MNT MNT=$scratch/upper
	mkdir "$MNT"
	few_start "$@"
}

unstack_mounts()
{
	server_must_end_cleanly
	MNT=$HOST HOST=$lower server_pid=$lower_pid
	server_must_end_cleanly
}

# Prints the errors' texts, each once.
errors_of_stat()
{
	local number

	for ((number = 1; number <= files; number++)); do
		stat "$MNT/dir/file$number" 2>&1 >/dev/null || true
	done | sed 's/.*: //' | sort -u
}

all_can_be_used_some_at_a_time()
{
	local number

	for ((number = 1; number <= files; number++)); do
		[[ $(cat "$MNT/dir/file$number") == "$number" ]] || {
			echo 2 >/proc/sys/vm/drop_caches
			return 1
		}
		((number % 50)) || echo 2 >/proc/sys/vm/drop_caches
	done
}

test_without_file_handles_exhaustion_is_one_clear_error_that_heals()
{
	scratch_make
	plant_files
	stack_mounts
	expect_equal "$(errors_of_stat)" "Too many open files in system"
	expect_equal "$(grep -c 'no descriptors are left' "$scratch/server.err")" 1
	within 100 all_can_be_used_some_at_a_time
	unstack_mounts
}

test_without_file_handles_a_listing_is_whole_whatever_can_be_looked_up()
{
	scratch_make
	plant_files
	stack_mounts
	# Names with attributes (READDIRPLUS), more than there are descriptors for.
	expect_equal "$(find "$MNT/dir" -name 'file*' | wc -l)" $files
	expect_equal "$(python3 -c 'import os, sys; print(len(os.listdir(sys.argv[1])))' "$MNT/dir")" $files
	# Once more with a table that is full already; the directory itself was open before.
	exec 8<"$MNT/dir"
	errors_of_stat >/dev/null
	expect_equal "$(python3 -c 'import os; print(len(os.listdir(8)))')" $files
	exec 8<&-
	unstack_mounts
}

test_without_file_handles_what_is_renamed_and_removed_below_is_followed()
{
	scratch_make
	plant_files
	stack_mounts --entry-timeout=0 --attr-timeout=0
	exec 8<"$MNT/dir/file1" 9<"$MNT/dir/file2"
	mv "$HOST/dir/file1" "$HOST/moved"
	rm "$HOST/dir/file2"
	expect_equal "$(cat <&8)" 1
	expect_equal "$(cat <&9)" 2
	expect_equal "$(cat "$MNT/moved")" 1
	[[ ! -e $MNT/dir/file1 && ! -e $MNT/dir/file2 ]]
	exec 8<&- 9<&-
	unstack_mounts
}

test_open_files_leave_no_descriptors_and_that_is_enfile_too()
{
	local number

	scratch_make
	plant_files
	few_start
	expect_equal "$(errors_of_stat)" "" "inodes alone never use them up"
	(
		for ((number = 1; number <= files; number++)); do
			exec {fd}<"$MNT/dir/file$number" || break
		done
		[[ $number -gt $((descriptors / 2)) && $number -lt $descriptors ]]
	) 2>"$scratch/err"
	expect_equal "$(grep -c 'Too many open files in system' "$scratch/err")" 1
	expect_equal "$(cat "$MNT/dir/file$files")" $files
	server_must_end_cleanly
}

# An inode without a name needs its descriptor until the client forgets it, which comes later than the next UNLINK.
removing_must_not_outrun_forgetting()
{
	scratch_make
	few_start "$@"
	mkdir "$MNT/dir"
	(cd "$HOST/dir" && seq -f 'file%.0f' 6000 | xargs touch)
	find "$MNT/dir" -size +1k
	rm -rf "$MNT/dir"
	[[ ! -e $HOST/dir ]]
	server_must_end_cleanly
}

test_many_files_are_removed_at_once_over_the_device()
{
	removing_must_not_outrun_forgetting --io=classic
}

test_many_files_are_removed_at_once_over_io_uring()
{
	with_ring
	removing_must_not_outrun_forgetting --io=uring
}

test_a_file_that_the_host_removed_is_no_longer_there_when_its_descriptor_is_gone()
{
	scratch_make
	plant_files
	few_start --max-fds=8 --entry-timeout=60 --attr-timeout=60
	cd "$MNT/dir"
	stat file1 file2 >/dev/null
	exec 8<file2
	errors_of_stat
	rm "$HOST/dir/file1" "$HOST/dir/file2"
	mv "$HOST/dir/file3" "$HOST/dir/renamed"
	# Its name is still believed; that it cannot be opened tells the client to look again.
	expect_failure cat file1 2>"$scratch/err"
	grep -q 'No such file' "$scratch/err" || fail "$(cat "$scratch/err")"
	expect_equal "$(cat <&8)" 2
	# Whether its former name still leads to it is up to the kernel, which may have dropped that meanwhile.
	expect_equal "$(cat renamed)" 3
	exec 8<&-
	cd /
	server_must_end_cleanly
}

test_a_directory_that_the_host_moved_is_still_the_working_directory()
{
	scratch_make
	plant_files
	mkdir "$HOST/elsewhere"
	few_start --max-fds=1
	cd "$MNT/dir"
	errors_of_stat
	mv "$HOST/dir" "$HOST/elsewhere/dir"
	expect_equal "$(cat file7)" 7
	echo new >new
	expect_equal "$(cat "$HOST/elsewhere/dir/new")" new
	cd /
	server_must_end_cleanly
}

test_a_budget_has_to_be_a_number()
{
	local wrong

	scratch_make
	for wrong in -1 x '' 1.5 99999999999; do
		expect_failure "$FSBACKEND_MOUNT" --max-fds="$wrong" "$HOST" "$MNT" 2>"$scratch/err"
		grep -q 'max-fds' "$scratch/err" || fail "'$wrong': $(cat "$scratch/err")"
		! is_mounted "$MNT" || fail "it was mounted with a budget of '$wrong'"
	done
	# 0 is the default, a quarter of the limit.
	plant_files
	few_start --max-fds=0
	expect_equal "$(errors_of_stat)" ""
	[[ $(ls "/proc/$server_pid/fd" | wc -l) -gt $((descriptors / 4)) ]]
	server_must_end_cleanly
}

run_tests
