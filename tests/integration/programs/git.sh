#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A git repository that lives on the mount.
set -u
. "$FSBACKEND_TESTS/fixture.sh"
. "$FSBACKEND_TESTS/testing.sh"

export HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=Author GIT_AUTHOR_EMAIL=author@example.org
export GIT_COMMITTER_NAME=Committer GIT_COMMITTER_EMAIL=committer@example.org

make_repository()
{
	local number

	git init -q -b main "$1"
	mkdir "$1/sub"
	for number in {1..200}; do
		seq "$number" $((number * 3)) >"$1/sub/file$number"
	done
	chmod +x "$1/sub/file7"
	ln -s sub/file1 "$1/link"
	git -C "$1" add .
	git -C "$1" commit -q -m "First"
}

test_init_add_commit_gc_and_fsck_work_and_the_host_has_the_same_repository()
{
	make_repository "$mnt/repo"
	git -C "$mnt/repo" checkout -q -b other
	git -C "$mnt/repo" mv sub moved
	echo changed >"$mnt/repo/moved/file1"
	git -C "$mnt/repo" commit -q -a -m "Second"
	git -C "$mnt/repo" checkout -q main
	git -C "$mnt/repo" merge -q --no-ff -m "Merge" other
	git -C "$mnt/repo" gc -q --prune=now
	git -C "$mnt/repo" fsck --full --strict
	expect_equal "$(git -C "$mnt/repo" status --porcelain)" ""
	expect_equal "$(git -C "$mnt/repo" ls-files | wc -l)" 201
	expect_equal "$(cat "$mnt/repo/moved/file1")" changed
	[[ -n $(ls "$host/repo/.git/objects/pack/"*.pack) ]]

	expect_equal "$(git -c safe.directory='*' -C "$host/repo" rev-parse HEAD)" "$(git -C "$mnt/repo" rev-parse HEAD)"
	git -c safe.directory='*' -C "$host/repo" fsck --full --strict
	expect_equal "$(git -c safe.directory='*' -C "$host/repo" diff HEAD | wc -l)" 0
}

test_a_clone_from_and_to_the_mount_has_the_same_commit()
{
	make_repository "$mnt/repo"
	git clone -q "$mnt/repo" "$mnt/clone"
	git -C "$mnt/clone" fsck --full --strict
	expect_equal "$(git -C "$mnt/clone" rev-parse HEAD)" "$(git -C "$mnt/repo" rev-parse HEAD)"
	expect_equal "$(git -C "$mnt/clone" status --porcelain)" ""
}

test_a_commit_made_on_the_host_is_seen_through_the_mount()
{
	make_repository "$host/repo"
	git -c safe.directory='*' -C "$mnt/repo" status >/dev/null
	echo more >"$host/repo/sub/new"
	git -C "$host/repo" add sub/new
	git -C "$host/repo" commit -q -m "On the host"
	# Longer than the default timeouts.
	sleep 1.2
	expect_equal "$(git -C "$mnt/repo" rev-parse HEAD)" "$(git -C "$host/repo" rev-parse HEAD)"
	git -C "$mnt/repo" fsck --full --strict
}

run_tests
