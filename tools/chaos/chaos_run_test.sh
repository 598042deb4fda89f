#!/usr/bin/env bash
# The short form of chaos_run: every kind of fault about once, for a moment.
set -euo pipefail
exec "$(dirname "$0")/chaos_run" --duration=45s --shortest-fault=500ms \
  --longest-fault=2s --pause=400ms --patience=2m
