#!/bin/bash
# Puts the sources of one dependency into the working directory.
#
#   fetch.sh PACKAGE SUITE VERSION ARCHIVE SHA256 ACCEPT_NEWER URL TREE_SHA256
#
#   PACKAGE, SUITE  the Debian source package, and the suite that has it
#   VERSION         of the upstream release, as Debian writes it
#   ARCHIVE         the name of its .orig.tar in Debian
#   SHA256          of that archive
#   ACCEPT_NEWER    "yes" if a later release will do, with a notice
#   URL             where upstream publishes the release
#   TREE_SHA256     digest of the unpacked files, for an upstream address that
#                   packs the same files into different bytes each time; or ""
#
# Ways in, the first that works:
#   1. ${MESSENGER_DISTDIR}, a directory of archives;
#   2. the cache of what earlier runs downloaded, below ${XDG_CACHE_HOME};
#   3. Debian's mirror, the one that this machine's own apt sources name. apt
#      works in a private directory: it needs no root and changes nothing;
#   4. URL.
# An archive whose digest is not the pinned one is never unpacked, unless a
# later release is acceptable and it came by way 1, or by way 3, where apt has
# checked the archive's signature.
set -euo pipefail

if [[ ${1:-} == --tree-digest ]]; then set -- "$1" "$2" "" "" "" "" "" ""; fi
package=$1 suite=$2 version=$3 archive=$4 sha256=$5 accept_newer=$6 url=$7
tree_sha256=$8

scratch=$(mktemp -d)
trap 'rm -rf "${scratch}"' EXIT
cache="${XDG_CACHE_HOME:-${HOME:-${scratch}}/.cache}/messenger/distfiles"
found=""
tried=()

say() { echo "${package}: $*" >&2; }

has_digest() {  # FILE
  [[ -f $1 ]] && [[ $(sha256sum <"$1") == "${sha256} "* ]]
}

# The version in the name of an archive, if it is later than the pinned one.
later_version() {  # FILE
  local name=${1##*/}
  local candidate=${name#"${package}_"}
  candidate=${candidate%.orig.tar.*}
  [[ ${candidate} != "${version}" ]] &&
    dpkg --compare-versions "${candidate}" gt "${version}" &&
    echo "${candidate}"
}

accept_later() {  # FILE...
  [[ ${accept_newer} == yes ]] || return 1
  local file candidate
  for file in "$@"; do
    if [[ -f ${file} ]] && candidate=$(later_version "${file}"); then
      say "notice: using version ${candidate}, newer than the pinned ${version}"
      found=${file}
      return 0
    fi
  done
  return 1
}

from_directory() {
  [[ -n ${MESSENGER_DISTDIR:-} ]] || {
    tried+=("MESSENGER_DISTDIR is not set")
    return 1
  }
  if has_digest "${MESSENGER_DISTDIR}/${archive}"; then
    found="${MESSENGER_DISTDIR}/${archive}"
    return 0
  fi
  accept_later "${MESSENGER_DISTDIR}/${package}"_*.orig.tar.* && return 0
  tried+=("${MESSENGER_DISTDIR} has no ${archive} with the pinned SHA-256")
  return 1
}

from_cache() {
  if has_digest "${cache}/${archive}"; then
    found="${cache}/${archive}"
    return 0
  fi
  tried+=("not in the download cache yet")
  return 1
}

# Prints a deb822 stanza for the wanted suite on the machine's own mirror.
own_mirror() {
  local file
  for file in /etc/apt/sources.list.d/*.sources; do
    [[ -f ${file} ]] || continue
    awk -v suite="${suite}" '
      BEGIN { RS = ""; FS = "\n" }
      {
        uris = ""; signed = ""; main = 0; foreign = 0
        for (i = 1; i <= NF; i++) {
          if ($i ~ /^URIs:/) uris = $i
          if ($i ~ /^Signed-By:[ \t]*[^ \t]/) signed = $i
          if ($i ~ /^Components:.*main/) main = 1
          if ($i ~ /^Suites:.*security/) foreign = 1
          if ($i ~ /^Enabled:[ \t]*no/) foreign = 1
        }
        if (uris != "" && main && !foreign && uris ~ /debian/) {
          print "Types: deb-src"; print uris; print "Suites: " suite
          print "Components: main"; if (signed != "") print signed
          exit
        }
      }' "${file}"
  done >"${scratch}/stanzas"
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [[ -f ${file} ]] || continue
    sed -nE 's/^deb(-src)?[ \t]+(\[[^]]*\][ \t]+)?([^ \t]+)[ \t]+([^ \t]+)[ \t]+(.*[ \t])?main([ \t].*)?$/\3 \4/p' \
      "${file}" | awk -v suite="${suite}" '
        $1 ~ /debian/ && $2 !~ /security/ {
          print "Types: deb-src"; print "URIs: " $1; print "Suites: " suite
          print "Components: main"; exit
        }'
  done >>"${scratch}/stanzas"
  # The first stanza: it ends where the next one's "Types:" begins.
  awk '/^Types:/ { if (seen++) exit } { print }' "${scratch}/stanzas"
}

from_debian() {
  command -v apt-get >/dev/null || {
    tried+=("no apt-get here")
    return 1
  }
  local apt="${scratch}/apt"
  mkdir -p "${apt}/sources" "${apt}/lists/partial" \
    "${apt}/cache/archives/partial" "${scratch}/download"
  own_mirror >"${apt}/sources/own.sources"
  [[ -s ${apt}/sources/own.sources ]] || {
    tried+=("this machine's apt sources name no Debian mirror")
    return 1
  }
  local options=(-qq
    -oDir::Etc::SourceList=/dev/null
    "-oDir::Etc::SourceParts=${apt}/sources"
    "-oDir::State::Lists=${apt}/lists"
    "-oDir::Cache=${apt}/cache"
    -oAcquire::Languages=none
    -oAcquire::Retries=2
    -oAPT::Sandbox::User=)
  # --tar-only: a mirror may lack the packaging's own archive.
  if ! (cd "${scratch}/download" &&
    apt-get "${options[@]}" update &&
    apt-get "${options[@]}" source --only-source --tar-only \
      --download-only "${package}") >"${scratch}/apt.log" 2>&1; then
    tried+=("Debian's mirror: $(grep -m1 '^E:' "${scratch}/apt.log" |
      sed -E 's#https?://[^ ]*/##' || true)")
    return 1
  fi
  if has_digest "${scratch}/download/${archive}"; then
    found="${scratch}/download/${archive}"
    return 0
  fi
  accept_later "${scratch}/download/${package}"_*.orig.tar.* && return 0
  tried+=("Debian's mirror has another version: $(ls "${scratch}/download")")
  return 1
}

from_upstream() {
  local file="${scratch}/${archive}"
  if command -v curl >/dev/null; then
    curl --fail --silent --location --connect-timeout 20 --retry 2 \
      --output "${file}" "${url}" || true
  elif command -v wget >/dev/null; then
    wget --quiet --timeout=20 --tries=2 --output-document="${file}" "${url}" ||
      true
  fi
  [[ -s ${file} ]] || {
    tried+=("${url} cannot be reached")
    return 1
  }
  if has_digest "${file}"; then
    found=${file}
    return 0
  fi
  if [[ -n ${tree_sha256} ]]; then
    mkdir "${scratch}/upstream"
    if unpack "${file}" "${scratch}/upstream" &&
      [[ $(tree_digest "${scratch}/upstream") == "${tree_sha256}" ]]; then
      found=${file}
      return 0
    fi
  fi
  tried+=("what ${url} serves does not have the pinned SHA-256")
  return 1
}

unpack() {  # FILE DIRECTORY
  tar --extract --file="$1" --directory="$2" --no-same-owner
  # Most archives hold one directory, some hold the files themselves.
  local entries
  mapfile -t entries < <(ls -A "$2")
  if ((${#entries[@]} == 1)) && [[ -d "$2/${entries[0]}" ]]; then
    mv "$2/${entries[0]}" "$2.top"
    rmdir "$2"
    mv "$2.top" "$2"
  fi
}

# Of C sources, headers and assembly: all that is compiled.
tree_digest() {  # DIRECTORY
  (cd "$1" &&
    find . -type f \( -name '*.[chS]' -o -name '*.cc' -o -name '*.bzl' \) \
      -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) | sha256sum | cut -d' ' -f1
}

if [[ ${package} == --tree-digest ]]; then  # To pin a new version.
  tree_digest "${suite}"
  exit 0
fi

from_directory || from_cache || from_debian || from_upstream || {
  say "cannot get ${archive}:"
  printf '  - %s\n' "${tried[@]}" >&2
  say "put the archive into a directory and set MESSENGER_DISTDIR to it"
  exit 1
}

# Best effort: a full or read-only disk only costs the next run a download.
if has_digest "${found}" && [[ ${found} != "${cache}/"* ]]; then
  { mkdir -p "${cache}" &&
    cp "${found}" "${cache}/.${archive}.$$" &&
    mv "${cache}/.${archive}.$$" "${cache}/${archive}"; } 2>/dev/null || true
fi

mkdir "${scratch}/tree"
unpack "${found}" "${scratch}/tree"
# Foreign build files would split the tree into packages of their own.
find "${scratch}/tree" \( -name BUILD -o -name BUILD.bazel -o -name WORKSPACE \
  -o -name WORKSPACE.bazel \) -delete
cp -r "${scratch}/tree/." .
