#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A tree of many files is walked, used and removed by a server that may have 1024 descriptors: no error, no more descriptors than
# the budget allows, and no more processor time for what is beside it. A million files with FSB_LONG=1, which takes some minutes;
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

fds_are_at_most()
{
	[[ $(count_fds) -le $((fds_at_start + $1)) ]]
}

# Beside those of the start, which no tree changes. The last directory's RELEASEDIR is not waited for by the client.
fds_must_be_at_most()
{
	within 50 fds_are_at_most "$1" || fail "$(count_fds) descriptors, $fds_at_start at the start, $1 more allowed"
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

# Each of these sets a variable to what one entry of COUNT cost: NAME COUNT TREE.
walk_tree()
{
	local taken

	cost taken walk "$3"
	printf -v "$1" %s $((taken / $2))
	fds_must_be_at_most $budget
}

visit_tree()
{
	local times=$visits taken

	# What the walk has told the client is not believed any more, and no file is visited twice.
	sleep 1.1
	[[ $2 -ge $times ]] || times=$2
	cost taken "$FSBACKEND_SCALE_TOOLS/wander" "$3" "$2" "$times"
	printf -v "$1" %s $((taken / times))
	fds_must_be_at_most $budget
}

remove_tree()
{
	local taken

	cost taken rm -rf "$3"
	printf -v "$1" %s $((taken / $2))
	fds_must_be_at_most $budget
}

# What holds them open counts the server's descriptors meanwhile.
hold_some()
{
	export -f within fds_are_at_most count_fds fds_must_be_at_most fail
	export fds_at_start server_pid
	"$FSBACKEND_SCALE_TOOLS/wander" "$2" "$1" 300 \
		bash -c "fds_must_be_at_most $((budget + 300)) && [[ \$(count_fds) -ge 300 ]]"
}

plant()
{
	mkdir "$HOST/$2"
	"$FSBACKEND_SCALE_TOOLS/plant" "$HOST/$2" "$1"
}

# Adds to walked, visited and removed.
use_small_tree()
{
	local cost_of

	walk_tree cost_of "$few" "$MNT/few"
	walked+=("$cost_of")
	visit_tree cost_of "$few" "$MNT/few"
	visited+=("$cost_of")
	hold_some "$few" "$MNT/few"
	remove_tree cost_of "$few" "$MNT/few"
	removed+=("$cost_of")
}

median()
{
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

must_cost_the_same()
{
	local what=$1 alone=$2 among_many=$3

	echo "$what: $alone ns an entry of a small tree, $among_many beside $many others"
	[[ -z ${FSB_LONG:-} || $((among_many * 10)) -le $((alone * 13)) ]] || dearer+=("$what")
}

# A small tree is used when the server knows nothing else, and again when it knows the large one. That the large tree itself costs more an
# entry is the host's doing: its own walk over a million files finds less in the processor's caches.
test_many_files_need_few_descriptors_little_memory_and_no_more_time_each()
{
	local walked=() visited=() removed=() dearer=() round bytes walking visiting removing
	local walked_alone visited_alone removed_alone

	make_host
	for ((round = 0; round < rounds; round++)); do
		plant "$few" few
		start
		use_small_tree
		server_must_end_cleanly
	done
	walked_alone=$(median "${walked[@]}")
	visited_alone=$(median "${visited[@]}")
	removed_alone=$(median "${removed[@]}")

	plant "$many" many
	start
	walk_tree walking "$many" "$MNT/many"
	bytes=$((($(memory) - memory_at_start) / many))
	visit_tree visiting "$many" "$MNT/many"
	hold_some "$many" "$MNT/many"
	walked=() visited=() removed=()
	for ((round = 0; round < rounds; round++)); do
		plant "$few" few
		use_small_tree
	done
	remove_tree removing "$many" "$MNT/many"
	server_must_end_cleanly
	{
		echo "the large tree: $bytes bytes an inode; find $walking, stat and open $visiting, rm $removing ns an entry"
		must_cost_the_same "find" "$walked_alone" "$(median "${walked[@]}")"
		must_cost_the_same "stat and open" "$visited_alone" "$(median "${visited[@]}")"
		must_cost_the_same "rm" "$removed_alone" "$(median "${removed[@]}")"
	} >&3
	[[ ${#dearer[@]} == 0 ]] || fail "dearer beside $many others: ${dearer[*]}"
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
