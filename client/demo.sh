#!/bin/bash
# Nestor's main job on the sample under tests/data: start a server, load a nested collection with its attributes, build
# the index, search it with different dims per stage, weigh plans against each other, restart. Called by `./dev demo`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly kServer=$PWD/build/release/server/nestord
readonly kData=tests/data/text
readonly kName=packages
nestor=build/release/client/nestor
work=$(mktemp -d)
server_pid=
address=

cleanup() {
  [[ -z $server_pid ]] || kill -TERM "$server_pid" 2>/dev/null || true
  wait
  rm -rf "$work"
}
trap cleanup EXIT

say() { printf '\n==> %s\n' "$*"; }

fail() {
  echo "demo: $*" >&2
  [[ ! -s $work/log ]] || tail -n 20 "$work/log" >&2
  exit 1
}

# Starts nestord on a free port and waits until it says which.
start_server() {
  coproc SERVER { exec "$kServer" --data-dir "$work/data" --listen 127.0.0.1:0 2>>"$work/log"; }
  server_pid=$SERVER_PID
  local line
  while read -r -t 60 line <&"${SERVER[0]}"; do
    [[ $line == "listening on "* ]] || continue
    address=${line#listening on }
    echo "nestord runs as process $server_pid and listens on $address; its data is in $work/data"
    return
  done
  fail "nestord did not say 'listening on HOST:PORT' within 60 s"
}

stop_server() {
  local pid=$server_pid
  kill -TERM "$pid"
  server_pid=
  wait "$pid" || fail "nestord ended with exit code $? after SIGTERM"
  echo "nestord stopped"
}

# Shows a command of the client and runs it.
run() {
  local arg shown=
  for arg in "$@"; do
    [[ $arg =~ ^[A-Za-z0-9_./:=,-]+$ ]] || arg=$(printf '%q' "$arg")
    shown+=" $arg"
  done
  printf '\n$ nestor%s\n' "$shown"
  "$nestor" "$@" --server "$address" || fail "nestor $1 ended with exit code $?"
}

# What query $1 of the sample asks for.
query_text() { sed -n "$(($1 + 1))p" "$kData/query.jsonl" | sed -E 's/^\{"text":"(.*)","positive":[0-9]+\}$/\1/'; }

say "Starting a server"
start_server

say "A collection of 6,000 package descriptions, 768 dims, any prefix of which is a vector too"
run create "$kName" --dim 768 --nesting 8,16,32,64,128,256,512,768 --metric dot --dtype f16 \
  --attribute name:string --attribute source:string --attribute section:string --attribute arch:string \
  --attribute installed_kib:int64 --attribute n_depends:int64 --attribute downloads_month:int64 \
  --attribute major:int64 --attribute scoped:bool --attribute tags:string-list
run load "$kName" "$kData/base.f16bin" --attributes "$kData/attributes.jsonl" --no-build
run build "$kName" --lists 128 --coarse-dim 64 --shells 64,128,256,768 --graph

readonly kQuery=2
say "Searching for: $(query_text "$kQuery")"
search=(search "$kName" --file "$kData/query.f16bin" --row "$kQuery" -k 5)
echo "(1) no plan named: the server chooses"
run "${search[@]}"
echo "(2) lists chosen by 64 dims, scanned by 128, refined by 256, the last 30 rescored by all 768"
run "${search[@]}" --plan coarse=64:32,scan=128:100,refine=256:30,rescore
echo "(3) a cheaper plan: 32 dims, 4 lists, no rescore"
run "${search[@]}" --plan coarse=32:4,scan=64:40,refine=128:10
echo "(4) candidates from the graph on 384 dims, until no nearer ones are in sight"
run "${search[@]}" --plan graph=384:100:0.15,refine=768:10,rescore
echo "(5) brute force by all dims, then by the first 64 only"
run "${search[@]}" --exact
run "${search[@]}" --exact=64

say "What plans cost and recall: 300 queries against the exact truth"
run bench --collection "$kName" --queries "$kData/query.f16bin" --truth "$kData/gt.ids.ibin" \
  --distances "$kData/gt.dist.fbin" -k 10 --plan default \
  --plan coarse=32:4,scan=64:40,refine=128:10 --plan coarse=64:16,scan=128:60,refine=256:20,rescore \
  --plan coarse=64:64,scan=128:160,refine=256:40,rescore --plan coarse=64:128,scan=768:40,rescore \
  --plan graph=384:20,rescore --plan graph=384:200:0.08,refine=768:12,rescore \
  --plan graph=384:200:0.2,refine=768:12,rescore

say "Restarting: everything is still there, nothing is built again"
stop_server
start_server
run stats "$kName"
run "${search[@]}"
stop_server

say "Shown: a server started, 6,000 x 768 nested vectors with attributes loaded, AdANNS-IVF and a graph built, searches
    with other dims at each stage, exact search by prefix, recall and cost of plans, restart without a new build"
