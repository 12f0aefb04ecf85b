// The table of all runs as CSV, one line a run.
#ifndef NESTOR_CLIENT_BENCH_REPLICATE_CSV_H_
#define NESTOR_CLIENT_BENCH_REPLICATE_CSV_H_

#include <span>
#include <string>

#include "client/bench/replicate/trial.h"

namespace nestor {

// A header and a line for each run. Measures are means over the odd queries, on which runs are
// reported; top1_select and map10_select over the even ones, on which they are chosen. Empty: does
// not apply or was not measured.
std::string CsvOf(std::span<const Trial> runs);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_REPLICATE_CSV_H_
