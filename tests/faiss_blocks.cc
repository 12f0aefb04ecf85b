// FAISS frees a block of 16 MiB after each step of a training, however few the rows are, and
// sanitizers look through all that is freed: with smaller blocks engine_test's trainings take a
// tenth of the time under TSan. Linked into test programs where a sanitizer is.
#include <faiss/utils/distances.h>

namespace {

[[maybe_unused]] const bool kSmallBlocks = [] {
  faiss::distance_compute_blas_query_bs = 128;
  faiss::distance_compute_blas_database_bs = 128;
  return true;
}();

}  // namespace
