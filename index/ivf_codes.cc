// Codes that come to and leave an index with readers (ivf_index.h).
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/ivf_index.h"
#include "index/ivf_rep.h"

namespace nestor {

absl::Status IvfIndex::BeginCode(const OpqSpec& spec) {
  Rep& rep = *rep_;
  const std::shared_ptr<const CodeTable> now = rep.codes();
  const std::vector<OpqSpec> specs = now->Specs();
  if (rep.spec_.no_lists) {
    return absl::FailedPreconditionError(
        absl::StrCat("the code ", OpqName(spec), " needs lists; the index has a graph only"));
  }
  if (std::find(specs.begin(), specs.end(), spec) != specs.end()) {
    return absl::AlreadyExistsError(absl::StrCat("the index has the code ", OpqName(spec)));
  }
  if (!now->building.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("the code ", OpqName(now->building[0].spec),
                                                      " is being added; one at a time"));
  }
  if (rep.filled_.size() + rep.retired_columns_.size() >= kMaxCodes) {
    return absl::FailedPreconditionError(
        absl::StrCat("the index has ", CodesText(specs), " and ", rep.retired_columns_.size(),
                     " that readers may still use; at most ", kMaxCodes));
  }
  rep.building_progress_ = std::make_shared<std::atomic<double>>(0.0);
  auto next = std::make_shared<CodeTable>(*now);
  next->building.push_back({spec, rep.building_progress_});
  rep.SetCodes(std::move(next));
  return absl::OkStatus();
}

void IvfIndex::ReportCode(double progress) const {
  rep_->building_progress_->store(progress, std::memory_order_relaxed);
}

void IvfIndex::AttachCode(std::shared_ptr<const Code> code) { rep_->AddColumn(std::move(code)); }

void IvfIndex::PutCode(uint32_t slot, const uint8_t* bytes, float half_square) {
  const Place place = rep_->rows_.place(slot);
  if (place.run == nullptr) return;
  rep_->lists_.FillCode(place.run, place.position, rep_->filled_.back().column, bytes, half_square);
}

void IvfIndex::PublishCode(uint64_t since) {
  Rep& rep = *rep_;
  rep.filled_.back().since = since;
  auto next = std::make_shared<CodeTable>(*rep.codes());
  next->ready.push_back(rep.filled_.back());
  next->building.clear();
  rep.SetCodes(std::move(next));
}

absl::Status IvfIndex::DropCode(const OpqSpec& spec, uint64_t ticket) {
  Rep& rep = *rep_;
  auto next = std::make_shared<CodeTable>(*rep.codes());
  const size_t known =
      std::erase_if(next->ready,
                    [&](const CodeTable::Entry& entry) { return entry.code->spec() == spec; }) +
      std::erase_if(next->building,
                    [&](const CodeTable::Building& one) { return one.spec == spec; });
  if (known == 0) {
    return absl::NotFoundError(absl::StrCat("no code ", OpqName(spec), " to drop; the index has ",
                                            CodesText(next->Specs())));
  }
  rep.SetCodes(std::move(next));
  // One that is being trained has no column yet.
  const auto filled =
      std::find_if(rep.filled_.begin(), rep.filled_.end(),
                   [&](const CodeTable::Entry& entry) { return entry.code->spec() == spec; });
  if (filled == rep.filled_.end()) return absl::OkStatus();
  // Rows that come are invisible to who still scans by it.
  rep.retired_columns_.push_back({filled->column, ticket});
  rep.filled_.erase(filled);
  return absl::OkStatus();
}

std::vector<uint32_t> IvfIndex::SlotsAt(uint64_t snapshot) const {
  const Rep& rep = *rep_;
  std::vector<uint32_t> slots;
  for (uint32_t l = 0; l < rep.lists_.size(); ++l) {
    for (const Run* run = rep.lists_.First(l); run != nullptr;
         run = run->next.load(std::memory_order_acquire)) {
      const uint32_t count = run->count.load(std::memory_order_acquire);
      for (uint32_t i = 0; i < count; ++i) {
        if (run->Visible(i, snapshot)) slots.push_back(run->slots[i]);
      }
    }
  }
  return slots;
}

}  // namespace nestor
