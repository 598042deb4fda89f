#!/bin/bash
# The model must agree with every published vector, notice a changed one, and
# generate the published file byte for byte.
set -euo pipefail

model=tools/onion_model/onion_model.py
vectors=routing/onion/testdata/onion_vectors.json
python=/usr/bin/python3
export PYTHONDONTWRITEBYTECODE=1

"$python" "$model" verify "$vectors"

changed="$TEST_TMPDIR/changed.json"
sed '/"path3.hop1.gamma"/s/": "../": "zz/; s/": "zz/": "00/' "$vectors" > "$changed"
if cmp -s "$vectors" "$changed"; then
  echo "the edit changed nothing" >&2
  exit 1
fi
if "$python" "$model" verify "$changed" 2> "$TEST_TMPDIR/complaint"; then
  echo "a changed vector went unnoticed" >&2
  exit 1
fi
grep -qx 'differs: path3.hop1.gamma' "$TEST_TMPDIR/complaint"

"$python" "$model" generate "$TEST_TMPDIR/generated.json"
cmp "$vectors" "$TEST_TMPDIR/generated.json"
