#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A file that appears on the host where the client believes that there is none: creating it opens what is there, and
# that is judged.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

as_user()
{
	setpriv --reuid=1001 --regid=2001 --clear-groups "$@"
}

# The client has looked for the name, and keeps it in mind that there was nothing.
believe_in_nothing()
{
	scratch_make
	chmod 777 "$HOST"
	server_start "$@"
	expect_failure as_user stat "$MNT/file" 2>/dev/null
}

create_where_a_secret_is()
{
	believe_in_nothing "$@"
	echo secret >"$HOST/file"
	chmod 600 "$HOST/file"
	expect_failure as_user sh -c 'exec 3<>"$1" && cat <&3' sh "$MNT/file"
	expect_failure as_user sh -c 'echo overwritten >"$1"' sh "$MNT/file"
	expect_failure as_user sh -c 'echo appended >>"$1"' sh "$MNT/file"
	expect_equal "$(cat "$HOST/file")" secret
	server_stop
	expect_equal "$server_status" 0
}

create_where_a_public_file_is()
{
	believe_in_nothing "$@"
	echo public >"$HOST/file"
	chmod 666 "$HOST/file"
	as_user sh -c 'echo appended >>"$1"' sh "$MNT/file"
	expect_equal "$(cat "$HOST/file")" $'public\nappended'
	server_stop
	expect_equal "$server_status" 0
}

test_a_secret_file_that_appeared_is_not_opened_by_creating_it()
{
	create_where_a_secret_is --negative-timeout=1000
}

test_a_public_file_that_appeared_is_opened_by_creating_it()
{
	create_where_a_public_file_is --negative-timeout=1000
}

test_a_secret_file_is_not_opened_by_creating_it_when_everything_is_cached()
{
	create_where_a_secret_is --cache=always
}

test_a_public_file_is_opened_by_creating_it_when_everything_is_cached()
{
	create_where_a_public_file_is --cache=always
}

test_a_secret_file_is_not_opened_by_creating_it_in_server_mode()
{
	create_where_a_secret_is --permissions=server
}

run_tests
