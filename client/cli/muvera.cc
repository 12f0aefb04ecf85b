#include "client/cli/muvera.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/cli/names.h"
#include "client/cli/session.h"

namespace nestor {
namespace {

struct NumberField {
  absl::string_view name;
  void (*set)(v1::Muvera* muvera, uint32_t value);
};

constexpr NumberField kNumbers[] = {
    {"repetitions", [](v1::Muvera* m, uint32_t value) { m->set_repetitions(value); }},
    {"k_sim", [](v1::Muvera* m, uint32_t value) { m->set_k_sim(value); }},
    {"d_proj", [](v1::Muvera* m, uint32_t value) { m->set_d_proj(value); }},
    {"sketch_repetitions", [](v1::Muvera* m, uint32_t value) { m->set_sketch_repetitions(value); }},
    {"sketch_dim", [](v1::Muvera* m, uint32_t value) { m->set_sketch_dim(value); }},
    {"max_tokens", [](v1::Muvera* m, uint32_t value) { m->set_max_tokens(value); }},
};

template <typename Number>
absl::StatusOr<Number> ParseNumber(absl::string_view name, absl::string_view text) {
  Number value = 0;
  if (absl::SimpleAtoi(text, &value)) return value;
  return UsageError(absl::StrCat("muvera ", name, "=", text, ": not a whole number of 0 or more"));
}

absl::Status SetField(absl::string_view name, absl::string_view text, v1::Muvera* muvera) {
  for (const NumberField& field : kNumbers) {
    if (field.name != name) continue;
    const auto value = ParseNumber<uint32_t>(name, text);
    if (value.ok()) field.set(muvera, *value);
    return value.status();
  }
  if (name == "seed") {
    const auto seed = ParseNumber<uint64_t>(name, text);
    if (seed.ok()) muvera->set_seed(*seed);
    return seed.status();
  }
  if (name == "projection") {
    const auto projection = FdeProjectionFromName(text);
    if (projection.ok()) muvera->set_projection(*projection);
    return projection.status();
  }
  if (name == "fill_empty") {
    bool fill = false;
    if (!absl::SimpleAtob(text, &fill)) {
      return UsageError(absl::StrCat("muvera fill_empty=", text, ": neither true nor false"));
    }
    muvera->set_fill_empty(fill);
    return absl::OkStatus();
  }
  if (name == "prefixes") {
    for (const absl::string_view part : absl::StrSplit(text, ':')) {
      const auto prefix = ParseNumber<uint32_t>(name, part);
      if (!prefix.ok()) return prefix.status();
      muvera->add_prefixes(*prefix);
    }
    return absl::OkStatus();
  }
  return UsageError(absl::StrCat(
      "muvera parameter '", name,
      "' is none of repetitions, k_sim, projection, d_proj, fill_empty, sketch_repetitions, "
      "sketch_dim, seed, prefixes, max_tokens"));
}

}  // namespace

absl::StatusOr<v1::Muvera> MuveraFromText(absl::string_view text) {
  v1::Muvera muvera;
  absl::flat_hash_set<absl::string_view> seen;
  for (const absl::string_view part : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    if (!seen.insert(pair.first).second) {
      return UsageError(absl::StrCat("muvera parameter '", pair.first, "' is given twice"));
    }
    if (absl::Status set = SetField(pair.first, pair.second, &muvera); !set.ok()) return set;
  }
  return muvera;
}

std::string ToText(const v1::Muvera& muvera) {
  std::string text =
      absl::StrCat("repetitions=", muvera.repetitions(), ",k_sim=", muvera.k_sim(),
                   ",projection=", ToName(muvera.projection()), ",d_proj=", muvera.d_proj(),
                   ",fill_empty=", muvera.fill_empty() ? "true" : "false");
  if (muvera.sketch_repetitions() != 0) {
    absl::StrAppend(&text, ",sketch_repetitions=", muvera.sketch_repetitions(),
                    ",sketch_dim=", muvera.sketch_dim());
  }
  absl::StrAppend(&text, ",seed=", muvera.seed());
  if (!muvera.prefixes().empty()) {
    absl::StrAppend(&text, ",prefixes=", absl::StrJoin(muvera.prefixes(), ":"));
  }
  absl::StrAppend(&text, ",max_tokens=", muvera.max_tokens());
  return text;
}

std::string FdesText(const v1::Muvera& muvera) {
  return absl::StrCat("FDEs of ", muvera.fde_dim(), " dims, nested ",
                      absl::StrJoin(muvera.fde_nesting(), ","), " (", ToText(muvera), ")");
}

}  // namespace nestor
