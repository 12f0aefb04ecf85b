#include "tests/server/mixed_load.h"

#include <chrono>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/engine/engine_testutil.h"

namespace nestor {
namespace {

constexpr uint32_t kWriters = 2;
constexpr uint32_t kOwner = 2;     // thread of everything but the points of "docs"
constexpr uint64_t kPoints = 700;  // of a writer; both together are enough for lists
constexpr uint64_t kFillBatch = 175;
constexpr uint64_t kBatch = 20;  // at most
constexpr uint64_t kTempPoints = 120;
// Written between two builds: enough for repairs of the graph, and for something to catch up.
constexpr uint64_t kBatchesPerBuild = 8;

// Made when it is created, but for the index.
CollectionSpec SpecOf(LoadCollection collection) {
  CollectionSpec spec = collection == LoadCollection::kDocs
                            ? MakeSpec(Metric::kL2, Dtype::kF32)
                            : MakeMultiSpec(Metric::kDot, Dtype::kF32);
  spec.name = LoadName(collection);
  return spec;
}

}  // namespace

std::string LoadName(LoadCollection collection) {
  return collection == LoadCollection::kDocs ? "docs" : "temp";
}

IndexSpec LoadShape(LoadCollection collection, uint64_t numbered) {
  const uint64_t shape = numbered & ~kLoadCodeAdded;
  IndexSpec spec;
  spec.lists = 4;
  // As all collections of token matrices have it.
  if (collection == LoadCollection::kTemp) spec.exact_vectors = ExactVectors::kStore;
  if (shape % kLoadShapes > 0)
    spec.graph = GraphSpec{.dim = 32, .degree = 8, .ef_construction = 40};
  spec.no_lists = shape % kLoadShapes == 2;
  if (shape % kLoadShapes == 1) spec.codes = {{.dim = 16, .bytes = 4, .bits = 4}};
  if (numbered != shape) spec.codes.push_back(kLoadCode);
  return spec;
}

Reencoding LoadEncoding(uint64_t number) {
  FdeSpec fde = SpecOf(LoadCollection::kTemp).multi->fde;
  std::vector<uint32_t> prefixes = {1, 2, 4};
  if (number == 1) {
    fde = {.dim = 8, .repetitions = 2, .k_sim = 2, .d_proj = 4, .seed = 5};
    prefixes = {1, 2};
  } else if (number == 2) {
    fde = {.dim = 8, .repetitions = 8, .k_sim = 0, .d_proj = 4, .fill_empty = true};
    prefixes = {2, 4, 8};
  }
  return {.fde = fde, .schema = *FdeSchema(fde, prefixes), .index = {}};
}

Upkeep LoadUpkeep() {
  using std::chrono::milliseconds;
  return {.pause = milliseconds(1),
          .build_from = kTempPoints,
          .build_when_idle = milliseconds(0),
          .build_after = milliseconds(0),
          .build_pause = milliseconds(0),
          .repair_at = 0.02,
          .store_every = milliseconds(0),
          .store_share = 1};
}

MixedLoad::MixedLoad(Engine* engine, uint64_t run, Note note)
    : engine_(engine), run_(run), note_(std::move(note)) {
  // 1,000 of a point: all that its vectors are made from.
  for (uint32_t t = 0; t < LoadNote::kThreads; ++t) versions_[t] = 0;
}

absl::Status MixedLoad::Create(LoadCollection collection) {
  LoadNote note{.thread = kOwner, .collection = collection, .kind = LoadNote::Kind::kCreate};
  note_(note);
  CollectionSpec spec = SpecOf(collection);
  spec.index = LoadShape(collection, 0);
  if (absl::Status status = engine_->CreateCollection(spec).status(); !status.ok()) return status;
  note.acknowledged = 1;
  note_(note);
  return absl::OkStatus();
}

absl::Status MixedLoad::Drop(LoadCollection collection) {
  LoadNote note{.thread = kOwner, .collection = collection, .kind = LoadNote::Kind::kDrop};
  note_(note);
  absl::Status status = engine_->DeleteCollection(LoadName(collection));
  if (!status.ok()) return status;
  note.acknowledged = 1;
  note_(note);
  return absl::OkStatus();
}

absl::Status MixedLoad::Upsert(uint32_t thread, LoadCollection collection, uint64_t first,
                               uint64_t count) {
  LoadNote note{.thread = thread,
                .collection = collection,
                .kind = LoadNote::Kind::kUpsert,
                .first = first,
                .count = count,
                .version = (run_ << 20) + ++versions_[thread]};
  note_(note);
  const Oracle maker(SpecOf(collection));
  std::vector<std::vector<float>> vectors;
  std::vector<PointInput> points;
  for (uint64_t i = first; i < first + count; ++i) {
    vectors.push_back(maker.VectorOf(i, note.version));
  }
  for (uint64_t i = first; i < first + count; ++i) {
    points.push_back({i, maker.InputOf(vectors[i - first]), maker.AttributesOf(i, note.version)});
  }
  const absl::StatusOr<UpsertResult> result = engine_->Upsert(LoadName(collection), points);
  if (!result.ok()) return result.status();
  note.seq = result->seq;
  note.acknowledged = 1;
  note_(note);
  return absl::OkStatus();
}

absl::Status MixedLoad::Delete(uint32_t thread, LoadCollection collection, uint64_t first,
                               uint64_t count) {
  LoadNote note{.thread = thread,
                .collection = collection,
                .kind = LoadNote::Kind::kDelete,
                .first = first,
                .count = count};
  note_(note);
  std::vector<PointId> ids;
  for (uint64_t i = first; i < first + count; ++i) ids.push_back(i);
  const absl::StatusOr<DeleteResult> result = engine_->Delete(LoadName(collection), ids);
  if (!result.ok()) return result.status();
  note.seq = result->seq;
  note.acknowledged = 1;
  note_(note);
  return absl::OkStatus();
}

absl::Status MixedLoad::Declare(LoadCollection collection, uint64_t shape) {
  LoadNote note{.thread = kOwner,
                .collection = collection,
                .kind = LoadNote::Kind::kDeclare,
                .version = shape};
  note_(note);
  CollectionUpdate update;
  update.index = LoadShape(collection, shape);
  absl::Status status = engine_->UpdateCollection(LoadName(collection), update).status();
  if (!status.ok()) return status;
  note.acknowledged = 1;
  note_(note);
  return absl::OkStatus();
}

absl::Status MixedLoad::Build(LoadCollection collection, uint64_t shape) {
  const std::string name = LoadName(collection);
  LoadNote note{.thread = kOwner,
                .collection = collection,
                .kind = LoadNote::Kind::kDeclare,
                .version = shape};
  note_(note);
  const absl::StatusOr<std::string> id = engine_->BuildIndex(name, LoadShape(collection, shape));
  if (!id.ok()) return id.status();
  note.acknowledged = 1;
  note_(note);

  note.kind = LoadNote::Kind::kBuild;
  note.acknowledged = 0;
  note_(note);
  const Operation built = Await(*engine_, *id);
  if (!built.error.ok()) return built.error;
  const absl::StatusOr<IndexInfo> index = engine_->GetIndex(name);
  if (!index.ok()) return index.status();
  note.generation = index->generation;
  note.acknowledged = 1;
  note_(note);
  return absl::OkStatus();
}

absl::Status MixedLoad::Reencode(uint64_t number) {
  LoadNote note{.thread = kOwner,
                .collection = LoadCollection::kTemp,
                .kind = LoadNote::Kind::kReencode,
                .version = number};
  note_(note);
  const absl::StatusOr<std::string> id = engine_->Reencode("temp", LoadEncoding(number));
  if (!id.ok()) return id.status();
  const Operation built = Await(*engine_, *id);
  if (!built.error.ok()) return built.error;
  note.acknowledged = 1;
  note_(note);
  return absl::OkStatus();
}

absl::Status MixedLoad::ChangeCode(uint64_t shape, const std::function<Begun()>& begin) {
  LoadNote note{.thread = kOwner, .kind = LoadNote::Kind::kDeclare, .version = shape};
  note_(note);
  const absl::StatusOr<std::string> begun = begin();
  if (!begun.ok()) return begun.status();
  const Operation ended = Await(*engine_, *begun);
  if (!ended.error.ok()) return ended.error;
  note.acknowledged = 1;
  note_(note);
  return absl::OkStatus();
}

absl::Status MixedLoad::AddAndDropCode(uint64_t shape) {
  absl::Status status =
      ChangeCode(shape | kLoadCodeAdded, [this] { return engine_->AddCode("docs", kLoadCode); });
  if (!status.ok()) return status;
  AwaitBatches(1);
  return ChangeCode(shape, [this] { return engine_->DropCode("docs", kLoadCode); });
}

absl::Status MixedLoad::Write(uint32_t thread) {
  std::mt19937 random(static_cast<uint32_t>(run_ * LoadNote::kThreads + thread + 1));
  const uint64_t first = thread * kPoints;
  const absl::StatusOr<uint64_t> there = engine_->Count("docs");
  if (!there.ok()) return there.status();
  if (*there < kPoints) {
    for (uint64_t done = 0; done < kPoints; done += kFillBatch) {
      absl::Status status = Upsert(thread, LoadCollection::kDocs, first + done, kFillBatch);
      if (!status.ok()) return status;
    }
  }
  while (!stop_.load()) {
    const uint64_t count = 1 + random() % kBatch;
    const uint64_t from = first + random() % (kPoints - count + 1);
    absl::Status status = random() % 6 == 0 ? Delete(thread, LoadCollection::kDocs, from, count)
                                            : Upsert(thread, LoadCollection::kDocs, from, count);
    if (!status.ok()) return status;
    batches_.fetch_add(1);
  }
  return absl::OkStatus();
}

absl::Status MixedLoad::OwnTemp(uint64_t shape) {
  constexpr LoadCollection kTemp = LoadCollection::kTemp;
  absl::Status status;
  if (!engine_->GetCollection("temp").ok()) status = Create(kTemp);
  if (status.ok()) status = Upsert(kOwner, kTemp, 0, kTempPoints);
  if (status.ok()) status = Build(kTemp, shape);
  // Not what it was made with.
  if (status.ok()) status = Reencode(1 + shape % (kLoadEncodings - 1));
  if (status.ok()) status = Upsert(kOwner, kTemp, 0, kTempPoints / 2);
  if (status.ok()) status = Delete(kOwner, kTemp, kTempPoints / 4, kTempPoints / 4);
  if (status.ok()) status = Declare(kTemp, shape + 1);
  if (status.ok()) status = Drop(kTemp);
  return status;
}

absl::Status MixedLoad::Own(int builds) {
  for (int i = 0; i < builds && !stop_.load(); ++i) {
    const uint64_t shape = run_ + static_cast<uint64_t>(i);
    AwaitBatches(kBatchesPerBuild);
    if (absl::Status status = OwnTemp(shape); !status.ok()) return status;
    if (absl::Status status = Declare(LoadCollection::kDocs, shape + 1); !status.ok()) {
      return status;
    }
    if (absl::Status status = Build(LoadCollection::kDocs, shape); !status.ok()) return status;
    if (LoadShape(LoadCollection::kDocs, shape).no_lists) continue;
    if (absl::Status status = AddAndDropCode(shape); !status.ok()) return status;
  }
  AwaitBatches(kBatchesPerBuild);
  return absl::OkStatus();
}

void MixedLoad::AwaitBatches(uint64_t count) const {
  const uint64_t until = batches_.load() + count;
  while (batches_.load() < until && !stop_.load())
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

absl::Status MixedLoad::Read() {
  std::mt19937 random(static_cast<uint32_t>(run_ + 1000));
  while (!stop_.load()) {
    if (absl::Status status = CheckSearch(&random); !status.ok()) return status;
    std::this_thread::yield();
  }
  return absl::OkStatus();
}

// What can be said of an answer beside writers: each point once, best first, none from the future.
absl::Status MixedLoad::CheckSearch(std::mt19937* random) const {
  absl::StatusOr<SearchView> view = engine_->Pin("docs");
  if (!view.ok()) return view.status();
  const std::vector<float> query = MakeVector(SpecOf(LoadCollection::kDocs).schema, (*random)());
  SearchRequest request;
  request.query = std::span<const float>(query);
  request.limit = 20;
  if ((*random)() % 2 == 0) request.how = ExactSearch{};
  SearchReply reply;
  if (absl::Status status = view->Search(request, nullptr, &reply); !status.ok()) return status;
  std::set<PointId> seen;
  float last = reply.hits.empty() ? 0 : reply.hits.front().score;
  for (const SearchHit& hit : reply.hits) {
    const uint64_t id = std::get<uint64_t>(hit.id);
    if (!seen.insert(hit.id).second) return absl::InternalError(absl::StrCat("twice: point ", id));
    if (hit.seq > reply.seq) return absl::InternalError(absl::StrCat("too new: point ", id));
    if (hit.score < last) return absl::InternalError(absl::StrCat("out of order: point ", id));
    last = hit.score;
  }
  return absl::OkStatus();
}

void MixedLoad::Fail(absl::Status status) {
  stop_.store(true);
  MutexLock lock(&mutex_);
  failure_.Update(std::move(status));
}

absl::Status MixedLoad::Run(int builds) {
  if (!engine_->GetCollection("docs").ok()) {
    if (absl::Status status = Create(LoadCollection::kDocs); !status.ok()) return status;
  }
  std::vector<std::thread> threads;
  const auto start = [&](auto work) {
    threads.emplace_back([this, work] {
      if (absl::Status status = work(); !status.ok()) Fail(std::move(status));
    });
  };
  for (uint32_t t = 0; t < kWriters; ++t) start([this, t] { return Write(t); });
  start([this] { return Read(); });
  if (absl::Status status = Own(builds); !status.ok()) Fail(std::move(status));
  stop_.store(true);
  for (std::thread& thread : threads) thread.join();
  MutexLock lock(&mutex_);
  return failure_;
}

}  // namespace nestor
