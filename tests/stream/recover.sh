#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# With --state: the server is killed or started anew, and whoever uses the mount goes on with what was open. Nothing is run twice; what
# the server may have run as it died, and cannot be run again without harm, fails.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/stream.sh"
. "$FSBACKEND_TESTS/testing.sh"

say_logs()
{
	tail -n 20 "$scratch"/{server,serve}.err
}

# In this very namespace: to make another one takes a look at the mount, which waits for the server that is to be started.
run_elsewhere()
{
	cd /
	exec env --default-signal=INT,QUIT "$@"
}

state_make()
{
	scratch_make "$@"
	state=$scratch/state
	trap 'echo "${BASH_SOURCE[0]##*/}:$LINENO: status $?: $BASH_COMMAND"; say_logs' ERR
}

kill_server()
{
	kill -KILL "$serve_pid"
	within 50 not is_running "$serve_job"
	wait "$serve_job" 2>/dev/null || true
	rm -f "$scratch/socket"
}

restart_serve()
{
	kill_server
	serve_start_closed "$@"
}

# As serve_start, without the open files of this shell: a server that has its own mount open keeps it from being unmounted.
serve_start_closed()
{
	serve_start --state="$state" "$@" 5>&- 6>&- 7>&- 8>&- 9>&-
}

state_files()
{
	find "$state" -type f | wc -l
}

end_of_recovery()
{
	stream_must_end_cleanly
	expect_equal "$(state_files)" 0 "files of sessions that ended"
}

# A shell that is deep in the mount, and does nothing until it is told to: this one needs a working directory that answers.
deep_start()
{
	mkfifo "$scratch/deep"
	(cd "$MNT/a/b/c/d" && exec "$BASH" -e) <"$scratch/deep" >"$scratch/deep.out" 2>&1 7>&- 8>&- 9>&- &
	deep_pid=$!
	exec 6>"$scratch/deep"
}

deep_ends()
{
	exec 6>&-
	wait "$deep_pid" || fail "deep in the mount: $(cat "$scratch/deep.out")"
}

open_files_and_directories()
{
	mkdir -p "$HOST/a/b/c/d/e"
	echo -n "0123456789" >"$HOST/both"
	echo "first" >"$HOST/log"
	echo "content" >"$HOST/read"
	echo "deep" >"$HOST/a/b/c/d/e/file"
	chmod 600 "$HOST/read"
	serve_start_closed "$@"
	attach_start --reconnect
	exec 7<>"$MNT/both" 8>>"$MNT/log" 9<"$MNT/read"
	deep_start
	stat "$MNT/a/b" >/dev/null
	echo "second" >&8
	read -r -n 4 -u 7 first
	expect_equal "$first" 0123
}

use_open_files_and_directories()
{
	echo "third" >&8
	perl -e 'open(my $f, "+<&=", 7) or die; sysseek($f, 5, 0) or die $!; syswrite($f, "xy") == 2 or die $!;
		sysseek($f, 0, 0) or die $!; sysread($f, my $all, 100) == 10 or die $!; $all eq "01234xy789" or die $all'
	expect_equal "$(cat <&9)" content
	expect_equal "$(cat "$HOST/log")" $'first\nsecond\nthird'
	exec 7>&- 8>&- 9<&-
	echo 'cat e/file; ls; touch here ../there; /bin/pwd' >&6
	deep_ends
	expect_equal "$(cat "$scratch/deep.out")" $'deep\ne\n'"$MNT/a/b/c/d"
	[[ -e $HOST/a/b/c/d/here && -e $HOST/a/b/c/there ]]
}

test_open_files_and_directories_go_on_with_a_server_that_was_killed_and_started_again()
{
	state_make
	open_files_and_directories
	restart_serve
	use_open_files_and_directories
	end_of_recovery
}

test_the_same_in_server_mode()
{
	state_make
	open_files_and_directories --permissions=server
	restart_serve --permissions=server
	use_open_files_and_directories
	end_of_recovery
}

test_the_same_after_many_deaths()
{
	state_make
	open_files_and_directories
	for _ in 1 2 3 4; do
		restart_serve
		stat "$MNT/a/b/c/d/e/file" >/dev/null
	done
	use_open_files_and_directories
	end_of_recovery
}

test_the_same_with_a_server_that_was_asked_to_end_and_started_again()
{
	state_make
	open_files_and_directories
	serve_stop
	expect_equal "$serve_status" 0
	expect_equal "$(state_files)" 1 "the session is left to the next server"
	serve_start_closed
	use_open_files_and_directories
	end_of_recovery
}

test_the_same_with_a_client_of_several_connections()
{
	state_make
	mkdir "$HOST/dir"
	serve_start_closed
	attach_start --reconnect --connections=3
	exec 7>>"$MNT/dir/log"
	for i in 1 2 3; do
		echo "$i" >&7
		restart_serve
		timeout 30 ls "$MNT/dir" >/dev/null
	done
	echo 4 >&7
	expect_equal "$(tr '\n' ' ' <"$HOST/dir/log")" "1 2 3 4 "
	exec 7>&-
	end_of_recovery
}

test_a_listing_half_read_goes_on()
{
	state_make
	mkdir "$HOST/dir"
	(cd "$HOST/dir" && seq -f a-name-that-is-long-enough-for-a-listing-of-several-requests-%.0f 1 20000 | xargs touch)
	serve_start_closed
	attach_start --reconnect
	mkfifo "$scratch/go" "$scratch/half"
	perl -e 'opendir(my $d, $ARGV[0]) or die $!; $| = 1; for (1..500) { print scalar(readdir($d)), "\n" }
		open(my $h, ">", $ARGV[1]); close $h; open(my $g, "<", $ARGV[2]); <$g>;
		while (defined(my $n = readdir($d))) { print "$n\n" }' "$MNT/dir" "$scratch/half" "$scratch/go" >"$scratch/listed" &
	local lister=$!
	cat "$scratch/half" >/dev/null
	restart_serve
	echo >"$scratch/go"
	wait "$lister"
	cmp <(ls -a "$HOST/dir" | sort) <(sort "$scratch/listed")
	end_of_recovery
}

test_submounts_go_on()
{
	state_make
	mkdir "$HOST/mounted"
	mount -t tmpfs recover "$HOST/mounted"
	serve_start_closed
	attach_start --reconnect
	exec 7>>"$MNT/mounted/log"
	echo 1 >&7
	restart_serve
	echo 2 >&7
	expect_equal "$(tr '\n' ' ' <"$HOST/mounted/log")" "1 2 "
	exec 7>&-
	end_of_recovery
	umount "$HOST/mounted"
}

test_what_has_no_name_or_no_lasting_handle_any_more_is_stale_and_names_are_found_again()
{
	state_make
	echo content >"$HOST/removed"
	serve_start_closed
	attach_start --reconnect
	exec 7<>"$MNT/removed"
	rm "$MNT/removed"
	restart_serve
	expect_failure timeout 20 cat <&7 2>"$scratch/err"
	grep -qi stale "$scratch/err" || fail "$(cat "$scratch/err")"
	echo new >"$MNT/removed"
	expect_equal "$(cat "$HOST/removed")" new
	exec 7>&-
	end_of_recovery
}

test_files_of_a_host_without_handles_are_stale_and_names_are_found_again()
{
	state_make overlay
	echo content >"$HOST/file"
	serve_start_closed
	attach_start --reconnect
	exec 7<"$MNT/file"
	restart_serve
	expect_failure timeout 20 cat <&7 2>"$scratch/err"
	grep -qi stale "$scratch/err" || fail "$(cat "$scratch/err")"
	expect_equal "$(timeout 20 cat "$MNT/file")" content
	exec 7>&-
	end_of_recovery
}

# Each line and each directory is made once if that was said to have worked, and at most once if not. Writes at an offset and looks never fail.
work()
{
	perl -e '
		use Fcntl;
		my ($mnt, $stop) = @ARGV;
		my ($said, $failed) = (0, 0);
		sysopen(my $log, "$mnt/log", O_WRONLY | O_APPEND | O_CREAT) or die;
		sysopen(my $all, "$mnt/all", O_RDWR | O_CREAT) or die;
		for (my $i = 0; !-e $stop; $i++) {
			print(defined(syswrite($log, "$i\n")) ? "line $i\n" : "noline $i\n");
			print(mkdir("$mnt/d$i") ? "dir $i\n" : "nodir $i\n");
			sysseek($all, 8 * $i, 0); syswrite($all, sprintf("%07d\n", $i)) == 8 or die "write $i: $!";
			stat("$mnt/log") or die "stat: $!";
			sysseek($all, 8 * $i, 0); sysread($all, my $b, 8) == 8 or die "read $i: $!";
			$b eq sprintf("%07d\n", $i) or die "read $b at $i";
			open(my $f, "<", "$mnt/all") or die "open: $!";
			sysread($f, $b, 8) == 8 or die "read: $!";
		}' "$MNT/$1" "$scratch/stop"
}

# $1: whose; $2: how many may have failed
check_work()
{
	local said=$scratch/done.$1 host=$HOST/$1

	sort "$host/log" | uniq -d >"$scratch/twice"
	[[ ! -s $scratch/twice ]] || fail "written twice: $(cat "$scratch/twice")"
	sed -n 's/^line //p' "$said" | sort >"$scratch/lines"
	comm -23 "$scratch/lines" <(sort "$host/log") >"$scratch/lost"
	[[ ! -s $scratch/lost ]] || fail "lost: $(cat "$scratch/lost")"
	for i in $(sed -n 's/^dir //p' "$said"); do
		[[ -d $host/d$i ]] || fail "d$i is lost"
	done
	expect_equal "$(cat "$host/all")" "$(seq -f %07.0f 0 $(($(wc -l <"$host/all") - 1)))"
	[[ $(wc -l <"$scratch/lines") -gt 50 ]] || fail "too little was done: $(wc -l <"$scratch/lines")"
	[[ $(grep -c "^no" "$said") -le $2 ]] || fail "more failed than can have been under way: $(grep "^no" "$said")"
}

kill_at_work()
{
	local deaths=6 workers=() i

	[[ -z ${FSB_LONG:-} ]] || deaths=60
	state_make
	mkdir "$HOST/1" "$HOST/2" "$HOST/3"
	serve_start_closed
	attach_start --reconnect "$@"
	for i in 1 2 3; do
		work "$i" >"$scratch/done.$i" 2>"$scratch/work.err.$i" &
		workers+=($!)
	done
	for ((i = 0; i < deaths; i++)); do
		sleep 0.5
		restart_serve
	done
	sleep 0.5
	touch "$scratch/stop"
	for i in "${workers[@]}"; do
		wait "$i" || fail "$(cat "$scratch"/work.err.* "$scratch/server.err" "$scratch/serve.err")"
	done
	for i in 1 2 3; do
		check_work "$i" "$deaths"
	done
	end_of_recovery
}

test_a_server_killed_at_work_runs_nothing_twice_and_loses_nothing_that_it_said_was_done()
{
	kill_at_work
}

test_the_same_over_several_connections()
{
	kill_at_work --connections=3
}

test_a_server_without_state_gives_clear_errors_and_no_hang()
{
	state_make
	open_files_and_directories
	kill_server
	serve_start 6>&- 7>&- 8>&- 9>&-
	within 100 cat "$MNT/read" >/dev/null 2>&1
	expect_failure timeout 20 sh -c 'echo more >&8' 2>/dev/null
	expect_equal "$(cat "$HOST/log")" $'first\nsecond'
	expect_equal "$(timeout 20 cat "$MNT/read")" content
	exec 7>&- 8>&- 9<&-
	deep_ends
	stream_must_end_cleanly
}

test_state_of_another_directory_or_that_was_damaged_is_not_gone_on_with()
{
	state_make
	open_files_and_directories
	kill_server
	# In the middle of the session's header.
	printf 'XXXX' | dd of="$(find "$state" -type f)" bs=1 seek=20 conv=notrunc status=none
	serve_start_closed
	within 100 timeout 5 cat "$MNT/read" >/dev/null 2>&1
	expect_failure timeout 20 sh -c 'echo more >&8' 2>/dev/null
	expect_equal "$(timeout 20 cat "$MNT/read")" content
	kill_server
	mkdir "$scratch/other"
	echo other >"$scratch/other/read"
	HOST=$scratch/other serve_start_closed
	within 100 cat "$MNT/read" >/dev/null 2>&1
	expect_equal "$(timeout 20 cat "$MNT/read")" other
	exec 7>&- 8>&- 9<&-
	deep_ends
	stream_must_end_cleanly
}

test_files_of_clients_that_do_not_come_back_are_removed_after_a_while()
{
	state_make
	serve_start_closed --grace=1 --idle=1
	attach_start --reconnect
	kill -KILL "$server_pid"
	kill_server
	timeout 10 umount -l "$MNT"
	expect_equal "$(state_files)" 1
	serve_start_closed --grace=1 --idle=1
	within 150 no_state_file
	serve_stop
}

no_state_file()
{
	[[ $(state_files) == 0 ]]
}

test_only_a_directory_of_this_user_that_is_closed_to_others_and_outside_is_taken()
{
	state_make
	mkdir -m 755 "$scratch/open"
	expect_failure serve_start --state="$scratch/open" 2>"$scratch/err"
	grep -q "mode" "$scratch/err" || fail "$(cat "$scratch/err")"
	expect_failure serve_start --state="$HOST/state" 2>"$scratch/err"
	grep -q "within" "$scratch/err" || fail "$(cat "$scratch/err")"
	mkdir -m 700 "$scratch/anothers"
	chown 1001 "$scratch/anothers"
	expect_failure serve_start --state="$scratch/anothers" 2>/dev/null
	serve_start --state="$state"
	expect_equal "$(stat -c %a "$state")" 700
	attach_start --reconnect
	expect_equal "$(stat -c %a "$state"/*)" 600
	end_of_recovery
}

run_tests
