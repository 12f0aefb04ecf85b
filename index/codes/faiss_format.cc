#include "index/codes/faiss_format.h"

#include <cstring>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace nestor {
namespace {

// FAISS's faiss::MetricType.
constexpr int32_t kInnerProduct = 0;
constexpr int32_t kL2 = 1;

absl::Status Refuse(const auto&... parts) {
  return absl::InvalidArgumentError(absl::StrCat("FAISS file: ", parts...));
}

class Writer {
 public:
  void Kind(absl::string_view four) { bytes_.append(four.data(), four.size()); }
  template <typename T>
  void Number(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  void Floats(const std::vector<float>& values) {
    Number<uint64_t>(values.size());
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  }
  // An index without rows.
  void Header(absl::string_view kind, uint32_t dim, int32_t metric) {
    Kind(kind);
    Number<int32_t>(static_cast<int32_t>(dim));
    Number<int64_t>(0);  // rows
    Number<int64_t>(1 << 20);
    Number<int64_t>(1 << 20);
    Number<uint8_t>(1);  // trained
    Number<int32_t>(metric);
  }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Reads on from the front; once something is missing or wrong, `status` says what.
class Reader {
 public:
  explicit Reader(absl::string_view bytes) : left_(bytes) {}

  absl::string_view Bytes(uint64_t n) {
    if (n > left_.size()) {
      Fail(Refuse("ends where ", n, " more bytes are expected, of which ", left_.size(),
                  " are there"));
      return {};
    }
    const absl::string_view bytes = left_.substr(0, n);
    left_.remove_prefix(n);
    return bytes;
  }
  template <typename T>
  T Number() {
    T value{};
    const absl::string_view bytes = Bytes(sizeof(T));
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  // A vector of exactly `expected` floats.
  std::vector<float> Floats(absl::string_view what, uint64_t expected) {
    const auto n = Number<uint64_t>();
    if (ok() && n != expected) Fail(Refuse(what, " has ", n, " numbers, expected ", expected));
    if (!ok()) return {};
    const absl::string_view bytes = Bytes(n * sizeof(float));
    std::vector<float> values(bytes.size() / sizeof(float));
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  void Fail(absl::Status status) {
    if (ok()) status_ = std::move(status);
    left_ = {};
  }
  bool ok() const { return status_.ok(); }
  const absl::Status& status() const { return status_; }
  bool at_end() const { return left_.empty(); }

 private:
  absl::string_view left_;
  absl::Status status_;
};

struct Header {
  std::string kind;
  uint64_t rows = 0;
  uint32_t dim = 0;
};

Header ReadHeader(Reader* in) {
  Header header;
  header.kind = std::string(in->Bytes(4));
  if (!in->ok()) return header;
  if (header.kind != "IxPT" && header.kind != "IxPq") {
    in->Fail(Refuse("holds an index of kind '", absl::CHexEscape(header.kind),
                    "', expected IxPT (IndexPreTransform) or IxPq (IndexPQ)"));
    return header;
  }
  const auto dim = in->Number<int32_t>();
  const auto rows = in->Number<int64_t>();
  in->Bytes(2 * sizeof(int64_t));  // not used any more
  const auto trained = in->Number<uint8_t>();
  const auto metric = in->Number<int32_t>();
  if (!in->ok()) return header;
  if (dim < 1 || dim > static_cast<int32_t>(kMaxOpqDim)) {
    in->Fail(Refuse("its dim must be 1..", kMaxOpqDim, ", not ", dim));
  } else if (rows < 0) {
    in->Fail(Refuse("names ", rows, " rows"));
  } else if (trained != 1) {
    in->Fail(Refuse("its index is not trained"));
  } else if (metric != kInnerProduct && metric != kL2) {
    in->Fail(Refuse("its metric must be ", kInnerProduct, " or ", kL2, ", not ", metric));
  }
  header.dim = static_cast<uint32_t>(dim);
  header.rows = static_cast<uint64_t>(rows);
  return header;
}

std::vector<float> ReadRotation(uint32_t dim, Reader* in) {
  const auto count = in->Number<int32_t>();
  if (in->ok() && count != 1) in->Fail(Refuse("has ", count, " transforms, expected 1"));
  const std::string kind(in->Bytes(4));
  // OPQMatrix and other linear transforms; a random rotation.
  if (in->ok() && kind != "LTra" && kind != "rrot") {
    in->Fail(Refuse("its transform is of kind '", absl::CHexEscape(kind),
                    "', expected a linear one (LTra, rrot)"));
  }
  const auto biased = in->Number<uint8_t>();
  if (in->ok() && biased != 0) in->Fail(Refuse("its transform has a bias"));
  std::vector<float> rotation = in->Floats("its rotation", uint64_t{dim} * dim);
  in->Floats("its bias", 0);
  const auto from = in->Number<int32_t>();
  const auto to = in->Number<int32_t>();
  const auto trained = in->Number<uint8_t>();
  if (in->ok() && (from != static_cast<int32_t>(dim) || to != from || trained != 1)) {
    in->Fail(Refuse("its transform takes ", from, " to ", to, " dims, trained ", trained,
                    "; expected ", dim, " to ", dim, ", trained 1"));
  }
  return rotation;
}

}  // namespace

std::string FormatFaissOpq(const OpqQuantizer& quantizer, Metric metric) {
  const OpqSpec& spec = quantizer.spec();
  const int32_t faiss_metric = metric == Metric::kL2 ? kL2 : kInnerProduct;
  Writer out;
  out.Header("IxPT", spec.dim, faiss_metric);
  out.Number<int32_t>(1);  // transforms
  out.Kind("LTra");
  out.Number<uint8_t>(0);  // no bias
  out.Floats(quantizer.rotation());
  out.Floats({});
  out.Number<int32_t>(static_cast<int32_t>(spec.dim));
  out.Number<int32_t>(static_cast<int32_t>(spec.dim));
  out.Number<uint8_t>(1);  // trained
  out.Header("IxPq", spec.dim, faiss_metric);
  out.Number<uint64_t>(spec.dim);
  out.Number<uint64_t>(spec.subquantizers());
  out.Number<uint64_t>(spec.bits);
  out.Floats(quantizer.centroids());
  out.Number<uint64_t>(0);  // bytes of codes
  out.Number<int32_t>(0);   // ST_PQ: plain search
  out.Number<uint8_t>(0);   // no signs
  // FAISS's default of a threshold that such a search does not use.
  out.Number<int32_t>(static_cast<int32_t>(spec.subquantizers() * spec.bits + 1));
  return out.Take();
}

absl::StatusOr<std::shared_ptr<const OpqQuantizer>> ParseFaissOpq(absl::string_view bytes) {
  Reader in(bytes);
  Header header = ReadHeader(&in);
  const uint32_t dim = header.dim;
  std::vector<float> rotation;
  if (in.ok() && header.kind == "IxPT") {
    rotation = ReadRotation(dim, &in);
    header = ReadHeader(&in);
    if (in.ok() && header.kind != "IxPq") in.Fail(Refuse("holds no IndexPQ behind its transform"));
  }
  const auto pq_dim = in.Number<uint64_t>();
  const auto pieces = in.Number<uint64_t>();
  const auto bits = in.Number<uint64_t>();
  if (!in.ok()) return in.status();
  if (pq_dim != dim || header.dim != dim || pieces < 1 || pieces > dim ||
      (bits != 4 && bits != 8) || pieces * bits % 8 != 0) {
    return Refuse("has ", pieces, " sub-quantizers of ", bits, " bits for ", pq_dim,
                  " dims; expected 4 or 8 bits, whole bytes and ", dim, " dims");
  }
  const OpqSpec spec{.dim = dim,
                     .bytes = static_cast<uint32_t>(pieces * bits / 8),
                     .bits = static_cast<uint32_t>(bits)};
  if (const absl::Status valid = ValidateOpq(spec); !valid.ok()) {
    return Refuse(valid.message());
  }
  const std::vector<float> centroids = in.Floats("its codebook", uint64_t{dim} * spec.centroids());
  const auto code_bytes = in.Number<uint64_t>();
  if (in.ok() && (code_bytes % spec.bytes != 0 || code_bytes / spec.bytes != header.rows)) {
    in.Fail(Refuse("has ", code_bytes, " bytes of codes for ", header.rows, " rows of ", spec.bytes,
                   " bytes"));
  }
  in.Bytes(code_bytes);
  in.Bytes(sizeof(int32_t) + sizeof(uint8_t) + sizeof(int32_t));  // how FAISS searches
  if (in.ok() && !in.at_end()) in.Fail(Refuse("goes on behind its end"));
  if (!in.ok()) return in.status();
  if (rotation.empty()) {
    rotation.resize(size_t{dim} * dim);
    for (size_t i = 0; i < dim; ++i) rotation[i * dim + i] = 1;
  }
  auto quantizer = OpqQuantizer::Make(spec, rotation, centroids);
  if (!quantizer.ok()) return Refuse(quantizer.status().message());
  return quantizer;
}

}  // namespace nestor
