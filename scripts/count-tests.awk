# Add up the tests in ctest's log: what each program said about its own tests, or else the program as one.

function number_before(word) {
	return match($0, "[0-9]+ " word) ? substr($0, RSTART) + 0 : 0
}

function number_after(word) {
	return match($0, word ": [0-9]+") ? substr($0, RSTART + length(word) + 2) + 0 : 0
}

function close_test() {
	if (!open)
		return
	if (result == "skipped" && !said)
		skips++
	else if (result == "failed" && fails == 0)
		fails++
	else if (!said && result == "passed")
		passes++
	passed += passes
	failed += fails
	skipped += skips
	open = 0
}

/^[0-9]+\/[0-9]+ Testing: / { close_test(); open = 1; passes = fails = skips = said = 0; result = "failed" }

/^\[SKIP\]/ { skips++ }
/^\[====\] Synthesis: / {
	passes += number_after("Passing")
	fails += number_after("Failing") + number_after("Crashing")
	said = 1
}
/^([^ ]+: )?[0-9]+ passed, [0-9]+ failed/ {
	passes += number_before("passed")
	fails += number_before("failed")
	skips += number_before("skipped")
	said = 1
}

/^Test Passed\./ { result = "passed" }
/^Test Skipped|^Skip/ { result = "skipped" }

END {
	close_test()
	printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
}
