// Gathers the attributes of a batch's rows into the columns of StreamUpsert. Single-threaded.
#ifndef NESTOR_CLIENT_CLI_COLUMNS_H_
#define NESTOR_CLIENT_CLI_COLUMNS_H_

#include <cstddef>
#include <map>
#include <string>

#include "client/files/jsonl.h"
#include "nestor/v1/collection.pb.h"
#include "nestor/v1/point.pb.h"

namespace nestor {

// Attribute types of a collection as JSON lines are read.
JsonlSchema ToJsonlSchema(const v1::CollectionSpec& spec);

class Columns {
 public:
  explicit Columns(const JsonlSchema& schema) : schema_(schema) {}

  // The next row's attributes, all of them in the schema.
  void Add(const JsonlAttributes& attributes);

  // Bytes on the wire so far, near enough to bound a batch.
  size_t bytes() const { return bytes_; }

  // Moves the columns into the batch and begins anew. Attributes that no row has are left out.
  void MoveTo(v1::StreamUpsertRequest* batch);

 private:
  struct Column {
    v1::AttributeColumn message;
    size_t rows = 0;   // values so far, nulls included
    size_t valid = 0;  // values that are not null
  };

  const JsonlSchema schema_;
  std::map<std::string, Column> columns_;  // of the attributes that came up
  size_t rows_ = 0;
  size_t bytes_ = 0;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_COLUMNS_H_
