#include "server/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace nestor {
namespace {

std::atomic<LogFormat> g_format = LogFormat::kText;

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::string Quote(absl::string_view text) {
  return nlohmann::json(std::string(text))
      .dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
}

bool IsPlain(absl::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=') return false;
  }
  return true;
}

void AppendValue(LogFormat format, const LogField& field, std::string* out) {
  if (const auto* text = std::get_if<absl::string_view>(&field.value)) {
    const bool quote = format == LogFormat::kJson || !IsPlain(*text);
    absl::StrAppend(out, quote ? Quote(*text) : std::string(*text));
  } else if (const auto* flag = std::get_if<bool>(&field.value)) {
    absl::StrAppend(out, *flag ? "true" : "false");
  } else if (const auto* real = std::get_if<double>(&field.value)) {
    // JSON has no NaN and no infinity.
    absl::StrAppend(out, std::isfinite(*real) ? absl::StrCat(*real) : std::string("null"));
  } else if (const auto* number = std::get_if<int64_t>(&field.value)) {
    absl::StrAppend(out, *number);
  } else {
    absl::StrAppend(out, std::get<uint64_t>(field.value));
  }
}

}  // namespace

std::string FormatLogEvent(LogFormat format, absl::string_view event,
                           std::initializer_list<LogField> fields) {
  const bool json = format == LogFormat::kJson;
  std::string line = json ? absl::StrCat("\"event\":", Quote(event)) : std::string(event);
  for (const LogField& field : fields) {
    if (json) {
      absl::StrAppend(&line, ",", Quote(field.key), ":");
    } else {
      absl::StrAppend(&line, " ", field.key, "=");
    }
    AppendValue(format, field, &line);
  }
  return line;
}

void StartLog(LogFormat format, LogLevel least) {
  g_format = format;
  auto logger = std::make_shared<spdlog::logger>("nestord",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  const char* pattern = format == LogFormat::kJson
                            ? R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l",%v})"
                            : "%Y-%m-%dT%H:%M:%S.%fZ %l %v";
  logger->set_formatter(
      std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc));
  logger->set_level(ToSpdlog(least));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

void Log(LogLevel level, absl::string_view event, std::initializer_list<LogField> fields) {
  const auto severity = ToSpdlog(level);
  if (!spdlog::default_logger_raw()->should_log(severity)) return;
  const std::string line = FormatLogEvent(g_format, event, fields);
  spdlog::default_logger_raw()->log(severity, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace nestor
