// Requests and replies of the engine. Plain values; spans and string_views borrow from the caller
// for the length of the call.
#ifndef NESTOR_SERVER_ENGINE_TYPES_H_
#define NESTOR_SERVER_ENGINE_TYPES_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "index/code.h"
#include "index/ivf_index.h"
#include "index/model.h"
#include "index/multi/maxsim.h"
#include "index/plan.h"
#include "index/point_id.h"
#include "index/schema.h"
#include "server/storage/attribute.h"
#include "server/storage/collection_spec.h"

namespace nestor {

// Limits that the engine enforces (InvalidArgument names value and limit).
inline constexpr size_t kMaxNameBytes = 128;           // collections and attributes
inline constexpr uint32_t kMaxAttributeFields = 256;   // per collection
inline constexpr size_t kMaxAttributeBytes = 1 << 20;  // of one point, encoded
inline constexpr uint32_t kMaxBatchPoints = 10000;     // points or ids in one call
inline constexpr uint64_t kMaxCollectionMemory = (uint64_t{1} << 63) - 1;  // a limit, bytes

// When to give up waiting or searching. Polled between lists, and while waiting for a sequence.
struct Patience {
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  const std::atomic<bool>* cancelled = nullptr;
};

// --- Collections ---
struct CollectionInfo {
  CollectionSpec spec;
  uint32_t uid = 0;
  int64_t created_micros = 0;  // since 1970-01-01 UTC
  uint64_t points = 0;
  uint64_t seq = 0;         // last published
  uint64_t generation = 0;  // 0 = never built
  uint64_t unbuilt = 0;     // see IndexInfo
};

// Fields that are set replace (semantics 7).
struct CollectionUpdate {
  std::optional<Durability> durability;
  std::optional<IndexSpec> index;  // of the next build
  std::optional<ExactVectors>
      exact_vectors;  // of the next build or restart; wins over index->exact_vectors
  std::vector<AttributeField> add_attributes;
  std::optional<uint64_t> memory_limit_bytes;  // 0 = none
};

// --- Points ---
// `n` little-endian values of `dtype`. Another float dtype than the schema's is converted; kI8 goes
// only into kI8 collections.
struct PackedVector {
  Dtype dtype = Dtype::kF32;
  absl::string_view bytes;
};
// A matrix of `n` x the tokens' dim values, token by token, `n` being what the bytes call for.
struct PackedTokens {
  Dtype dtype = Dtype::kF32;
  absl::string_view bytes;
};
// Tokens where the collection is MULTI, a vector where it is not.
using VectorInput = std::variant<std::span<const float>, PackedVector, PackedTokens>;

struct PointInput {
  PointId id;
  VectorInput vector;
  Attributes attributes;  // any order; names unique
};

struct Point {
  PointId id;
  uint64_t seq = 0;    // the write that made this version
  std::string vector;  // values (of MULTI: of all tokens) as stored; empty unless asked for
  Attributes attributes;
};

// What of a point a reply carries beside id and seq.
struct PointOutput {
  bool attributes = false;
  bool vector = false;
  // Of the token matrices of one Get or Search together; more is OutOfRange, with the limit. A List
  // ends its page early instead.
  uint64_t max_token_bytes = std::numeric_limits<uint64_t>::max();
};

struct UpsertResult {
  uint64_t seq = 0;
  uint64_t upserted = 0;
};
struct DeleteResult {
  uint64_t seq = 0;      // where nothing was deleted: the last published
  uint64_t deleted = 0;  // ids that were there
};
struct GetResult {
  std::vector<Point> found;      // in the order asked, duplicates kept
  std::vector<PointId> missing;  // in the order asked
  uint64_t seq = 0;              // the snapshot that was read
};
struct ListRequest {
  std::optional<PointId> after;  // exclusive; absent = from the start
  uint32_t limit = 100;          // 1..kMaxBatchPoints
  uint64_t max_bytes =
      32 << 20;  // of ids, vectors and attributes: the page ends early, after >= 1 point
  PointOutput output;
};
struct ListResult {
  std::vector<Point> points;  // ascending by id
  bool more = false;          // ask again with after = points.back().id
  uint64_t seq = 0;
};

// --- Search ---
struct UseDefaultPlan {};
struct ExactSearch {
  uint32_t dim = 0;  // a nesting dim; 0 = D
};
using SearchHow = std::variant<UseDefaultPlan, Plan, ExactSearch>;

// Of a MULTI collection.
struct TokenQuery {
  std::span<const float> tokens;   // n x the tokens' dim
  std::span<const float> weights;  // one each; empty: all 1
  bool mean = false;               // the score is divided by n
};

struct SearchRequest {
  // A point's id: the point itself is left out.
  std::variant<std::span<const float>, PointId, TokenQuery> query;
  uint32_t limit = 10;
  SearchHow how;
  // The lists to scan, not for exact search or a plan for the graph; empty: the plan's coarse stage
  // chooses. Of a batch not empty where its queries name lists, which their feed has.
  std::span<const uint32_t> lists;
  PointOutput output;
  bool seqs = true;      // whether hits carry theirs
  bool matches = false;  // .. and, of MULTI, theirs; not where FDEs alone score
  Patience patience;
};

struct SearchHit {
  PointId id;
  float score = 0;
  uint64_t seq = 0;                 // 0 where it was not asked for
  std::string vector;               // as in Point
  Attributes attributes;            // as in Point
  std::vector<TokenMatch> matches;  // of each query token; empty unless asked for
};

struct SearchReply {
  std::vector<SearchHit> hits;  // best first, ties by id
  uint32_t score_dim = 0;       // prefix that the scores are of; of MaxSim: of the tokens
  uint64_t unbuilt = 0;         // see IndexInfo
  SearchHow how;  // what ran: the effective Plan, or ExactSearch with its dim; never UseDefaultPlan
  absl::InlinedVector<StageCost, 8> stages;
  uint64_t seq = 0;  // the snapshot that was searched
};

// The queries of a batch, as one search thread takes them: handed out one by one, taken back one by
// one. Several are under way at a time, each in a lane of its own.
class QueryFeed {
 public:
  static constexpr size_t kLanes = SearchFeed::kLanes;

  virtual ~QueryFeed() = default;
  // The next query, D floats that stay until it is taken back (of MULTI: of all its tokens);
  // nullopt: there are no more.
  virtual std::optional<std::span<const float>> Next(size_t lane) = 0;
  // Where the request names lists: those of the lane's query, which stay as long as it does.
  virtual std::span<const uint32_t> Lists(size_t /*lane*/) const { return {}; }
  // The lane's query is answered. In the order in which they end, which need not be that of Next.
  virtual void Take(size_t lane, const SearchReply& reply) = 0;
};

// --- Index ---
struct IndexInfo {
  uint64_t generation = 0;  // 0 = never built
  IndexSpec spec;           // of the live index, as built (resolved), with its codes of now
  IndexSpec next_spec;      // of the next build, as declared
  uint32_t lists = 1;
  uint32_t coarse_dim = 0;  // 0 = one list, nothing trained
  uint64_t rows = 0;        // live
  uint64_t dead_rows =
      0;  // overwritten or deleted, memory not yet given back (the next build or restart does)
  uint64_t rows_at_build = 0;
  int64_t built_micros = 0;  // since 1970-01-01 UTC; 0 = never built
  // Rows that a search can only find by scanning everything: all rows of a collection of >= 1,000
  // that was never built, or was built when it had fewer. Rows written after a build are assigned
  // to its lists at once and do not count.
  uint64_t unbuilt = 0;
  IndexMemory memory;                    // code_parts go by spec.codes
  std::vector<CodeOrigin> code_origins;  // likewise
  // Codes that are being added beside the live index, with the fraction done.
  struct BuildingCode {
    OpqSpec spec;
    double progress = 0;
  };
  std::vector<BuildingCode> building_codes;
  uint64_t id_map_bytes = 0;        // id -> slot, beside the index
  uint64_t token_bytes = 0;         // of MULTI: the tokens' int8 codes, dead rows' too
  uint64_t store_vector_bytes = 0;  // exact vectors of live rows that are not in memory
  std::string build_operation;      // pending or running build, or empty
};

// A build that encodes the points of a MULTI collection anew.
struct Reencoding {
  FdeSpec fde;
  VectorSchema schema;  // of such FDEs
  // Becomes the collection's when the new index takes over. Absent: the present one is kept, which
  // must fit the schema.
  std::optional<IndexSpec> index;
};

// A build of centroids that were learnt elsewhere, in place of training.
struct CentroidImport {
  IndexSpec index;  // becomes the collection's when the new index takes over
  std::shared_ptr<const std::vector<float>> centroids;  // index.lists x index.coarse_dim
};

// Centroids of an index that has several lists.
struct IndexCentroids {
  std::shared_ptr<const Model> model;
  CentroidOrigin origin = CentroidOrigin::kTrained;
  std::vector<uint64_t> rows;  // visible ones, by list
};

// --- Operations ---
// Numbers are on disk and never change.
enum class OperationState : uint8_t {
  kPending = 1,
  kRunning = 2,
  kSucceeded = 3,
  kFailed = 4,     // `error` says why
  kCancelled = 5,  // by CancelOperation, or its collection was deleted
  kAborted = 6,    // interrupted by a restart of the server
};
inline bool IsFinal(OperationState state) { return state >= OperationState::kSucceeded; }

struct Operation {
  std::string id;    // "op-17"
  std::string kind;  // "build_index", "add_code", "drop_code"
  std::string collection;
  uint32_t collection_uid = 0;
  OperationState state = OperationState::kPending;
  std::string phase;           // of a running build
  double fraction = 0;         // of the whole, 0..1
  double eta_seconds = -1;     // < 0 = not known yet
  int64_t created_micros = 0;  // since 1970-01-01 UTC; 0 = not yet
  int64_t started_micros = 0;
  int64_t ended_micros = 0;
  absl::Status error;  // not OK iff failed, cancelled or aborted
};

// --- Statistics ---
struct CollectionStats {
  std::string name;
  uint32_t uid = 0;
  uint64_t points = 0;
  uint64_t seq = 0;
  IndexInfo index;
  uint64_t active_readers = 0;  // pinned snapshots
  uint64_t unpurged_rows = 0;   // dead rows still in the store
  uint64_t disk_bytes = 0;      // estimate by the store
};

struct EngineStats {
  std::vector<CollectionStats> collections;  // ascending by name
  uint64_t store_live_bytes = 0;             // SST and blob files
  uint64_t store_memtable_bytes = 0;
  uint64_t store_cache_bytes = 0;
  uint64_t writes = 0;        // entries acknowledged since the start
  uint64_t write_groups = 0;  // batches that carried them
  uint64_t searches = 0;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_TYPES_H_
