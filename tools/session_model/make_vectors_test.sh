#!/bin/bash
# The stored vectors and scenes are what the model computes.
set -euo pipefail
python3 -B "$1" --verify "$2"
python3 -B "$3" --verify "$4"
