# SPDX-License-Identifier: BSD-3-Clause
#
# Scratch directories, host file systems and the server: sourced by `run` and by all scripts.
#
#   scratch_make [KIND]        makes $scratch, $HOST (on a host file system of that kind) and $MNT;
#                              KIND is dir (the default), ext4, btrfs, xfs, tmpfs or overlay
#   server_start [OPTION...]   starts fsbackend-mount in the foreground, as a child; it answers on return
#   daemon_start [OPTION...]   the same in the background, as users do; $server_pid is no child of ours
#   server_stop                unmounts and waits; $server_status is what the server exited with
#   scratch_remove             removes what the above left, whatever state it is in
#
# FSBACKEND_MOUNT names the program under test; FSBACKEND_WRAPPER may hold a command to run it under.

: "${FSBACKEND_MOUNT:?names no fsbackend-mount: set it to the program under test}"

scratch=
server_pid=
server_status=

complain()
{
	echo "$*" >&2
}

# Succeeds while the condition (a command) comes true within so many tenths of a second.
within()
{
	local tenths=$1 i
	shift
	for ((i = 0; i < tenths; i++)); do
		"$@" && return 0
		sleep 0.1
	done
	"$@"
}

not()
{
	! "$@"
}

# Reads the table instead of asking the file system, which may not answer.
is_mounted()
{
	awk -v point="$1" '$5 == point { found = 1 } END { exit !found }' /proc/self/mountinfo
}

is_mounted_anywhere()
{
	grep -qsF -- " $1 " /proc/[0-9]*/mountinfo
}

is_running()
{
	[[ -d /proc/$1 ]] && ! grep -q '^State:[[:space:]]*[ZX]' "/proc/$1/status" 2>/dev/null
}

# Ids of the processes whose command line names a path.
processes_naming()
{
	grep -lF -f <(echo "$1") /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3
}

no_process_names()
{
	[[ -z $(processes_naming "$1") ]]
}

scratch_make()
{
	local kind=${1:-dir}

	scratch=$(realpath "$(mktemp -d "${TMPDIR:-/tmp}/fsbackend-test.XXXXXX")")
	chmod 755 "$scratch"
	HOST=$scratch/host
	MNT=$scratch/mnt
	mkdir "$HOST" "$MNT"
	[[ $kind == dir ]] || filesystem_make "$kind"
}

# A file system of its own, on a loop device where it needs one. It goes with its mount.
filesystem_make()
{
	case $1 in
	ext4) loop_mount mkfs.ext4 -q -F ;;
	btrfs) loop_mount mkfs.btrfs -q -f ;;
	xfs) loop_mount mkfs.xfs -q -f ;;
	tmpfs) mount -t tmpfs -o size=1G fsbackend-test "$HOST" ;;
	overlay)
		# Without nfs_export it has no file handles to give.
		mkdir "$scratch/lower" "$scratch/upper" "$scratch/work"
		(cd "$scratch" && mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay "$HOST")
		;;
	*) return 1 ;;
	esac
	chmod 755 "$HOST"
}

# The command makes the file system in the image that is its last argument.
loop_mount()
{
	truncate -s 1G "$scratch/image"
	"$@" "$scratch/image"
	mount -o loop "$scratch/image" "$HOST"
}

server_start()
{
	# The shell lets its background jobs ignore SIGINT; word splitting of the wrapper is meant.
	env --default-signal=INT,QUIT ${FSBACKEND_WRAPPER:-} "$FSBACKEND_MOUNT" "$HOST" "$MNT" -f "$@" \
		>"$scratch/server.out" 2>"$scratch/server.err" &
	server_pid=$!
	server_status=
	if ! within 200 server_came_or_went || ! is_mounted "$MNT" ||
		! timeout 20 stat "$MNT" >/dev/null; then
		complain "the server did not mount: $FSBACKEND_MOUNT $HOST $MNT -f $*"
		cat "$scratch/server.out" "$scratch/server.err" >&2
		return 1
	fi
}

daemon_start()
{
	server_status=
	timeout 30 "$FSBACKEND_MOUNT" "$HOST" "$MNT" "$@" || return 1
	server_pid=$(processes_naming "$MNT")
}

server_came_or_went()
{
	is_mounted "$MNT" || ! is_running "$server_pid"
}

unmount()
{
	timeout 30 umount "$MNT" 2>>"$scratch/umount.err"
}

# Waits for the server to end and fetches its exit status, which that of a daemon is not.
server_wait()
{
	# A mount namespace that somebody made meanwhile has a copy of the mount, and keeps it alive.
	if ! within 600 not is_running "$server_pid" &&
		! { is_mounted_anywhere "$MNT" && within 1200 not is_running "$server_pid"; }; then
		complain "the server is still running"
		return 1
	fi
	wait "$server_pid" 2>/dev/null && server_status=0 || server_status=$?
	server_pid=
}

server_stop()
{
	if ! within 30 unmount; then
		cat "$scratch/umount.err" >&2
		return 1
	fi
	server_wait
}

# The checks that close every run: an orderly end, and nothing left.
server_must_end_cleanly()
{
	server_stop || return 1
	if [[ $server_status != 0 ]]; then
		complain "the server exited with status $server_status and said:"
		tail -n 60 "$scratch/server.err" >&2
		return 1
	fi
	nothing_must_be_left
}

nothing_must_be_left_below()
{
	if [[ -n $(mounts_below "$1") ]]; then
		complain "this is still mounted:"
		mounts_below "$1" >&2
		return 1
	fi
	if ! within 50 no_process_names "$1"; then
		complain "processes are left:"
		processes_naming "$1" | xargs ps -fp >&2
		return 1
	fi
}

nothing_must_be_left()
{
	if is_mounted "$MNT"; then
		complain "$MNT is still mounted"
		return 1
	fi
	if ! within 50 no_process_names "$MNT"; then
		complain "processes are left:"
		processes_naming "$MNT" | xargs ps -fp >&2
		return 1
	fi
}

# Runs a command in a mount namespace of its own. The mounts of tests that run at the same time are
# copied into it, and would live on there after their unmount: they are taken out again.
in_own_namespace()
{
	# shellcheck disable=SC2016 # expanded there
	unshare -m "$BASH" -c '
		awk -v own="$1/" "\$5 ~ /fsbackend-test/ && index(\$5, own) != 1 { print \$5 }" \
			/proc/self/mountinfo | tac | xargs -r -n 1 umount -l 2>/dev/null
		shift
		exec "$@"' in_own_namespace "${TMPDIR:-/tmp}" "$@"
}

# Mount points below a path, the last mounted first: "MAJOR:MINOR PATH" a line.
mounts_below()
{
	awk -v top="$1/" 'index($5, top) == 1 { print $3, $5 }' /proc/self/mountinfo | tac
}

# Nothing waits any more for a server that does not answer: every request fails from now on.
abort_fuse_mounts_below()
{
	local device point

	# It may not be there where no init has mounted it.
	mountpoint -q /sys/fs/fuse/connections || mount -t fusectl fusectl /sys/fs/fuse/connections 2>/dev/null || true
	mounts_below "$1" | while read -r device point; do
		[[ -e /sys/fs/fuse/connections/${device#*:}/abort ]] || continue
		echo 1 >"/sys/fs/fuse/connections/${device#*:}/abort"
		umount -l "$point"
	done
}

# Whatever is still mounted or running goes.
scratch_remove()
{
	local pid point

	[[ -n $scratch ]] || return 0
	abort_fuse_mounts_below "$scratch"
	for pid in $(processes_naming "$scratch"); do
		kill -KILL "$pid"
	done 2>/dev/null
	[[ -z $server_pid ]] || wait "$server_pid" 2>/dev/null
	mounts_below "$scratch" | while read -r _ point; do
		within 30 umount "$point" 2>/dev/null || umount -l "$point"
	done
	if [[ -z $(mounts_below "$scratch") ]]; then
		rm -rf --one-file-system "$scratch" 2>/dev/null ||
			{ chattr -Rf -ia "$scratch" && rm -rf --one-file-system "$scratch"; }
	fi
	scratch=
}
