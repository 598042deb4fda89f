#!/usr/bin/env python3
"""Counts the test cases of one `bazel test`.

usage: count_tests.py BUILD_EVENTS

BUILD_EVENTS is what --build_event_json_file wrote. Prints the cases that
failed, and last a line "N passed, M failed". Exits with 1 if a case failed, a
test target has no result, or nothing was run.
"""

import json
import sys
import urllib.parse
import xml.etree.ElementTree


def cases_of(path):
    """Names of the passed and the failed cases of one test.xml."""
    passed, failed = [], []
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        name = "%s.%s" % (case.get("classname", ""), case.get("name", ""))
        if case.get("status") == "notrun":
            continue
        # A skipped case has shown nothing.
        bad = (case.get("result") == "skipped" or
               any(case.find(tag) is not None
                   for tag in ("failure", "error", "skipped")))
        (failed if bad else passed).append(name.lstrip("."))
    return passed, failed


def main(events_path):
    passed = 0
    failures = []
    configured, finished = set(), set()
    with open(events_path) as events:
        for line in events:
            event = json.loads(line)
            identity = event.get("id", {})
            if "testResult" in identity:
                label = identity["testResult"]["label"]
                result = event.get("testResult", {})
                good = result.get("status") == "PASSED"
                finished.add(label)
                cases, bad = [], []
                for output in result.get("testActionOutput", []):
                    if output.get("name") != "test.xml":
                        continue
                    path = urllib.parse.unquote(
                        urllib.parse.urlparse(output["uri"]).path)
                    try:
                        cases, bad = cases_of(path)
                    except (OSError, xml.etree.ElementTree.ParseError):
                        pass
                passed += len(cases)
                failures += ["%s %s" % (label, name) for name in bad]
                if good and not cases and not bad:
                    passed += 1  # A script has one case: itself.
                elif not good and not bad:
                    failures.append("%s (%s)" % (label, result.get("status")))
            elif "targetConfigured" in identity:
                kind = event.get("configured", {}).get("targetKind", "")
                if kind.endswith("_test rule"):
                    configured.add(identity["targetConfigured"]["label"])
    failures += ["%s (did not run)" % label
                 for label in sorted(configured - finished)]
    for failure in failures:
        print("FAILED " + failure)
    print("%d passed, %d failed" % (passed, len(failures)))
    return 1 if failures or passed == 0 else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
