#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# fsbackend-attach --exec: a command's standard input and output lead to a server, as ssh does. sshd runs on a high port of the
# loopback with keys made for the test; where that is refused, only the plain pipe is tested.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/stream.sh"
. "$FSBACKEND_TESTS/testing.sh"

sshd_pid=

sshd_start()
{
	local sshd port
	sshd=$(command -v sshd || echo /usr/sbin/sshd)
	[[ -x $sshd ]] || skip "openssh-server is not installed"
	mkdir -p /run/sshd "$scratch/ssh"
	ssh-keygen -q -t ed25519 -N '' -f "$scratch/ssh/host"
	ssh-keygen -q -t ed25519 -N '' -f "$scratch/ssh/user"
	chmod 755 "$scratch/ssh"
	cp "$scratch/ssh/user.pub" "$scratch/ssh/authorized"
	for port in $((20000 + RANDOM % 10000)) $((30000 + RANDOM % 2000)); do
		cat >"$scratch/ssh/sshd_config" <<-END
		ListenAddress 127.0.0.1:$port
		HostKey $scratch/ssh/host
		AuthorizedKeysFile $scratch/ssh/authorized
		PermitRootLogin yes
		StrictModes no
		UsePAM no
		PidFile none
		END
		"$sshd" -D -f "$scratch/ssh/sshd_config" 2>"$scratch/ssh/log" &
		sshd_pid=$!
		cat >"$scratch/ssh/config" <<-END
		Host server
			HostName 127.0.0.1
			Port $port
			User root
			IdentityFile $scratch/ssh/user
			IdentitiesOnly yes
			UserKnownHostsFile /dev/null
			StrictHostKeyChecking no
			LogLevel ERROR
		END
		ssh="ssh -F $scratch/ssh/config server"
		within 30 sshd_answers && return 0
	done
	skip "an sshd on the loopback is refused here: $(tail -n 1 "$scratch/ssh/log")"
}

sshd_answers()
{
	$ssh true 2>/dev/null
}

serve_command()
{
	echo "$FSBACKEND_SERVE --stdio $* $HOST"
}

attach_exec()
{
	local command=$1
	shift
	timeout 30 "$FSBACKEND_ATTACH" --exec "$command" "$MNT" "$@" || return 1
	server_pid=$(attach_of "$MNT")
}

copy_and_compare()
{
	cp -a "$FSBACKEND_TESTS" "$MNT/copy"
	diff -r "$FSBACKEND_TESTS" "$HOST/copy"
	echo 2 >/proc/sys/vm/drop_caches
	diff -r "$FSBACKEND_TESTS" "$MNT/copy"
}

# After the unmount the command ends, and so does the server at its other end.
end_of_exec()
{
	umount "$MNT"
	within 100 no_process_names "$MNT" || fail "the client is left"
	within 100 no_process_names "$HOST" || fail "the command or the server is left: $(processes_naming "$HOST" | xargs ps -fp)"
	nothing_must_be_left
}

test_a_pipe_to_the_server_copies_a_tree()
{
	scratch_make
	attach_exec "$(serve_command)"
	copy_and_compare
	end_of_exec
}

test_a_pipe_to_the_server_in_server_mode_honours_groups()
{
	scratch_make
	echo secret >"$HOST/secret"
	chown 0:3003 "$HOST/secret"
	chmod 640 "$HOST/secret"
	attach_exec "$(serve_command --permissions=server)"
	expect_equal "$(setpriv --reuid=1001 --regid=1001 --groups=3003 cat "$MNT/secret")" secret
	expect_failure setpriv --reuid=1001 --regid=1001 --groups=3004 cat "$MNT/secret" 2>/dev/null
	end_of_exec
}

test_what_a_command_says_is_seen_when_it_fails()
{
	scratch_make
	expect_failure attach_exec "echo no such host >&2; exit 255" 2>"$scratch/err"
	grep -q "no such host" "$scratch/err" || fail "$(cat "$scratch/err")"
	expect_failure is_mounted "$MNT"
	expect_failure attach_exec "$(serve_command)/none" 2>"$scratch/err"
	grep -q "$HOST/none" "$scratch/err" || fail "$(cat "$scratch/err")"
}

test_what_the_login_shell_prints_to_standard_error_does_no_harm()
{
	scratch_make
	attach_exec "echo Welcome >&2; exec $(serve_command)" 2>/dev/null
	touch "$MNT/file"
	end_of_exec
}

test_a_command_that_was_killed_leaves_a_mount_that_fails_and_can_be_unmounted()
{
	scratch_make
	echo content >"$HOST/file"
	attach_exec "$(serve_command --cache=none)"
	kill -KILL $(server_of_pipe)
	expect_failure timeout 20 cat "$MNT/file" 2>"$scratch/err"
	grep -qi "not connected" "$scratch/err" || fail "$(cat "$scratch/err")"
	timeout 10 umount "$MNT" || timeout 10 umount -l "$MNT"
	within 100 no_process_names "$MNT"
}

# The process of the server, which the command may have a shell around.
server_of_pipe()
{
	local pid
	for pid in $(processes_naming "$HOST"); do
		[[ $(readlink "/proc/$pid/exe") != "$(realpath "$FSBACKEND_SERVE")" ]] || echo "$pid"
	done
}

test_a_server_at_a_pipe_that_was_killed_is_started_again_and_serves_what_is_opened_anew()
{
	scratch_make
	mkdir "$HOST/dir"
	echo content >"$HOST/dir/file"
	attach_exec "$(serve_command)" --reconnect
	kill -KILL $(server_of_pipe)
	# It takes a failure to learn that the session is lost.
	within 100 cat "$MNT/dir/file" >/dev/null 2>&1
	expect_equal "$(timeout 30 cat "$MNT/dir/file")" content
	timeout 30 touch "$MNT/dir/new"
	[[ -e $HOST/dir/new ]]
	end_of_exec
}

# The server is killed, not only what leads to it: with --state the one that is started next goes on.
open_files_survive_the_server()
{
	mkdir "$MNT/dir"
	exec 7>>"$MNT/dir/log" 8<>"$MNT/dir/both"
	for i in 1 2 3; do
		echo "$i" >&7
		kill -KILL $(server_of_pipe)
		echo "b$i" >&8
		timeout 30 touch "$MNT/dir/touched$i"
	done
	expect_equal "$(cat "$HOST/dir/log")" $'1\n2\n3'
	expect_equal "$(cat "$HOST/dir/both")" $'b1\nb2\nb3'
	[[ -e $HOST/dir/touched3 ]]
	exec 7>&- 8>&-
}

test_open_files_go_on_with_the_server_that_follows_one_that_was_killed_at_a_pipe()
{
	scratch_make
	attach_exec "$(serve_command --state="$scratch/state")" --reconnect
	open_files_survive_the_server
	end_of_exec
	expect_equal "$(find "$scratch/state" -type f | wc -l)" 0
}

test_open_files_go_on_with_the_server_that_follows_one_that_was_killed_behind_ssh()
{
	scratch_make
	sshd_start
	attach_exec "$ssh $(serve_command --state="$scratch/state")" --reconnect
	open_files_survive_the_server
	exec 7>"$MNT/dir/file"
	echo first >&7
	# Both at once: the connection, and the server.
	kill -KILL $(ssh_client) $(server_of_pipe)
	echo second >&7
	expect_equal "$(cat "$HOST/dir/file")" $'first\nsecond'
	exec 7>&-
	end_of_exec
	kill "$sshd_pid"
}

test_a_tree_is_copied_over_ssh()
{
	scratch_make
	sshd_start
	attach_exec "$ssh $(serve_command)"
	copy_and_compare
	end_of_exec
	kill "$sshd_pid"
}

# Those that were started for a connection, not the one that listens.
ssh_client()
{
	pgrep -f "^ssh -F $scratch/ssh/config"
}

test_a_mount_over_ssh_goes_on_after_ssh_was_killed()
{
	scratch_make
	sshd_start
	attach_exec "$ssh $(serve_command)" --reconnect
	mkdir "$MNT/dir"
	exec 7>"$MNT/dir/file"
	echo first >&7
	kill -KILL $(ssh_client)
	echo second >&7
	expect_equal "$(cat "$HOST/dir/file")" $'first\nsecond'
	exec 7>&-
	copy_and_compare
	end_of_exec
	kill "$sshd_pid"
}

test_ssh_killed_in_the_middle_of_a_storm_loses_nothing_and_does_nothing_twice()
{
	local storm operations=400

	[[ -z ${FSB_LONG:-} ]] || operations=10000
	scratch_make
	sshd_start
	attach_exec "$ssh $(serve_command)" --reconnect
	timeout 250 "$FSBACKEND_STORM" "$MNT" "$HOST" 3 "$operations" 11 >"$scratch/storm" 2>&1 &
	storm=$!
	for _ in 1 2 3; do
		sleep 0.7
		kill -KILL $(ssh_client) 2>/dev/null || true
	done
	wait "$storm" || fail "$(tail -n 20 "$scratch/storm")"
	end_of_exec
	kill "$sshd_pid"
}

run_tests
