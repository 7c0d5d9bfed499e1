#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# copy_file_range(2) over a stream reaches a host file system that can share extents, and it does; with offsets, it copies what
# was asked for.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/stream.sh"
. "$FSBACKEND_TESTS/testing.sh"
. "$FSBACKEND_TESTS/extents.sh"

copy_and_look()
{
	local kind=$1
	shift

	scratch_that_shares "$kind"
	stream_start "$@"
	head -c 8M /dev/urandom >"$MNT/source"
	sync "$MNT/source"
	expect_equal "$(shared_extents "$HOST/source")" 0 "shared before"
	cp "$MNT/source" "$MNT/copy"
	cmp "$HOST/source" "$HOST/copy"
	[[ $(shared_extents "$HOST/copy") -ge 1 ]] || fail "$(filefrag -v "$HOST/copy")"
	[[ $(shared_extents "$HOST/source") -ge 1 ]] || fail "$(filefrag -v "$HOST/source")"

	# The call by its number: 1 MiB from 3 MiB on goes to 64 KiB.
	perl -e '
		open(my $from, "<", "$ARGV[0]/source") or die;
		open(my $to, "+>", "$ARGV[0]/part") or die;
		my ($in, $out) = (pack("q", 3 << 20), pack("q", 65536));
		my $copied = syscall(326, fileno($from), $in, fileno($to), $out, 1 << 20, 0);
		$copied == 1 << 20 or die "copied $copied: $!"' "$MNT"
	cmp -n 1048576 -i 3145728:65536 "$HOST/source" "$HOST/part"
	expect_equal "$(stat -c %s "$HOST/part")" $((65536 + 1048576))
	[[ $(shared_extents "$HOST/part") -ge 1 ]] || fail "$(filefrag -v "$HOST/part")"

	# Written to, the copy is a file of its own.
	printf 'changed' | dd of="$MNT/copy" bs=1 seek=4096 conv=notrunc status=none
	expect_failure cmp -s "$HOST/source" "$HOST/copy"
	stream_must_end_cleanly
}

test_a_copy_on_btrfs_shares_its_extents()
{
	copy_and_look btrfs
}

test_a_copy_on_xfs_shares_its_extents_in_server_mode()
{
	copy_and_look xfs --permissions=server
}

run_tests
