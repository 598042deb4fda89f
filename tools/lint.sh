#!/bin/bash
# Checks what the compiler does not: rules of this codebase that a search can
# decide, BUILD files, shell syntax.
#
#   tools/lint.sh                    a few seconds
#   tools/lint.sh --tidy [FILE.cc]   clang-tidy, on all or the named files; slow.
#                                    Wants the generated headers: build first
#
# A finding names the file, the rule and what to do instead. Rules have
# exceptions by file only, stated below with the rule.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

files() {
  git ls-files -z --cached --others --exclude-standard -- "$@" |
    while IFS= read -r -d '' file; do
      [[ -f ${file} ]] && printf '%s\0' "${file}"
    done
}

tidy() {
  local sources=("$@") include=() directory
  ((${#sources[@]} > 0)) ||
    mapfile -d '' -t sources < <(files '*.cc' ':!third_party/abseil')
  local bin external source status=0
  bin=$(bazel info bazel-bin 2>/dev/null)
  external=$(bazel info output_base 2>/dev/null)/external
  for directory in libsodium/src/libsodium/include sqlcipher; do
    include+=(-isystem "${external}/${directory}")
  done
  for source in "${sources[@]}"; do
    # Elsewhere <openssl/...> is the system's.
    local boringssl=()
    [[ ${source} == crypto/* || ${source} == */smoke_test.cc ]] &&
      boringssl=(-isystem "${external}/boringssl/src/include"
        -DBORINGSSL_PREFIX=BSSL)
    clang-tidy-14 --quiet "${source}" -- -std=c++20 -iquote . \
      -iquote "${bin}" "${boringssl[@]}" "${include[@]}" -DSODIUM_STATIC=1 \
      -DSQLITE_HAS_CODEC=1 2> >(grep -v 'warnings generated' >&2) || status=1
  done
  return "${status}"
}

if [[ ${1:-} == --tidy ]]; then
  shift
  tidy "$@"
  exit
elif (($# > 0)); then
  echo "usage: tools/lint.sh [--tidy [FILE.cc...]]" >&2
  exit 2
fi

findings=0

report() {  # ADVICE, and lines on standard input
  local line
  while IFS= read -r line; do
    printf '%s\n    %s\n' "${line}" "$1"
    findings=$((findings + 1))
  done
}

# forbid ADVICE PATTERN EXCEPT FILES...
#   Reports lines that match PATTERN (Perl), but not those in files whose path
#   matches EXCEPT, nor, unless comments=too, lines that are comments.
comments=skip
forbid() {
  local advice=$1 pattern=$2 except=$3
  shift 3
  report "${advice}" < <(
    files "$@" | grep -zvE "^(tools/lint\.sh${except:+|${except}})" |
      xargs -0 -r grep -nHP -- "${pattern}" |
      { [[ ${comments} == too ]] && cat || grep -vP '^[^:]+:\d+:\s*(//|\*)'; } ||
      true
  )
}

readonly CPP=('*.cc' '*.h' ':!third_party')

forbid "take Random& as a parameter" \
  'std::random_device|std::mt19937|\bs?rand\(\)|\barc4random|\bgetentropy\(|\bgetrandom\(|absl::BitGen|\bRAND_bytes\(|\brandombytes_' \
  'crypto/random/system_random\.cc' "${CPP[@]}"

forbid "take Clock& or absl::Time as a parameter" \
  'system_clock::now|steady_clock::now|absl::Now\(\)|\btime\((nullptr|NULL|0)\)|\bgettimeofday\(|\bclock_gettime\(' \
  'routing/runtime/(process|system_clock)\.cc|tools/localnet/|tools/bench/|.*_(main|benchmark|bench)\.cc' \
  "${CPP[@]}"

forbid "wait for the event, not for time to pass" \
  'sleep_for|sleep_until|absl::SleepFor|\busleep\(|\bnanosleep\(|[^_:.>\w]sleep\(' \
  'tools/localnet/' "${CPP[@]}"

forbid "only *_main.cc reads the environment and flags" \
  '\bgetenv\(|ABSL_FLAG\(|absl::GetFlag\(|ParseCommandLine\(' \
  '.*_main\.cc|.*_test\.cc|swarm/testing/models/|tools/|client/cli/' "${CPP[@]}"

forbid "return absl::Status" \
  '(^|[^\w"])(throw\b\s+\w|throw;|catch \(|try \{)' '' "${CPP[@]}"

forbid "libraries print nothing" \
  'std::c(out|err|log)\b|\bprintf\(|\bfprintf\(|\bputs\(|ABSL_RAW_LOG\((INFO|WARNING)' \
  '.*_main\.cc|.*_test\.cc|.*_benchmark\.cc|.*/test(ing|data)/|tools/|client/cli/' "${CPP[@]}"

forbid "a test runs or is deleted" \
  'DISABLED_|GTEST_SKIP' '' "${CPP[@]}"

forbid "listen on port 0 and ask which it became" \
  'AddListeningPort\("[^"]*:[1-9]' '' '*.cc' '*.h'

comments=too

forbid "a TODO names the condition: // TODO: drop once ..." \
  '\bTODO\b(?!: .*\b(once|when|after|until|if)\b)|\bFIXME\b|\bXXX\b' '' \
  '*.cc' '*.h' '*.proto' '*.py' '*.sh' '*.bzl' '*BUILD' ':!third_party/fetch'

forbid "depend on a facade in //third_party" \
  '"@(?!messenger|platforms|bazel_tools)\w+//|"-l\w' 'third_party/|WORKSPACE' \
  '*BUILD' '*.bzl'

forbid "no path of one machine: use a parameter, TempDir() or a relative path" \
  '(?<![\w.$}:])/(work|home|root|Users|mnt|opt|tmp)/[\w.]' '' \
  ':!*.json' ':!*.tsv' ':!*.txt'

forbid "no host name of a mirror: read the machine's own configuration" \
  '(deb|ftp|security|snapshot|httpredir|cdn-\w+)\.(\w+\.)?debian\.(org|net)|registry\.npmjs\.org|\.pkg\.dev|artifactregistry' \
  '' ':!*.json'

# The guard of a header is its path.
while IFS= read -r -d '' header; do
  guard=$(tr 'a-z/.-' 'A-Z___' <<<"${header}")_
  grep -q "^#ifndef ${guard}\$" "${header}" ||
    report "the header guard is ${guard}" <<<"${header}"
done < <(files '*.h' ':!third_party/sqlite')

# A source that no BUILD names is never compiled; a test, never run.
while IFS= read -r -d '' source; do
  name=${source##*/}
  # A fuzz_target() has the name of its source.
  [[ ${name} == *_fuzz.cc ]] && name=${name%.cc}
  grep -qF "\"${name}\"" "$(dirname "${source}")/BUILD" 2>/dev/null ||
    report "no target in $(dirname "${source}")/BUILD names it" <<<"${source}"
done < <(files '*.cc')

while IFS= read -r -d '' script; do
  if [[ ${script} == *.sh ]] || head -n 1 "${script}" | grep -q '^#!.*bash'; then
    bash -n "${script}" || report "shell syntax" <<<"${script}"
  fi
done < <(files '*.sh' tools third_party .ci)

source tools/buildifier.sh
readonly BUILD_WARNINGS=constant-glob,deprecated-function,duplicated-name,integer-division,load,no-effect,print,return-value,same-origin-load,uninitialized,unreachable,unused-variable
report "see buildifier's WARNINGS.md" < <(
  files WORKSPACE BUILD '*/BUILD' '*.BUILD' '*.bzl' |
    xargs -0 -r "${BUILDIFIER}" -mode=check -lint=warn \
      "-warnings=${BUILD_WARNINGS}" 2>&1 | grep -E '^[^ ]+:[0-9]+: ' | sort -u
)

if ((findings > 0)); then
  echo "lint.sh: ${findings} finding(s)" >&2
  exit 1
fi
echo "lint.sh: nothing to report"
