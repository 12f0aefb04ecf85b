// Rotation and codebooks as the bytes of a FAISS index file, so that those learnt elsewhere can be
// served and ours used elsewhere: IndexPreTransform(OPQMatrix, IndexPQ), as write_index of FAISS
// 1.7 writes it. Read by a parser of our own: FAISS's trusts the sizes that a file names.
#ifndef NESTOR_INDEX_CODES_FAISS_FORMAT_H_
#define NESTOR_INDEX_CODES_FAISS_FORMAT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "index/codes/quantizer.h"

namespace nestor {

// An index without rows. Under COSINE its metric is the inner product, for vectors of unit length.
std::string FormatFaissOpq(const OpqQuantizer& quantizer, Metric metric);

// An IndexPreTransform of one linear transform of dim to dim coordinates, without a bias, and an
// IndexPQ of 4 or 8 bits; or an IndexPQ alone, whose rotation is none. Rows in it are passed over.
// InvalidArgument says what is wrong. Allocates what the bytes call for, beside a rotation of dim *
// dim floats.
absl::StatusOr<std::shared_ptr<const OpqQuantizer>> ParseFaissOpq(absl::string_view bytes);

}  // namespace nestor

#endif  // NESTOR_INDEX_CODES_FAISS_FORMAT_H_
