#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The options of fsbackend-mount do what --help says of them.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

mode_of()
{
	stat -c %a "$1"
}

test_help_names_every_option_and_version_the_version()
{
	local option help

	help=$("$FSBACKEND_MOUNT" --help)
	for option in --permissions --cache --writeback --attr-timeout --entry-timeout --negative-timeout --locks \
		--passthrough --read-only --threads --max-fds --map-uid --map-gid --debug --stats --help --version; do
		grep -q -- "$option" <<<"$help" || fail "$option is not in --help"
	done
	[[ $("$FSBACKEND_MOUNT" --version) =~ [0-9]+\.[0-9]+ ]] || fail "no version"
}

test_an_attribute_timeout_of_0_shows_the_hosts_changes_at_once_and_a_long_one_later()
{
	scratch_make
	touch "$HOST/file"
	chmod 644 "$HOST/file"
	server_start --attr-timeout=0
	expect_equal "$(mode_of "$MNT/file")" 644
	chmod 600 "$HOST/file"
	expect_equal "$(mode_of "$MNT/file")" 600
	server_must_end_cleanly

	server_start --attr-timeout=60 --entry-timeout=60
	expect_equal "$(mode_of "$MNT/file")" 600
	chmod 640 "$HOST/file"
	sleep 1.3
	expect_equal "$(mode_of "$MNT/file")" 600 "a cached mode"
	server_must_end_cleanly
}

# Counts a request in the statistics that the server printed at its end.
asked()
{
	awk -v name="$1" '$1 == name { count = $2 } END { print count + 0 }' "$scratch/server.err"
}

test_passthrough_spares_the_server_reads_and_writes_where_it_is_on()
{
	scratch_make
	echo content >"$HOST/file"
	server_start --stats --passthrough=off
	cat "$MNT/file"
	echo more >>"$MNT/file"
	server_must_end_cleanly
	[[ $(asked READ) -ge 1 && $(asked WRITE) == 1 ]] || fail "$(cat "$scratch/server.err")"

	server_start --stats --passthrough=on
	expect_equal "$(cat "$MNT/file")" $'content\nmore'
	echo end >>"$MNT/file"
	expect_equal "$(tail -n 1 "$HOST/file")" end
	server_must_end_cleanly
	grep -q 'takes CAP_SYS_ADMIN' "$scratch/server.err" && skip "this kernel has no passthrough"
	expect_equal "$(asked READ)$(asked WRITE)" 00 "$(cat "$scratch/server.err")"
	expect_failure "$FSBACKEND_MOUNT" --passthrough=sometimes "$HOST" "$MNT" 2>/dev/null
}

test_entry_and_negative_timeouts_decide_how_long_names_are_believed()
{
	scratch_make
	touch "$HOST/file"
	server_start -o entry_timeout=60,attr_timeout=60,negative_timeout=60
	[[ -e $MNT/file && ! -e $MNT/missing ]]
	rm "$HOST/file"
	touch "$HOST/missing"
	sleep 1.3
	[[ -e $MNT/file ]] || fail "the name was not believed"
	[[ ! -e $MNT/missing ]] || fail "the absence was not believed"
	server_must_end_cleanly

	server_start --entry-timeout=0 --negative-timeout=0
	[[ ! -e $MNT/file && -e $MNT/missing ]]
	mv "$HOST/missing" "$HOST/file"
	[[ -e $MNT/file && ! -e $MNT/missing ]] || fail "believed although the timeouts are 0"
	server_must_end_cleanly
}

test_cache_always_believes_for_long()
{
	scratch_make
	echo first >"$HOST/file"
	server_start --cache=always
	expect_equal "$(cat "$MNT/file")" first
	rm "$HOST/file"
	sleep 1.3
	expect_equal "$(stat -c %s "$MNT/file")" 6
	expect_equal "$(cat "$MNT/file")" first
	server_must_end_cleanly
}

test_one_thread_and_many_threads_serve()
{
	local threads

	scratch_make
	for threads in 1 16; do
		server_start --threads=$threads
		# shellcheck disable=SC2016 # expanded there
		seq 1 20 | xargs -P 8 -n 1 sh -euc 'echo "$1" >"$0/file$1"; grep -qx "$1" "$0/file$1"' "$MNT"
		expect_equal "$(cat "$MNT"/file* | wc -l)" 20
		[[ $(ls "/proc/$server_pid/task" | wc -l) -gt $threads ]] || fail "fewer threads than asked for"
		rm "$MNT"/file*
		server_must_end_cleanly
	done
}

test_without_xattrs_they_are_not_supported()
{
	scratch_make
	touch "$HOST/file"
	setfattr -n user.key -v value "$HOST/file"
	server_start --no-xattr
	expect_failure setfattr -n user.other -v value "$MNT/file" 2>"$scratch/err"
	grep -q 'not supported' "$scratch/err" || fail "$(cat "$scratch/err")"
	expect_failure getfattr -n user.key "$MNT/file" >/dev/null 2>&1
	server_must_end_cleanly
}

test_without_allow_other_only_the_mounting_user_gets_in()
{
	scratch_make
	touch "$HOST/file"
	server_start --no-allow-other
	ls "$MNT" >/dev/null
	expect_failure setpriv --reuid=1234 --regid=1234 --clear-groups ls "$MNT" 2>/dev/null
	server_must_end_cleanly
	server_start
	setpriv --reuid=1234 --regid=1234 --clear-groups ls "$MNT" >/dev/null
	server_must_end_cleanly
}

test_source_and_type_are_shown_in_the_table_of_mounts()
{
	scratch_make
	server_start
	expect_equal "$(findmnt -n -o SOURCE,FSTYPE "$MNT" | tr -s ' ')" "$HOST fuse.fsbackend"
	server_must_end_cleanly
	server_start --fsname=somewhere
	expect_equal "$(findmnt -n -o SOURCE "$MNT")" somewhere
	server_must_end_cleanly
}

test_files_that_are_not_opened_on_the_host_can_be_used_all_the_same()
{
	scratch_make
	echo content >"$HOST/file"
	server_start --no-open --no-opendir --stats
	expect_equal "$(cat "$MNT/file")" content
	expect_equal "$(cat "$MNT/file")" content
	echo more >>"$MNT/file"
	echo new >"$MNT/new"
	exec 8<"$MNT/new"
	rm "$MNT/new"
	expect_equal "$(cat <&8)" new
	exec 8<&-
	expect_equal "$(ls "$MNT")" file
	server_must_end_cleanly
	expect_equal "$(cat "$HOST/file")" "$(printf 'content\nmore')"
	# The first one is told that it need not ask.
	expect_equal "$(grep -w '^ *OPEN' "$scratch/server.err" | tail -n 1 | awk '{ print $2 }')" 1
}

test_a_mount_inside_the_source_is_entered_and_nothing_is_renamed_across_it()
{
	scratch_make
	mkdir "$HOST/below"
	mount -t tmpfs none "$HOST/below"
	echo inside >"$HOST/below/file"
	server_start
	expect_equal "$(cat "$MNT/below/file")" inside
	echo written >"$MNT/below/new"
	expect_equal "$(cat "$HOST/below/new")" written
	expect_equal "$(perl -e 'rename($ARGV[0], $ARGV[1]) or print $!' "$MNT/below/new" "$MNT/new")" \
		"Invalid cross-device link"
	expect_failure rmdir "$MNT/below" 2>/dev/null
	server_must_end_cleanly
	umount "$HOST/below"
}

test_mounts_inside_the_source_do_not_make_two_files_look_like_one()
{
	scratch_make
	mkdir "$HOST/one" "$HOST/two"
	mount -t tmpfs none "$HOST/one"
	mount -t tmpfs none "$HOST/two"
	touch "$HOST/one/file" "$HOST/two/file"
	expect_equal "$(stat -c %i "$HOST/one/file")" "$(stat -c %i "$HOST/two/file")" "the host's own numbers"
	server_start
	[[ $(stat -c %d:%i "$MNT/one/file") != $(stat -c %d:%i "$MNT/two/file") ]]
	[[ $(stat -c %d:%i "$MNT/one") != $(stat -c %d:%i "$MNT/two") ]]
	server_must_end_cleanly
	umount "$HOST/one" "$HOST/two"
}

run_tests
