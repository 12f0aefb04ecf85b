#include "index/own_lists.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace nestor {

absl::Status ValidateOwnLists(const IndexSpec& spec, uint32_t dim) {
  if (!spec.own_lists()) return absl::OkStatus();
  const bool imported = spec.centroids == CentroidOrigin::kImported;
  const std::string what = imported ? "an index of imported centroids "
                                    : absl::StrCat("list_attribute \"", spec.list_attribute, "\" ");
  if (spec.no_lists) {
    return absl::InvalidArgumentError(absl::StrCat(what, "needs lists; the index is to have none"));
  }
  if (spec.lists == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, "needs the number of lists, 1..", kMaxLists, "; lists is 0"));
  }
  // One list is what an index without centroids has.
  if (imported && spec.lists < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, "needs 2..", kMaxLists, " of them, not ", spec.lists));
  }
  if (imported && spec.coarse_dim == 0) {
    return absl::InvalidArgumentError(absl::StrCat(what, "needs their coarse_dim; it is 0"));
  }
  if (uint64_t{spec.lists} * dim > kMaxOwnListValues) {
    return absl::InvalidArgumentError(absl::StrCat(what, "has ", spec.lists, " lists x ", dim,
                                                   " dims = ", uint64_t{spec.lists} * dim,
                                                   " values, the limit is ", kMaxOwnListValues));
  }
  return absl::OkStatus();
}

}  // namespace nestor
