#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Where fsbackend-serve is reached, who may come, how both programs start and end, and what they say when they cannot.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/stream.sh"
. "$FSBACKEND_TESTS/testing.sh"

# As an ordinary user, who may not get to where the programs were built.
user=daemon
as_user()
{
	setpriv --reuid="$user" --regid="$user" --clear-groups "$@"
}

make_users_scratch()
{
	scratch_make
	mkdir "$scratch/bin" "$scratch/run"
	cp "$FSBACKEND_ATTACH" "$FSBACKEND_SERVE" "$scratch/bin"
	chown "$user:$user" "$MNT" "$scratch/run"
}

must_not_attach()
{
	expect_failure timeout 20 "$FSBACKEND_ATTACH" "$@" "$MNT" 2>"$scratch/err"
	[[ -s $scratch/err ]] || fail "it says nothing"
	expect_failure is_mounted "$MNT"
}

test_umount_ends_the_client_and_SIGTERM_the_server_both_with_status_0()
{
	scratch_make
	echo content >"$HOST/file"
	stream_start
	expect_equal "$(cat "$MNT/file")" content
	echo written >"$MNT/new"
	expect_equal "$(cat "$HOST/new")" written
	stream_must_end_cleanly
}

test_each_signal_ends_the_client_and_the_server_serves_others()
{
	local signal

	scratch_make
	serve_start
	for signal in INT TERM HUP; do
		attach_start
		kill -"$signal" "$server_pid"
		server_wait
		expect_equal "$server_status" 0
		nothing_must_be_left
	done
	serve_stop
	expect_equal "$serve_status" 0
}

test_each_signal_ends_the_server()
{
	local signal

	scratch_make
	for signal in INT TERM HUP; do
		serve_start
		kill -"$signal" "$serve_pid"
		within 100 not is_running "$serve_job"
		wait "$serve_job"
		[[ ! -e $scratch/socket ]]
	done
}

# Opens a file so many times at once, and says how many of them succeeded.
count_opens()
{
	perl -e 'my @open; for (1 .. $ARGV[1]) { open(my $file, "<", $ARGV[0]) or last; push @open, $file } print scalar(@open)' "$@"
}

test_a_client_opens_no_more_than_it_may_and_others_all_that_they_may()
{
	local many few

	scratch_make
	echo content >"$HOST/file"
	serve_start --max-open=20
	attach_start
	attach_at "$scratch/second"
	many=$(count_opens "$MNT/file" 15)
	expect_equal "$many" 15
	many=$(count_opens "$MNT/file" 100)
	[[ $many -ge 15 && $many -le 20 ]] || fail "$many files could be opened"
	exec 7<"$MNT/file"
	few=$(count_opens "$scratch/second/file" 15)
	expect_equal "$few" 15
	exec 7<&-
	# All are closed again.
	within 50 eval '[[ $(count_opens "$MNT/file" 15) == 15 ]]'
	umount "$scratch/second"
	within 50 not is_running "$attach_pid"
	stream_must_end_cleanly
}

test_the_client_goes_to_the_background_once_the_mount_answers()
{
	scratch_make
	echo content >"$HOST/file"
	serve_start
	attach_at "$MNT"
	expect_equal "$(cat "$MNT/file")" content
	umount "$MNT"
	within 100 not is_running "$attach_pid"
	serve_stop
	nothing_must_be_left
}

test_the_server_goes_to_the_background_once_clients_can_come()
{
	scratch_make
	echo content >"$HOST/file"
	address=unix:$scratch/socket
	timeout 20 "$FSBACKEND_SERVE" --daemon --listen "$address" "$HOST"
	attach_start
	expect_equal "$(cat "$MNT/file")" content
	server_must_end_cleanly
	kill "$(processes_naming "$scratch/socket")"
	within 50 no_process_names "$scratch/socket"
	[[ ! -e $scratch/socket ]]
}

test_a_socket_is_its_owners_alone_unless_told_otherwise()
{
	scratch_make
	serve_start
	expect_equal "$(stat -c '%a %u:%g' "$scratch/socket")" "600 0:0"
	serve_stop
	serve_start --socket-mode=660 --socket-owner=1001:1002
	expect_equal "$(stat -c '%a %u:%g' "$scratch/socket")" "660 1001:1002"
	serve_stop
}

test_the_socket_of_a_server_that_was_killed_is_replaced_but_not_that_of_one_that_lives()
{
	scratch_make
	serve_start
	expect_failure timeout 10 "$FSBACKEND_SERVE" --listen "$address" "$HOST" 2>"$scratch/err"
	grep -q "$scratch/socket" "$scratch/err"
	attach_start
	server_must_end_cleanly
	kill -KILL "$serve_pid"
	within 50 not is_running "$serve_job"
	[[ -S $scratch/socket ]]
	mv "$scratch/socket" "$scratch/left"
	address=unix:$scratch/left
	timeout 10 "$FSBACKEND_SERVE" --daemon --listen "$address" "$HOST"
	attach_start
	server_must_end_cleanly
	kill "$(processes_naming "$scratch/left")"
	within 50 no_process_names "$scratch/left"
}

test_several_sockets_are_served_at_a_time()
{
	scratch_make
	echo content >"$HOST/file"
	serve_start --listen "unix:$scratch/second"
	attach_start
	address=unix:$scratch/second
	attach_at "$scratch/mnt2"
	expect_equal "$(cat "$MNT/file" "$scratch/mnt2/file")" $'content\ncontent'
	umount "$scratch/mnt2"
	address=unix:$scratch/socket
	stream_must_end_cleanly
	[[ ! -e $scratch/second ]]
}

# Runs a command with a listening socket as its descriptor 3.
with_listening_socket()
{
	exec perl -e '
		use Socket;
		$^F = 3;
		my $path = shift;
		socket(my $listener, PF_UNIX, SOCK_STREAM, 0) or die;
		bind($listener, pack_sockaddr_un($path)) or die;
		listen($listener, 5) or die;
		fileno($listener) == 3 or die "not 3";
		$ENV{LISTEN_PID} = $$ if $ENV{LISTEN_FDS};
		exec(@ARGV) or die' "$scratch/socket" "$@" 3<&-
}

serve_and_copy_by_inherited_socket()
{
	scratch_make
	echo content >"$HOST/file"
	address=unix:$scratch/socket
	with_listening_socket "$FSBACKEND_SERVE" "$@" "$HOST" 2>"$scratch/serve.err" &
	serve_job=$!
	within 50 test -S "$scratch/socket"
	attach_start
	expect_equal "$(cat "$MNT/file")" content
	server_must_end_cleanly
	kill "$serve_job"
	wait "$serve_job"
}

test_a_socket_handed_over_by_systemd_is_served()
{
	export LISTEN_FDS=1
	serve_and_copy_by_inherited_socket
}

test_a_socket_handed_over_to_another_process_is_not_served()
{
	scratch_make
	LISTEN_FDS=1 LISTEN_PID=1 expect_failure timeout 10 "$FSBACKEND_SERVE" "$HOST" 2>"$scratch/err"
	grep -q -e --listen "$scratch/err" || fail "$(cat "$scratch/err")"
}

test_a_listening_descriptor_is_served()
{
	serve_and_copy_by_inherited_socket --listen fd:3
}

test_a_pair_of_descriptors_joins_both_programs()
{
	scratch_make
	echo content >"$HOST/file"
	perl -e '
		use Socket;
		$^F = 100;
		socketpair(my $a, my $b, PF_UNIX, SOCK_STREAM, 0) or die;
		my ($serve, $attach, $host, $mnt) = @ARGV;
		if (!fork()) { close($b); exec($serve, "--listen", "fd:" . fileno($a), $host) or die }
		close($a);
		exec($attach, "fd:" . fileno($b), $mnt) or die' \
		"$FSBACKEND_SERVE" "$FSBACKEND_ATTACH" "$HOST" "$MNT"
	expect_equal "$(cat "$MNT/file")" content
	cp -a "$FSBACKEND_TESTS" "$MNT/copy"
	diff -r "$FSBACKEND_TESTS" "$HOST/copy"
	umount "$MNT"
	within 100 no_process_names "$MNT"
	kill $(processes_naming "$HOST") 2>/dev/null || true
	within 100 no_process_names "$HOST"
}

test_only_root_and_its_own_user_may_come_to_a_server_unless_told_otherwise()
{
	make_users_scratch
	serve_start --socket-mode=666
	expect_failure as_user timeout 20 "$scratch/bin/fsbackend-attach" "$address" "$MNT" 2>"$scratch/err"
	grep -q "refuse" "$scratch/err" || fail "$(cat "$scratch/err")"
	grep -q "user $(id -u "$user") " "$scratch/serve.err" ||
		fail "the server does not say whom it refused: $(cat "$scratch/serve.err")"
	expect_failure is_mounted "$MNT"
	serve_stop
}

test_a_user_who_is_allowed_may_come_and_root_is_not_unless_allowed()
{
	make_users_scratch
	serve_start --socket-mode=666 --allow-uid="$(id -u "$user")-999"
	must_not_attach "$address"
	grep -q "refuse" "$scratch/err" || fail "$(cat "$scratch/err")"
	[[ -u $(command -v fusermount3) ]] || skip "fusermount3 cannot mount for users here"
	# Distributions differ in who may open /dev/fuse.
	mknod -m 666 "$scratch/fuse" c 10 229
	export scratch address MNT user
	in_own_namespace bash -euc '
		mount --bind "$scratch/fuse" /dev/fuse
		as_user="setpriv --reuid=$user --regid=$user --clear-groups"
		$as_user timeout 20 "$scratch/bin/fsbackend-attach" "$address" "$MNT"
		$as_user ls "$MNT"
		$as_user fusermount3 -u "$MNT"'
	serve_stop
}

test_a_server_without_privileges_serves_what_is_its_users()
{
	make_users_scratch
	chown "$user:$user" "$HOST"
	address=unix:$scratch/run/socket
	as_user timeout 20 "$scratch/bin/fsbackend-serve" --daemon --listen "$address" "$HOST"
	attach_start
	as_user sh -c "echo content >'$MNT/file'"
	expect_equal "$(cat "$HOST/file")" content
	expect_equal "$(stat -c %U "$HOST/file")" "$user"
	server_must_end_cleanly
	kill "$(processes_naming "$scratch/run/socket")"
	within 50 no_process_names "$scratch/run/socket"
}

test_more_clients_than_allowed_are_refused_until_one_has_left()
{
	scratch_make
	serve_start --max-clients=2
	attach_start
	attach_at "$scratch/second"
	expect_failure timeout 20 "$FSBACKEND_ATTACH" "$address" "$scratch/host" 2>"$scratch/err"
	[[ -s $scratch/err ]]
	touch "$MNT/still" "$scratch/second/served"
	umount "$scratch/second"
	within 50 attach_at "$scratch/third" 2>/dev/null
	umount "$scratch/third"
	stream_must_end_cleanly
}

test_clients_that_wait_to_reconnect_make_room_for_new_ones()
{
	scratch_make
	serve_start --max-clients=2
	attach_at "$scratch/second" --reconnect
	attach_at "$scratch/third" --reconnect
	kill -KILL $(attach_of "$scratch/second") $(attach_of "$scratch/third")
	umount -l "$scratch/second"
	umount -l "$scratch/third"
	attach_start
	touch "$MNT/served"
	stream_must_end_cleanly
}

test_what_is_served_read_only_is_mounted_read_only()
{
	scratch_make
	echo content >"$HOST/file"
	serve_start --read-only
	attach_start
	expect_equal "$(cat "$MNT/file")" content
	expect_failure touch "$MNT/new" 2>/dev/null
	[[ ,$(findmnt -n -o OPTIONS "$MNT"), == *,ro,* ]]
	stream_must_end_cleanly
}

test_a_server_that_is_not_there_is_named_in_the_message()
{
	scratch_make
	must_not_attach "unix:$scratch/nowhere"
	grep -q "$scratch/nowhere" "$scratch/err" || fail "$(cat "$scratch/err")"
	must_not_attach "nonsense:1"
	must_not_attach "vsock:1"
	must_not_attach "fd:77"
}

test_something_that_does_not_speak_the_protocol_is_no_server()
{
	scratch_make
	must_not_attach --exec "echo HTTP/1.1 400 Bad Request; echo; echo; echo; echo; echo; cat >/dev/null"
	must_not_attach --exec true
	must_not_attach --exec "exit 3"
	must_not_attach --exec "head -c 100000 /dev/zero"
}

test_a_directory_that_is_not_there_cannot_be_served()
{
	scratch_make
	expect_failure timeout 10 "$FSBACKEND_SERVE" --listen "unix:$scratch/socket" "$scratch/none" 2>"$scratch/err"
	grep -q "$scratch/none" "$scratch/err" || fail "$(cat "$scratch/err")"
	[[ ! -e $scratch/socket ]]
}

test_the_mount_shows_where_it_comes_from()
{
	scratch_make
	stream_start
	expect_equal "$(findmnt -n -o FSTYPE "$MNT")" fuse.fsbackend-attach
	[[ $(findmnt -n -o SOURCE "$MNT") == *"$scratch/socket"* ]] || fail "$(findmnt "$MNT")"
	stream_must_end_cleanly
}

run_tests
