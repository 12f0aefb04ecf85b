#include "server/engine/stored_codes.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/stored_code.h"
#include "server/storage/keys.h"

namespace nestor {

absl::StatusOr<std::vector<std::shared_ptr<const Code>>> ReadCodes(
    const Store& store, uint32_t uid, uint32_t generation, Metric metric,
    const std::vector<OpqSpec>& specs, uint32_t lists) {
  std::vector<std::shared_ptr<const Code>> codes;
  for (const OpqSpec& spec : specs) {
    const absl::StatusOr<std::optional<std::string>> bytes =
        store.Get(Family::kModels, CodeKey(uid, generation, spec));
    if (!bytes.ok()) return bytes.status();
    if (!bytes->has_value()) {
      return absl::DataLossError(
          absl::StrCat("the code ", OpqName(spec), " of generation ", generation, " is missing"));
    }
    absl::StatusOr<std::shared_ptr<const Code>> code = ParseCode(**bytes, metric, spec, lists);
    if (!code.ok()) return code.status();
    codes.push_back(*std::move(code));
  }
  return codes;
}

void PutCode(uint32_t uid, uint32_t generation, const Code& code, Batch* batch) {
  batch->Put(Family::kModels, CodeKey(uid, generation, code.spec()), SerializeCode(code));
}

void PutCodes(uint32_t uid, uint32_t generation, const CodeTable& codes, Batch* batch) {
  for (const CodeTable::Entry& entry : codes.ready) PutCode(uid, generation, *entry.code, batch);
}

}  // namespace nestor
