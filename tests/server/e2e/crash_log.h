// What the log of a server that was killed and started again says about a collection's graph.
#ifndef NESTOR_TESTS_SERVER_E2E_CRASH_LOG_H_
#define NESTOR_TESTS_SERVER_E2E_CRASH_LOG_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace nestor {

class CrashLog {
 public:
  CrashLog(absl::string_view text, absl::string_view collection);

  uint64_t repairs() const { return repairs_; }
  uint64_t checkpoints() const { return checkpoints_; }
  // Of the last start: rows that it inserted again, and the checkpoints before it, the last of
  // which holds the rows up to sequence stored_seq; 0 = there was none.
  uint64_t reinserted() const { return reinserted_; }
  uint64_t checkpoints_before() const { return checkpoints_before_; }
  uint64_t stored_seq() const { return stored_seq_; }

 private:
  uint64_t repairs_ = 0;
  uint64_t checkpoints_ = 0;
  uint64_t reinserted_ = 0;
  uint64_t checkpoints_before_ = 0;
  uint64_t stored_seq_ = 0;
};

std::string ReadCrashLog(const std::string& file);

}  // namespace nestor

#endif  // NESTOR_TESTS_SERVER_E2E_CRASH_LOG_H_
