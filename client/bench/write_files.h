// What a study leaves behind: tables and charts in a folder.
#ifndef NESTOR_CLIENT_BENCH_WRITE_FILES_H_
#define NESTOR_CLIENT_BENCH_WRITE_FILES_H_

#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace nestor {

// Names and texts; the folder is made if it is not there. Each file whole or not at all.
absl::Status WriteFiles(const std::string& folder,
                        std::span<const std::pair<std::string, std::string>> files);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_WRITE_FILES_H_
