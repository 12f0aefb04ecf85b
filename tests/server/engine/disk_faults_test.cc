// ENOSPC and EIO at every file operation of a script, against what the engine acknowledged.
//
// A clean run counts the operations. Then the script runs with a fault at one of them, over and
// over: at all of them with NESTOR_FAULT_POSITIONS=all, else at an even sample.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "rocksdb/env.h"
#include "tests/server/engine/engine_testutil.h"
#include "tests/server/fault_file_system.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

namespace nestor {
namespace {

using Fault = FaultFileSystem::Fault;
using Faults = FaultFileSystem::Faults;

constexpr uint64_t kNever = ~uint64_t{0};
constexpr uint64_t kIds = 60;
constexpr uint64_t kPerWrite = 10;

// What a collection may show: version 0 = absent. A point whose last write failed may show either.
struct Model {
  std::map<uint64_t, uint64_t> sure;
  // The writes that failed and may be found after a restart, whole: the new versions of each.
  std::vector<std::map<uint64_t, uint64_t>> maybe;
  bool may_be_gone = false;
};

// One run of the script.
class Script {
 public:
  Script(Fault kind, uint64_t first, bool once)
      : kind_(kind), fs_(std::make_shared<FaultFileSystem>()), env_(rocksdb::NewCompositeEnv(fs_)) {
    options_.data_dir = dir_ / "data";
    options_.env = env_.get();
    options_.write_buffer_bytes = 1 << 20;
    options_.upkeep.pause = std::chrono::milliseconds(5);
    options_.upkeep.store_every = std::chrono::milliseconds(20);
    fs_->SetFaults({.kind = kind, .first = first, .once = once, .only = nullptr});
  }

  // Returns the number of operations that the fault could have hit.
  uint64_t Play() {
    Open();
    for (int step = 0; step < 100; ++step) Step(step);
    const uint64_t operations = fs_->operations();
    fs_->ClearFaults();
    // Full disks heal by themselves; anything else needs a restart.
    if (engine_ != nullptr && engine_->Health().code() == absl::StatusCode::kResourceExhausted) {
      AwaitHealth();
      Write("a", 0, 99);
      EXPECT_TRUE(last_.ok()) << last_;
    }
    if (engine_ != nullptr) CheckAll(/*restarted=*/false);
    Reopen();
    CheckAll(/*restarted=*/true);
    for (const char* name : {"a", "b"}) {
      if (!models_.contains(name)) Create(name);
      Write(name, 0, 100);
      EXPECT_TRUE(last_.ok()) << last_;
    }
    Build("a");
    CheckAll(/*restarted=*/false);
    return operations;
  }

 private:
  void Step(int step) {
    if (engine_ == nullptr) Open();
    if (engine_ == nullptr) return;
    const uint64_t version = step + 1;
    switch (step) {
      case 0:
        return Create("a");
      case 3:
        return Create("b");
      case 20:
      case 55:
      case 85:
        return Build("a");
      case 30:
        return Build("b");
      case 40:
      case 70:
        return Reopen();
      case 45:
      case 90:
        return Drop("b");
      case 50:
        return Create("b");
      case 60:
        return Update("a");
      default:
        break;
    }
    const std::string name = step % 3 == 2 ? "b" : "a";
    switch (step % 10) {
      case 4:
        return Delete(name, (step * 7) % kIds);
      case 5:
      case 9:
        return Check(name, models_.find(name), /*restarted=*/false);
      case 8:
        // Large enough that memtables fill up and are flushed.
        return Write(name, (step * 7) % kIds, version, /*large=*/true);
      default:
        return Write(name, (step * 7) % kIds, version);
    }
  }

  // --- What may fail ---

  // Where RocksDB keeps the EIO to itself: of the file by which it finds out at open whether it may
  // use direct I/O.
  static bool SaysRocksDb(absl::string_view message) {
    return absl::StrContains(message, "cannot open") &&
           absl::StrContains(message, "Direct I/O is not supported");
  }

  bool Fine(const absl::Status& status) {
    last_ = status;
    if (status.ok()) return true;
    EXPECT_GT(fs_->failed(), 0u) << "nothing was wrong: " << status;
    using enum absl::StatusCode;
    if (kind_ == Fault::kNoSpace) {
      EXPECT_EQ(status.code(), kResourceExhausted) << status;
      EXPECT_TRUE(absl::StrContains(status.message(), "No space left")) << status;
    } else if (!SaysRocksDb(status.message())) {
      EXPECT_TRUE(status.code() == kUnavailable || status.code() == kDataLoss) << status;
      EXPECT_TRUE(absl::StrContains(status.message(), "EIO")) << status;
    }
    return false;
  }

  void Open() {
    absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options_);
    if (Fine(engine.status())) engine_ = *std::move(engine);
  }
  void Reopen() {
    if (engine_ != nullptr) Fine(engine_->Close());
    engine_.reset();
    Open();
    if (engine_ != nullptr) Settle();
  }
  void Create(const std::string& name) {
    CollectionSpec spec = MakeSpec(Metric::kL2, Dtype::kF32);
    spec.name = name;
    if (name == "a") spec.index.graph = GraphSpec{.dim = 32, .degree = 8, .ef_construction = 32};
    const absl::Status status = engine_->CreateCollection(spec).status();
    // Where it could not be deleted.
    if (status.code() == absl::StatusCode::kAlreadyExists && models_.contains(name)) return;
    if (Fine(status)) {
      models_.try_emplace(name);
      unsure_.erase(name);
    } else {
      unsure_.insert({name, Model()});
    }
  }
  void Drop(const std::string& name) {
    const auto model = models_.find(name);
    const absl::Status status = engine_->DeleteCollection(name);
    if (model == models_.end()) {
      EXPECT_TRUE(status.code() == absl::StatusCode::kNotFound || !Fine(status)) << status;
    } else if (Fine(status)) {
      models_.erase(model);
    } else {
      model->second.may_be_gone = true;
    }
  }
  void Write(const std::string& name, uint64_t first, uint64_t version, bool large = false) {
    const auto model = models_.find(name);
    if (model == models_.end()) return;
    const Oracle maker(MakeSpec(Metric::kL2, Dtype::kF32));
    std::vector<std::vector<float>> vectors;
    std::vector<PointInput> points;
    std::map<uint64_t, uint64_t> versions;
    for (uint64_t i = first; i < first + kPerWrite; ++i) {
      vectors.push_back(maker.VectorOf(i, version));
      versions[i] = version;
    }
    for (uint64_t i = 0; i < kPerWrite; ++i) {
      Attributes attributes = {{"version", static_cast<int64_t>(version)}};
      if (large) attributes.insert(attributes.begin(), {"name", std::string(40'000, 'x')});
      points.push_back({first + i, std::span<const float>(vectors[i]), attributes});
    }
    Note(&model->second, Fine(engine_->Upsert(name, points).status()), versions);
  }
  void Delete(const std::string& name, uint64_t first) {
    const auto model = models_.find(name);
    if (model == models_.end()) return;
    std::vector<PointId> ids;
    std::map<uint64_t, uint64_t> versions;
    for (uint64_t i = first; i < first + kPerWrite; ++i) {
      ids.push_back(i);
      versions[i] = 0;
    }
    Note(&model->second, Fine(engine_->Delete(name, ids).status()), versions);
  }
  void Note(Model* model, bool done, const std::map<uint64_t, uint64_t>& versions) {
    if (!done) {
      model->maybe.push_back(versions);
      return;
    }
    for (const auto& [i, version] : versions) model->sure[i] = version;
  }
  void Build(const std::string& name) {
    if (!models_.contains(name)) return;
    const absl::StatusOr<std::string> id = engine_->BuildIndex(name);
    if (!Fine(id.status())) return;
    const Operation operation = Await(*engine_, *id);
    if (operation.state != OperationState::kSucceeded) {
      EXPECT_EQ(operation.state, OperationState::kFailed);
      EXPECT_FALSE(Fine(operation.error));
    }
  }
  void Update(const std::string& name) {
    if (!models_.contains(name)) return;
    CollectionUpdate update;
    update.durability = Durability::kSync;
    Fine(engine_->UpdateCollection(name, update).status());
  }

  // --- What must be there ---

  // The versions that the engine shows; nullopt where a read failed.
  std::optional<std::map<uint64_t, uint64_t>> Show(const std::string& name) {
    std::vector<PointId> ids;
    for (uint64_t i = 0; i < kIds + kPerWrite; ++i) ids.push_back(i);
    const absl::StatusOr<GetResult> got =
        engine_->Get(name, ids, {.attributes = true, .vector = true});
    // Only a disk that cannot be read is an excuse.
    if (kind_ == Fault::kNoSpace) {
      EXPECT_TRUE(got.ok()) << got.status();
    }
    if (!Fine(got.status())) return std::nullopt;
    const Oracle maker(MakeSpec(Metric::kL2, Dtype::kF32));
    std::map<uint64_t, uint64_t> versions;
    for (const Point& point : got->found) {
      const uint64_t i = std::get<uint64_t>(point.id);
      const uint64_t version = std::get<int64_t>(point.attributes.back().value);
      const std::vector<float> vector = maker.VectorOf(i, version);
      EXPECT_EQ(point.vector,
                std::string(reinterpret_cast<const char*>(vector.data()), 4 * vector.size()));
      versions[i] = version;
    }
    EXPECT_EQ(*engine_->Count(name), versions.size());
    return versions;
  }

  static uint64_t At(const std::map<uint64_t, uint64_t>& versions, uint64_t i) {
    const auto it = versions.find(i);
    return it == versions.end() ? 0 : it->second;
  }

  // A write that failed is found whole or not at all, unless a later one hides it.
  void Settle() {
    for (auto it = models_.begin(); it != models_.end();) {
      if (!engine_->GetCollection(it->first).ok()) {
        EXPECT_TRUE(it->second.may_be_gone) << it->first << " is lost";
        it = models_.erase(it);
      } else {
        it->second.may_be_gone = false;
        ++it;
      }
    }
    for (const auto& [name, model] : unsure_) {
      if (engine_->GetCollection(name).ok()) models_.try_emplace(name);
    }
    unsure_.clear();
    for (auto& [name, model] : models_) {
      const auto shown = Show(name);
      if (!shown.has_value()) continue;  // the next look will tell
      for (const std::map<uint64_t, uint64_t>& versions : model.maybe) {
        bool there = false;
        for (const auto& [i, version] : versions) {
          there = there || (At(*shown, i) == version && At(model.sure, i) != version);
        }
        if (!there) continue;
        for (const auto& [i, version] : versions) {
          EXPECT_TRUE(At(*shown, i) == version || At(*shown, i) > version || version == 0)
              << name << ": half a write of point " << i;
          model.sure[i] = At(*shown, i);
        }
      }
      model.maybe.clear();
    }
  }

  void Check(const std::string& name, std::map<std::string, Model>::iterator model,
             bool restarted) {
    if (model == models_.end()) return;
    const auto shown = Show(name);
    if (!shown.has_value()) {
      EXPECT_FALSE(restarted);
      return;
    }
    uint64_t points = 0;
    for (uint64_t i = 0; i < kIds + kPerWrite; ++i) {
      EXPECT_EQ(At(*shown, i), At(model->second.sure, i)) << name << ", point " << i;
      points += At(model->second.sure, i) != 0;
    }
    absl::StatusOr<SearchView> view = engine_->Pin(name);
    ASSERT_TRUE(view.ok()) << view.status();
    const std::vector<float> query = MakeVector(view->schema(), 7);
    SearchRequest request;
    request.query = std::span<const float>(query);
    request.limit = kIds + kPerWrite;
    request.how = ExactSearch{};
    SearchReply reply;
    if (Fine(view->Search(request, nullptr, &reply))) {
      EXPECT_EQ(reply.hits.size(), points);
    }
  }
  void CheckAll(bool restarted) {
    for (auto it = models_.begin(); it != models_.end(); ++it) Check(it->first, it, restarted);
  }

  void AwaitHealth() {
    const auto due = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!engine_->Health().ok()) {
      ASSERT_LT(std::chrono::steady_clock::now(), due) << engine_->Health();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  const Fault kind_;
  TempDir dir_;
  std::shared_ptr<FaultFileSystem> fs_;
  std::unique_ptr<rocksdb::Env> env_;
  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
  std::map<std::string, Model> models_;
  std::map<std::string, Model> unsure_;  // creations that failed
  absl::Status last_;
};

uint64_t Positions(uint64_t operations) {
  const char* wanted = std::getenv("NESTOR_FAULT_POSITIONS");
  if (wanted == nullptr) return kSanitized ? 3 : 8;
  uint64_t positions = 0;
  return absl::SimpleAtoi(wanted, &positions) ? positions : operations;
}

class DiskFaultsTest : public ::testing::TestWithParam<std::pair<Fault, bool>> {};

TEST_P(DiskFaultsTest, EveryOperationMayFail) {
  const auto [kind, once] = GetParam();
  const uint64_t operations = Script(kind, kNever, once).Play();
  ASSERT_GT(operations, 300u);
  const uint64_t positions = std::min(Positions(operations), operations);
  std::atomic<uint64_t> next{0};
  // Those that wait for RocksDB to see that the disk has room again wait together.
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, kind = kind, once = once] {
      for (uint64_t i; (i = next.fetch_add(1)) < positions && !::testing::Test::HasFailure();) {
        const uint64_t at = i * operations / positions;
        SCOPED_TRACE(absl::StrCat("fault at operation ", at, " of ", operations));
        Script(kind, at, once).Play();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

INSTANTIATE_TEST_SUITE_P(Kinds, DiskFaultsTest,
                         ::testing::Values(std::pair(Fault::kNoSpace, true),
                                           std::pair(Fault::kNoSpace, false),
                                           std::pair(Fault::kIo, true),
                                           std::pair(Fault::kIo, false)),
                         [](const auto& info) {
                           return absl::StrCat(info.param.first == Fault::kNoSpace ? "full" : "io",
                                               info.param.second ? "_once" : "_on");
                         });

}  // namespace
}  // namespace nestor
