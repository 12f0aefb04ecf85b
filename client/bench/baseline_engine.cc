#include "client/bench/baseline_engine.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/passes/wire.h"

namespace nestor {

std::vector<std::string> BaselineSettings(const std::string& name, uint32_t k) {
  std::vector<std::string> settings;
  if (name == kHnswlib) {
    for (uint32_t ef :
         {10, 12, 14, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024}) {
      if (ef >= k) settings.push_back(absl::StrCat("ef=", ef));
    }
    if (settings.empty()) settings.push_back(absl::StrCat("ef=", k));
  } else if (name == kFaissIvfPq) {
    // Lists cost more than refining: what comes behind the first setting with enough recall, where
    // a sweep stops, scans as much or more.
    for (uint32_t nprobe : {1, 2, 4, 8, 16, 32, 64, 128, 256}) {
      for (uint32_t k_factor : {2, 4, 8, 16, 32, 64})
        settings.push_back(absl::StrCat("nprobe=", nprobe, ",kfactor=", k_factor));
    }
  } else {
    for (uint32_t nprobe : {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256})
      settings.push_back(absl::StrCat("nprobe=", nprobe));
  }
  return settings;
}

namespace {

std::string IndexText(const std::string& name, uint64_t rows, uint32_t dim) {
  if (name == kHnswlib) return "M=16 efConstruction=200";
  const uint32_t lists = rows <= 65536 ? 512 : rows <= 524288 ? 1024 : 4096;
  return absl::StrCat("lists=", lists,
                      name == kFaissIvfPq ? absl::StrCat(" pieces=", dim / 4, " of 4 bits") : "");
}

}  // namespace

absl::StatusOr<std::unique_ptr<BaselineEngine>> BaselineEngine::Build(const std::string& program,
                                                                      const std::string& name,
                                                                      const Dataset& set,
                                                                      int threads) {
  absl::StatusOr<std::unique_ptr<ChildProcess>> child = ChildProcess::Start(
      program, {"--engine", name, "--base", set.files().base, "--queries", set.files().queries,
                "--metric", std::string(Name(set.files().metric))});
  if (!child.ok()) return child.status();
  std::unique_ptr<BaselineEngine> engine(new BaselineEngine(*std::move(child)));
  if (absl::Status s = engine->child_->WriteLine(FormatBuildRequest(threads)); !s.ok()) return s;
  absl::StatusOr<BuildReply> reply = ReadBuildReply([&] { return engine->child_->ReadLine(); });
  if (!reply.ok()) return reply.status();
  engine->facts_ = {.name = name,
                    .index_bytes = std::move(reply->bytes),
                    .build_s = reply->seconds,
                    .index = IndexText(name, set.base().rows(), set.dim())};
  return engine;
}

absl::StatusOr<EnginePass> BaselineEngine::Run(const std::string& setting,
                                               const PassOptions& options) {
  absl::Status written =
      child_->WriteLine(FormatPassRequest({.setting = setting, .options = options}));
  if (!written.ok()) return written;
  absl::StatusOr<Pass> pass = ReadPassReply([&] { return child_->ReadLine(); }, options.k);
  if (!pass.ok()) return pass.status();
  return EnginePass{.pass = *std::move(pass), .plan = setting};
}

}  // namespace nestor
