#include "client/cli/memory_limit_flag.h"

#include "CLI/CLI.hpp"
#include "client/cli/text.h"

namespace nestor {
namespace {

constexpr uint64_t kMaxLimit = (uint64_t{1} << 63) - 1;

}  // namespace

void AddMemoryLimitFlag(CLI::App* command, std::optional<uint64_t>* limit) {
  command
      ->add_option("--memory-limit", *limit,
                   "Upserts, builds and codes that need more memory for this collection's index "
                   "than this are refused, e.g. 300MB; 0 = none")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
      ->check(CLI::Range(uint64_t{0}, kMaxLimit))
      ->type_name("SIZE");
}

std::string MemoryLimitText(const v1::CollectionSpec& spec) {
  return spec.memory_limit_bytes() == 0 ? "none" : FormatBytes(spec.memory_limit_bytes());
}

}  // namespace nestor
