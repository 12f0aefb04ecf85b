// Where `nestor load` gets its points: a file read as batches for StreamUpsert. Single-threaded.
#ifndef NESTOR_CLIENT_CLI_POINT_SOURCE_H_
#define NESTOR_CLIENT_CLI_POINT_SOURCE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "nestor/v1/collection.pb.h"
#include "nestor/v1/point.pb.h"

namespace nestor {

class PointSource {
 public:
  virtual ~PointSource() = default;
  // Rows in the file; 0 = not known before the end.
  virtual uint64_t rows() const = 0;
  // Fills the next batch but for its number: at most `batch_rows` rows and about `batch_bytes`
  // bytes. False at the end. Errors name the file and the row or line.
  virtual absl::StatusOr<bool> Next(v1::StreamUpsertRequest* batch) = 0;
  // Share of the file that was read, 0..1.
  virtual double fraction() const = 0;
};

struct SourceOptions {
  std::string file;        // .jsonl, else a vector file
  std::string ids;         // empty: row numbers, as text for string ids
  std::string attributes;  // empty: none
  std::string offsets;     // of token matrices in a file of tokens; empty: a row is a point
  std::optional<float> scale;
  uint32_t batch_rows = 10000;
  size_t batch_bytes = 4 << 20;
};

// Checks what can be known before the first row: dim, dtype, number of ids and of attribute lines.
absl::StatusOr<std::unique_ptr<PointSource>> OpenPointSource(const SourceOptions& options,
                                                             const v1::CollectionSpec& spec);

// The two kinds.
absl::StatusOr<std::unique_ptr<PointSource>> OpenVectorSource(const SourceOptions& options,
                                                              const v1::CollectionSpec& spec);
absl::StatusOr<std::unique_ptr<PointSource>> OpenJsonlSource(const SourceOptions& options,
                                                             const v1::CollectionSpec& spec);

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_POINT_SOURCE_H_
