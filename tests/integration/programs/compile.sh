#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Programs are compiled, linked and run on the mount.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

test_a_program_of_two_files_and_a_library_is_compiled_and_runs_on_both_sides()
{
	mkdir "$mnt/src"
	printf 'int twice(int);\nint twice(int n) { return 2 * n; }\n' >"$mnt/src/twice.c"
	cat >"$mnt/src/main.c" <<-'END'
		#include <stdio.h>
		int twice(int);
		int main(void) { printf("%d\n", twice(21)); return 3; }
	END
	cd "$mnt/src"
	"${CC:-cc}" -g -c twice.c -o twice.o
	ar rcs libtwice.a twice.o
	"${CC:-cc}" -g main.c -L. -ltwice -o program
	expect_equal "$(./program || echo "status $?")" "$(printf '42\nstatus 3')"
	expect_equal "$("$host/src/program" || true)" 42
}

test_a_shared_library_on_the_mount_is_loaded_by_a_program_on_the_mount()
{
	cd "$mnt"
	printf 'int answer(void);\nint answer(void) { return 42; }\n' >answer.c
	printf 'int answer(void);\nint main(void) { return answer(); }\n' >main.c
	"${CC:-cc}" -shared -fPIC answer.c -o libanswer.so
	"${CC:-cc}" main.c -L. -lanswer -Wl,-rpath,"$mnt" -o program
	./program && status=0 || status=$?
	expect_equal "$status" 42
}

test_make_rebuilds_what_has_changed_and_nothing_else()
{
	cd "$mnt"
	printf '%s\n' 'all: one two' 'one: one.in' $'\tcp one.in one; echo one >>log' \
		'two: two.in' $'\tcp two.in two; echo two >>log' >Makefile
	echo 1 >one.in
	echo 2 >two.in
	make -s
	make -s
	expect_equal "$(cat log)" "$(printf 'one\ntwo')"
	sleep 0.1
	echo changed >two.in
	make -s
	expect_equal "$(cat log)" "$(printf 'one\ntwo\ntwo')"
	expect_equal "$(cat "$host/two")" changed
}

runs()
{
	[[ $(readlink "/proc/$!/exe") == "$1" ]]
}

test_a_running_program_cannot_be_written_but_can_be_replaced()
{
	cp /bin/sleep "$mnt/sleep"
	"$mnt/sleep" 20 &
	trap 'kill $! 2>/dev/null || true' EXIT
	within 50 runs "$mnt/sleep"
	expect_failure sh -c ": 2>/dev/null >>'$mnt/sleep'"
	cp /bin/true "$mnt/true"
	mv "$mnt/true" "$mnt/sleep"
	"$mnt/sleep" 20
	kill $!
}

test_a_script_with_an_interpreter_runs_and_without_the_x_bit_does_not()
{
	printf '#!/bin/sh\necho "$0 $1"\n' >"$mnt/script"
	expect_failure "$mnt/script" 2>/dev/null
	chmod +x "$mnt/script"
	expect_equal "$("$mnt/script" word)" "$mnt/script word"
}

run_tests
