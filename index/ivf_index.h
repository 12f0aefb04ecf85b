// AdANNS-IVF over additive shells: one generation of a collection's index, in memory.
//
// Threads: one writer at a time (Append, MarkDead; the caller serialises), any number of readers,
// which take no lock. A reader sees the rows with born <= snapshot < dead. Readers may search a
// snapshot s only once every Append and MarkDead of sequences <= s has returned (publish s with
// release order after them). The owner keeps the object alive while readers use it (shared_ptr).
//
// A row is one stored version of a point (row number: the caller's, never reused); a slot is its
// place in this object. Slots are dense-ish numbers below slot_limit().
#ifndef NESTOR_INDEX_IVF_INDEX_H_
#define NESTOR_INDEX_IVF_INDEX_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/graph/graph_memory.h"
#include "index/model.h"
#include "index/plan.h"
#include "index/point_id.h"
#include "index/schema.h"
#include "index/vector_source.h"

namespace nestor {

class Code;
struct CodeTable;
class Graph;
struct SearchContext;
struct StoredGraph;

inline constexpr uint32_t kNoSlot = 0xffffffffu;
inline constexpr uint64_t kNeverDead = ~uint64_t{0};

struct SearchQuery {
  std::span<const float> vector;  // dim floats, validated by ValidateVector
  uint32_t limit = 10;
  uint64_t snapshot = 0;         // sequence whose state is searched
  uint32_t skip_slot = kNoSlot;  // this row is left out (search by id)
  // Of a plan for lists: these, below the number of lists, are scanned in place of those that its
  // coarse stage would choose; repeated ones once. Empty: the coarse stage chooses.
  std::span<const uint32_t> lists;
  const VectorSource* source = nullptr;  // needed where exact vectors are not in memory
  // Polled between lists: DeadlineExceeded or Cancelled, no partial result.
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  const std::atomic<bool>* cancelled = nullptr;
};

struct Hit {
  uint32_t slot = kNoSlot;
  float score = 0;
};

// What one stage did. Bytes are those of vectors, scales and norms that it had to read.
struct StageCost {
  const char* name = "";  // "coarse", "scan", "graph", "refine", "rescore", "exact"
  uint32_t dim = 0;
  uint64_t in = 0;   // lists, rows or candidates looked at
  uint64_t out = 0;  // that left the stage
  uint64_t bytes = 0;
  uint64_t multiply_adds = 0;
  uint64_t store_reads = 0;  // vectors read from the store
  double micros = 0;
};

struct SearchResult {
  std::vector<Hit> hits;   // best first, ties by id
  uint32_t score_dim = 0;  // prefix that the scores are of
  uint32_t lists = 0;      // that were scanned; of a plan for lists
  absl::InlinedVector<StageCost, 8> stages;
};

// Memory by part, bytes.
struct IndexMemory {
  uint64_t first_shell = 0;
  uint64_t later_shells = 0;
  uint64_t norms_scales = 0;
  uint64_t ids = 0;        // ids and row numbers by slot
  uint64_t map = 0;        // slot -> place in its list, and slots in lists
  uint64_t sequences = 0;  // born and dead
  uint64_t exact_vectors = 0;
  uint64_t model = 0;  // centroids and list means
  uint64_t codes = 0;  // all of code_parts
  // By code that is ready: codes of rows, quantizer, means of lists.
  absl::InlinedVector<uint64_t, kMaxCodes> code_parts;
  uint64_t graph = 0;  // all of graph_parts
  GraphMemory graph_parts;
  uint64_t Total() const {
    return first_shell + later_shells + norms_scales + ids + map + sequences + exact_vectors +
           model + codes + graph;
  }
};

// Buffers of one search, reused from query to query so that a warm search allocates nothing. One
// thread at a time.
class SearchScratch {
 public:
  SearchScratch();
  ~SearchScratch();
  SearchScratch(SearchScratch&&) noexcept;

 private:
  friend class IvfIndex;
  struct Buffers;
  std::unique_ptr<Buffers> buffers_;
  std::unique_ptr<Buffers> second_;  // of SearchMany
};

// Searches of one thread that share a plan, those of a batch for example: handed out one by one,
// taken back one by one. Several are under way at a time, each in a lane of its own.
class SearchFeed {
 public:
  static constexpr size_t kLanes = 2;

  virtual ~SearchFeed() = default;
  // The next search, whose vector stays until it is taken back; false: there are no more. An error
  // ends SearchMany.
  virtual absl::StatusOr<bool> Next(size_t lane, SearchQuery* query) = 0;
  // The lane's search is over. In the order in which they end, which need not be that of Next.
  virtual void Take(size_t lane, const SearchResult& result) = 0;
};

class IvfIndex {
 public:
  // An index without rows. `model` fixes the lists (Model::Untrained for one list); `spec` is
  // resolved. `codes`: those of spec.codes, trained, in that order.
  static std::unique_ptr<IvfIndex> Create(const VectorSchema& schema, const IndexSpec& spec,
                                          IdKind id_kind, std::shared_ptr<const Model> model,
                                          std::vector<std::shared_ptr<const Code>> codes = {});
  ~IvfIndex();

  // --- Filling at once: at restart and at the end of a build, before the index has readers. ---
  // Before Reserve: the graph is to be adopted as it was stored, not linked anew.
  void SetStoredGraph(StoredGraph stored);
  // Makes `counts[l]` places in each list l, lists in order: list l owns the slots from the
  // returned vector's [l] on. Then every place is filled by exactly one Fill (any thread, any
  // order), and Publish makes all of them visible from their born sequence on.
  std::vector<uint32_t> Reserve(std::span<const uint32_t> counts);
  void Fill(uint32_t slot, const PointId& id, uint64_t row, uint64_t born, const std::byte* vector);
  void Publish();
  // Where there is a graph: links its nodes, after Publish. False from `progress` (a fraction, on
  // the calling thread): Cancelled.
  absl::Status LinkGraph(int threads, const std::function<bool(double)>& progress);
  // Or, after SetStoredGraph: links them as they were stored and inserts the rows that the stored
  // graph lacks; how many those were. `source`: needed where exact vectors are not in memory.
  absl::StatusOr<uint64_t> AdoptGraph(const VectorSource* source);

  // --- Writer ---
  // The list whose centroid is nearest to a row of this stored vector.
  uint32_t Assign(const std::byte* vector) const;
  // Appends a row to a list; returns its slot. ResourceExhausted when slots run out.
  absl::StatusOr<uint32_t> Append(uint32_t list, const PointId& id, uint64_t row, uint64_t born,
                                  const std::byte* vector);
  // The row is invisible from snapshot `dead` on, which is no less than that of the call before. A
  // held one keeps its slot, and all but the list that it had, until ReleaseHeld.
  void MarkDead(uint32_t slot, uint64_t dead, bool held = false);

  // --- Reclaiming, by the writer ---
  // Rows that no snapshot from `horizon` on shows give up their places in lists, and their slots to
  // later rows; the slots, where there is a graph, once Repair has taken out their nodes and no
  // reader is left who met them.
  void ReclaimSlots(uint64_t horizon);
  // Held rows that died up to this snapshot are reclaimed as others from now on.
  void ReleaseHeld(uint64_t up_to);
  // Rewrites lists in which rows that are gone hold more than a twelfth of the places, until
  // `max_rows` rows were copied. Whether more are left. Readers who came before have what was
  // there: it is kept until FreeLists hears of a greater ticket.
  bool RewriteLists(uint64_t max_rows, uint64_t ticket);
  // No reader from before a ticket less than `oldest` is left. Also frees what codes held.
  void FreeLists(uint64_t oldest);

  // --- Codes of an index that has readers, by the writer but where it says otherwise ---
  // Announces a code that is to be trained: plans that name it are told how far it is.
  // FailedPrecondition: there are no lists, one is being added already, or kMaxCodes are there or
  // are not gone yet; AlreadyExists.
  absl::Status BeginCode(const OpqSpec& spec);
  // Any thread: of the code that is being added.
  void ReportCode(double progress) const;
  // Rows that come from here on are coded by it; those that are there get theirs by PutCode. It is
  // the code that was begun.
  void AttachCode(std::shared_ptr<const Code> code);
  // Of a row that had its slot when the code was attached and is not gone.
  void PutCode(uint32_t slot, const uint8_t* bytes, float half_square);
  // Plans of snapshots from `since` on may scan it: all rows that they show are coded.
  void PublishCode(uint64_t since);
  // Takes one out, or gives up the one that is being added; what it held goes when FreeLists hears
  // of a greater ticket. NotFound.
  absl::Status DropCode(const OpqSpec& spec, uint64_t ticket);
  // Any thread, as a reader: the slots of all rows that a snapshot shows, list by list.
  std::vector<uint32_t> SlotsAt(uint64_t snapshot) const;

  // --- Readers ---
  // `plan` is valid for the schema and query.limit. Probes above the number of lists are clamped.
  // FailedPrecondition: a plan for the graph where there is none, for lists where there are none,
  // by a code that is not there, or that scans or refines dims that are not in memory;
  // InvalidArgument: the graph has another dim.
  absl::Status Search(const SearchQuery& query, const Plan& plan, SearchScratch* scratch,
                      SearchResult* result) const;
  // All of the feed's searches. Under a graph plan two take turns: while one waits for memory, the
  // other computes. Search hides most of that wait by itself (search.h), so this is worth 0.97 to
  // 1.03 times one after the other where the index is in the cache or near it. Errors as Search, or
  // the feed's; searches that are under way then end without a result.
  absl::Status SearchMany(const Plan& plan, SearchFeed* feed, SearchScratch* scratch) const;
  // Brute force over all visible rows on the first `dim` coordinates (a nesting dim).
  absl::Status SearchExact(const SearchQuery& query, uint32_t dim, SearchScratch* scratch,
                           SearchResult* result) const;

  const VectorSchema& schema() const;
  const IndexSpec& spec() const;  // as built; which codes there are now, codes() says
  const Model& model() const { return *shared_model(); }
  const std::shared_ptr<const Model>& shared_model() const;
  // Those of spec().codes, and what was added and dropped since.
  std::shared_ptr<const CodeTable> codes() const;
  IndexShape Shape() const;  // rows: live ones at this moment
  IndexMemory Memory() const;
  // What one more row takes, of all parts of Memory; of a string id without its characters.
  uint64_t row_bytes() const;
  // What of Memory holds `rows` rows whose lists have `capacity` places, without codes, graph and
  // the characters of string ids.
  IndexMemory MemoryOf(uint64_t rows, uint64_t capacity) const;
  uint32_t slot_limit() const;  // all slots in use are below
  uint32_t free_slots() const;  // below it, not in use
  uint64_t free_bytes() const;  // that they hold
  PointId IdAt(uint32_t slot) const;
  uint64_t RowAt(uint32_t slot) const;
  uint64_t BornAt(uint32_t slot) const;
  uint64_t DeadAt(uint32_t slot) const;  // kNeverDead while alive
  uint32_t ListAt(uint32_t slot) const;
  // The vector as stored, or nullptr where exact vectors are not in memory.
  const std::byte* VectorAt(uint32_t slot) const;
  // For upkeep; null where there is none.
  Graph* graph() const;

 private:
  class Rep;
  // Whether what the plan scans and refines is in memory.
  absl::Status CheckDims(const Plan& plan) const;
  // The lists to scan: those that the caller named, or the nearest.
  void TakeNamed(std::span<const uint32_t> lists, SearchScratch::Buffers* buffers) const;
  void Coarse(const SearchContext& context, const Plan& plan, SearchScratch::Buffers* buffers,
              StageCost* cost) const;
  // The first stages of a plan, up to candidates, by lists.
  absl::Status ChooseByLists(const SearchContext& context, const Plan& plan,
                             SearchScratch::Buffers* buffers, SearchResult* result) const;
  // Codes the query for the refine stages.
  void EncodeShells(const SearchContext& context, const Plan& plan, bool integral,
                    SearchScratch::Buffers* buffers) const;
  // The stages after those that make candidates, which have summed `done` dims.
  absl::Status Conclude(const SearchContext& context, const Plan& plan, uint32_t done,
                        SearchScratch::Buffers* buffers, SearchResult* result) const;
  explicit IvfIndex(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

}  // namespace nestor

#endif  // NESTOR_INDEX_IVF_INDEX_H_
