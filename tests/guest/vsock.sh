#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Over vsock, within one guest: CID 1 is the guest itself. Runs there, see CMakeLists.txt.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/stream.sh"
. "$FSBACKEND_TESTS/testing.sh"

port=7777

serve_at_port()
{
	"$FSBACKEND_SERVE" --listen "vsock:$port" "$HOST" "$@" >"$scratch/serve.out" 2>"$scratch/serve.err" &
	serve_job=$!
	serve_pid=$serve_job
	address=vsock:1:$port
	# shellcheck disable=SC2016 # perl's
	within 200 perl -e 'use Socket; socket(my $s, 40, SOCK_STREAM, 0) or die;
		connect($s, pack("SSLLx4", 40, 0, $ARGV[0], 1)) or exit 1' "$port"
}

describe()
{
	(cd "$1" && find . -type f -exec sha256sum {} + | sort &&
		find . ! -type d -printf '%P %y %m %U %G %n %s %T@ %l\n' -o -printf '%P %y %m %U %G\n' | sort)
}

copy_and_compare()
{
	scratch_make
	serve_at_port "$@"
	attach_start
	cp -a "$FSBACKEND_TESTS" "$MNT/copy"
	chown -R 1001:2002 "$MNT/copy/tree"
	cp -a "$FSBACKEND_TESTS" "$scratch/expected"
	chown -R 1001:2002 "$scratch/expected/tree"
	describe "$scratch/expected" >"$scratch/expected.txt"
	describe "$HOST/copy" | diff "$scratch/expected.txt" -
	describe "$MNT/copy" | diff "$scratch/expected.txt" -
	head -c 5M /dev/urandom >"$scratch/large"
	cp "$scratch/large" "$MNT/large"
	cmp "$scratch/large" "$HOST/large"
	rm -r "$MNT/copy"
	[[ ! -e $HOST/copy ]]
	server_must_end_cleanly
	serve_stop
	expect_equal "$serve_status" 0 "$(cat "$scratch/serve.err")"
}

read_by_group()
{
	setpriv --reuid=1001 --regid=1001 --groups="$1" cat "$MNT/secret" 2>/dev/null
}

groups_are_honoured()
{
	scratch_make
	serve_at_port "$@"
	attach_start
	echo secret >"$HOST/secret"
	chown 0:3003 "$HOST/secret"
	chmod 640 "$HOST/secret"
	expect_equal "$(read_by_group 3001,3002,3003)" secret
	expect_failure read_by_group 3001,3002
	mkdir "$HOST/shared"
	chown 0:3003 "$HOST/shared"
	chmod 2770 "$HOST/shared"
	setpriv --reuid=1001 --regid=1001 --groups=3003 touch "$MNT/shared/file"
	expect_equal "$(stat -c %u:%g "$HOST/shared/file")" 1001:3003
	expect_failure setpriv --reuid=1001 --regid=1001 --groups=3004 touch "$MNT/shared/other" 2>/dev/null
	server_must_end_cleanly
	serve_stop
}

test_a_tree_is_copied_and_is_the_same()
{
	copy_and_compare
}

test_a_tree_is_copied_and_is_the_same_in_server_mode()
{
	copy_and_compare --permissions=server
}

test_groups_are_honoured()
{
	groups_are_honoured
}

test_groups_are_honoured_in_server_mode()
{
	groups_are_honoured --permissions=server
}

test_a_machine_that_is_not_allowed_is_refused()
{
	scratch_make
	serve_at_port --allow-cid=5
	expect_failure timeout 20 "$FSBACKEND_ATTACH" "$address" "$MNT" 2>"$scratch/err"
	grep -q "$address" "$scratch/err" || fail "$(cat "$scratch/err")"
	expect_failure is_mounted "$MNT"
	serve_stop
}

run_tests
