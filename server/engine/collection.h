// One collection: its spec, its readers' snapshots, its writer and its points in the store. Shared
// by the engine, by views and by a build. Any thread.
#ifndef NESTOR_SERVER_ENGINE_COLLECTION_H_
#define NESTOR_SERVER_ENGINE_COLLECTION_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/base/mutex.h"
#include "server/engine/build_generation.h"
#include "server/engine/disk_reserve.h"
#include "server/engine/engine.h"
#include "server/engine/generation.h"
#include "server/engine/loader.h"
#include "server/engine/memory_limit.h"
#include "server/engine/point_codec.h"
#include "server/engine/scratch_pool.h"
#include "server/engine/snapshots.h"
#include "server/engine/types.h"
#include "server/engine/writer.h"
#include "server/storage/store.h"

namespace nestor {

// What all collections of an engine share; outlives them.
struct CollectionContext {
  Store* store = nullptr;
  int build_threads = 1;
  Upkeep upkeep;
  MemoryLimit* memory = nullptr;
  DiskReserve* disk = nullptr;
  std::function<void()> on_unsynced;
  ScratchPool scratches;
  WriteCounters writes;
  std::atomic<uint64_t> searches{0};
};

// What one look at a graph did.
struct Care {
  uint64_t taken_out = 0;      // dead nodes
  uint64_t stored_blocks = 0;  // of nodes
  uint64_t stored_seq = 0;     // rows born up to it are in the store's graph
};

class Collection : public std::enable_shared_from_this<Collection> {
 public:
  Collection(CollectionContext* context, uint32_t uid, const CollectionRecord& record,
             const LoadedCollection& loaded);

  uint32_t uid() const { return uid_; }
  // Of what is indexed now.
  VectorSchema schema() const { return snapshots_.Peek().generation->schema(); }
  std::shared_ptr<const CollectionSpec> spec() const;
  CollectionInfo Info() const;
  IndexInfo Index() const;
  CollectionStats Stats();
  uint64_t seq() const { return snapshots_.Peek().seq; }
  // Of the index's memory, room that later writes fill again.
  uint64_t free_bytes() const { return snapshots_.Peek().generation->index->free_bytes(); }
  uint64_t points() const { return snapshots_.Peek().points; }
  // ResourceExhausted: `what`, the adding of this code or a build with this spec, would pass the
  // collection's memory limit. Of a build the new index counts, not the old one beside it.
  absl::Status AdmitCode(absl::string_view what, const OpqSpec& code) const;
  // `next`: the collection's spec once it is built.
  absl::Status AdmitBuild(absl::string_view what, const CollectionSpec& next) const;
  uint64_t EstimateIndex(const CollectionSpec& next) const;  // in bytes, of its points of now
  // The spec once the points are encoded anew. InvalidArgument: a collection of vectors, a spec
  // that cannot be; FailedPrecondition: the declared index, or a code of the present one, does not
  // fit.
  absl::StatusOr<CollectionSpec> Reencoded(const Reencoding& reencoding) const;

  // Durable on return.
  absl::Status Update(const CollectionUpdate& update);

  absl::StatusOr<UpsertResult> Upsert(std::span<const PointInput> points);
  absl::StatusOr<DeleteResult> Delete(std::span<const PointId> ids);
  absl::StatusOr<GetResult> Get(std::span<const PointId> ids, const PointOutput& output);
  absl::StatusOr<ListResult> List(const ListRequest& request);

  absl::StatusOr<SearchView> Pin(uint64_t min_seq, const Patience& patience);
  void Unpin(uint64_t ticket) { snapshots_.Unpin(ticket); }
  absl::Status Search(const SearchView& view, const SearchRequest& request, SearchScratch* scratch,
                      SearchReply* reply) const;
  absl::Status SearchMany(const SearchView& view, const SearchRequest& request, QueryFeed* feed,
                          SearchScratch* scratch) const;

  absl::Status EncodeFde(std::span<const float> tokens, const FdeOptions& options,
                         std::vector<float>* fde, VectorSchema* schema) const;

  // Of an index spec that is to keep imported centroids: see nestor::KeepCentroids.
  absl::Status KeepCentroids(IndexSpec* spec) const;
  // FailedPrecondition: there is one list.
  absl::StatusOr<IndexCentroids> Centroids();

  // The builder's, one of these at a time. Phase and fraction of the work; false: stop, Cancelled.
  using Progress = std::function<bool(absl::string_view phase, double fraction)>;
  // What of the collection's record a build changes when its index takes over.
  using BuildChange = std::variant<std::monostate, Reencoding, CentroidImport>;
  absl::Status Build(const BuildChange& change, Progress progress);
  // Beside reads and writes: trains a code, or takes what was `given`, then codes all rows.
  // FailedPrecondition: the index was never built, has no lists, too few rows or codes enough;
  // AlreadyExists.
  absl::Status AddCode(const OpqSpec& spec, const std::optional<GivenCode>& given,
                       const Progress& progress);
  // NotFound; FailedPrecondition while it is being added.
  absl::StatusOr<std::shared_ptr<const Code>> FindCode(const OpqSpec& spec) const;
  // From the index and from the spec of the next build. NotFound.
  absl::Status DropCode(const OpqSpec& spec);

  // Why the index is to be built unasked (Upkeep); empty: it is not.
  std::string BuildDue() const;
  // Takes out what no reader sees any more. Stops where `go_on` said no.
  absl::Status Sweep(const std::function<bool()>& go_on);
  // Repairs the graph where much of it is dead, and stores it where it changed and that is due.
  // Cancelled where `go_on` said no. One at a time.
  absl::StatusOr<Care> KeepGraph(const std::function<bool()>& go_on);
  // Stores what changed, at once: after Close, before the store closes.
  absl::Status StoreGraph();

  // Calls fail with `why` from now on; returns when no write and no reader is left.
  void Close(const absl::Status& why);
  void Reopen();

 private:
  // By how much the index in memory grows with these upserts where no room is free.
  uint64_t UpsertBytes(const LogEntry& entry) const;
  // ResourceExhausted: `what`, which adds so many bytes to the index and to `others`, which are
  // under way, would pass the memory limit.
  absl::Status AdmitMemory(absl::string_view what, uint64_t bytes, uint64_t others) const;
  // Written::stale: to be done again, for the generation of now.
  absl::StatusOr<Writer::Written> TryUpsert(std::span<const PointInput> points);
  absl::StatusOr<LogEntry> MakeUpsert(std::span<const PointInput> points,
                                      std::vector<PointCodec::Space>* spaces) const;
  // A query as the stages take it.
  struct Prepared {
    SearchQuery query;
    std::vector<float> vector;  // that `query` borrows, where it is not the caller's
    PreparedTokens tokens;      // of MULTI
  };
  absl::Status LoadQuery(const Generation& generation, const SearchRequest& request,
                         Prepared* prepared) const;
  absl::Status LoadPoint(const Generation& generation, const PointId& id, Prepared* prepared) const;
  // What Resolve made of request.how. `matches`: of each hit, where the request asks for them.
  absl::Status Run(const Generation& generation, const Prepared& prepared, const SearchHow& how,
                   SearchScratch* scratch, SearchResult* result,
                   std::vector<std::vector<TokenMatch>>* matches) const;
  // What runs: never UseDefaultPlan. InvalidArgument: the limit, or what `request.how` names.
  absl::StatusOr<SearchHow> Resolve(const Generation& generation,
                                    const SearchRequest& request) const;
  // All of the query but its vector.
  SearchQuery QueryOf(const SearchView& view, const SearchRequest& request) const;
  // All of the reply but `how`, of which it sets what the lists that a query names change, and but
  // what hits carry beyond id, score and sequence.
  void Reply(const SearchView& view, const SearchRequest& request, const SearchResult& result,
             SearchReply* reply) const;
  // Vectors and attributes, as `output` asks, of rows that a pinned snapshot shows.
  absl::Status ReadOutput(
      const Generation& generation, std::span<const uint32_t> slots, const PointOutput& output,
      absl::FunctionRef<void(size_t, std::string vector, Attributes attributes)> set) const;
  absl::Status CommitReencoding(const Reencoding& reencoding, const PointCodec& codec,
                                BuildTask::Swap swap);
  absl::Status CommitCentroids(const CentroidImport& import, BuildTask::Swap swap);
  // The record and the generation, and what `add` adds, change in one batch: a crash leaves all as
  // before or as after.
  absl::Status CommitRecord(CollectionSpec next, BuildTask::Swap swap,
                            absl::FunctionRef<void(Batch*)> add)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(record_mutex_);
  absl::Status TrainAndPublish(const OpqSpec& spec, const std::optional<GivenCode>& given,
                               const Progress& progress);
  // `begun`: the share of the whole that was done before.
  absl::Status CodeRows(const Snapshots::Pinned& pinned, const Code& code, double begun,
                        const Progress& progress);
  // What changes of the codes of the built index, of those of the next one, and in the store.
  using CodeChange = absl::FunctionRef<absl::Status(std::vector<OpqSpec>* built,
                                                    std::vector<OpqSpec>* next, Batch* batch)>;
  // All of it or nothing; `apply` then changes memory, under the writer's lock.
  absl::Status StoreCodes(const CodeChange& change, absl::FunctionRef<void(IvfIndex*)> apply);
  void TakeOut(const OpqSpec& spec, IvfIndex* index);
  // Upkeep stops before CloseGraph returns.
  void CloseGraph();
  void ReopenGraph();
  static uint64_t Unbuilt(const Generation& generation, uint64_t points);

  CollectionContext* const context_;
  const uint32_t uid_;
  const int64_t created_micros_;
  const IdKind id_kind_;
  const bool multi_;  // the points are token matrices
  Snapshots snapshots_;
  Writer writer_;
  std::atomic<uint32_t>
      last_generation_;  // the last number that a build took, also one that failed

  std::atomic<uint64_t> pending_bytes_{0};  // of upserts that are under way, where there is a limit

  Mutex graph_mutex_;  // upkeep
  bool graph_closed_ ABSL_GUARDED_BY(graph_mutex_) = false;
  std::atomic<bool> graph_closing_{false};
  std::chrono::steady_clock::time_point store_graph_at_ ABSL_GUARDED_BY(graph_mutex_);

  Mutex record_mutex_;  // one change of the collection's record at a time; before spec_mutex_
  mutable Mutex spec_mutex_;
  std::shared_ptr<const CollectionSpec> spec_ ABSL_GUARDED_BY(spec_mutex_);
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_COLLECTION_H_
