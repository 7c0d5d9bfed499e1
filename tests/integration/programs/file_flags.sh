#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The flags that lsattr shows and chattr sets, and the project ids beside them, which come by ioctl.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

flags_of()
{
	lsattr -d "$1" | cut -d' ' -f1
}

test_lsattr_shows_what_chattr_set_on_both_sides()
{
	echo x >"$mnt/file"
	chattr +A "$host/file"
	expect_equal "$(flags_of "$mnt/file")" "$(flags_of "$host/file")"
	chattr +d -A "$mnt/file"
	expect_equal "$(flags_of "$mnt/file")" "$(flags_of "$host/file")"
	[[ $(flags_of "$host/file") == *d* && $(flags_of "$host/file") != *A* ]] || fail "$(flags_of "$host/file")"
	mkdir "$mnt/dir"
	chattr +d "$mnt/dir"
	[[ $(flags_of "$host/dir") == *d* ]]
}

test_an_immutable_file_is_refused_to_writers_removers_and_renamers()
{
	echo content >"$mnt/file"
	if ! chattr +i "$host/file"; then
		skip "the host lets nobody set the immutable flag"
	fi
	chattr -i "$host/file"

	chattr +i "$mnt/file"
	[[ $(flags_of "$host/file") == *i* ]]
	expect_failure sh -c "echo more 2>/dev/null >>'$mnt/file'"
	expect_failure rm -f "$mnt/file" 2>/dev/null
	expect_failure mv "$mnt/file" "$mnt/other" 2>/dev/null
	expect_failure chmod 600 "$mnt/file" 2>/dev/null
	chattr -i "$mnt/file"
	expect_equal "$(cat "$host/file")" content
	echo more >>"$mnt/file"
	expect_equal "$(wc -l <"$host/file")" 2
}

test_an_append_only_file_can_be_appended_to_and_not_overwritten()
{
	echo one >"$mnt/file"
	chattr +a "$mnt/file" || skip "the host lets nobody set the append-only flag"
	echo two >>"$mnt/file"
	expect_failure sh -c "echo three 2>/dev/null >'$mnt/file'"
	expect_failure rm -f "$mnt/file" 2>/dev/null
	chattr -a "$mnt/file"
	expect_equal "$(cat "$host/file")" "$(printf 'one\ntwo')"
}

test_a_user_without_the_right_sets_no_immutable_flag()
{
	echo x >"$mnt/file"
	chown 1234:1234 "$mnt/file"
	expect_failure setpriv --reuid=1234 --regid=1234 --clear-groups chattr +i "$mnt/file" 2>/dev/null
	expect_equal "$(flags_of "$host/file")" "$(flags_of "$mnt/file")"
	[[ $(flags_of "$host/file") != *i* ]]
}

test_a_stranger_sets_no_flag_on_anothers_file()
{
	echo x >"$mnt/file"
	expect_failure setpriv --reuid=1234 --regid=1234 --clear-groups chattr +d "$mnt/file" 2>/dev/null
	[[ $(flags_of "$host/file") != *d* ]]
}

test_the_extended_attributes_of_the_inode_are_the_hosts()
{
	echo x >"$mnt/file"
	chattr +d "$mnt/file"
	expect_equal "$(lsattr -p "$mnt/file" | awk '{print $1, $2}')" "$(lsattr -p "$host/file" | awk '{print $1, $2}')"
}

test_an_ioctl_that_is_not_known_to_be_safe_is_refused()
{
	[[ $FSBACKEND_TEST_CONFIG != native ]] || skip "the host itself refuses none of these"
	echo x >"$mnt/file"
	# It asks for the generation.
	expect_failure lsattr -v "$mnt/file" >"$host/said" 2>&1
	grep -q 'Inappropriate ioctl' "$host/said" || fail "$(cat "$host/said")"
}

run_tests
