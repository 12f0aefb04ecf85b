// MUVERA's parameters as text: k_sim=4,repetitions=80,projection=dense,prefixes=5:20:80.
#ifndef NESTOR_CLIENT_CLI_MUVERA_H_
#define NESTOR_CLIENT_CLI_MUVERA_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nestor/v1/collection.pb.h"

namespace nestor {

// Names are those of the message's fields; flags and numbers alike take NAME=VALUE. A usage error
// names what it does not know, or the value.
absl::StatusOr<v1::Muvera> MuveraFromText(absl::string_view text);
// What a server says is used, in the same form.
std::string ToText(const v1::Muvera& muvera);

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_MUVERA_H_
