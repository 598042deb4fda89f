#!/bin/bash
# The stored vectors are what the model computes.
set -euo pipefail
exec python3 -B "$1" --verify "$2"
