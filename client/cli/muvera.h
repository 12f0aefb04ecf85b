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
// .. with what comes of it: "FDEs of 10240 dims, nested 640,1280,.. (repetitions=80,..)".
std::string FdesText(const v1::Muvera& muvera);

// What --muvera takes, for a command's help.
inline constexpr char kMuveraHelp[] =
    "repetitions=80,k_sim=4,projection=dense,d_proj=8,fill_empty=false,prefixes=5:10:80,"
    "max_tokens=4096 (default: those); also sketch_repetitions, sketch_dim, seed. Index flags are "
    "then about the encodings' dims";

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_MUVERA_H_
