# SPDX-License-Identifier: BSD-3-Clause
# For tests of copies that share extents, after fixture.sh and testing.sh.
#
#   scratch_that_shares KIND   a scratch place on a file system that can, btrfs or xfs; or the test is skipped
#   shared_extents FILE        how many extents of a file on the host are shared

scratch_that_shares()
{
	modprobe "$1" 2>/dev/null || true
	grep -qw "$1" /proc/filesystems || skip "this kernel has no $1"
	scratch_make "$1"
}

shared_extents()
{
	filefrag -v "$1" | grep -c shared || true
}
