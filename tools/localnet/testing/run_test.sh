#!/usr/bin/env bash
# Runs one of the Python tests of this folder: the shell wrapper spares us a
# Python toolchain.
set -euo pipefail
exec python3 -B "$(dirname "$0")/$1"
