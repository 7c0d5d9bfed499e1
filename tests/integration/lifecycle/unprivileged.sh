#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# An ordinary user serves an own directory through fusermount3.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

user=fsbackend-test

as_ordinary_user()
{
	setpriv --reuid="$user" --regid="$user" --clear-groups --inh-caps=-all --bounding-set=-all "$@"
}

# Everything of the user's, in a mount namespace with a /dev/fuse of the given mode, as distributions differ in it.
make_users_scratch()
{
	command -v fusermount3 >/dev/null || skip "fusermount3 is not installed"
	scratch_make
	chown "$user:$user" "$HOST" "$MNT"
	# Where it was built, the user may not get.
	install -m 755 "$FSBACKEND_MOUNT" "$scratch/fsbackend-mount"
	mknod "$scratch/fuse" c 10 229
	chmod "$1" "$scratch/fuse"
	mount --bind "$scratch/fuse" /dev/fuse
	bound=(/dev/fuse)
	trap 'status=$?; set +e; trap - ERR; umount "${bound[@]}"; scratch_remove; exit "$status"' EXIT
}

# setuid programs lose their power when the bounding set is empty, so fusermount3 needs it kept.
user_mount()
{
	setpriv --reuid="$user" --regid="$user" --clear-groups timeout 30 "$scratch/fsbackend-mount" "$@"
}

user_unmount()
{
	setpriv --reuid="$user" --regid="$user" --clear-groups fusermount3 -u "$MNT"
}

use_mount()
{
	local id

	id=$(id -u "$user")
	echo content >"$HOST/file"
	chown "$user:$user" "$HOST/file"
	user_mount "$HOST" "$MNT"
	server_pid=$(processes_naming "$MNT")
	expect_equal "$(stat -c %u "/proc/$server_pid")" "$id" "who runs the server"
	expect_equal "$(as_ordinary_user cat "$MNT/file")" content
	as_ordinary_user sh -euc '
		cd "$0"
		echo written >new
		mkdir dir
		mv new dir/moved
		chmod 640 dir/moved
		ln -s dir/moved symlink
		cat symlink >/dev/null
		rm file' "$MNT"
	expect_equal "$(stat -c '%u %a' "$HOST/dir/moved")" "$id 640"
	expect_equal "$(cat "$HOST/dir/moved")" written
	expect_failure test -e "$HOST/file"
	expect_failure as_ordinary_user chown 0 "$MNT/dir" 2>/dev/null
	# Nobody else may look in, root included.
	expect_failure ls "$MNT" 2>/dev/null
	expect_failure setpriv --reuid=nobody --regid=nogroup --clear-groups ls "$MNT" 2>/dev/null
	expect_equal "$(awk -v point="$MNT" '$5 == point' /proc/self/mountinfo | grep -c 'nosuid,nodev')" 1
}

test_a_user_mounts_works_and_unmounts()
{
	make_users_scratch 666
	use_mount
	user_unmount
	within 100 not is_running "$server_pid"
	nothing_must_be_left
}

test_a_user_who_may_not_open_dev_fuse_is_told_so()
{
	make_users_scratch 600
	must_refuse "$HOST" "$MNT"
	grep -q '/dev/fuse.*Permission denied' "$scratch/err" || fail "$(cat "$scratch/err")"
}

test_a_signal_to_a_users_server_unmounts_by_fusermount3()
{
	make_users_scratch 666
	use_mount
	kill -TERM "$server_pid"
	within 100 not is_running "$server_pid"
	nothing_must_be_left
}

must_refuse()
{
	local status=0

	user_mount "$@" >"$scratch/out" 2>"$scratch/err" || status=$?
	[[ $status != 0 && $status != 124 ]] || fail "exit status $status"
	expect_equal "$(wc -l <"$scratch/err")" 1 "lines on stderr: $(cat "$scratch/err")"
	nothing_must_be_left
}

test_a_mount_point_of_somebody_else_is_refused()
{
	make_users_scratch 666
	chown root "$MNT"
	must_refuse "$HOST" "$MNT"
}

test_allow_other_is_refused_where_fuse_conf_does_not_let_users_do_so()
{
	make_users_scratch 666
	if grep -q '^user_allow_other' /etc/fuse.conf 2>/dev/null; then
		skip "/etc/fuse.conf lets users do so here"
	fi
	must_refuse --allow-other "$HOST" "$MNT"
	grep -q 'user_allow_other' "$scratch/err" || fail "$(cat "$scratch/err")"
}

test_without_fusermount3_the_user_is_told_what_to_install()
{
	make_users_scratch 666
	bound+=("$(command -v fusermount3)")
	mount --bind /dev/null "${bound[1]}"
	must_refuse "$HOST" "$MNT"
	grep -q 'fusermount3' "$scratch/err" || fail "$(cat "$scratch/err")"
}

if [[ ${1:-} != in-namespace ]]; then
	added=
	if ! id "$user" >/dev/null 2>&1; then
		useradd --system --user-group --no-create-home --home-dir /nonexistent "$user" && added=1
	fi
	status=0
	in_own_namespace "$0" in-namespace || status=$?
	[[ -z $added ]] || userdel "$user"
	exit "$status"
fi
run_tests
