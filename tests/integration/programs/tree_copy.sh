#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A tree of 10,000 files and what else belongs into a tree, copied by cp -a and by tar, compared, and removed.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

# Names are bytes here.
export LC_ALL=C

# $1: where; $2: how many files. Modes, owners, times, sizes and names differ from file to file.
plant_tree()
{
	perl -e '
		use strict;
		my ($top, $count) = @ARGV;
		for my $number (0 .. $count - 1) {
			my $dir = sprintf("%s/d%02d/e%d", $top, $number % 40, $number % 5);
			if (!-d $dir) {
				mkdir($top);
				mkdir(sprintf("%s/d%02d", $top, $number % 40));
				mkdir($dir);
			}
			my $file = sprintf("%s/file %d%s", $dir, $number, chr(0xc0 + $number % 32));
			open(my $out, ">", $file) or die "$file: $!";
			print $out "$number\n" x ($number % 97);
			print $out "x" x 200000 if $number % 1000 == 0;
			close($out);
			chown(1000 + $number % 3, 2000 + $number % 7, $file);
			chmod((0644, 0600, 0755, 0444, 04755, 02750)[$number % 6], $file);
			utime(1500000000 + $number, 1600000000 + $number * 3, $file);
		}' "$1" "$2"
	ln -s ../nowhere "$1/d00/dangling"
	ln -s "d01/e1" "$1/to_dir"
	ln "$1/d02/e2/file 2"? "$1/d03/hard link"
	mkfifo -m 640 "$1/d04/fifo"
	mknod "$1/d05/null" c 1 3
	truncate -s 50M "$1/d06/sparse"
	setfattr -n user.mark -v "an attribute" "$1/d07"
	setfattr -h -n trusted.mark -v "on a symlink" "$1/to_dir"
	setfacl -m u:1234:rwx,d:g:4321:rx "$1/d08"
	chmod 3770 "$1/d09"
	mkdir -m 700 "$1/empty"
	touch -h -d '2001-02-03 04:05:06.123456789' "$1/to_dir"
	touch -d '1999-12-31 23:59:59.987654321' "$1/d10" "$1/empty"
}

# Everything that a copy must keep, one line an entry.
describe_tree()
{
	(
		cd "$1"
		find . ! -type d -printf '%P %y %m %U %G %n %s %T@ %l\n' -o -printf '%P %y %m %U %G %T@\n' | sort
		find . -type f -print0 | sort -z | xargs -0 sha256sum
		find . -type b -o -type c | sort | xargs -r stat -c '%n %t %T'
		getfattr -R -h -P -d -m - . 2>/dev/null
	)
}

test_a_tree_of_10000_files_copied_into_the_mount_by_cp_is_the_same_on_both_sides()
{
	plant_tree "$scratch_dir/source" 10000
	describe_tree "$scratch_dir/source" >"$scratch_dir/expected"
	[[ $(wc -l <"$scratch_dir/expected") -gt 20000 ]] || fail "the tree is too small"

	cp -a "$scratch_dir/source" "$mnt/copy"
	describe_tree "$mnt/copy" >"$scratch_dir/through"
	diff "$scratch_dir/expected" "$scratch_dir/through"
	describe_tree "$host/copy" >"$scratch_dir/behind"
	diff "$scratch_dir/expected" "$scratch_dir/behind"
	[[ $(du -s --block-size=1M "$host/copy/d06/sparse" | cut -f1) -lt 10 ]] || fail "the sparse file was filled"

	rm -r "$mnt/copy"
	[[ -z $(ls -A "$host") ]] || fail "rm -r left $(ls -A "$host")"
}

test_a_tree_on_the_host_copied_out_of_the_mount_is_the_same()
{
	plant_tree "$host/source" 500
	cp -a "$mnt/source" "$scratch_dir/copy"
	expect_same_output "describe_tree '$host/source'" "describe_tree '$scratch_dir/copy'"
}

test_a_tree_copied_within_the_mount_is_the_same()
{
	plant_tree "$host/source" 500
	cp -a "$mnt/source" "$mnt/copy"
	expect_same_output "describe_tree '$host/source'" "describe_tree '$host/copy'"
}

test_tar_packs_and_unpacks_through_the_mount()
{
	plant_tree "$host/source" 500
	tar -C "$mnt/source" --xattrs --xattrs-include='*' --acls --numeric-owner -cf "$mnt/tree.tar" .
	mkdir "$mnt/unpacked"
	tar -C "$mnt/unpacked" --xattrs --xattrs-include='*' --acls --numeric-owner -xpf "$mnt/tree.tar"
	expect_same_output "describe_times_to_the_second '$host/source'" "describe_times_to_the_second '$host/unpacked'"
}

# The plain tar format keeps whole seconds.
describe_times_to_the_second()
{
	describe_tree "$1" | sed -E 's/([0-9]{9,10})\.[0-9]+/\1/'
}

test_find_du_and_ls_tell_the_same_as_on_the_host()
{
	plant_tree "$host/source" 500
	expect_same_output "cd '$host/source' && find . -printf '%P %s %k\n' | sort" \
		"cd '$mnt/source' && find . -printf '%P %s %k\n' | sort"
	expect_same_output "du -s '$host/source' | cut -f1" "du -s '$mnt/source' | cut -f1"
	expect_same_output "ls -lnR --time-style=full-iso '$host/source/d01' | grep -v ^/" \
		"ls -lnR --time-style=full-iso '$mnt/source/d01' | grep -v ^/"
}

scratch_dir=$(mktemp -d)
trap 'rm -rf "$scratch_dir"' EXIT
run_tests
