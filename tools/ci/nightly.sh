#!/usr/bin/env bash
# The long form of CI: all tests under each sanitizer, mail under faults and
# floods on real processes, then every fuzzer.
#
#   tools/ci/nightly.sh [SECONDS_PER_FUZZER]    (default 1800)
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

seconds=${1:-1800}
failed=0
for config in asan ubsan tsan; do
  echo "== tests under $config"
  ./test --config="$config" || failed=$((failed + 1))
done

echo "== a client's disk fails at every operation, alone and step by step; also with two devices"
if bazel build --config=opt //client/messenger/testing:crash_points; then
  bin=$(bazel info --config=opt bazel-bin 2>/dev/null)
  "$bin/client/messenger/testing/crash_points" || failed=$((failed + 1))
  "$bin/client/messenger/testing/crash_points" --alone || failed=$((failed + 1))
else
  failed=$((failed + 1))
fi

echo "== a million poisoned envelopes"
if bazel build --config=opt //client/messenger/testing:poison; then
  bin=$(bazel info --config=opt bazel-bin 2>/dev/null)
  "$bin/client/messenger/testing/poison" --seed="$(($(date +%s) / 86400))" || failed=$((failed + 1))
else
  failed=$((failed + 1))
fi

# Every seed is twenty minutes of faults.
echo "== swarms in virtual time, for two hours"
if bazel build --config=opt //tools/simnet/swarm:swarm_sim; then
  bin=$(bazel info --config=opt bazel-bin 2>/dev/null)
  commit=$(git rev-parse --short HEAD)
  first=$(($(date +%s) / 86400 * 100000))
  "$bin/tools/simnet/swarm/swarm_sim" --seeds="$first..$((first + 49999))" \
    --for=1h --commit="$commit" &
  "$bin/tools/simnet/swarm/swarm_sim" --seeds="$((first + 50000))..$((first + 99999))" \
    --for=1h --commit="$commit" || failed=$((failed + 1))
  wait $! || failed=$((failed + 1))
else
  failed=$((failed + 1))
fi

echo "== people with several devices, and swarms that withhold their records"
if bazel build --config=opt //tools/simnet/scenarios:devices_test \
  //tools/simnet/scenarios:withheld_records_test; then
  bin=$(bazel info --config=opt bazel-bin 2>/dev/null)
  first=$(($(date +%s) / 86400 * 1000))
  SIMNET_FIRST_SEED="$first" SIMNET_SEEDS=200 \
    "$bin/tools/simnet/scenarios/devices_test" || failed=$((failed + 1))
  SIMNET_FIRST_SEED="$first" SIMNET_SEEDS=100 \
    "$bin/tools/simnet/scenarios/withheld_records_test" || failed=$((failed + 1))
else
  failed=$((failed + 1))
fi

echo "== 10,000 schedules of sessions in the model"
if bazel build --config=opt //tools/session_model:session_trace; then
  bin=$(bazel info --config=opt bazel-bin 2>/dev/null)
  first=$(($(date +%s) / 86400 * 10000))
  for half in "$first" "$((first + 5000))"; do
    tools/session_model/replay.py "$bin/tools/session_model/session_trace" \
      "$half" 5000 --require-coverage &
    replays+=($!)
  done
  for replay in "${replays[@]}"; do
    wait "$replay" || failed=$((failed + 1))
  done
else
  failed=$((failed + 1))
fi

# A fault that had to be skipped fails the night: run it as root.
echo "== 200,000 messages under faults, then a flood"
if bazel build --config=opt //tools/chaos:chaos_run //tools/chaos:flood_run; then
  bin=$(bazel info --config=opt bazel-bin 2>/dev/null)
  "$bin/tools/chaos/chaos_run" --messages=200000 --duration=2h --wipe \
    --commit="$(git rev-parse --short HEAD)" --require-all-faults || failed=$((failed + 1))
  "$bin/tools/chaos/flood_run" --minutes=10 || failed=$((failed + 1))
else
  failed=$((failed + 1))
fi

# Clang builds everything anew: an output base of its own keeps the other one.
base=${XDG_CACHE_HOME:-$HOME/.cache}/messenger/fuzz-output
fuzz() { bazel --output_base="$base" "$@"; }
# Folders by name: "//..." would also follow the links that bazel leaves here.
mapfile -t fuzzers < <(fuzz query 'attr(name, "_fuzz(er)?$", kind(cc_binary, set(//client/... //crypto/... //routing/... //swarm/...)))' 2>/dev/null)
((${#fuzzers[@]} > 0)) || {
  echo "nightly: no fuzzer was found"
  failed=$((failed + 1))
}
for fuzzer in "${fuzzers[@]}"; do
  echo "== $fuzzer for $seconds s"
  fuzz build --config=fuzz "$fuzzer" || {
    failed=$((failed + 1))
    continue
  }
  path=${fuzzer#//}
  binary=$(fuzz info --config=fuzz bazel-bin 2>/dev/null)/${path/://}
  corpus=$(mktemp -d)
  folder=${path%%:*}/testdata/$(basename "${binary%er}")
  [[ -d $folder ]] && cp -r "$folder/." "$corpus/"
  "$binary" -max_total_time="$seconds" -rss_limit_mb=2048 \
    -artifact_prefix="$corpus/" "$corpus" || failed=$((failed + 1))
done
echo "nightly: $failed step(s) failed"
((failed == 0))
