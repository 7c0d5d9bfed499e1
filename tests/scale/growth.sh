#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What an inode costs the library, on host file systems whose file handles differ in size: growth measures it without a mount. A
# million on ext4 with FSB_LONG=1.
#
# FSBACKEND_SCALE_TOOLS: where plant and growth are
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

# grow COUNT...: the last is the largest
grow()
{
	"$FSBACKEND_SCALE_TOOLS/plant" "$HOST" "${*: -1}"
	"$FSBACKEND_SCALE_TOOLS/growth" "$HOST" "$@" >&3
	umount "$HOST"
}

test_an_inode_of_ext4_takes_at_most_200_bytes_and_leaves_none()
{
	local most=20000

	[[ -z ${FSB_LONG:-} ]] || most=1000000
	scratch_make
	loop_mount mkfs.ext4 -q -F -N $((most + most / 50 + 10000))
	grow 1000 10000 $most
}

test_an_inode_of_xfs_takes_at_most_200_bytes_and_leaves_none()
{
	scratch_make xfs
	grow 10000
}

test_an_inode_of_btrfs_takes_at_most_200_bytes_and_leaves_none()
{
	scratch_make btrfs
	grow 10000
}

test_an_inode_of_tmpfs_takes_at_most_200_bytes_and_leaves_none()
{
	scratch_make tmpfs
	grow 10000
}

exec 3>&1
run_tests
