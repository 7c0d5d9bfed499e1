#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# --map-uid and --map-gid: ids of the client are others on the host.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

# Client 0-999 is host 100000-100999, client 1000 is host 5; groups by 200000 and 6.
start_mapped()
{
	server_start --map-uid=0:100000:1000 --map-uid=1000:5:1 --map-gid=0:200000:1000 --map-gid=1000:6:1 "$@"
}

owner()
{
	stat -c '%u %g' "$1"
}

as_user()
{
	setpriv --reuid="$1" --regid="$2" --groups="$3" sh -c "$4"
}

check_maps()
{
	scratch_make
	chown 100000:200000 "$HOST"
	chmod 777 "$HOST"
	start_mapped "$@"

	echo x >"$MNT/of root"
	expect_equal "$(owner "$HOST/of root")" "100000 200000"
	expect_equal "$(owner "$MNT/of root")" "0 0"
	as_user 17 18 18 "echo x >'$MNT/of a user'; mkdir '$MNT/dir of a user'; ln -s x '$MNT/link of a user'"
	expect_equal "$(owner "$HOST/of a user")" "100017 200018"
	expect_equal "$(owner "$HOST/dir of a user")" "100017 200018"
	expect_equal "$(owner "$HOST/link of a user")" "100017 200018"
	as_user 1000 1000 1000 "echo x >'$MNT/of the single one'"
	expect_equal "$(owner "$HOST/of the single one")" "5 6"
	expect_equal "$(owner "$MNT/of the single one")" "1000 1000"
}

test_what_is_created_and_chowned_has_mapped_owners_in_client_mode()
{
	check_maps
	chown 999:5 "$MNT/of root"
	expect_equal "$(owner "$HOST/of root")" "100999 200005"
	expect_equal "$(owner "$MNT/of root")" "999 5"
	server_must_end_cleanly
}

test_what_is_created_and_chowned_has_mapped_owners_in_server_mode()
{
	check_maps --permissions=server
	# The client's root is an ordinary user of the host, and is judged as one.
	expect_failure chown 999:5 "$MNT/of root" 2>/dev/null
	expect_equal "$(owner "$HOST/of root")" "100000 200000"
	server_must_end_cleanly
}

test_owners_on_the_host_are_shown_mapped_and_those_outside_as_nobody()
{
	scratch_make
	start_mapped
	echo x >"$HOST/inside"
	chown 100321:200123 "$HOST/inside"
	echo x >"$HOST/outside"
	chown 50:60 "$HOST/outside"
	expect_equal "$(owner "$MNT/inside")" "321 123"
	expect_equal "$(owner "$MNT/outside")" "65534 65534"
	server_must_end_cleanly
}

test_an_id_outside_of_the_map_cannot_be_given_and_its_user_creates_nothing()
{
	scratch_make
	chown 100000:200000 "$HOST"
	chmod 777 "$HOST"
	start_mapped
	echo x >"$MNT/file"
	expect_failure chown 5000 "$MNT/file" 2>"$scratch/err"
	grep -q 'Value too large' "$scratch/err" || fail "$(cat "$scratch/err")"
	expect_failure chgrp 5000 "$MNT/file" 2>/dev/null
	expect_failure as_user 5000 5000 5000 "echo x 2>/dev/null >'$MNT/new'"
	expect_failure test -e "$HOST/new"
	expect_equal "$(owner "$HOST/file")" "100000 200000"
	server_must_end_cleanly
}

test_acl_entries_are_mapped_as_owners_are()
{
	scratch_make
	chown 100000:200000 "$HOST"
	start_mapped
	echo x >"$MNT/file"
	setfacl -m u:17:r,g:18:r "$MNT/file"
	[[ $(getfacl -cpn "$HOST/file") == *user:100017:r--*group:200018:r--* ]] || fail "$(getfacl -cpn "$HOST/file")"
	[[ $(getfacl -cpn "$MNT/file") == *user:17:r--*group:18:r--* ]] || fail "$(getfacl -cpn "$MNT/file")"
	server_must_end_cleanly
}

run_tests
