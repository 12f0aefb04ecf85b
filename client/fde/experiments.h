// What nestor-fde tries; each prints its table. One thread.
#ifndef NESTOR_CLIENT_FDE_EXPERIMENTS_H_
#define NESTOR_CLIENT_FDE_EXPERIMENTS_H_

#include "absl/status/status.h"
#include "client/fde/candidates_needed.h"
#include "client/fde/token_data.h"

namespace nestor {

// Encodings of several shapes, filled and not, each with its prefixes.
absl::Status TryEncodings(const TokenData& data);

// All documents by MaxSim, in f32 and by int8 codes: how well they agree with the truth, how fast.
absl::Status TryExact(const TokenData& data);
void PrintRow(const char* name, const NeighbourRanks& ranks);

}  // namespace nestor

#endif  // NESTOR_CLIENT_FDE_EXPERIMENTS_H_
