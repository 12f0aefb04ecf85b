// Points of a vector file, or of a file of tokens and one of offsets; with ids and attributes from
// files of their own.
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/columns.h"
#include "client/cli/names.h"
#include "client/cli/point_source.h"
#include "client/cli/session.h"
#include "client/files/id_file.h"
#include "client/files/token_offsets.h"
#include "client/files/vector_file.h"

namespace nestor {
namespace {

// The dtype in which a file's values travel. Floats go as they are: the server rounds them. INT8
// values go into INT8 collections only (semantics 5); uint8 values have no dtype of their own and
// go as floats, exactly.
absl::StatusOr<v1::Dtype> WireDtype(const VectorFile& file, const v1::CollectionSpec& spec,
                                    bool scaled) {
  switch (file.element()) {
    case Element::kF32:
    case Element::kF16:
      if (scaled) {
        return UsageError(absl::StrCat("--scale is for i8 and u8 files; ", file.path(), " has ",
                                       std::string(Name(file.element())), " values"));
      }
      return file.element() == Element::kF32 ? v1::DTYPE_F32 : v1::DTYPE_F16;
    case Element::kU8:
      return v1::DTYPE_F32;
    case Element::kI8:
      if (scaled) return v1::DTYPE_F32;
      if (spec.dtype() == v1::DTYPE_INT8) return v1::DTYPE_INT8;
      return absl::InvalidArgumentError(absl::StrCat(
          "load ", file.path(), ": i8 values go into i8 collections only, ", spec.name(), " is ",
          ToName(spec.dtype()), "; --scale S loads them as S x value"));
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("load ", file.path(), ": ", std::string(Name(file.element())),
                       " values are no vectors; f32, f16, i8 and u8 are"));
  }
}

absl::StatusOr<uint64_t> CountLines(const std::string& path) {
  absl::StatusOr<LineReader> lines = LineReader::Open(path);
  if (!lines.ok()) return lines.status();
  std::string line;
  while (true) {
    const absl::StatusOr<bool> more = lines->Next(&line);
    if (!more.ok()) return more.status();
    if (!*more) return lines->line_number();
  }
}

// Empty where points are vectors.
absl::StatusOr<std::vector<uint64_t>> ReadOffsets(const SourceOptions& options,
                                                  const VectorFile& file,
                                                  const v1::CollectionSpec& spec) {
  const bool multi = spec.kind() == v1::VECTOR_KIND_MULTI;
  if (multi != !options.offsets.empty()) {
    return UsageError(absl::StrCat("load ", options.file, ": collection ", spec.name(), " is ",
                                   multi ? "multi: --offsets must say where its points begin"
                                         : "single: --offsets is for token matrices"));
  }
  if (!multi) return std::vector<uint64_t>();
  auto offsets = ReadTokenOffsets(options.offsets, file.rows());
  if (!offsets.ok() || offsets->back() == file.rows()) return offsets;
  return absl::InvalidArgumentError(absl::StrCat("load ", options.file, ": ", file.rows(),
                                                 " tokens, but ", options.offsets, " ends at ",
                                                 offsets->back()));
}

class VectorSource : public PointSource {
 public:
  VectorSource(const SourceOptions& options, VectorFile file, std::vector<uint64_t> offsets,
               v1::Dtype wire, std::optional<IdColumn> ids,
               std::optional<JsonlAttributesReader> attributes, const v1::CollectionSpec& spec)
      : options_(options),
        file_(std::move(file)),
        offsets_(std::move(offsets)),
        wire_(wire),
        ids_(std::move(ids)),
        attributes_(std::move(attributes)),
        columns_(ToJsonlSchema(spec)),
        id_kind_(spec.id_kind()),
        collection_(spec.name()) {}

  uint64_t rows() const override { return offsets_.empty() ? file_.rows() : offsets_.size() - 1; }
  double fraction() const override {
    return rows() == 0 ? 1 : static_cast<double>(row_) / static_cast<double>(rows());
  }

  absl::StatusOr<bool> Next(v1::StreamUpsertRequest* batch) override {
    batch->Clear();
    batch->set_collection(collection_);
    batch->mutable_vectors()->set_dtype(wire_);
    std::string* data = batch->mutable_vectors()->mutable_data();
    const uint64_t begin = row_;
    for (; row_ < rows() && row_ - begin < options_.batch_rows &&
           data->size() + columns_.bytes() < options_.batch_bytes;
         ++row_) {
      AddId(batch->mutable_ids());
      AddPoint(batch, data);
      if (!attributes_.has_value()) continue;
      JsonlAttributes attributes;
      const absl::StatusOr<bool> more = attributes_->Next(&attributes);
      if (!more.ok()) return more.status();
      columns_.Add(attributes);
    }
    columns_.MoveTo(batch);
    return row_ > begin;
  }

 private:
  void AddId(v1::IdColumn* column) const {
    if (id_kind_ == v1::ID_KIND_STR) {
      column->add_strs(ids_.has_value() ? ids_->strs[row_] : absl::StrCat(row_));
    } else {
      column->add_nums(ids_.has_value() ? ids_->nums[row_] : row_);
    }
  }

  void AddPoint(v1::StreamUpsertRequest* batch, std::string* data) {
    if (offsets_.empty()) return AddVector(row_, data);
    batch->add_counts(static_cast<uint32_t>(offsets_[row_ + 1] - offsets_[row_]));
    for (uint64_t token = offsets_[row_]; token < offsets_[row_ + 1]; ++token) {
      AddVector(token, data);
    }
  }

  void AddVector(uint64_t row, std::string* data) {
    if (wire_ != v1::DTYPE_F32 || file_.element() == Element::kF32) {
      const std::span<const std::byte> bytes = file_.RowBytes(row);
      data->append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return;
    }
    values_.resize(file_.dim());
    file_.ReadF32(row, values_);
    if (options_.scale.has_value()) {
      for (float& value : values_) value *= *options_.scale;
    }
    data->append(reinterpret_cast<const char*>(values_.data()), values_.size() * sizeof(float));
  }

  const SourceOptions options_;
  const VectorFile file_;
  const std::vector<uint64_t> offsets_;  // of points in tokens; empty: a row of the file each
  const v1::Dtype wire_;
  const std::optional<IdColumn> ids_;
  std::optional<JsonlAttributesReader> attributes_;
  Columns columns_;
  const v1::IdKind id_kind_;
  const std::string collection_;
  uint64_t row_ = 0;
  std::vector<float> values_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PointSource>> OpenVectorSource(const SourceOptions& options,
                                                              const v1::CollectionSpec& spec) {
  absl::StatusOr<VectorFile> file = VectorFile::Open(options.file);
  if (!file.ok()) return file.status();
  const auto wire = WireDtype(*file, spec, options.scale.has_value());
  if (!wire.ok()) return wire.status();
  if (file->dim() != spec.dim()) {
    return absl::InvalidArgumentError(absl::StrCat("load ", options.file, ": its vectors have ",
                                                   file->dim(), " dims, collection ", spec.name(),
                                                   " has ", spec.dim()));
  }
  auto offsets = ReadOffsets(options, *file, spec);
  if (!offsets.ok()) return offsets.status();
  const uint64_t points = offsets->empty() ? file->rows() : offsets->size() - 1;
  std::optional<IdColumn> ids;
  if (!options.ids.empty()) {
    const IdKind kind = spec.id_kind() == v1::ID_KIND_STR ? IdKind::kStr : IdKind::kNum;
    absl::StatusOr<IdColumn> read = ReadIdFile(options.ids, kind);
    if (!read.ok()) return read.status();
    if (read->size() != points) {
      return absl::InvalidArgumentError(absl::StrCat("load ", options.file, ": ", points,
                                                     " rows, but ", options.ids, " has ",
                                                     read->size(), " ids"));
    }
    ids = *std::move(read);
  }
  std::optional<JsonlAttributesReader> attributes;
  if (!options.attributes.empty()) {
    const absl::StatusOr<uint64_t> lines = CountLines(options.attributes);
    if (!lines.ok()) return lines.status();
    if (*lines != points) {
      return absl::InvalidArgumentError(absl::StrCat("load ", options.file, ": ", points,
                                                     " rows, but ", options.attributes, " has ",
                                                     *lines, " lines"));
    }
    auto reader = JsonlAttributesReader::Open(options.attributes, ToJsonlSchema(spec));
    if (!reader.ok()) return reader.status();
    attributes = *std::move(reader);
  }
  return std::make_unique<VectorSource>(options, *std::move(file), *std::move(offsets), *wire,
                                        std::move(ids), std::move(attributes), spec);
}

absl::StatusOr<std::unique_ptr<PointSource>> OpenPointSource(const SourceOptions& options,
                                                             const v1::CollectionSpec& spec) {
  return absl::EndsWith(options.file, ".jsonl") ? OpenJsonlSource(options, spec)
                                                : OpenVectorSource(options, spec);
}

}  // namespace nestor
