#!/bin/bash
# generate.sh {messages|grpc} FILE.proto OUT_ROOT OUTPUT...
#
# Runs protoc on one file, with the working directory as the import root, and
# marks the generated headers as system headers, so that warnings in them do
# not fail the strict builds of those who include them.
set -euo pipefail

kind=$1
proto=$2
out_root=$3
shift 3

flags=(-I. -I/usr/include "--cpp_out=${out_root}")
if [[ ${kind} == grpc ]]; then
  flags+=(--plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin
    "--grpc_out=${out_root}")
fi
/usr/bin/protoc "${flags[@]}" "${proto}"

for output in "$@"; do
  if [[ ${output} == *.pb.h ]]; then
    sed -i '1i #pragma GCC system_header' "${output}"
  fi
done
