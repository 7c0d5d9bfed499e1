#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What cannot work is refused by one clear line and an exit status that is not 0; nothing is mounted, nothing is left.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

# $1: what the line must say, a pattern. Then the command.
must_refuse_once()
{
	local pattern=$1 status=0
	shift

	"$@" >"$scratch/out" 2>"$scratch/err" || status=$?
	[[ $status != 0 ]] || fail "exit status 0: $*"
	[[ $status != 124 ]] || fail "did not end: $*"
	[[ $status -lt 128 ]] || fail "ended by a signal ($status): $*"
	expect_equal "$(wc -l <"$scratch/err")" 1 "lines on stderr: $(cat "$scratch/err")"
	grep -qiE -- "$pattern" "$scratch/err" || fail "the line does not say '$pattern': $(cat "$scratch/err")"
	expect_equal "$(cat "$scratch/out")" "" "stdout"
	nothing_must_be_left
}

# In the background, where users meet it, and in the foreground.
must_refuse()
{
	local pattern=$1
	shift
	must_refuse_once "$pattern" timeout 20 "$FSBACKEND_MOUNT" "$@"
	must_refuse_once "$pattern" timeout 20 "$FSBACKEND_MOUNT" -f "$@"
}

test_a_missing_source_is_refused()
{
	scratch_make
	must_refuse "$HOST/missing.*No such file" "$HOST/missing" "$MNT"
}

test_a_source_that_is_no_directory_is_refused()
{
	scratch_make
	echo x >"$HOST/file"
	must_refuse "$HOST/file.*Not a directory" "$HOST/file" "$MNT"
}

test_a_missing_mount_point_is_refused()
{
	scratch_make
	rmdir "$MNT"
	must_refuse "$MNT.*No such file" "$HOST" "$MNT"
}

test_a_mount_point_that_is_no_directory_is_refused()
{
	scratch_make
	rmdir "$MNT"
	echo x >"$MNT"
	must_refuse "$MNT.*Not a directory" "$HOST" "$MNT"
	expect_equal "$(cat "$MNT")" x
}

test_unknown_options_are_refused_and_named()
{
	scratch_make
	must_refuse "--nonsense" --nonsense "$HOST" "$MNT"
	must_refuse "nonsense" -o ro,nonsense=7 "$HOST" "$MNT"
	must_refuse "-Z" -Z "$HOST" "$MNT"
}

test_bad_values_are_refused_and_named()
{
	scratch_make
	must_refuse "cache.*maybe" --cache=maybe "$HOST" "$MNT"
	must_refuse "permissions" --permissions=nobody "$HOST" "$MNT"
	must_refuse "locks" -o locks=far "$HOST" "$MNT"
	must_refuse "attr-timeout" --attr-timeout=soon "$HOST" "$MNT"
	must_refuse "entry-timeout" --entry-timeout=-1 "$HOST" "$MNT"
	must_refuse "threads" --threads=100000 "$HOST" "$MNT"
	must_refuse "map-uid" --map-uid=1:2 "$HOST" "$MNT"
	must_refuse "map.gid" -o map_gid=x "$HOST" "$MNT"
	must_refuse "cache" --cache "$HOST" "$MNT"
	must_refuse "max-fds" --max-fds=many "$HOST" "$MNT"
}

test_settings_that_contradict_each_other_are_refused()
{
	scratch_make
	must_refuse "writeback" --writeback --cache=none "$HOST" "$MNT"
	must_refuse "map" --map-uid=0:100000:1000 --map-uid=500:300000:1000 "$HOST" "$MNT"
}

test_missing_and_superfluous_arguments_are_refused()
{
	scratch_make
	must_refuse "SOURCE.*MOUNTPOINT"
	must_refuse "SOURCE.*MOUNTPOINT" "$HOST"
	must_refuse "SOURCE.*MOUNTPOINT" "$HOST" "$MNT" "$HOST"
}

test_a_mount_point_that_is_served_already_is_refused_and_the_first_server_goes_on()
{
	local status

	scratch_make
	echo content >"$HOST/file"
	server_start
	for mode in -f --; do
		status=0
		timeout 20 "$FSBACKEND_MOUNT" $mode "$HOST" "$MNT" >"$scratch/out" 2>"$scratch/err" || status=$?
		[[ $status != 0 && $status != 124 ]] || fail "exit status $status: a second mount on top"
		expect_equal "$(wc -l <"$scratch/err")" 1 "lines on stderr: $(cat "$scratch/err")"
		grep -qF -- "$MNT" "$scratch/err" || fail "the line does not name $MNT: $(cat "$scratch/err")"
		expect_equal "$(grep -c " $MNT " /proc/self/mountinfo)" 1 "mounts there"
		expect_equal "$(cat "$MNT/file")" content
	done
	server_must_end_cleanly
}

test_a_system_without_dev_fuse_is_refused_and_told_so()
{
	local without_fuse

	scratch_make
	# A /dev without fuse, for a command and its children alone.
	mkdir "$scratch/dev"
	without_fuse=(bash -euc '
		mount -t tmpfs none "$1/dev"
		cp -a /dev/null /dev/zero "$1/dev"
		ln -s /proc/self/fd "$1/dev/fd"
		mount --move "$1/dev" /dev
		shift
		exec "$@"' without_fuse "$scratch")
	must_refuse_once "/dev/fuse" in_own_namespace "${without_fuse[@]}" timeout 20 "$FSBACKEND_MOUNT" "$HOST" "$MNT"
	must_refuse_once "/dev/fuse" in_own_namespace "${without_fuse[@]}" timeout 20 "$FSBACKEND_MOUNT" -f "$HOST" "$MNT"
}

test_a_descriptor_that_is_not_open_or_no_fuse_device_is_refused()
{
	scratch_make
	must_refuse "/dev/fd/47|descriptor 47" "$HOST" /dev/fd/47
	exec 7</dev/null
	must_refuse "/dev/fd/7|descriptor 7" "$HOST" /dev/fd/7
	exec 7<>/dev/fuse
	must_refuse "/dev/fd/7|descriptor 7" "$HOST" /dev/fd/7
	exec 7>&-
}

test_the_statistics_file_must_be_writable()
{
	scratch_make
	must_refuse "missing/stats" --stats="$scratch/missing/stats" "$HOST" "$MNT"
}

run_tests
