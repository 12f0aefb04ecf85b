// One flipped byte anywhere in the files of a server that was killed: `verify` names the file, and
// the engine answers DATA_LOSS at open or at read, or answers right; never a wrong vector.
// NESTOR_DAMAGE_POSITIONS sets how many positions are tried (default 60, in each kind of file as
// many).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/engine/engine.h"
#include "server/storage/verify.h"
#include "tests/server/temp_dir.h"

namespace nestor {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

namespace fs = std::filesystem;

constexpr uint32_t kSmallDim = 32;
constexpr uint64_t kSmallPoints = 1500;  // enough for lists, a graph and a code
constexpr uint32_t kBigDim = 6000;       // 24,000 bytes: a blob each
constexpr uint64_t kBigPoints = 30;
constexpr uint64_t kLogPoints = 40;  // of each that lie in the WAL only

std::vector<float> MakeVector(uint64_t id, uint32_t dim) {
  std::mt19937 random(static_cast<uint32_t>(id * 31 + dim));
  std::uniform_real_distribution<float> value(-1, 1);
  std::vector<float> vector(dim);
  for (float& x : vector) x = value(random);
  return vector;
}

CollectionSpec MakeSpec(const std::string& name, uint32_t dim) {
  CollectionSpec spec;
  spec.name = name;
  spec.schema = {dim, {dim / 2, dim}, Metric::kL2, Dtype::kF32};
  spec.attributes = {{"text", AttributeType::kString}};
  return spec;
}

// Whatever a reader can see of a collection: points with vectors and attributes, hits and scores.
struct Seen {
  std::vector<std::string> points;
  std::vector<std::string> hits;
  bool operator==(const Seen&) const = default;
};

absl::Status Look(const Engine& engine, const CollectionSpec& spec, Seen* seen) {
  ListRequest page;
  page.limit = 10000;
  page.max_bytes = uint64_t{1} << 30;
  page.output = {.attributes = true, .vector = true};
  const absl::StatusOr<ListResult> listed = engine.List(spec.name, page);
  if (!listed.ok()) return listed.status();
  for (const Point& point : listed->points) {
    const auto& text = std::get<std::string>(point.attributes.at(0).value);
    seen->points.push_back(
        absl::StrCat(std::get<uint64_t>(point.id), " ", point.seq, " ", text, " ", point.vector));
  }
  const absl::StatusOr<SearchView> view = engine.Pin(spec.name);
  if (!view.ok()) return view.status();
  for (uint64_t q = 0; q < 5; ++q) {
    const std::vector<float> query = MakeVector(1'000'000 + q, spec.schema.dim);
    SearchRequest request;
    request.query = std::span<const float>(query);
    request.how = ExactSearch{};
    request.output.attributes = true;
    SearchReply reply;
    absl::Status status = view->Search(request, nullptr, &reply);
    if (!status.ok()) return status;
    for (const SearchHit& hit : reply.hits) {
      seen->hits.push_back(absl::StrCat(std::get<uint64_t>(hit.id), " ", hit.score, " ",
                                        std::get<std::string>(hit.attributes.at(0).value)));
    }
  }
  return absl::OkStatus();
}

void Upsert(Engine* engine, const CollectionSpec& spec, uint64_t first, uint64_t count) {
  for (uint64_t begin = first; begin < first + count; begin += 100) {
    std::vector<std::vector<float>> vectors;
    std::vector<PointInput> points;
    const uint64_t end = std::min(begin + 100, first + count);
    for (uint64_t id = begin; id < end; ++id) vectors.push_back(MakeVector(id, spec.schema.dim));
    for (uint64_t id = begin; id < end; ++id) {
      points.push_back(
          {id, std::span<const float>(vectors[id - begin]), {{"text", absl::StrCat("p", id)}}});
    }
    const auto wrote = engine->Upsert(spec.name, points);
    ASSERT_TRUE(wrote.ok()) << wrote.status();
  }
}

class DamageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    {
      const std::unique_ptr<Engine> engine = OpenOrDie(dir_ / "live");
      for (const CollectionSpec& spec : {small_, big_}) {
        ASSERT_TRUE(engine->CreateCollection(spec).ok());
        Upsert(engine.get(), spec, 0, spec.name == "big" ? kBigPoints : kSmallPoints);
      }
      IndexSpec built;
      built.lists = 8;
      built.graph.emplace();
      built.codes = {{.dim = kSmallDim, .bytes = 4, .bits = 8}};
      const absl::StatusOr<std::string> build = engine->BuildIndex("small", built);
      ASSERT_TRUE(build.ok()) << build.status();
      while (!IsFinal(engine->GetOperation(*build)->state))
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ASSERT_EQ(engine->GetOperation(*build)->state, OperationState::kSucceeded);
      ASSERT_TRUE(engine->Close().ok());
    }
    const std::unique_ptr<Engine> engine = OpenOrDie(dir_ / "live");
    for (const CollectionSpec& spec : {small_, big_}) {
      Upsert(engine.get(), spec, 100'000, kLogPoints);
    }
    fs::copy(dir_ / "live", dir_ / "killed", fs::copy_options::recursive);
    ASSERT_TRUE(Look(*engine, small_, &small_seen_).ok());
    ASSERT_TRUE(Look(*engine, big_, &big_seen_).ok());
    ASSERT_EQ(small_seen_.points.size(), kSmallPoints + kLogPoints);
    ASSERT_EQ(big_seen_.points.size(), kBigPoints + kLogPoints);
  }

  static EngineOptions OptionsOf(const std::string& data_dir) {
    EngineOptions options;
    options.data_dir = data_dir;
    options.log = [](Severity, absl::string_view) {};
    return options;
  }
  static std::unique_ptr<Engine> OpenOrDie(const std::string& data_dir) {
    absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(OptionsOf(data_dir));
    EXPECT_TRUE(engine.ok()) << engine.status();
    return *std::move(engine);
  }

  // A copy of the killed server's directory, to be damaged and opened.
  std::string Copy() const {
    fs::remove_all(dir_ / "copy");
    fs::copy(dir_ / "killed", dir_ / "copy", fs::copy_options::recursive);
    return dir_ / "copy";
  }

  // What the engine shows of a directory: an error at open or at read, or everything as it was.
  absl::Status LookAt(const std::string& data_dir) const {
    const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(OptionsOf(data_dir));
    if (!engine.ok()) return engine.status();
    Seen small;
    Seen big;
    absl::Status status = Look(**engine, small_, &small);
    if (status.ok()) {
      EXPECT_TRUE(small == small_seen_) << "a wrong answer";
    }
    if (absl::Status other = Look(**engine, big_, &big); other.ok()) {
      EXPECT_TRUE(big == big_seen_) << "a wrong answer";
    } else {
      status.Update(other);
    }
    return status;
  }

  TempDir dir_;
  const CollectionSpec small_ = MakeSpec("small", kSmallDim);
  const CollectionSpec big_ = MakeSpec("big", kBigDim);
  Seen small_seen_;
  Seen big_seen_;
};

std::string KindOf(const std::string& name) {
  if (name == "CURRENT") return name;
  if (absl::StartsWith(name, "MANIFEST-")) return "MANIFEST";
  for (const char* end : {"log", "sst", "blob"}) {
    if (absl::EndsWith(name, absl::StrCat(".", end))) return end;
  }
  return "";
}

uint32_t Positions() {
  uint32_t positions = 60;
  if (const char* text = std::getenv("NESTOR_DAMAGE_POSITIONS"); text != nullptr) {
    EXPECT_TRUE(absl::SimpleAtoi(text, &positions)) << text;
  }
  return positions;
}

TEST_F(DamageTest, AFlippedByteIsDataLossOrHarmless) {
  std::map<std::string, std::vector<std::string>> files;  // by kind
  for (const auto& file : fs::directory_iterator(dir_ / "killed/rocksdb")) {
    const std::string name = file.path().filename();
    if (file.file_size() > 0 && !KindOf(name).empty()) files[KindOf(name)].push_back(name);
  }
  ASSERT_EQ(files.size(), 5u) << "a kind of file is missing";
  ASSERT_TRUE(LookAt(Copy()).ok());
  ASSERT_TRUE(VerifyDataDir({.data_dir = Copy()})->damages.empty());

  constexpr uint32_t kSeed = 20261122;
  std::mt19937_64 random(kSeed);
  std::map<std::string, std::pair<int, int>> counts;  // kind -> DATA_LOSS, harmless
  const uint32_t positions = Positions();
  for (uint32_t i = 0; i < positions;) {
    for (auto& [kind, names] : files) {
      if (i++ == positions) break;
      const std::string& name = names[random() % names.size()];
      const std::string data_dir = Copy();
      const std::string path = data_dir + "/rocksdb/" + name;
      const uint64_t at = random() % fs::file_size(path);
      const char flip = static_cast<char>(1 + random() % 255);
      SCOPED_TRACE(absl::StrCat(name, " byte ", at, " of ", fs::file_size(path), " ^ ",
                                static_cast<int>(static_cast<uint8_t>(flip))));
      {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(static_cast<std::streamoff>(at));
        const char byte = static_cast<char>(file.get());
        file.seekp(static_cast<std::streamoff>(at));
        file.put(static_cast<char>(byte ^ flip));
      }
      const absl::StatusOr<VerifyReport> report = VerifyDataDir({.data_dir = data_dir});
      ASSERT_TRUE(report.ok()) << report.status();
      EXPECT_THAT(report->damages, Contains(HasSubstr(path)));
      const absl::Status status = LookAt(data_dir);
      if (status.ok()) {
        ++counts[kind].second;
      } else {
        EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
        ++counts[kind].first;
      }
    }
  }
  for (const auto& [kind, count] : counts) {
    std::cout << kind << ": " << count.first << " DATA_LOSS, " << count.second << " harmless\n";
    EXPECT_GT(count.first, 0) << kind;
  }
  for (const char* kind : {"CURRENT", "MANIFEST", "log"}) EXPECT_EQ(counts[kind].second, 0) << kind;
}

}  // namespace
}  // namespace nestor
