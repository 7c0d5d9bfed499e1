# SPDX-License-Identifier: BSD-3-Clause
#
# The two ends of a stream, on top of fixture.sh, which has to be sourced before:
#
#   serve_start [OPTION...]    starts fsbackend-serve of $HOST at $address, unix:$scratch/socket unless set, as a child
#                              in pid, mount and network namespaces of its own
#   attach_start [OPTION...]   starts fsbackend-attach of $address at $MNT in the foreground, as a child; it answers on
#                              return. $server_pid is its process, so that server_stop of fixture.sh ends it
#   attach_at POINT [OPTION...]
#                              the same at another mount point, in the background, as users do; $attach_pid is its process
#   serve_stop                 asks fsbackend-serve to end and waits; $serve_status is what it exited with
#   stream_start [OPTION...]   both, the options going to fsbackend-serve
#
# $serve_pid is the process of fsbackend-serve as this pid namespace knows it. FSBACKEND_SERVE and FSBACKEND_ATTACH name the
# programs under test; FSBACKEND_SERVE_WRAPPER and FSBACKEND_WRAPPER may hold commands to run them under.

address=
serve_pid=
serve_job=
serve_status=
attach_pid=

# A process that has no child, started by the given one or by its children.
youngest_of()
{
	local pid=$1 child

	while child=$(pgrep -P "$pid" | head -n 1) && [[ -n $child ]]; do
		pid=$child
	done
	echo "$pid"
}

# Runs a program where it sees no process, no network and no mount of this test's namespaces that is made later. Copies of
# clients' mounts, and of those of tests that run at the same time, would keep them busy: they go.
run_elsewhere()
{
	# shellcheck disable=SC2016 # expanded there
	exec unshare --mount "$BASH" -c '
		awk -v own="$1/" "\$5 ~ /fsbackend-test/ && (index(\$5, own) != 1 || / - fuse/) { print \$5 }" \
			/proc/self/mountinfo | tac | xargs -r -n 1 umount -l 2>/dev/null
		shift
		exec unshare --pid --fork --kill-child --net --mount-proc env --default-signal=INT,QUIT "$@"' \
		run_elsewhere "$scratch" "$@"
}

serve_came_or_went()
{
	[[ -S ${address#unix:} ]] || ! is_running "$serve_job"
}

serve_start()
{
	: "${FSBACKEND_SERVE:?names no fsbackend-serve: set it to the program under test}"
	: "${address:=unix:$scratch/socket}"
	serve_status=
	# Word splitting of the wrapper is meant.
	run_elsewhere ${FSBACKEND_SERVE_WRAPPER:-} "$FSBACKEND_SERVE" --listen "$address" "$HOST" "$@" \
		>"$scratch/serve.out" 2>"$scratch/serve.err" &
	serve_job=$!
	if ! within 200 serve_came_or_went || ! is_running "$serve_job"; then
		complain "the server did not start: $FSBACKEND_SERVE --listen $address $HOST $*"
		cat "$scratch/serve.out" "$scratch/serve.err" >&2
		return 1
	fi
	serve_pid=$(youngest_of "$serve_job")
	export FSBACKEND_TEST_ADDRESS=$address FSBACKEND_TEST_SERVE_PID=$serve_pid
}

attach_start()
{
	: "${FSBACKEND_ATTACH:?names no fsbackend-attach: set it to the program under test}"
	server_status=
	env --default-signal=INT,QUIT ${FSBACKEND_WRAPPER:-} "$FSBACKEND_ATTACH" "$address" "$MNT" -f "$@" \
		>"$scratch/server.out" 2>"$scratch/server.err" &
	server_pid=$!
	if ! within 200 server_came_or_went || ! is_mounted "$MNT" ||
		! timeout 20 stat "$MNT" >/dev/null; then
		complain "nothing was mounted: $FSBACKEND_ATTACH $address $MNT -f $*"
		cat "$scratch/server.out" "$scratch/server.err" "$scratch/serve.err" >&2
		return 1
	fi
}

# The process of fsbackend-attach that serves a mount point; others may name that as well.
attach_of()
{
	local pid

	for pid in $(processes_naming "$1"); do
		[[ $(readlink "/proc/$pid/exe") != "$FSBACKEND_ATTACH" ]] || echo "$pid"
	done
}

attach_at()
{
	local point=$1
	shift
	mkdir -p "$point"
	timeout 30 "$FSBACKEND_ATTACH" "$address" "$point" "$@" || return 1
	attach_pid=$(attach_of "$point")
}

serve_stop()
{
	kill -TERM "$serve_pid" 2>/dev/null
	if ! within 600 not is_running "$serve_job"; then
		complain "fsbackend-serve is still running"
		return 1
	fi
	wait "$serve_job" 2>/dev/null && serve_status=0 || serve_status=$?
	serve_job=
	serve_pid=
}

stream_start()
{
	serve_start "$@" && attach_start
}

# The checks that close every run: both ends end in order, and nothing is left.
stream_must_end_cleanly()
{
	server_must_end_cleanly || return 1
	serve_stop || return 1
	if [[ $serve_status != 0 ]]; then
		complain "fsbackend-serve exited with status $serve_status and said:"
		tail -n 60 "$scratch/serve.err" >&2
		return 1
	fi
	if [[ -e ${address#unix:} ]]; then
		complain "the socket was left: $address"
		return 1
	fi
	if ! within 50 no_process_names "$scratch"; then
		complain "processes are left:"
		processes_naming "$scratch" | xargs ps -fp >&2
		return 1
	fi
}
