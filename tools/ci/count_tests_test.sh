#!/usr/bin/env bash
# What counts as passed: not a skipped case, nor a target without a result.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/test.xml" <<'XML'
<testsuites><testsuite>
<testcase name="good" status="run" result="completed"/>
<testcase name="skipped" status="run" result="skipped"><skipped/></testcase>
<testcase name="bad" status="run" result="completed"><failure/></testcase>
<testcase name="off" status="notrun" result="suppressed"/>
</testsuite></testsuites>
XML
configured() {
  echo "{\"id\":{\"targetConfigured\":{\"label\":\"$1\"}},\"configured\":{\"targetKind\":\"sh_test rule\"}}"
}
result() { # label, status, outputs
  echo "{\"id\":{\"testResult\":{\"label\":\"$1\"}},\"testResult\":{\"status\":\"$2\",\"testActionOutput\":[$3]}}"
}
{
  configured //a:cases
  configured //a:script
  configured //a:timeout
  configured //a:silent
  result //a:cases PASSED "{\"name\":\"test.xml\",\"uri\":\"file://$folder/test.xml\"}"
  result //a:script PASSED ""
  result //a:timeout TIMEOUT ""
} >"$folder/events"

if python3 -B "$here/count_tests.py" "$folder/events" >"$folder/out"; then
  echo "failures were taken for success"
  exit 1
fi
cat >"$folder/expected" <<'OUT'
FAILED //a:cases skipped
FAILED //a:cases bad
FAILED //a:timeout (TIMEOUT)
FAILED //a:silent (did not run)
2 passed, 4 failed
OUT
diff "$folder/expected" "$folder/out"
