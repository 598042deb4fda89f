#!/bin/bash
# Puts version.h where libsodium's own configure would write it.
set -euo pipefail
cp builds/msvc/version.h src/libsodium/include/sodium/version.h
