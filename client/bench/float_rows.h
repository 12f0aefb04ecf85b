// A file of vectors as the index library's computations read it.
#ifndef NESTOR_CLIENT_BENCH_FLOAT_ROWS_H_
#define NESTOR_CLIENT_BENCH_FLOAT_ROWS_H_

#include "client/files/vector_file.h"
#include "index/ground_truth.h"

namespace nestor {

// Borrows `file`. Thread-safe.
FloatRows RowsOf(const VectorFile& file);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_FLOAT_ROWS_H_
