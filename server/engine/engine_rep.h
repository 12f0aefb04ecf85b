// The insides of Engine: the store, the collections by name and the threads.
#ifndef NESTOR_SERVER_ENGINE_ENGINE_REP_H_
#define NESTOR_SERVER_ENGINE_ENGINE_REP_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "index/base/mutex.h"
#include "server/engine/builder.h"
#include "server/engine/collection.h"
#include "server/engine/engine.h"
#include "server/engine/keeper.h"
#include "server/engine/log_syncer.h"
#include "server/engine/operations.h"
#include "server/storage/records.h"
#include "server/storage/store.h"

namespace nestor {

class Engine::Rep {
 public:
  explicit Rep(EngineOptions options) : options_(std::move(options)) {
    if (!options_.log) options_.log = [](Severity, absl::string_view) {};
    if (!options_.on_collections) options_.on_collections = [] {};
  }

  absl::Status Open();
  absl::Status LoadCollections(const std::function<bool()>& go_on);
  absl::Status Close();
  absl::StatusOr<std::shared_ptr<Collection>> Find(absl::string_view name) const;
  absl::StatusOr<std::shared_ptr<Collection>> Create(const CollectionSpec& spec);
  absl::Status Update(absl::string_view name, const CollectionUpdate& update);
  absl::Status Delete(absl::string_view name);
  absl::StatusOr<std::string> BuildIndex(absl::string_view name,
                                         const std::optional<IndexSpec>& spec);
  absl::StatusOr<std::string> ImportCentroids(absl::string_view name, const CentroidImport& import);
  absl::StatusOr<std::string> Reencode(absl::string_view name, const Reencoding& reencoding);
  absl::StatusOr<std::string> AddCode(absl::string_view name, const OpqSpec& code,
                                      const std::optional<GivenCode>& given);
  absl::StatusOr<std::string> DropCode(absl::string_view name, const OpqSpec& code);
  std::vector<std::shared_ptr<Collection>> All() const;
  // Zeros once closed.
  StoreSizes Sizes() const;

  EngineOptions options_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<MemoryLimit> memory_;
  std::unique_ptr<DiskReserve> disk_;
  CollectionContext context_;
  std::unique_ptr<Operations> operations_;
  std::unique_ptr<LogSyncer> syncer_;
  std::unique_ptr<Builder> builder_;
  std::unique_ptr<Keeper> keeper_;

 private:
  struct Entry {
    std::shared_ptr<Collection> collection;  // null: not loaded yet
    bool deleting = false;
  };
  struct Unloaded {
    uint32_t uid;
    CollectionRecord record;
  };

  // A build.
  void Enqueue(uint64_t number, std::shared_ptr<Collection> collection,
               const Collection::BuildChange& change = {});
  // `next`: the collection's spec once it is built.
  absl::Status AdmitBuild(const Collection& collection, const CollectionSpec& next);
  absl::Status BuildUnasked(const std::shared_ptr<Collection>& collection, absl::string_view why);
  absl::Status ReadCollections();
  absl::Status ReadOne(uint32_t uid, absl::string_view record);
  absl::Status LoadOne(uint32_t uid, const CollectionRecord& record,
                       const std::function<bool()>& go_on);
  absl::Status EraseFromStore(uint32_t uid);

  std::vector<Unloaded> unloaded_;  // between Open and LoadCollections

  // Whatever writes outside a collection's writer, and closing: one at a time. Taken before mutex_.
  Mutex change_mutex_;
  uint32_t next_uid_ ABSL_GUARDED_BY(change_mutex_) = 1;
  bool stopped_ ABSL_GUARDED_BY(change_mutex_) = false;

  mutable Mutex mutex_;
  absl::Status closed_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Entry, std::less<>> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_ENGINE_REP_H_
