#!/usr/bin/env bash
# Runs the test with a session bus of its own.
set -euo pipefail
for program in dbus-run-session gnome-keyring-daemon secret-tool; do
  command -v "${program}" >/dev/null || {
    echo "${program} is not there: tools/setup installs it" >&2
    exit 1
  }
done
# Sockets lie in the second one, so its path has to be short.
export HOME="${TEST_TMPDIR}/home" XDG_RUNTIME_DIR
XDG_RUNTIME_DIR=$(TMPDIR="" mktemp -d -t keyring.XXXXXX)
trap 'rm -rf "${XDG_RUNTIME_DIR}"' EXIT
unset XDG_DATA_HOME XDG_STATE_HOME XDG_CACHE_HOME XDG_CONFIG_HOME DISPLAY \
  WAYLAND_DISPLAY
mkdir -p "${HOME}"
dbus-run-session -- python3 -B "$(dirname "$0")/secret_service_test.py"
