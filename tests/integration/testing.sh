# SPDX-License-Identifier: BSD-3-Clause
#
# Tests written as shell functions: sourced at the end of a script by `. testing.sh; run_tests`.
#
# Each function called test_SENTENCE is a test. It runs in a subshell of its own under `set -eu`, and fails
# with the first command that does; it may end by `skip WHY`. It has a fresh directory, $host on the
# host and $mnt through the mount. Where nothing is mounted yet (lifecycle), it makes its own scratch
# directory by fixture.sh, which is removed behind it. What comes of each is printed in TAP.

skip()
{
	echo "$*" >"$skip_reason"
	exit 77
}

fail()
{
	echo "$*" >&2
	exit 1
}

expect_equal()
{
	[[ $1 == "$2" ]] || fail "got '$1', expected '$2'${3:+ ($3)}"
}

# Both commands print the same.
expect_same_output()
{
	diff <(eval "$1") <(eval "$2") || fail "'$1' and '$2' differ"
}

expect_failure()
{
	if "$@"; then
		fail "this should have failed: $*"
	fi
}

# Servers that start from now on are offered io_uring, until the test ends. The kernel's switch is all mounts': it is held
# in its position, as the unit tests hold it (ringswitch.h).
with_ring()
{
	ring=/sys/module/fuse/parameters/enable_uring
	[[ -w $ring ]] || skip "this kernel has no FUSE over io_uring"
	# By a process of its own, that ends with this one: servers, which might stay, must not inherit the lock.
	coproc ring_holder { exec flock "$ring" sh -c 'echo held; exec cat'; }
	read -r -u "${ring_holder[0]}"
	ring_before=$(<"$ring")
	trap 'status=$?; set +e; trap - ERR; echo "$ring_before" >"$ring"; scratch_remove; exit "$status"' EXIT
	echo Y >"$ring"
}

run_one_test()
{
	set -eEu
	trap 'echo "${BASH_SOURCE[0]##*/}:$LINENO: status $?: $BASH_COMMAND" >&2' ERR
	if [[ -d ${HOST:-} ]]; then
		host=$(mktemp -d "$HOST/XXXXXX")
		chmod 755 "$host"
		# shellcheck disable=SC2034 # for the tests
		mnt=$MNT/${host##*/}
	else
		trap 'status=$?; set +e; trap - ERR; scratch_remove; exit "$status"' EXIT
	fi
	"$1"
}

run_tests()
{
	local script=${0##*/} failures=0 status name log skip_reason

	script=${script%.sh}
	log=$(mktemp)
	skip_reason=$(mktemp)

	for name in $(sed -n 's/^\(test_[A-Za-z0-9_]*\)()$/\1/p' "$0"); do
		[[ -z ${FSBACKEND_TEST_FILTER:-} || $name == *$FSBACKEND_TEST_FILTER* ]] || continue
		(run_one_test "$name") >"$log" 2>&1
		status=$?
		case $status in
		0) echo "ok - $script::${name#test_}" ;;
		77) echo "ok - $script::${name#test_}  # SKIP $(cat "$skip_reason")" ;;
		*)
			echo "not ok - $script::${name#test_} (status $status)"
			sed 's/^/    /' "$log"
			failures=$((failures + 1))
			;;
		esac
	done
	rm -f "$log" "$skip_reason"
	[[ $failures == 0 ]]
}
