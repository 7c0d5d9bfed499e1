#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# --read-only: everything can be read, nothing can be changed.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

plant()
{
	scratch_make
	echo content >"$HOST/file"
	mkdir "$HOST/dir"
	ln -s file "$HOST/symlink"
	setfattr -n user.key -v value "$HOST/file"
	(cd "$HOST" && stat -c '%n %i %a %s %h %Y' ./* && getfattr -d file) >"$scratch/before"
}

must_be_refused()
{
	local said

	said=$("$@" 2>&1) && fail "this succeeded: $*"
	[[ $said == *"Read-only file system"* ]] || fail "$*: $said"
}

check_read_only()
{
	expect_equal "$(cat "$MNT/symlink")" content
	expect_equal "$(ls "$MNT" | wc -l)" 3
	expect_equal "$(getfattr --only-values -n user.key "$MNT/file" 2>/dev/null)" value

	must_be_refused sh -c "echo more >>'$MNT/file'"
	must_be_refused touch "$MNT/new"
	must_be_refused mkdir "$MNT/new"
	must_be_refused mkfifo "$MNT/new"
	must_be_refused ln -s x "$MNT/new"
	must_be_refused ln "$MNT/file" "$MNT/new"
	must_be_refused rm -f "$MNT/file"
	must_be_refused rmdir "$MNT/dir"
	must_be_refused mv "$MNT/file" "$MNT/new"
	must_be_refused chmod 600 "$MNT/file"
	must_be_refused chown 1 "$MNT/file"
	must_be_refused touch "$MNT/file"
	must_be_refused truncate -s 0 "$MNT/file"
	must_be_refused setfattr -n user.key -v other "$MNT/file"
	must_be_refused setfattr -x user.key "$MNT/file"
	must_be_refused chattr +A "$MNT/file"
	(cd "$HOST" && stat -c '%n %i %a %s %h %Y' ./* && getfattr -d file) | diff "$scratch/before" -
	server_must_end_cleanly
}

test_read_only_refuses_every_change()
{
	plant
	server_start --read-only
	check_read_only
}

test_the_option_ro_of_mount_is_the_same()
{
	plant
	server_start -o ro
	check_read_only
}

test_a_remount_for_writing_does_not_get_round_it()
{
	plant
	server_start --read-only
	mount -o remount,rw "$MNT" 2>/dev/null || true
	check_read_only
}

run_tests
