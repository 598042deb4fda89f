#!/bin/bash
# session-swarm as a program: what it refuses, and how it ends.
set -u
binary=$1
dir=$TEST_TMPDIR/session-swarm
mkdir -p "$dir"
flags=(--data_dir="$dir" --network_file="$dir/network.txtpb"
  --router_public_file="$dir/router.txtpb")

fail() {
  echo "FAILED: $1" >&2
  exit 1
}

"$binary" 2>/dev/null && fail "starts without knowing where and with whom"

# Waits for the other files, and ends in good order.
"$binary" "${flags[@]}" 2>"$dir/log" &
process=$!
until [[ -e $dir/public.txtpb ]]; do kill -0 $process || fail "does not start"; done
kill -TERM $process
wait $process || fail "does not end in good order"

# Killed at once it starts again.
"$binary" "${flags[@]}" 2>>"$dir/log" &
process=$!
until grep -c listening "$dir/log" | grep -q 2; do
  kill -0 $process || fail "does not start again"
done
kill -KILL $process
wait $process 2>/dev/null
"$binary" "${flags[@]}" 2>>"$dir/log" &
process=$!
until grep -c listening "$dir/log" | grep -q 3; do
  kill -0 $process || fail "does not start after a kill"
done

# A file that is no network configuration ends it, with words.
echo nonsense >"$dir/router.txtpb"
echo nonsense >"$dir/network.txtpb"
wait $process && fail "goes on without a network"
rm "$dir/network.txtpb" "$dir/router.txtpb"

rm -f "$dir"/messages.db-*
: >"$dir/log"  # The words below are not to be those of the processes above.
head -c 100000 /dev/zero | tr '\0' 'x' >"$dir/messages.db"
"$binary" "${flags[@]}" 2>"$dir/log" &
process=$!
until grep -q listening "$dir/log"; do
  kill -0 $process || fail "does not start on an empty store"
done
grep -q "damaged" "$dir/log" || fail "does not say that the store is damaged"
compgen -G "$dir/messages.db.damaged-*" >/dev/null ||
  fail "does not set the damaged store aside"
kill -TERM $process
wait $process || fail "does not end in good order"

# A copy, and back from it.
"$binary" --data-dir="$dir" --backup-to="$dir/copy.db" 2>"$dir/log" ||
  fail "makes no copy"
"$binary" --data-dir="$dir" --restore-from="$dir/copy.db" 2>"$dir/log" ||
  fail "does not take a copy back"
