#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# copy_file_range(2) on the mount reaches a host file system that can share extents, and it does.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"
. "$FSBACKEND_TESTS/extents.sh"

copy_and_look()
{
	local kind=$1
	shift

	scratch_that_shares "$kind"
	server_start "$@"
	head -c 8M /dev/urandom >"$MNT/source"
	sync "$MNT/source"
	expect_equal "$(shared_extents "$HOST/source")" 0 "shared before"

	# cp asks for a clone, which the FUSE client refuses, and then calls copy_file_range.
	cp "$MNT/source" "$MNT/copy"
	cmp "$MNT/source" "$MNT/copy"
	cmp "$HOST/source" "$HOST/copy"
	sync "$MNT/copy"
	[[ $(shared_extents "$HOST/copy") -ge 1 ]] || fail "$(filefrag -v "$HOST/copy")"
	[[ $(shared_extents "$HOST/source") -ge 1 ]] || fail "$(filefrag -v "$HOST/source")"

	# Written to, the copy is a file of its own.
	printf 'changed' | dd of="$MNT/copy" bs=1 seek=4096 conv=notrunc status=none
	sync "$MNT/copy"
	expect_failure cmp -s "$HOST/source" "$HOST/copy"
	expect_equal "$(dd if="$HOST/copy" bs=1 skip=4096 count=7 status=none)" changed
	expect_failure cp --reflink=always "$MNT/source" "$MNT/clone" 2>/dev/null
	server_must_end_cleanly
}

test_a_copy_on_btrfs_shares_its_extents()
{
	copy_and_look btrfs
}

test_a_copy_on_xfs_shares_its_extents()
{
	copy_and_look xfs
}

test_a_copy_on_btrfs_shares_its_extents_with_writeback()
{
	copy_and_look btrfs --writeback
}

test_a_copy_on_xfs_shares_its_extents_in_server_mode()
{
	copy_and_look xfs --permissions=server
}

run_tests
