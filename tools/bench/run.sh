#!/bin/bash
# Builds everything optimised, measures, prints one table after another.
#
#   tools/bench/run.sh [all|crypto|client|store|relay|mail]...   (default: all)
#
# Options for Bazel go into BENCH_BAZEL_STARTUP and BENCH_BAZEL_OPTIONS, for
# example an output base of their own. Files go to TMPDIR: set it to the disk
# that is to be measured. Takes some minutes; the machine should have nothing
# else to do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

read -ra startup <<<"${BENCH_BAZEL_STARTUP:-}"
read -ra options <<<"${BENCH_BAZEL_OPTIONS:-}"
parts=("${@:-all}")

wants() {
  local part
  for part in "${parts[@]}"; do
    [[ ${part} == all || ${part} == "$1" ]] && return 0
  done
  return 1
}

for part in "${parts[@]}"; do
  case ${part} in
    all | crypto | client | store | relay | mail) ;;
    *)
      echo "usage: tools/bench/run.sh [all|crypto|client|store|relay|mail]..." >&2
      exit 2
      ;;
  esac
done

targets=()
wants crypto && targets+=(//tools/bench:crypto_bench)
wants client && targets+=(//tools/bench:client_bench)
wants store && targets+=(//tools/bench:store_bench)
{ wants relay || wants mail; } && targets+=(//tools/bench:network_bench)
wants mail && targets+=(//tools/localnet)
bazel "${startup[@]}" build --config=opt "${options[@]}" "${targets[@]}"
bin=$(bazel "${startup[@]}" info --config=opt "${options[@]}" bazel-bin 2>/dev/null)

scratch=$(mktemp -d)
network=
clean_up() {
  [[ -z ${network} ]] ||
    "${bin}/tools/localnet/localnet" down --dir "${network}" >/dev/null || true
  rm -rf "${scratch}"
}
trap clean_up EXIT

# mail SWARM_SIZE: through a network of as few nodes as paths need, and two.
mail() {
  network=${scratch}/network-$1
  "${bin}/tools/localnet/localnet" up --dir "${network}" --nodes $(($1 + 5)) \
    --swarm-size "$1" >"${scratch}/up-$1" 2>&1 ||
    { cat "${scratch}/up-$1" >&2; return 1; }
  "${bin}/tools/bench/network_bench" "${network}/network.txtpb"
  "${bin}/tools/localnet/localnet" down --dir "${network}" >/dev/null
  network=
}

echo "Measured $(date -u +'%F %H:%M UTC') on $(nproc) cores;" \
  "load before: $(cut -d' ' -f1-3 /proc/loadavg)"
grep -m1 '^model name' /proc/cpuinfo | cut -d: -f2- | xargs
echo
if wants crypto; then "${bin}/tools/bench/crypto_bench"; echo; fi
if wants client; then "${bin}/tools/bench/client_bench" "${scratch}"; echo; fi
if wants store; then
  "${bin}/tools/bench/store_bench" "${scratch}"
  echo
  "${bin}/tools/bench/store_bench" --curve "${scratch}"
  echo
fi
if wants relay; then "${bin}/tools/bench/network_bench"; echo; fi
if wants mail; then
  mail 3
  echo
  mail 1
fi
