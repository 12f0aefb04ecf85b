#!/bin/bash
# despite_assertions.sh TEST: runs it, and once or twice more where RocksDB ended the process. A disk that fails under it
# can meet an assertion of RocksDB 7.8, which Debian's build has on (seen once in some 100 power losses, and once when a
# recovery met a MANIFEST that had just failed). That is a crash like another, but this process is not there any more to
# go on from it.
set -u
for try in 1 2 3; do
  output=$("$1" 2>&1)
  code=$?
  printf '%s\n' "$output"
  ((code == 134)) && grep -q 'rocksdb::.*Assertion' <<<"$output" || exit "$code"
  echo "an assertion of RocksDB ended the process: try $try of 3"
done
exit "$code"
