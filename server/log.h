// Structured logs on stderr: an event and key=value fields per line, as text or as JSON lines. Any
// thread.
#ifndef NESTOR_SERVER_LOG_H_
#define NESTOR_SERVER_LOG_H_

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <variant>

#include "absl/strings/string_view.h"

namespace nestor {

enum class LogFormat { kText, kJson };
enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct LogField {
  template <std::signed_integral T>
  LogField(absl::string_view key, T number) : key(key), value(static_cast<int64_t>(number)) {}
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) LogField(absl::string_view key, T number)
      : key(key), value(static_cast<uint64_t>(number)) {}
  LogField(absl::string_view key, double number) : key(key), value(number) {}
  LogField(absl::string_view key, bool flag) : key(key), value(flag) {}
  LogField(absl::string_view key, absl::string_view text) : key(key), value(text) {}
  LogField(absl::string_view key, const std::string& text)
      : key(key), value(absl::string_view(text)) {}
  LogField(absl::string_view key, const char* text) : key(key), value(absl::string_view(text)) {}

  absl::string_view key;
  std::variant<int64_t, uint64_t, double, bool, absl::string_view> value;
};

// Called once, before the first Log and before there are other threads.
void StartLog(LogFormat format, LogLevel least);

void Log(LogLevel level, absl::string_view event, std::initializer_list<LogField> fields);

// The line without time and level: `event key=value ...`, or the inside of a JSON object. Text is
// quoted and escaped where it must be; bytes that are not UTF-8 become U+FFFD.
std::string FormatLogEvent(LogFormat format, absl::string_view event,
                           std::initializer_list<LogField> fields);

}  // namespace nestor

#endif  // NESTOR_SERVER_LOG_H_
