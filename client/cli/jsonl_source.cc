// Points of a .jsonl file: {"id", "vector", "attributes"}, one a line.
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "client/cli/columns.h"
#include "client/cli/point_source.h"
#include "client/cli/session.h"
#include "client/files/jsonl.h"

namespace nestor {
namespace {

class JsonlSource : public PointSource {
 public:
  JsonlSource(const SourceOptions& options, JsonlPointReader reader, const v1::CollectionSpec& spec)
      : options_(options),
        reader_(std::move(reader)),
        columns_(ToJsonlSchema(spec)),
        dim_(spec.dim()),
        id_kind_(spec.id_kind()),
        collection_(spec.name()) {}

  uint64_t rows() const override { return 0; }
  double fraction() const override {
    const auto whole = static_cast<double>(reader_.lines().file_bytes());
    return whole == 0 ? 1 : static_cast<double>(reader_.lines().bytes_read()) / whole;
  }

  absl::StatusOr<bool> Next(v1::StreamUpsertRequest* batch) override {
    batch->Clear();
    batch->set_collection(collection_);
    batch->mutable_vectors()->set_dtype(v1::DTYPE_F32);
    std::string* data = batch->mutable_vectors()->mutable_data();
    uint32_t rows = 0;
    while (rows < options_.batch_rows && data->size() + columns_.bytes() < options_.batch_bytes) {
      const absl::StatusOr<bool> more = reader_.Next(&point_);
      if (!more.ok()) return more.status();
      if (!*more) break;
      if (point_.vector.size() != dim_) {
        return reader_.lines().Error(absl::StrCat("vector has ", point_.vector.size(),
                                                  " coordinates, collection ", collection_, " has ",
                                                  dim_, " dims"));
      }
      if (absl::Status status = AddId(batch->mutable_ids()); !status.ok()) return status;
      data->append(reinterpret_cast<const char*>(point_.vector.data()),
                   point_.vector.size() * sizeof(float));
      columns_.Add(point_.attributes);
      ++rows;
    }
    columns_.MoveTo(batch);
    return rows > 0;
  }

 private:
  absl::Status AddId(v1::IdColumn* column) const {
    // Lines count from 1, rows from 0.
    const uint64_t row = reader_.lines().line_number() - 1;
    const bool strings = id_kind_ == v1::ID_KIND_STR;
    if (!point_.id.has_value()) {
      if (strings) {
        column->add_strs(absl::StrCat(row));
      } else {
        column->add_nums(row);
      }
      return absl::OkStatus();
    }
    if (strings != std::holds_alternative<std::string>(*point_.id)) {
      return reader_.lines().Error(absl::StrCat("id is a ", strings ? "number" : "string",
                                                ", collection ", collection_, " has ids of kind ",
                                                strings ? "str" : "num"));
    }
    if (strings) {
      column->add_strs(std::get<std::string>(*point_.id));
    } else {
      column->add_nums(std::get<uint64_t>(*point_.id));
    }
    return absl::OkStatus();
  }

  const SourceOptions options_;
  JsonlPointReader reader_;
  Columns columns_;
  const uint32_t dim_;
  const v1::IdKind id_kind_;
  const std::string collection_;
  JsonlPoint point_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PointSource>> OpenJsonlSource(const SourceOptions& options,
                                                             const v1::CollectionSpec& spec) {
  if (spec.kind() == v1::VECTOR_KIND_MULTI || !options.offsets.empty()) {
    return UsageError(
        absl::StrCat("load ", options.file,
                     ": a .jsonl file holds single vectors; token matrices are loaded "
                     "from a vector file of tokens with --offsets"));
  }
  if (!options.ids.empty() || !options.attributes.empty() || options.scale.has_value()) {
    return UsageError(absl::StrCat("load ", options.file,
                                   ": a .jsonl file holds ids, attributes and values itself; "
                                   "--ids, --attributes and --scale are for vector files"));
  }
  auto reader = JsonlPointReader::Open(options.file, ToJsonlSchema(spec));
  if (!reader.ok()) return reader.status();
  return std::make_unique<JsonlSource>(options, *std::move(reader), spec);
}

}  // namespace nestor
