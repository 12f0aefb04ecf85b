#include "server/rpc/convert_centroids.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/engine/validate.h"
#include "server/rpc/convert_schema.h"
#include "server/rpc/limits.h"
#include "server/rpc/status.h"

namespace nestor {
namespace {

// Of a reply: a varint each, and what is beside the two.
constexpr size_t kMaxRowsBytes = 10;
constexpr size_t kOtherFieldsBytes = 64;

absl::StatusOr<std::vector<float>> ToValues(const v1::Packed& packed, uint32_t dim,
                                            uint32_t* count) {
  const auto dtype = ToDtype(packed.dtype());
  if (!dtype.ok()) return AtField("dtype", dtype.status());
  if (*dtype == Dtype::kI8) return FieldError("dtype", "centroids are floats, not INT8");
  const size_t each = dim * DtypeBytes(*dtype);
  const size_t bytes = packed.data().size();
  if (bytes % each != 0) {
    return FieldError("data", absl::StrCat("has ", bytes, " bytes, not a multiple of the ", each,
                                           " that a centroid of coarse_dim ", dim, " of ",
                                           Name(*dtype), " takes"));
  }
  if (bytes / each < 2 || bytes / each > kMaxLists) {
    return FieldError("data",
                      absl::StrCat("holds ", bytes / each, " centroids, not in 2..", kMaxLists));
  }
  *count = static_cast<uint32_t>(bytes / each);
  std::vector<float> values(size_t{*count} * dim);
  DecodeVector(*dtype, reinterpret_cast<const std::byte*>(packed.data().data()), values.size(),
               values.data());
  return values;
}

}  // namespace

absl::StatusOr<CentroidImport> ToCentroidImport(const v1::BuildIndexRequest& request,
                                                const CollectionSpec& present,
                                                const IndexSpec* spec) {
  if (request.has_muvera()) {
    return FieldError("centroids", "do not go with muvera: encode the points anew first");
  }
  CentroidImport out;
  out.index = spec != nullptr ? *spec : present.index;
  if (spec == nullptr) out.index.lists = 0;
  const uint32_t dim = out.index.coarse_dim == 0 ? present.schema.dim : out.index.coarse_dim;
  uint32_t count = 0;
  auto values = ToValues(request.centroids(), dim, &count);
  if (!values.ok()) return AtField("centroids", values.status());
  if (out.index.lists != 0 && out.index.lists != count) {
    return FieldError("spec.lists", absl::StrCat("is ", out.index.lists, ", but there are ", count,
                                                 " centroids"));
  }
  out.index.coarse_dim = dim;
  out.index.lists = count;
  out.index.centroids = CentroidOrigin::kImported;
  // So that what the engine refuses is the centroids.
  const absl::Status valid = ValidateIndexSpec(out.index, present);
  if (!valid.ok()) return AtField("spec", valid);
  out.centroids = std::make_shared<const std::vector<float>>(*std::move(values));
  return out;
}

absl::Status FromCentroids(const IndexCentroids& centroids, v1::GetCentroidsResponse* out) {
  const Model& model = *centroids.model;
  const size_t bytes = model.centroids.size() * sizeof(float);
  const size_t all = bytes + model.lists * kMaxRowsBytes + kOtherFieldsBytes;
  if (all > kMaxMessageBytes) {
    return FieldError(
        "collection",
        absl::StrCat("its ", model.lists, " centroids of ", model.coarse_dim, " dims may take ",
                     all, " bytes, the limit of a message is ", kMaxMessageBytes));
  }
  out->set_coarse_dim(model.coarse_dim);
  // The enums are numbered alike.
  out->set_origin(static_cast<v1::CentroidOrigin>(centroids.origin));
  out->mutable_centroids()->set_dtype(v1::DTYPE_F32);
  out->mutable_centroids()->set_data(
      std::string(reinterpret_cast<const char*>(model.centroids.data()), bytes));
  out->mutable_rows()->Assign(centroids.rows.begin(), centroids.rows.end());
  return absl::OkStatus();
}

}  // namespace nestor
