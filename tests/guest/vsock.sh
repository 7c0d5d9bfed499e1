#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Over vsock, within one guest: CID 1 is the guest itself. Runs there, see CMakeLists.txt.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

# Starting programs is what takes time in a guest without hardware virtualisation: few are.

serve_and_attach()
{
	scratch_make
	"$FSBACKEND_SERVE" --listen "vsock:$1" --permissions="$2" "$HOST" 2>"$scratch/serve.err" &
	serve_pid=$!
	within 100 attach "$1" || fail "$(cat "$scratch/err" "$scratch/serve.err")"
}

attach()
{
	timeout 60 "$FSBACKEND_ATTACH" "vsock:1:$1" "$MNT" 2>"$scratch/err"
}

copy_and_compare()
{
	local tree=$FSBACKEND_TESTS/programs

	cp -a "$tree" "$MNT/copy"
	diff -r "$tree" "$HOST/copy"
	head -c 5M /dev/urandom >"$scratch/large"
	cp "$scratch/large" "$MNT/large"
	cmp "$scratch/large" "$HOST/large"
	echo 2 >/proc/sys/vm/drop_caches
	diff -r "$tree" "$MNT/copy"
	rm -r "$MNT/copy"
	[[ ! -e $HOST/copy ]]
}

groups_must_be_honoured()
{
	local as_user="setpriv --reuid=1001 --regid=1001"

	echo secret >"$HOST/secret"
	mkdir "$HOST/shared"
	chgrp 3003 "$HOST/secret" "$HOST/shared"
	chmod 640 "$HOST/secret"
	chmod 2770 "$HOST/shared"
	expect_equal "$($as_user --groups=3001,3003 cat "$MNT/secret")" secret
	expect_failure $as_user --groups=3001 cat "$MNT/secret" 2>/dev/null
	$as_user --groups=3003 touch "$MNT/shared/file"
	expect_equal "$(stat -c %u:%g "$HOST/shared/file")" 1001:3003
}

end_of_both()
{
	umount "$MNT"
	kill "$serve_pid"
	wait "$serve_pid"
}

test_a_tree_is_copied_and_groups_are_honoured_in_client_mode()
{
	serve_and_attach 7777 client
	copy_and_compare
	groups_must_be_honoured
	end_of_both
}

test_a_tree_is_copied_and_groups_are_honoured_in_server_mode()
{
	serve_and_attach 7778 server
	copy_and_compare
	groups_must_be_honoured
	end_of_both
}

test_a_machine_that_is_not_allowed_is_refused()
{
	scratch_make
	"$FSBACKEND_SERVE" --listen vsock:7779 --allow-cid=5 "$HOST" 2>"$scratch/serve.err" &
	serve_pid=$!
	expect_failure attach 7779
	grep -q "vsock:1:7779" "$scratch/err" || fail "$(cat "$scratch/err")"
	kill "$serve_pid"
	wait "$serve_pid"
}

run_tests
