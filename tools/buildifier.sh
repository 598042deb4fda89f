# Sets BUILDIFIER to the path of buildifier, wherever it is. To be sourced.

BUILDIFIER=$(command -v buildifier || true)
if [[ -z ${BUILDIFIER} ]]; then
  for BUILDIFIER in \
    "${XDG_CACHE_HOME:-${HOME:-}/.cache}"/messenger/buildifier-*/node_modules/.bin/buildifier; do
    [[ -x ${BUILDIFIER} ]] && break
    BUILDIFIER=""
  done
fi
if [[ -z ${BUILDIFIER} ]]; then
  echo "no buildifier: run tools/setup" >&2
  exit 1
fi
