// Collections of points over one RocksDB: writes, reads, searches, index builds. Knows neither gRPC
// nor protobuf. Every function may be called from any thread and runs on it; the engine's own
// threads are one that builds indexes, one for upkeep (keeper.h) and one that syncs the log of
// ASYNC collections.
//
// Status codes: InvalidArgument (bad input; names value and limit), NotFound (collection, point,
// operation), AlreadyExists, FailedPrecondition (data directory in use, unknown format, a build
// already runs), DeadlineExceeded, Cancelled, DataLoss (damaged files), ResourceExhausted (disk
// full, memory limit, slots), Unavailable (closing, a collection that is not loaded yet, or the
// store refuses writes after an error of the disk).
#ifndef NESTOR_SERVER_ENGINE_ENGINE_H_
#define NESTOR_SERVER_ENGINE_ENGINE_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "index/ivf_index.h"
#include "index/multi/fde_model.h"
#include "server/engine/types.h"

namespace rocksdb {
class Env;
}

namespace nestor {

class Collection;
struct Generation;

enum class Severity { kInfo, kWarning, kError };

// What is done in the background, and when.
struct Upkeep {
  std::chrono::milliseconds pause{100};  // between two looks at all collections
  // An index is built unasked where a collection of at least so many points has none, or four times
  // the points that its index was built of, or where more than half of the index is room of deleted
  // points. 0 = never.
  uint64_t build_from = 10'000;
  // .. once nothing was written for so long, or after `build_after`, so that a load is over, and
  // the build that its owner may ask for begun.
  std::chrono::milliseconds build_when_idle{5'000};
  std::chrono::milliseconds build_after{60'000};
  // From one such build of a collection to the next: one that failed is not tried again at once.
  std::chrono::milliseconds build_pause{60'000};
  // Just before a repair, a search of text200k turned over three times is 5 to 7 % slower than in a
  // graph built at once; with 0.10 it was 9 to 16 % (nestor-live). A repair costs about 100 us a
  // dead node.
  double repair_at = 0.05;
  // A few inserts change most blocks, so that storing writes most of the graph: not often, and not
  // for more than a twentieth of the time.
  std::chrono::milliseconds store_every{10'000};
  int store_share = 20;
};

struct EngineOptions {
  std::string data_dir;                           // made if absent; one server at a time
  int build_threads = 1;                          // of index builds
  int load_threads = 2;                           // of a restart
  size_t cache_bytes = size_t{128} << 20;         // RocksDB's one block cache
  size_t write_buffer_bytes = size_t{256} << 20;  // RocksDB's memtables, all together
  // Upserts and builds that would take the process beyond it get ResourceExhausted; 0 = no limit.
  uint64_t memory_limit_bytes = 0;
  // Upserts and builds that would leave less of the disk free get ResourceExhausted, so that
  // deletes find room; 0 = none is kept.
  uint64_t disk_reserve_bytes = 0;
  // A deleted collection's space on disk comes back so long after it, where no file was its alone.
  std::chrono::milliseconds compact_after{10'000};
  Upkeep upkeep;
  // Events worth a line in the server's log. Called from any thread.
  std::function<void(Severity, absl::string_view)> log;
  // A collection was loaded, made or deleted: Ready has changed. Called from any thread.
  std::function<void()> on_collections;
  rocksdb::Env* env = nullptr;  // tests: a file system with faults; borrowed, outlives the engine
};

// One snapshot of one collection: the index and the sequence number that it is read at. Whatever
// that snapshot shows stays readable while the view lives, so keep it short. Movable; Search may be
// called from several threads at once (the parts of a batch).
//
// DeleteCollection and Engine::Close wait until every view of theirs is gone: no thread may call
// them while it holds one.
class SearchView {
 public:
  SearchView(SearchView&&) noexcept;
  SearchView& operator=(SearchView&&) noexcept;
  ~SearchView();

  const VectorSchema& schema() const;
  const MultiSpec* multi() const;  // null: the points are vectors
  const IndexSpec& built() const;  // of the index that it searches
  uint64_t seq() const { return seq_; }

  // Validates the query (dim, finite, norms), the limit (1..kMaxLimit), the plan and the lists that
  // are named (FailedPrecondition: their numbers are not the caller's). `scratch` may be null: then
  // one is borrowed from the engine's pool. NotFound: the query's id, naming it.
  // `reply` is overwritten, its memory reused.
  absl::Status Search(const SearchRequest& request, SearchScratch* scratch,
                      SearchReply* reply) const;
  // Searches all of the feed's queries as `request` says, whose own query is not looked at, without
  // output. InvalidArgument: a query, the last one that the feed handed out; or, before the first
  // one, the limit or the plan. After an error the queries under way are not taken back.
  absl::Status SearchMany(const SearchRequest& request, QueryFeed* feed,
                          SearchScratch* scratch) const;

 private:
  friend class Collection;
  SearchView(std::shared_ptr<Collection> collection, std::shared_ptr<Generation> generation,
             uint64_t seq, uint64_t points, uint64_t ticket);

  std::shared_ptr<Collection> collection_;  // null after a move
  std::shared_ptr<Generation> generation_;
  uint64_t seq_ = 0;
  uint64_t points_ = 0;
  uint64_t ticket_ = 0;  // of the pin
};

class Engine {
 public:
  // Opens the directory and loads every collection into memory; returns when all of them can be
  // searched.
  static absl::StatusOr<std::unique_ptr<Engine>> Open(EngineOptions options);
  // The same in two steps, so that each collection answers once it is loaded. Between them all are
  // known, and those that are not loaded yet get Unavailable.
  static absl::StatusOr<std::unique_ptr<Engine>> OpenUnloaded(EngineOptions options);
  // The second step: to be called once, and not beside Close. False from `go_on`, which several
  // threads ask every 8192 points: Cancelled; those that were loaded answer until Close.
  absl::Status LoadCollections(const std::function<bool()>& go_on = [] { return true; });
  // As Close.
  ~Engine();

  // Stops builds (their operations end ABORTED at the next open), waits for views, flushes and
  // closes the store. Calls that come later get Unavailable. Idempotent.
  absl::Status Close();

  // --- Collections ---
  absl::StatusOr<CollectionInfo> CreateCollection(const CollectionSpec& spec);
  absl::StatusOr<CollectionInfo> GetCollection(absl::string_view name) const;
  std::vector<CollectionInfo> ListCollections() const;  // that are loaded, ascending by name
  // Whether the collection answers: OK, Unavailable while it is not loaded yet, NotFound.
  absl::Status Ready(absl::string_view name) const;
  absl::StatusOr<CollectionInfo> UpdateCollection(absl::string_view name,
                                                  const CollectionUpdate& update);
  absl::Status DeleteCollection(absl::string_view name);

  // --- Points ---
  // One atomic batch: all points or none, one sequence number. Returns once durable as the
  // collection says and visible to every later search.
  absl::StatusOr<UpsertResult> Upsert(absl::string_view collection,
                                      std::span<const PointInput> points);
  absl::StatusOr<DeleteResult> Delete(absl::string_view collection, std::span<const PointId> ids);
  absl::StatusOr<GetResult> Get(absl::string_view collection, std::span<const PointId> ids,
                                const PointOutput& output) const;
  absl::StatusOr<ListResult> List(absl::string_view collection, const ListRequest& request) const;
  absl::StatusOr<uint64_t> Count(absl::string_view collection) const;
  // The FDE of a token matrix, n x the tokens' dim floats, as the collection would index or search
  // it (under COSINE each token is of unit length), and the schema of FDEs. FailedPrecondition: a
  // collection of vectors.
  absl::Status EncodeFde(absl::string_view collection, std::span<const float> tokens,
                         const FdeOptions& options, std::vector<float>* fde,
                         VectorSchema* schema) const;

  // --- Search ---
  // A snapshot at or after `min_seq`; waits for it until the deadline.
  absl::StatusOr<SearchView> Pin(absl::string_view collection, uint64_t min_seq = 0,
                                 const Patience& patience = {}) const;
  // Last published sequence: where it is >= min_seq, Pin does not wait.
  absl::StatusOr<uint64_t> Sequence(absl::string_view collection) const;

  // --- Index ---
  // Queues a build; returns the operation's id. `spec`, if given, becomes the collection's. Where
  // its centroids are imported, those of the present index are kept; FailedPrecondition: it has
  // none.
  absl::StatusOr<std::string> BuildIndex(absl::string_view collection,
                                         const std::optional<IndexSpec>& spec = std::nullopt);
  // Queues a build of centroids that were learnt elsewhere; returns the operation's id. The spec
  // becomes the collection's when the new index takes over.
  absl::StatusOr<std::string> ImportCentroids(absl::string_view collection,
                                              const CentroidImport& import);
  // Trained and imported ones alike. FailedPrecondition: there is one list.
  absl::StatusOr<IndexCentroids> GetCentroids(absl::string_view collection) const;
  // Queues a build that encodes the points anew; returns the operation's id. Searches and writes go
  // on with the present encodings until the new index takes over, with everything that the
  // collection's spec says of encodings, in one step. FailedPrecondition: what is declared of the
  // index does not fit the new encodings.
  absl::StatusOr<std::string> Reencode(absl::string_view collection, const Reencoding& reencoding);
  // Queues the adding of a code to the live index, or its dropping; returns the operation's id. The
  // operation fails with FailedPrecondition, AlreadyExists or NotFound where it cannot be.
  absl::StatusOr<std::string> AddCode(absl::string_view collection, const OpqSpec& code);
  absl::StatusOr<std::string> DropCode(absl::string_view collection, const OpqSpec& code);
  // As AddCode, with rotation and codebooks that were learnt elsewhere; later builds keep them.
  absl::StatusOr<std::string> ImportCode(absl::string_view collection, const GivenCode& code);
  // One of the live index. NotFound; FailedPrecondition while it is being added.
  absl::StatusOr<std::shared_ptr<const Code>> ExportCode(absl::string_view collection,
                                                         const OpqSpec& code) const;
  absl::StatusOr<IndexInfo> GetIndex(absl::string_view collection) const;

  // --- Operations ---
  absl::StatusOr<Operation> GetOperation(absl::string_view id) const;
  std::vector<Operation> ListOperations() const;  // newest first; the last 1,000 are kept
  // Asks a pending or running operation to stop; FailedPrecondition where it has ended.
  absl::Status CancelOperation(absl::string_view id);

  // --- State of the server ---
  EngineStats Stats() const;
  absl::StatusOr<CollectionStats> Stats(absl::string_view collection) const;
  // OK while writes are accepted; otherwise the store's error (reads go on).
  absl::Status Health() const;

 private:
  class Rep;
  explicit Engine(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_ENGINE_H_
