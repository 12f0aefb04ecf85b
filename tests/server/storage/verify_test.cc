// nestord verify without the process: which files and records it finds damaged.
#include "server/storage/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "index/model.h"
#include "server/storage/check_logs.h"
#include "server/storage/records.h"
#include "tests/server/temp_dir.h"

namespace nestor {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint32_t kDim = 4;
constexpr uint32_t kPoints = 20;

CollectionRecord MakeCollection() {
  CollectionRecord record;
  record.spec.name = "c";
  record.spec.schema = {kDim, {kDim}, Metric::kL2, Dtype::kF32};
  return record;
}

std::string MakePoint(uint64_t id, size_t attribute_bytes) {
  const std::string vector(kDim * 4, static_cast<char>(id));
  const std::string attributes =
      EncodeAttributes({{"text", std::string(attribute_bytes, static_cast<char>('a' + id))}});
  return EncodePointHeader(1, id, attributes, vector.size()) + vector;
}

class VerifyTest : public ::testing::Test {
 protected:
  VerifyTest() { options_.data_dir = dir_ / "data"; }

  std::unique_ptr<Store> Open() {
    absl::StatusOr<std::unique_ptr<Store>> store = Store::Open(options_);
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

  // A collection whose points lie in SST and blob files, and one more that lies in the log, as if
  // the server had been killed.
  void MakeData() {
    std::unique_ptr<Store> store = Open();
    Batch batch(store.get());
    batch.Put(Family::kMeta, CollectionKey(1), EncodeCollection(MakeCollection()));
    batch.Put(Family::kMeta, StateKey(1), EncodeState({.seq = 1, .next_row = kPoints + 2}));
    for (uint64_t i = 0; i < kPoints; ++i) {
      batch.Put(Family::kIds, IdKey(1, i), EncodeRow(i + 1));
      batch.Put(Family::kPoints, PointKey(1, i + 1), MakePoint(i, i % 2 == 0 ? 10 : 20'000));
    }
    ASSERT_TRUE(store->Write(std::move(batch), true).ok());
    ASSERT_TRUE(store->Close().ok());
    store = Open();
    Batch last(store.get());
    last.Put(Family::kIds, IdKey(1, kPoints), EncodeRow(kPoints + 1));
    last.Put(Family::kPoints, PointKey(1, kPoints + 1), MakePoint(kPoints, 10));
    ASSERT_TRUE(store->Write(std::move(last), true).ok());
    std::filesystem::copy(options_.data_dir, dir_ / "killed",
                          std::filesystem::copy_options::recursive);
    store.reset();
    std::filesystem::remove_all(options_.data_dir);
    std::filesystem::rename(dir_ / "killed", options_.data_dir);
  }

  VerifyReport Verify() const {
    const absl::StatusOr<VerifyReport> report = VerifyDataDir(options_);
    EXPECT_TRUE(report.ok()) << report.status();
    return report.value_or(VerifyReport());
  }

  // Of the files in the database's directory whose name ends or begins so, the largest.
  std::string Find(const std::string& part) const {
    std::string found;
    uintmax_t largest = 0;
    for (const auto& file : std::filesystem::directory_iterator(options_.data_dir + "/rocksdb")) {
      const std::string name = file.path().filename();
      if (name.find(part) == std::string::npos || file.file_size() < largest) continue;
      largest = file.file_size();
      found = file.path();
    }
    EXPECT_NE(found, "") << part;
    return found;
  }

  static void Flip(const std::string& path, uint64_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ 0x10));
  }

  std::map<std::string, std::filesystem::file_time_type> Files() const {
    std::map<std::string, std::filesystem::file_time_type> files;
    for (const auto& file : std::filesystem::recursive_directory_iterator(options_.data_dir)) {
      files[file.path()] = file.last_write_time();
    }
    return files;
  }

  TempDir dir_;
  StoreOptions options_;
};

TEST_F(VerifyTest, WholeDataIsReadAndLeftAsItIs) {
  MakeData();
  const auto before = Files();
  const VerifyReport report = Verify();
  EXPECT_THAT(report.damages, IsEmpty());
  EXPECT_EQ(report.collections, 1u);
  EXPECT_EQ(report.points, kPoints + 1);
  EXPECT_GE(report.files, 6u);  // CURRENT, MANIFEST, a log, SSTs of three families, a blob file
  EXPECT_GE(report.bytes, kPoints / 2 * 20'000u);
  EXPECT_EQ(Files(), before);
  EXPECT_NE(Open(), nullptr);
}

TEST_F(VerifyTest, DamagedFilesAreNamedAllOfThem) {
  MakeData();
  const std::string sst = Find(".sst");
  const std::string blob = Find(".blob");
  const std::string log = Find(".log");
  Flip(sst, std::filesystem::file_size(sst) / 2);
  Flip(blob, 50);
  Flip(log, std::filesystem::file_size(log) - 3);
  const VerifyReport report = Verify();
  EXPECT_EQ(report.damages.size(), 3u);
  for (const std::string& path : {sst, blob, log}) {
    EXPECT_THAT(report.damages, Contains(HasSubstr(path)));
  }
}

TEST_F(VerifyTest, EveryByteOfManifestAndCurrent) {
  MakeData();
  for (const std::string& path : {Find("MANIFEST"), Find("CURRENT")}) {
    const uint64_t size = std::filesystem::file_size(path);
    for (uint64_t at = 0; at < size; ++at) {
      Flip(path, at);
      const VerifyReport report = Verify();
      ASSERT_FALSE(report.damages.empty()) << path << " byte " << at;
      EXPECT_THAT(report.damages[0], HasSubstr(path));
      // The server refuses it too.
      ASSERT_EQ(Store::Open(options_).status().code(), absl::StatusCode::kDataLoss)
          << path << " byte " << at;
      Flip(path, at);
    }
  }
  EXPECT_THAT(Verify().damages, IsEmpty());
}

TEST_F(VerifyTest, MissingFiles) {
  MakeData();
  const std::string blob = Find(".blob");
  std::filesystem::rename(blob, dir_ / "aside");
  EXPECT_THAT(Verify().damages,
              ElementsAre(HasSubstr(blob.substr(0, blob.size() - 5) + ".sst or .blob is missing")));
  std::filesystem::rename(dir_ / "aside", blob);

  const std::string current = Find("CURRENT");
  std::filesystem::rename(current, dir_ / "aside");
  EXPECT_THAT(Verify().damages, ElementsAre(HasSubstr(current + " is missing")));
  EXPECT_EQ(Store::Open(options_).status().code(), absl::StatusCode::kDataLoss)
      << "a new database was begun over the data";
  std::filesystem::rename(dir_ / "aside", current);

  std::filesystem::remove(Find("MANIFEST"));
  EXPECT_THAT(Verify().damages, ElementsAre(HasSubstr("names MANIFEST-")));
  EXPECT_EQ(Store::Open(options_).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(VerifyTest, RecordsThatDoNotFitEachOther) {
  struct Case {
    std::function<void(Batch*)> change;
    std::string text;
  };
  const Case kCases[] = {
      {[](Batch* batch) { batch->Delete(Family::kPoints, PointKey(1, 3)); }, "row 3"},
      {[](Batch* batch) { batch->Put(Family::kIds, IdKey(1, uint64_t{1}), EncodeRow(5)); },
       "two ids name row 5"},
      {[](Batch* batch) { batch->Put(Family::kIds, IdKey(1, uint64_t{1}), EncodeRow(1000)); },
       "row 1000"},
      {[](Batch* batch) { batch->Put(Family::kPoints, PointKey(1, 3), "nonsense"); }, "row 3"},
      {[](Batch* batch) { batch->Delete(Family::kMeta, StateKey(1)); }, "state record is missing"},
      {[](Batch* batch) { batch->Put(Family::kMeta, CollectionKey(1), "nonsense"); }, "record"},
      {[](Batch* batch) {
         batch->Put(Family::kMeta, GenerationKey(1), EncodeGeneration({.generation = 7}));
       },
       "generation"},
      {[](Batch* batch) {
         batch->Put(Family::kMeta, GenerationKey(1),
                    EncodeGeneration({.generation = 7, .spec = {.codes = {{kDim, 1, 4}}}}));
         batch->Put(Family::kModels, ModelKey(1, 7), SerializeModel(Model()));
       },
       "the code opq4x1b4 of generation 7 is missing"},
      {[](Batch* batch) {
         batch->Put(Family::kMeta, GenerationKey(1), EncodeGeneration({.generation = 7}));
         batch->Put(Family::kModels, ModelKey(1, 7), SerializeModel(Model()));
         batch->Put(Family::kModels, CodeKey(1, 7, {kDim, 1, 4}), "");
       },
       "a code is stored that generation 7 does not have: opq4x1b4"},
      {[](Batch* batch) { batch->Delete(Family::kMeta, FormatKey()); }, "format version"},
  };
  for (const Case& c : kCases) {
    std::filesystem::remove_all(options_.data_dir);
    MakeData();
    {
      std::unique_ptr<Store> store = Open();
      Batch batch(store.get());
      c.change(&batch);
      ASSERT_TRUE(store->Write(std::move(batch), true).ok());
      ASSERT_TRUE(store->Close().ok());
    }
    EXPECT_THAT(Verify().damages, ElementsAre(HasSubstr(c.text)));
  }
}

TEST_F(VerifyTest, NothingToJudge) {
  EXPECT_EQ(VerifyDataDir(options_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(options_.data_dir)) << "it made the directory";
  std::unique_ptr<Store> store = Open();
  EXPECT_EQ(VerifyDataDir(options_).status().code(), absl::StatusCode::kFailedPrecondition);
  Batch batch(store.get());
  batch.Put(Family::kMeta, FormatKey(), EncodeFormatVersion(99));
  ASSERT_TRUE(store->Write(std::move(batch), true).ok());
  store.reset();
  const absl::Status status = VerifyDataDir(options_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("99"));
}

}  // namespace
}  // namespace nestor
