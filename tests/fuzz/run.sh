#!/bin/bash
# run.sh BUILD_DIR SECONDS: runs every fuzzer of the build for so long, as many at once as there are processors.
# Fails where one finds a fault, or covers less than 70 % of the lines of a file that it is about.
set -euo pipefail
readonly kLeast=70  # percent
# The files that each fuzzer is about.
readonly kTargets="
vector_file     client/files/layout.cc client/files/vector_file.cc
npy_header      client/files/npy_header.cc
id_file         client/files/id_file.cc client/files/line_reader.cc
jsonl           client/files/jsonl.cc client/files/timestamp.cc
records         server/storage/records.cc server/storage/codec.h server/storage/keys.cc
stored_graph    index/graph/stored_graph.cc
adopted_graph   index/graph/fill.cc index/graph/repair.cc
code            index/codes/faiss_format.cc index/codes/spec.cc index/codes/stored.cc
fde             index/multi/fde_spec.cc index/multi/fde_model.cc index/multi/fde_encode.cc index/multi/stored_fde.cc
tokens          index/multi/token_set.cc
plan            index/plan.cc
schema_request  server/rpc/convert_schema.cc server/rpc/wire.cc server/rpc/unknown_fields.cc
point_request   server/rpc/convert_point.cc server/rpc/convert_columns.cc server/rpc/page_token.cc
search_request  server/rpc/convert_query.cc server/rpc/convert_search.cc server/rpc/query_rows.cc
"
(($# == 2)) || { echo "usage: run.sh BUILD_DIR SECONDS" >&2; exit 2; }
readonly root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly build=$(cd "$1" && pwd) seconds=$2

# What a fuzzer finds worth keeping stays in found/: the next run goes on from there.
run_one() {
  local name=$1 found=$build/found/$1
  mkdir -p "$found"
  LLVM_PROFILE_FILE=$build/$name.profraw UBSAN_OPTIONS=print_stacktrace=1 \
    "$build/fuzz_$name" "$found" "$root/tests/fuzz/corpus/$name" -max_total_time="$seconds" -seed=1 -timeout=10 \
    -artifact_prefix="$build/$name-" -print_final_stats=1 >"$build/$name.log" 2>&1 ||
    echo "$name" >>"$build/failed"
}

# coverage NAME FILE...: "covered% path" of each file. They are known by the ends of their names: an object out of ccache
# may have been compiled elsewhere.
coverage() {
  local name=$1
  shift
  llvm-profdata-14 merge -sparse "$build/$name.profraw" -o "$build/$name.profdata"
  llvm-cov-14 export -format=lcov -summary-only -instr-profile "$build/$name.profdata" "$build/fuzz_$name" |
    awk -F: -v files="$*" '
      BEGIN { n = split(files, wanted, " ") }
      $1 == "SF" { file = $2 } $1 == "LF" { lines = $2 } $1 == "LH" { hit = $2 }
      /end_of_record/ && lines > 0 {
        for (i = 1; i <= n; ++i) {
          end = "/" wanted[i]
          if (substr(file, length(file) - length(end) + 1) != end) continue
          if (!(i in best) || best[i] < 100 * hit / lines) best[i] = 100 * hit / lines
        }
      }
      END { for (i = 1; i <= n; ++i) if (i in best) printf "%.1f %s\n", best[i], wanted[i] }'
}

: >"$build/failed"
export -f run_one
export build root seconds
awk 'NF { print $1 }' <<<"$kTargets" | xargs -P "$(nproc)" -I{} bash -c 'run_one {}'

status=0
while read -r name files; do
  [[ -n $name ]] || continue
  if grep -qx "$name" "$build/failed"; then
    echo "$name: FAILED (log: $build/$name.log)"
    tail -n 60 "$build/$name.log"
    status=1
    continue
  fi
  awk -v name="$name" '/number_of_executed_units/ { n = $2 } /average_exec_per_sec/ { each = $2 }
    END { printf "%-15s %9d inputs, %7d a second; lines covered:", name, n, each }' "$build/$name.log"
  read -ra paths <<<"$files"
  mapfile -t covered < <(coverage "$name" "${paths[@]}")
  ((${#covered[@]} == ${#paths[@]})) || { echo " UNKNOWN"; status=1; continue; }
  for line in "${covered[@]}"; do
    read -r percent path <<<"$line"
    printf ' %s %s%%' "$path" "$percent"
    awk -v p="$percent" -v least="$kLeast" 'BEGIN { exit p < least }' || { printf ' (UNDER %s%%)' "$kLeast"; status=1; }
  done
  echo
done <<<"$kTargets"
exit "$status"
