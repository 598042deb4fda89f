#!/bin/bash
# prepare.sh SYMBOLS
#
# Writes the headers that put the prefix BORINGSSL_PREFIX before every global
# symbol of BoringSSL, as its util/make_prefix_headers.go would.
#
# SYMBOLS lists them one a line. To make it for a new version: empty it, build
# //third_party/boringssl:crypto, and list what `nm --defined-only
# --extern-only --format=just-symbols` says of the archive, without the names
# that begin with an underscore.
set -euo pipefail

{
  echo '#define BORINGSSL_ADD_PREFIX(a, b) BORINGSSL_ADD_PREFIX_INNER(a, b)'
  echo '#define BORINGSSL_ADD_PREFIX_INNER(a, b) a ## _ ## b'
  sed -E 's/(.+)/#define \1 BORINGSSL_ADD_PREFIX(BORINGSSL_PREFIX, \1)/' "$1"
} >src/include/boringssl_prefix_symbols.h
echo '#include <boringssl_prefix_symbols.h>' \
  >src/include/boringssl_prefix_symbols_asm.h
