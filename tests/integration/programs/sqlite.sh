#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# SQLite databases on the mount, with each kind of journal, written by two processes at once.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

insert_rows()
{
	local db=$1 who=$2 journal=$3 round

	for round in {1..25}; do
		echo "INSERT INTO rows(who, round, text) VALUES('$who', $round, hex(randomblob(300)));"
	done | sqlite3 -cmd '.timeout 30000' -cmd "PRAGMA journal_mode=$journal" -bail "$db" >/dev/null
}

use_database()
{
	local journal=$1 db=$mnt/data.db

	expect_equal "$(sqlite3 "$db" "PRAGMA journal_mode=$journal;
		CREATE TABLE rows(id INTEGER PRIMARY KEY, who, round, text);")" "$journal"
	insert_rows "$db" one "$journal" &
	local one=$!
	insert_rows "$db" two "$journal" &
	local two=$!
	wait "$one"
	wait "$two"
	sqlite3 "$db" "BEGIN; UPDATE rows SET text = 'rolled back'; ROLLBACK;
		BEGIN; DELETE FROM rows WHERE round > 20; CREATE INDEX by_round ON rows(round); COMMIT;"

	expect_equal "$(sqlite3 "$db" 'PRAGMA integrity_check; SELECT count(*), count(DISTINCT who), sum(round) FROM rows;')" \
		"$(printf 'ok\n40|2|420')"
	expect_equal "$(sqlite3 "$db" "SELECT count(*) FROM rows WHERE text = 'rolled back';")" 0
	expect_equal "$(sqlite3 "$host/data.db" 'PRAGMA integrity_check; SELECT count(*) FROM rows;')" "$(printf 'ok\n40')"
}

test_a_database_with_a_write_ahead_log_stays_whole()
{
	use_database wal
}

test_a_database_with_a_rollback_journal_stays_whole()
{
	use_database delete
}

test_a_database_with_a_truncated_journal_stays_whole()
{
	use_database truncate
}

test_a_reader_of_a_write_ahead_log_keeps_its_snapshot_while_another_writes()
{
	local db=$mnt/data.db reader answer

	sqlite3 "$db" "PRAGMA journal_mode=wal; CREATE TABLE t(n); INSERT INTO t VALUES(1);" >/dev/null
	coproc sqlite3 -batch "$db"
	reader=$COPROC_PID
	echo "BEGIN; SELECT sum(n) FROM t;" >&"${COPROC[1]}"
	read -r -t 10 answer <&"${COPROC[0]}"
	expect_equal "$answer" 1
	sqlite3 "$db" "INSERT INTO t VALUES(10);"
	echo "SELECT sum(n) FROM t;" >&"${COPROC[1]}"
	read -r -t 10 answer <&"${COPROC[0]}"
	expect_equal "$answer" 1 "the snapshot"
	echo "COMMIT; SELECT sum(n) FROM t;" >&"${COPROC[1]}"
	read -r -t 10 answer <&"${COPROC[0]}"
	expect_equal "$answer" 11
	echo ".quit" >&"${COPROC[1]}"
	wait "$reader"
}

test_a_second_writer_is_told_that_the_database_is_locked()
{
	local db=$mnt/data.db answer

	sqlite3 "$db" "CREATE TABLE t(n);"
	coproc sqlite3 -batch "$db"
	echo "BEGIN EXCLUSIVE; INSERT INTO t VALUES(1); SELECT 'locked';" >&"${COPROC[1]}"
	read -r -t 10 answer <&"${COPROC[0]}"
	expect_equal "$answer" locked
	answer=$(sqlite3 "$db" "INSERT INTO t VALUES(2);" 2>&1) && fail "two writers at once"
	[[ $answer == *"database is locked"* ]] || fail "$answer"
	echo "COMMIT;" >&"${COPROC[1]}"
	echo ".quit" >&"${COPROC[1]}"
	wait "$COPROC_PID"
	expect_equal "$(sqlite3 "$db" "SELECT count(*) FROM t;")" 1
}

run_tests
