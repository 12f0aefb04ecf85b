// Which codes an index has, as one search sees it: a value that is replaced as a whole when a code
// comes or goes. Any thread may hold one.
#ifndef NESTOR_INDEX_CODE_TABLE_H_
#define NESTOR_INDEX_CODE_TABLE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "index/code.h"
#include "index/lists.h"

namespace nestor {

struct CodeTable {
  struct Entry {
    std::shared_ptr<const Code> code;
    size_t column = 0;   // of the lists
    CodeColumn layout;   // of that column
    uint64_t since = 0;  // every row that a snapshot from here on shows has its code
  };
  std::vector<Entry> ready;
  // One that is being added: trained, or rows being coded.
  struct Building {
    OpqSpec spec;
    std::shared_ptr<const std::atomic<double>> progress;  // 0..1
  };
  std::vector<Building> building;

  std::vector<OpqSpec> Specs() const {
    std::vector<OpqSpec> specs;
    for (const Entry& entry : ready) specs.push_back(entry.code->spec());
    return specs;
  }

  // FailedPrecondition says which codes there are, or how far this one is.
  absl::StatusOr<const Entry*> Find(const OpqSpec& spec, uint64_t snapshot) const {
    for (const Entry& entry : ready) {
      if (entry.code->spec() != spec) continue;
      if (entry.since <= snapshot) return &entry;
      return absl::FailedPreconditionError(
          absl::StrCat("the plan scans the code ", OpqName(spec),
                       ", which is younger than the snapshot that this search sees"));
    }
    for (const Building& one : building) {
      if (one.spec != spec) continue;
      const int percent = static_cast<int>(100 * one.progress->load(std::memory_order_relaxed));
      return absl::FailedPreconditionError(absl::StrCat("the plan scans the code ", OpqName(spec),
                                                        ", which is being built: ", percent, " %"));
    }
    return absl::FailedPreconditionError(absl::StrCat("the plan scans the code ", OpqName(spec),
                                                      "; this index has ", CodesText(Specs())));
  }
};

}  // namespace nestor

#endif  // NESTOR_INDEX_CODE_TABLE_H_
