#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A tree of many files is walked, used and removed by a server that may have 1024 descriptors: no error, no more descriptors than
# the budget allows, and no more processor time an entry than in a small tree. A million files with FSB_LONG=1, which takes some minutes;
# twenty thousand otherwise, and then costs are only told.
#
# FSBACKEND_SCALE_TOOLS: where plant and wander are
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

readonly descriptors=1024 budget=256
few=2000 many=20000 visits=10000 rounds=1
[[ -z ${FSB_LONG:-} ]] || few=10000 many=1000000 visits=100000 rounds=5
readonly few many visits rounds tick_ns=$((1000000000 / $(getconf CLK_TCK)))

# The inodes are few in number by default, and the tree is to be on a file system of a known kind.
make_host()
{
	scratch_make
	loop_mount mkfs.ext4 -q -F -N $((many + many / 50 + 20000))
	chmod 755 "$HOST"
}

start()
{
	# Without spinning, which is processor time too, but none that a tree costs.
	FSBACKEND_WRAPPER="prlimit --nofile=$descriptors:$descriptors" server_start --spin=0
	stat "$MNT" >/dev/null
	fds_at_start=$(count_fds)
	memory_at_start=$(memory)
}

count_fds()
{
	ls "/proc/$server_pid/fd" | wc -l
}

memory()
{
	awk '/^VmRSS:/ { print $2 * 1024 }' "/proc/$server_pid/status"
}

# Beside those of the start, which no tree changes.
fds_must_be_at_most()
{
	local now

	now=$(count_fds)
	[[ $now -le $((fds_at_start + $1)) ]] || fail "$now descriptors, $fds_at_start at the start, $1 more allowed"
}

# Processor time of the server and of what this shell has waited for, in ns: a machine that has other things to do says
# nothing of ours.
spent()
{
	local of_server of_shell

	read -ra of_server <"/proc/$server_pid/stat"
	read -ra of_shell <"/proc/$BASHPID/stat"
	printf -v "$1" %s $(((of_server[13] + of_server[14] + of_shell[15] + of_shell[16]) * tick_ns))
}

# cost NAME COMMAND...: runs a command, which must succeed and say nothing, and sets NAME to what that cost.
cost()
{
	local name=$1 begin end
	shift
	spent begin
	"$@" >"$scratch/said" 2>&1 || fail "$*: $(head -n 5 "$scratch/said")"
	spent end
	[[ ! -s $scratch/said ]] || fail "$* said: $(head -n 5 "$scratch/said")"
	printf -v "$name" %s $((end - begin))
}

# All are asked for their size.
walk()
{
	find "$1" -size +1000k
}

# Sets walked, visited and removed to what that cost an entry, and bytes to what an inode takes.
use_tree()
{
	local count=$1 tree=$MNT/$2 times=$visits taken

	cost taken walk "$tree"
	walked=$((taken / count))
	fds_must_be_at_most $budget
	bytes=$((($(memory) - memory_at_start) / count))
	# What the walk has told the client is not believed any more, and no file is visited twice.
	sleep 1.1
	[[ $count -ge $visits ]] || times=$count
	cost taken "$FSBACKEND_SCALE_TOOLS/wander" "$tree" "$count" "$times"
	visited=$((taken / times))
	fds_must_be_at_most $budget
	# What holds them open counts the server's descriptors meanwhile.
	export -f count_fds fds_must_be_at_most fail
	export fds_at_start server_pid
	"$FSBACKEND_SCALE_TOOLS/wander" "$tree" "$count" 300 \
		bash -c "fds_must_be_at_most $((budget + 300)) && [[ \$(count_fds) -ge 300 ]]"
	cost taken rm -rf "$tree"
	removed=$((taken / count))
	fds_must_be_at_most $budget
}

must_cost_the_same()
{
	local what=$1 at_few=$2 at_many=$3

	echo "$what: $at_few ns an entry of $few, $at_many of $many"
	[[ -z ${FSB_LONG:-} || $((at_many * 10)) -le $((at_few * 13)) ]] || dearer+=("$what")
}

# use_tree_anew COUNT NAME: with a server of its own, so that nothing is known.
use_tree_anew()
{
	mkdir "$HOST/$2"
	"$FSBACKEND_SCALE_TOOLS/plant" "$HOST/$2" "$1"
	start
	use_tree "$1" "$2"
	server_must_end_cleanly
}

median()
{
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

test_many_files_need_few_descriptors_little_memory_and_no_more_time_each()
{
	local walked visited removed bytes round dearer=() few_walked=() few_visited=() few_removed=()

	make_host
	# A small tree is soon used: what else the machine does shows more.
	for ((round = 0; round < rounds; round++)); do
		use_tree_anew "$few" few
		few_walked+=("$walked") few_visited+=("$visited") few_removed+=("$removed")
	done
	use_tree_anew "$many" many
	{
		echo "$bytes bytes an inode"
		must_cost_the_same "find" "$(median "${few_walked[@]}")" "$walked"
		must_cost_the_same "stat and open" "$(median "${few_visited[@]}")" "$visited"
		must_cost_the_same "rm" "$(median "${few_removed[@]}")" "$removed"
	} >&3
	[[ ${#dearer[@]} == 0 ]] || fail "dearer in the large tree: ${dearer[*]}"
	[[ $many -lt 100000 || $bytes -le 200 ]] || fail "$bytes bytes an inode"
}

test_what_the_client_forgets_leaves_neither_descriptors_nor_tables()
{
	make_host
	"$FSBACKEND_SCALE_TOOLS/plant" "$HOST" "$few"
	start
	walk "$MNT" >/dev/null
	within 100 forgotten || fail "$(count_fds) descriptors, $fds_at_start at the start"
	server_must_end_cleanly
}

# Makes every client of this kernel forget what is not in use.
forgotten()
{
	echo 2 >/proc/sys/vm/drop_caches
	[[ $(count_fds) -le $fds_at_start ]]
}

exec 3>&1
run_tests
