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
head -c 100000 /dev/zero | tr '\0' 'x' >"$dir/messages.db"
"$binary" "${flags[@]}" 2>"$dir/log"
[[ $? -eq 1 ]] || fail "does not refuse a damaged store"
grep -q "damaged" "$dir/log" || fail "does not say that the store is damaged"
