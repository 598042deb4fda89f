#!/bin/bash
# Formats C++ and protos (clang-format) and BUILD files (buildifier).
#
#   tools/format.sh            rewrites what is not formatted
#   tools/format.sh --check    names it instead, and fails if there is any
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/buildifier.sh

mode=fix
case "${1:-}" in
  "") ;;
  --check) mode=check ;;
  *)
    echo "usage: tools/format.sh [--check]" >&2
    exit 2
    ;;
esac

# Tracked files, and new ones that are not ignored; not deleted ones.
files() {
  git ls-files -z --cached --others --exclude-standard -- "$@" |
    while IFS= read -r -d '' file; do
      [[ -f ${file} ]] && printf '%s\0' "${file}"
    done
}

status=0
if [[ ${mode} == check ]]; then
  files '*.cc' '*.h' '*.proto' |
    xargs -0 -r -n 32 -P 2 clang-format-14 --dry-run --Werror || status=1
  files WORKSPACE BUILD '*/BUILD' '*.BUILD' '*.bzl' |
    xargs -0 -r "${BUILDIFIER}" -mode=check -lint=off || status=1
  ((status == 0)) || echo "format.sh: run tools/format.sh" >&2
else
  files '*.cc' '*.h' '*.proto' | xargs -0 -r -n 32 -P 2 clang-format-14 -i
  files WORKSPACE BUILD '*/BUILD' '*.BUILD' '*.bzl' |
    xargs -0 -r "${BUILDIFIER}" -mode=fix -lint=off
fi
exit "${status}"
