#include "server/storage/check_logs.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rocksdb/env.h"
#include "server/storage/log_file.h"
#include "server/storage/store_rep.h"

namespace nestor {
namespace {

bool AllDigits(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

bool IsWal(absl::string_view name) { return absl::ConsumeSuffix(&name, ".log") && AllDigits(name); }

bool IsManifest(absl::string_view name) {
  return absl::ConsumePrefix(&name, "MANIFEST-") && AllDigits(name);
}

bool IsData(absl::string_view name) {
  return IsWal(name) || absl::EndsWith(name, ".sst") || absl::EndsWith(name, ".blob");
}

// The name of the MANIFEST.
absl::StatusOr<std::string> ReadCurrent(rocksdb::Env* env, const std::string& path) {
  std::string text;
  const rocksdb::Status read = rocksdb::ReadFileToString(env, path, &text);
  if (!read.ok()) return ToStatus(absl::StrCat("cannot read ", path), read);
  absl::string_view name = text;
  if (!absl::ConsumeSuffix(&name, "\n") || !IsManifest(name)) {
    return absl::DataLossError(absl::StrCat(path, " is damaged: it names no MANIFEST"));
  }
  return std::string(name);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> FindLogs(rocksdb::Env* env, const std::string& db_dir) {
  std::vector<std::string> children;
  const rocksdb::Status listed = env->GetChildren(db_dir, &children);
  if (listed.IsNotFound() || listed.IsPathNotFound()) return std::vector<std::string>();
  if (!listed.ok()) return ToStatus(absl::StrCat("cannot list ", db_dir), listed);

  const std::string current = absl::StrCat(db_dir, "/CURRENT");
  const auto has = [&](absl::string_view name) {
    return std::find(children.begin(), children.end(), name) != children.end();
  };
  if (!has("CURRENT")) {
    for (const std::string& name : children) {
      if (!IsData(name)) continue;
      return absl::DataLossError(absl::StrCat(current, " is missing, but there is data: ", name));
    }
    return std::vector<std::string>();
  }
  const absl::StatusOr<std::string> manifest = ReadCurrent(env, current);
  if (!manifest.ok()) return manifest.status();
  if (!has(*manifest)) {
    return absl::DataLossError(
        absl::StrCat(current, " names ", *manifest, ", which does not exist"));
  }
  std::vector<std::string> logs = {current, absl::StrCat(db_dir, "/", *manifest)};
  // Numbers have six digits or more.
  std::sort(children.begin(), children.end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  for (const std::string& name : children) {
    if (IsWal(name)) logs.push_back(absl::StrCat(db_dir, "/", name));
  }
  return logs;
}

absl::Status CheckLogs(rocksdb::Env* env, const std::string& db_dir) {
  const absl::StatusOr<std::vector<std::string>> logs = FindLogs(env, db_dir);
  if (!logs.ok()) return logs.status();
  for (size_t i = 1; i < logs->size(); ++i) {
    const absl::StatusOr<LogFileScan> scan = ScanLogFile(env, (*logs)[i]);
    if (!scan.ok()) return scan.status();
  }
  return absl::OkStatus();
}

}  // namespace nestor
