#!/bin/bash
# Sessions of the C++ code are those of the model, on random schedules.
set -euo pipefail
readonly SCHEDULES=75
[[ -n ${TEST_SHARD_STATUS_FILE:-} ]] && touch "${TEST_SHARD_STATUS_FILE}"
exec python3 -B "$1" "$2" "$((1 + SCHEDULES * ${TEST_SHARD_INDEX:-0}))" \
  "${SCHEDULES}" --require-coverage
