#!/bin/bash
# history_check as a program: what it prints, and how it ends.
set -u
binary=$1
dir=$(dirname "$2")
good=$dir/lost_not_when_read.jsonl
bad=$dir/lost_when_sent_and_never_read.jsonl

fail() {
  echo "FAILED: $1" >&2
  exit 1
}

# expect STATUS OUTPUT FILE...: how it ends, and a part of what it prints.
expect() {
  local status=$1 part=$2 output
  shift 2
  output=$("$binary" "$@" 2>&1)
  local got=$?
  ((got == status)) || fail "$*: ends with $got, not $status: $output"
  grep -qF -- "$part" <<<"$output" || fail "$*: no '$part' in: $output"
}

expect 0 "histories 1, lines 6, violations 0" "$good"
expect 1 "$bad:6: lost: a1000000 of mailbox 0" "$bad"
expect 1 "histories 3, lines 18, violations 2" "$bad" "$good" "$bad"

expect 2 "no FILE"
expect 2 "$dir/none: cannot be opened" "$dir/none"
expect 2 "$dir: cannot be read" "$dir"
echo '{"sunk": {}}' >"$TEST_TMPDIR/no_history"
expect 2 "no_history: line 1: sunk: is unknown" "$TEST_TMPDIR/no_history"
# What is found in the others is printed all the same.
expect 2 "$bad:6: lost" "$TEST_TMPDIR/no_history" "$bad"

"$binary" --help | grep -q "Exit status: 0 nothing was found, 1 something" ||
  fail "--help does not say how it ends"
