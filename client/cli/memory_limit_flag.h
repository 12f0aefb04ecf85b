// --memory-limit of a collection, for the commands that set it, and its text.
#ifndef NESTOR_CLIENT_CLI_MEMORY_LIMIT_FLAG_H_
#define NESTOR_CLIENT_CLI_MEMORY_LIMIT_FLAG_H_

#include <cstdint>
#include <optional>
#include <string>

#include "CLI/App.hpp"
#include "nestor/v1/collection.pb.h"

namespace nestor {

// `limit` outlives the parsing; it stays empty where the flag is not given.
void AddMemoryLimitFlag(CLI::App* command, std::optional<uint64_t>* limit);

std::string MemoryLimitText(const v1::CollectionSpec& spec);  // "none", "300.0 MB"

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_MEMORY_LIMIT_FLAG_H_
