#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# POSIX ACLs set and read by setfacl and getfacl: the same on both sides, inherited, and obeyed.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

acl_of()
{
	getfacl -c -p -n "$1"
}

as_user()
{
	setpriv --reuid="$1" --regid="$2" --groups="$3" sh -c "$4"
}

test_what_setfacl_sets_getfacl_shows_on_both_sides()
{
	echo x >"$mnt/file"
	setfacl -m u:1234:rw,g:4321:r,m::rw "$mnt/file"
	expect_equal "$(acl_of "$mnt/file" | tr '\n' ' ')" \
		"user::rw- user:1234:rw- group::r-- group:4321:r-- mask::rw- other::r--  "
	expect_same_output "acl_of '$mnt/file'" "acl_of '$host/file'"
	expect_equal "$(stat -c %a "$mnt/file")" 664
	setfacl -b "$mnt/file"
	expect_same_output "acl_of '$mnt/file'" "acl_of '$host/file'"
	expect_equal "$(acl_of "$host/file" | grep -c 1234)" 0
}

test_an_acl_set_on_the_host_is_shown_through_the_mount()
{
	echo x >"$host/file"
	setfacl -m u:1234:rx "$host/file"
	expect_same_output "acl_of '$mnt/file'" "acl_of '$host/file'"
	[[ $(acl_of "$mnt/file") == *user:1234:r-x* ]]
}

test_a_default_acl_is_inherited_by_files_and_directories_and_overrules_the_umask()
{
	mkdir "$mnt/dir" "$mnt/native"
	setfacl -d -m u::rwx,g::rx,o::-,u:1234:rwx,m::rwx "$mnt/dir"
	mkdir "$host/reference"
	setfacl -d -m u::rwx,g::rx,o::-,u:1234:rwx,m::rwx "$host/reference"
	umask 077
	echo x >"$mnt/dir/file"
	mkdir "$mnt/dir/sub"
	mkfifo "$mnt/dir/fifo"
	echo x >"$host/reference/file"
	mkdir "$host/reference/sub"
	mkfifo "$host/reference/fifo"
	for name in file sub fifo; do
		expect_same_output "acl_of '$host/reference/$name'" "acl_of '$host/dir/$name'"
		expect_same_output "acl_of '$host/reference/$name'" "acl_of '$mnt/dir/$name'"
		expect_equal "$(stat -c %a "$mnt/dir/$name")" "$(stat -c %a "$host/reference/$name")" "$name"
	done
	[[ $(acl_of "$mnt/dir/sub") == *default:user:1234:rwx* ]]
}

test_without_a_default_acl_the_umask_rules()
{
	umask 027
	echo x >"$mnt/file"
	mkdir "$mnt/dir"
	expect_equal "$(stat -c %a "$host/file")" 640
	expect_equal "$(stat -c %a "$host/dir")" 750
}

test_chmod_changes_the_mask_and_the_host_agrees()
{
	echo x >"$mnt/file"
	setfacl -m u:1234:rwx "$mnt/file"
	chmod 640 "$mnt/file"
	[[ $(acl_of "$mnt/file") == *mask::r--* ]] || fail "$(acl_of "$mnt/file")"
	expect_same_output "acl_of '$mnt/file'" "acl_of '$host/file'"
}

test_an_entry_for_a_user_grants_and_refuses_that_user_alone()
{
	echo content >"$mnt/file"
	chmod 640 "$mnt/file"
	setfacl -m u:1234:r "$mnt/file"
	expect_equal "$(as_user 1234 1234 1234 "cat '$mnt/file'")" content
	expect_failure as_user 1235 1235 1235 "cat '$mnt/file' 2>/dev/null"
	expect_failure as_user 1234 1234 1234 "echo more >>'$mnt/file' 2>/dev/null"
	chmod 644 "$mnt/file"
	setfacl -m u:1234:- "$mnt/file"
	expect_failure as_user 1234 1234 1234 "cat '$mnt/file' 2>/dev/null"
	expect_equal "$(as_user 1235 1235 1235 "cat '$mnt/file'")" content
	expect_equal "$(cat "$host/file")" content
}

test_an_entry_for_a_group_grants_its_members_by_supplementary_group()
{
	mkdir "$mnt/dir"
	chmod 700 "$mnt/dir"
	setfacl -m g:4321:rwx "$mnt/dir"
	as_user 1234 1234 1,4321 "echo mine >'$mnt/dir/file'"
	expect_equal "$(stat -c '%u %g' "$host/dir/file")" "1234 1234"
	expect_failure as_user 1234 1234 1,4322 "ls '$mnt/dir' 2>/dev/null"
}

test_a_user_sets_acls_on_own_files_only()
{
	echo x >"$mnt/own"
	chown 1234 "$mnt/own"
	echo x >"$mnt/foreign"
	as_user 1234 1234 1234 "setfacl -m u:77:r '$mnt/own'"
	[[ $(acl_of "$host/own") == *user:77:r--* ]]
	expect_failure as_user 1234 1234 1234 "setfacl -m u:77:r '$mnt/foreign' 2>/dev/null"
	expect_equal "$(acl_of "$host/foreign" | grep -c 77)" 0
}

run_tests
