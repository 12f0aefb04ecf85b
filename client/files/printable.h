// What a file holds, made fit for an error message.
#ifndef NESTOR_CLIENT_FILES_PRINTABLE_H_
#define NESTOR_CLIENT_FILES_PRINTABLE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace nestor {

// Bytes outside printable ASCII become \xNN; what is beyond `max_bytes` becomes "...".
std::string Printable(absl::string_view text, size_t max_bytes = 64);

}  // namespace nestor

#endif  // NESTOR_CLIENT_FILES_PRINTABLE_H_
