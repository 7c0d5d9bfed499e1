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

# Starting programs is what takes time in a guest without hardware virtualisation: few are.
must_be_the_same()
{
	expect_same_output "cd '$1' && find . -printf '%P %y %m %U %G %n %l\n' | sort" \
		"cd '$2' && find . -printf '%P %y %m %U %G %n %l\n' | sort"
	diff -r "$1" "$2"
}

copy_and_compare()
{
	local tree=$FSBACKEND_TESTS/lifecycle

	cp -a "$tree" "$MNT/copy"
	must_be_the_same "$tree" "$HOST/copy"
	must_be_the_same "$tree" "$MNT/copy"
	head -c 5M /dev/urandom >"$scratch/large"
	cp "$scratch/large" "$MNT/large"
	cmp "$scratch/large" "$HOST/large"
	rm -r "$MNT/copy"
	[[ ! -e $HOST/copy ]]
}

groups_are_honoured()
{
	echo secret >"$HOST/secret"
	chown 0:3003 "$HOST/secret"
	chmod 640 "$HOST/secret"
	expect_equal "$(setpriv --reuid=1001 --regid=1001 --groups=3001,3003 cat "$MNT/secret")" secret
	expect_failure setpriv --reuid=1001 --regid=1001 --groups=3001 cat "$MNT/secret" 2>/dev/null
	mkdir -m 2770 "$HOST/shared"
	chgrp 3003 "$HOST/shared"
	setpriv --reuid=1001 --regid=1001 --groups=3003 touch "$MNT/shared/file"
	expect_equal "$(stat -c %u:%g "$HOST/shared/file")" 1001:3003
}

work_in_mode()
{
	scratch_make
	serve_at_port --permissions="$1"
	attach_start
	copy_and_compare
	groups_are_honoured
	server_must_end_cleanly
	serve_stop
	expect_equal "$serve_status" 0 "$(cat "$scratch/serve.err")"
}

test_a_tree_is_copied_and_groups_are_honoured_in_client_mode()
{
	work_in_mode client
}

test_a_tree_is_copied_and_groups_are_honoured_in_server_mode()
{
	work_in_mode server
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
