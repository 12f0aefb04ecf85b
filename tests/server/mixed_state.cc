#include "tests/server/mixed_state.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/server/engine/engine_testutil.h"

namespace nestor {
namespace {

using Kind = LoadNote::Kind;

size_t Index(LoadCollection collection) { return static_cast<size_t>(collection); }

uint64_t VersionOf(const Point& point) {
  for (const Attribute& attribute : point.attributes) {
    if (attribute.name == "version") {
      return static_cast<uint64_t>(std::get<int64_t>(attribute.value));
    }
  }
  return 0;
}

}  // namespace

void MixedState::Take(const LoadNote& note) {
  MutexLock lock(&mutex_);
  if (note.acknowledged == 0) {
    open_[note.thread] = note;
    return;
  }
  Apply(note);
  open_[note.thread].reset();
  ++acknowledged_;
}

void MixedState::Apply(const LoadNote& note) {
  Known& known = known_[Index(note.collection)];
  known.seq = std::max(known.seq, note.seq);
  switch (note.kind) {
    case Kind::kUpsert:
      for (uint64_t i = 0; i < note.count; ++i) known.versions[note.first + i] = note.version;
      break;
    case Kind::kDelete:
      for (uint64_t i = 0; i < note.count; ++i) known.versions.erase(note.first + i);
      break;
    case Kind::kCreate:
      known = Known{.exists = true};
      break;
    case Kind::kDrop:
      known = Known();
      break;
    case Kind::kDeclare:
      known.shape = note.version;
      break;
    case Kind::kBuild:
      known.generation = note.generation;
      break;
    case Kind::kReencode:
      known.encoding = note.version;
      break;
  }
}

// A version is never used twice, so that each point whose state the batch changes tells its fate.
bool MixedState::BatchHappened(const Engine& engine, const LoadNote& note) {
  const std::map<uint64_t, uint64_t>& before = known_[Index(note.collection)].versions;
  std::vector<PointId> ids;
  for (uint64_t i = 0; i < note.count; ++i) ids.push_back(note.first + i);
  const absl::StatusOr<GetResult> got =
      engine.Get(LoadName(note.collection), ids, {.attributes = true});
  EXPECT_TRUE(got.ok()) << got.status();
  if (!got.ok()) return false;
  std::map<uint64_t, uint64_t> found;
  for (const Point& point : got->found) found[std::get<uint64_t>(point.id)] = VersionOf(point);
  uint64_t happened = 0;
  uint64_t did_not = 0;
  for (uint64_t i = note.first; i < note.first + note.count; ++i) {
    const uint64_t after = note.kind == Kind::kUpsert ? note.version : 0;
    const auto old = before.find(i);
    if ((old == before.end() ? 0 : old->second) == after) continue;
    const auto now = found.find(i);
    ++((now == found.end() ? 0 : now->second) == after ? happened : did_not);
  }
  EXPECT_TRUE(happened == 0 || did_not == 0)
      << "half a batch: " << happened << " of " << happened + did_not << " points";
  return happened > 0;
}

bool MixedState::Happened(const Engine& engine, const LoadNote& note) {
  const absl::StatusOr<CollectionInfo> info = engine.GetCollection(LoadName(note.collection));
  switch (note.kind) {
    case Kind::kCreate:
      return info.ok();
    case Kind::kDrop:
      return !info.ok();
    case Kind::kDeclare:
      return info.ok() && info->spec.index == LoadShape(note.collection, note.version);
    case Kind::kReencode:
      return info.ok() && info->spec.multi->fde == LoadEncoding(note.version).fde;
    case Kind::kUpsert:
    case Kind::kDelete:
      return BatchHappened(engine, note);
    case Kind::kBuild:
      return false;  // either way it leaves what was there
  }
  return false;
}

void MixedState::Settle(const Engine& engine) {
  MutexLock lock(&mutex_);
  for (std::optional<LoadNote>& note : open_) {
    if (!note.has_value()) continue;
    if (Happened(engine, *note)) Apply(*note);
    note.reset();
  }
}

void MixedState::CheckCollection(const Engine& engine, const std::string& name,
                                 const Known& known) {
  const absl::StatusOr<CollectionInfo> info = engine.GetCollection(name);
  if (!known.exists) {
    EXPECT_EQ(info.status().code(), absl::StatusCode::kNotFound) << "was deleted, or never made";
    return;
  }
  ASSERT_TRUE(info.ok()) << info.status();
  const LoadCollection which =
      name == LoadName(LoadCollection::kDocs) ? LoadCollection::kDocs : LoadCollection::kTemp;
  EXPECT_EQ(info->spec.index, LoadShape(which, known.shape)) << "declared: shape " << known.shape;
  if (which == LoadCollection::kTemp) {
    const Reencoding encoding = LoadEncoding(known.encoding);
    EXPECT_EQ(info->spec.multi->fde, encoding.fde) << "encoded: " << known.encoding;
    EXPECT_EQ(info->spec.schema, encoding.schema);
  }
  EXPECT_GE(info->generation, known.generation);  // upkeep builds too
  EXPECT_GE(info->seq, known.seq);
  Oracle oracle(info->spec);
  for (const auto& [i, version] : known.versions) oracle.Note(i, version);
  oracle.Check(engine);
}

void MixedState::Check(const Engine& engine) const {
  MutexLock lock(&mutex_);
  for (const LoadCollection collection : {LoadCollection::kDocs, LoadCollection::kTemp}) {
    SCOPED_TRACE(LoadName(collection));
    CheckCollection(engine, LoadName(collection), known_[Index(collection)]);
  }
  for (const Operation& operation : engine.ListOperations()) {
    EXPECT_TRUE(IsFinal(operation.state)) << operation.id;
  }
}

uint64_t MixedState::acknowledged() const {
  MutexLock lock(&mutex_);
  return acknowledged_;
}

uint64_t MixedState::points() const {
  MutexLock lock(&mutex_);
  uint64_t points = 0;
  for (const Known& known : known_) points += known.versions.size();
  return points;
}

}  // namespace nestor
