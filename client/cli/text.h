// Numbers and tables for people. Pure functions.
#ifndef NESTOR_CLIENT_CLI_TEXT_H_
#define NESTOR_CLIENT_CLI_TEXT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace nestor {

std::string FormatBytes(uint64_t bytes);    // "999 B", "58.6 MB": powers of 1,000
std::string FormatCount(uint64_t count);    // "1,234,567"
std::string FormatSeconds(double seconds);  // "0.25 s", "12.3 s", "1m05s", "2h03m"
std::string FormatFloat(float value);       // the shortest that reads back as the same float

// Columns separated by two blanks; the first row is the head. Columns whose other cells are all
// numbers are aligned to the right. No blanks at the ends of lines.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

// "0.1,0.2, -3e-2" or the same with blanks. A usage error names the coordinate, from 0.
absl::StatusOr<std::vector<float>> ParseVector(absl::string_view text);

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_TEXT_H_
