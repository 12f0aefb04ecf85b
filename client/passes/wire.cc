#include "client/passes/wire.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace nestor {
namespace {

std::vector<absl::string_view> Words(absl::string_view line) {
  return absl::StrSplit(line, ' ', absl::SkipEmpty());
}

absl::Status Unexpected(absl::string_view expected, absl::string_view line) {
  return absl::InvalidArgumentError(
      absl::StrCat("expected '", expected, "', got '", line.substr(0, 200), "'"));
}

std::string FormatError(const absl::Status& status) {
  return absl::StrCat("error ", absl::StrReplaceAll(status.message(), {{"\n", " "}}));
}

// The words behind "ok".
absl::StatusOr<std::vector<std::string>> ReadOk(const NextLine& next) {
  const absl::StatusOr<std::string> line = next();
  if (!line.ok()) return line.status();
  absl::string_view rest = *line;
  if (absl::ConsumePrefix(&rest, "error ")) return absl::InternalError(rest);
  const std::vector<absl::string_view> words = Words(rest);
  if (words.empty() || words[0] != "ok") return Unexpected("ok ... or error ...", *line);
  return std::vector<std::string>(words.begin() + 1, words.end());
}

}  // namespace

std::string FormatBuildRequest(int threads) { return absl::StrCat("build ", threads); }

std::string FormatPassRequest(const PassRequest& request) {
  return absl::StrCat("pass ", request.setting, " ", Name(request.options.half), " ",
                      request.options.k, " ", request.options.threads, " ",
                      request.options.min_runs);
}

absl::StatusOr<int> ParseBuildRequest(absl::string_view line) {
  const std::vector<absl::string_view> words = Words(line);
  int threads = 0;
  if (words.size() != 2 || words[0] != "build" || !absl::SimpleAtoi(words[1], &threads) ||
      threads < 1) {
    return Unexpected("build THREADS", line);
  }
  return threads;
}

absl::StatusOr<PassRequest> ParsePassRequest(absl::string_view line) {
  const std::vector<absl::string_view> words = Words(line);
  PassRequest request;
  PassOptions& options = request.options;
  if (words.size() != 6 || words[0] != "pass" || !absl::SimpleAtoi(words[3], &options.k) ||
      !absl::SimpleAtoi(words[4], &options.threads) ||
      !absl::SimpleAtoi(words[5], &options.min_runs)) {
    return Unexpected("pass SETTING HALF K THREADS RUNS", line);
  }
  request.setting = std::string(words[1]);
  const absl::StatusOr<Half> half = ParseHalf(words[2]);
  if (!half.ok()) return half.status();
  options.half = *half;
  return request;
}

std::string FormatReply(const absl::StatusOr<BuildReply>& reply) {
  if (!reply.ok()) return FormatError(reply.status());
  std::string text = absl::StrCat("ok ", reply->seconds);
  for (const auto& [part, bytes] : reply->bytes) absl::StrAppend(&text, " ", part, "=", bytes);
  return text;
}

std::string FormatReply(const absl::StatusOr<Pass>& reply) {
  if (!reply.ok()) return FormatError(reply.status());
  std::string text = absl::StrCat("ok ", reply->wall_s, " ", reply->queries, "\n");
  for (uint32_t q = 0; q < reply->queries; ++q) {
    for (uint32_t i = 0; i < reply->k; ++i) {
      const uint64_t id = reply->ids[size_t{q} * reply->k + i];
      if (id != kNoId) absl::StrAppend(&text, i == 0 ? "" : " ", id);
    }
    text += '\n';
  }
  for (size_t i = 0; i < reply->micros.size(); ++i)
    absl::StrAppend(&text, i == 0 ? "" : " ", reply->micros[i]);
  return text;
}

absl::StatusOr<BuildReply> ReadBuildReply(const NextLine& next) {
  const absl::StatusOr<std::vector<std::string>> words = ReadOk(next);
  if (!words.ok()) return words.status();
  BuildReply reply;
  bool good = !words->empty() && absl::SimpleAtod((*words)[0], &reply.seconds);
  for (size_t i = 1; good && i < words->size(); ++i) {
    const std::pair<std::string, std::string> part =
        absl::StrSplit((*words)[i], absl::MaxSplits('=', 1));
    reply.bytes.emplace_back(part.first, 0);
    good = absl::SimpleAtoi(part.second, &reply.bytes.back().second);
  }
  if (!good) return Unexpected("ok SECONDS PART=BYTES...", absl::StrJoin(*words, " "));
  return reply;
}

absl::StatusOr<Pass> ReadPassReply(const NextLine& next, uint32_t k) {
  const absl::StatusOr<std::vector<std::string>> words = ReadOk(next);
  if (!words.ok()) return words.status();
  Pass pass;
  pass.k = k;
  if (words->size() != 2 || !absl::SimpleAtod((*words)[0], &pass.wall_s) ||
      !absl::SimpleAtoi((*words)[1], &pass.queries)) {
    return Unexpected("ok WALL_SECONDS QUERIES", absl::StrJoin(*words, " "));
  }
  pass.ids.assign(size_t{pass.queries} * k, kNoId);
  for (uint32_t q = 0; q < pass.queries; ++q) {
    const absl::StatusOr<std::string> line = next();
    if (!line.ok()) return line.status();
    const std::vector<absl::string_view> ids = Words(*line);
    if (ids.size() > k) return Unexpected(absl::StrCat("at most ", k, " ids"), *line);
    for (size_t i = 0; i < ids.size(); ++i) {
      if (!absl::SimpleAtoi(ids[i], &pass.ids[size_t{q} * k + i])) return Unexpected("ids", *line);
    }
  }
  const absl::StatusOr<std::string> line = next();
  if (!line.ok()) return line.status();
  for (absl::string_view word : Words(*line)) {
    pass.micros.push_back(0);
    if (!absl::SimpleAtof(word, &pass.micros.back())) return Unexpected("microseconds", word);
  }
  if (pass.micros.empty()) return Unexpected("microseconds of the runs", *line);
  pass.answered = pass.micros.size();
  return pass;
}

}  // namespace nestor
