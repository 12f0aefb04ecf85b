#include "server/engine/engine.h"

#include <utility>

#include "server/engine/engine_rep.h"

namespace nestor {

Engine::Engine(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Engine::~Engine() { Close().IgnoreError(); }

absl::StatusOr<std::unique_ptr<Engine>> Engine::Open(EngineOptions options) {
  absl::StatusOr<std::unique_ptr<Engine>> engine = OpenUnloaded(std::move(options));
  if (!engine.ok()) return engine;
  if (absl::Status status = (*engine)->LoadCollections(); !status.ok()) return status;
  return engine;
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::OpenUnloaded(EngineOptions options) {
  std::unique_ptr<Engine> engine(new Engine(std::make_unique<Rep>(std::move(options))));
  if (absl::Status status = engine->rep_->Open(); !status.ok()) return status;
  return engine;
}

absl::Status Engine::LoadCollections(const std::function<bool()>& go_on) {
  return rep_->LoadCollections(go_on);
}

absl::Status Engine::Close() { return rep_->Close(); }

absl::StatusOr<CollectionInfo> Engine::CreateCollection(const CollectionSpec& spec) {
  absl::StatusOr<std::shared_ptr<Collection>> collection = rep_->Create(spec);
  if (!collection.ok()) return collection.status();
  return (*collection)->Info();
}

absl::StatusOr<CollectionInfo> Engine::GetCollection(absl::string_view name) const {
  absl::StatusOr<std::shared_ptr<Collection>> collection = rep_->Find(name);
  if (!collection.ok()) return collection.status();
  return (*collection)->Info();
}

std::vector<CollectionInfo> Engine::ListCollections() const {
  std::vector<CollectionInfo> infos;
  for (const auto& collection : rep_->All()) infos.push_back(collection->Info());
  return infos;
}

absl::Status Engine::Ready(absl::string_view name) const { return rep_->Find(name).status(); }

absl::StatusOr<CollectionInfo> Engine::UpdateCollection(absl::string_view name,
                                                        const CollectionUpdate& update) {
  if (absl::Status status = rep_->Update(name, update); !status.ok()) return status;
  return GetCollection(name);
}

absl::Status Engine::DeleteCollection(absl::string_view name) { return rep_->Delete(name); }

absl::StatusOr<UpsertResult> Engine::Upsert(absl::string_view name,
                                            std::span<const PointInput> points) {
  absl::StatusOr<std::shared_ptr<Collection>> collection = rep_->Find(name);
  if (!collection.ok()) return collection.status();
  return (*collection)->Upsert(points);
}

absl::StatusOr<DeleteResult> Engine::Delete(absl::string_view name, std::span<const PointId> ids) {
  absl::StatusOr<std::shared_ptr<Collection>> collection = rep_->Find(name);
  if (!collection.ok()) return collection.status();
  return (*collection)->Delete(ids);
}

absl::StatusOr<GetResult> Engine::Get(absl::string_view name, std::span<const PointId> ids,
                                      const PointOutput& output) const {
  absl::StatusOr<std::shared_ptr<Collection>> collection = rep_->Find(name);
  if (!collection.ok()) return collection.status();
  return (*collection)->Get(ids, output);
}

absl::StatusOr<ListResult> Engine::List(absl::string_view name, const ListRequest& request) const {
  absl::StatusOr<std::shared_ptr<Collection>> collection = rep_->Find(name);
  if (!collection.ok()) return collection.status();
  return (*collection)->List(request);
}

absl::StatusOr<uint64_t> Engine::Count(absl::string_view name) const {
  absl::StatusOr<std::shared_ptr<Collection>> collection = rep_->Find(name);
  if (!collection.ok()) return collection.status();
  return (*collection)->points();
}

absl::Status Engine::EncodeFde(absl::string_view name, std::span<const float> tokens,
                               const FdeOptions& options, std::vector<float>* fde,
                               VectorSchema* schema) const {
  absl::StatusOr<std::shared_ptr<Collection>> collection = rep_->Find(name);
  if (!collection.ok()) return collection.status();
  return (*collection)->EncodeFde(tokens, options, fde, schema);
}

absl::StatusOr<SearchView> Engine::Pin(absl::string_view name, uint64_t min_seq,
                                       const Patience& patience) const {
  absl::StatusOr<std::shared_ptr<Collection>> collection = rep_->Find(name);
  if (!collection.ok()) return collection.status();
  return (*collection)->Pin(min_seq, patience);
}

absl::StatusOr<uint64_t> Engine::Sequence(absl::string_view name) const {
  absl::StatusOr<std::shared_ptr<Collection>> collection = rep_->Find(name);
  if (!collection.ok()) return collection.status();
  return (*collection)->seq();
}

absl::StatusOr<std::string> Engine::BuildIndex(absl::string_view name,
                                               const std::optional<IndexSpec>& spec) {
  return rep_->BuildIndex(name, spec);
}

absl::StatusOr<std::string> Engine::ImportCentroids(absl::string_view name,
                                                    const CentroidImport& import) {
  return rep_->ImportCentroids(name, import);
}

absl::StatusOr<IndexCentroids> Engine::GetCentroids(absl::string_view name) const {
  absl::StatusOr<std::shared_ptr<Collection>> collection = rep_->Find(name);
  if (!collection.ok()) return collection.status();
  return (*collection)->Centroids();
}

absl::StatusOr<std::string> Engine::Reencode(absl::string_view name, const Reencoding& reencoding) {
  return rep_->Reencode(name, reencoding);
}

absl::StatusOr<std::string> Engine::AddCode(absl::string_view name, const OpqSpec& code) {
  return rep_->AddCode(name, code, std::nullopt);
}

absl::StatusOr<std::string> Engine::ImportCode(absl::string_view name, const GivenCode& code) {
  return rep_->AddCode(name, code.quantizer->spec(), code);
}

absl::StatusOr<std::shared_ptr<const Code>> Engine::ExportCode(absl::string_view name,
                                                               const OpqSpec& code) const {
  absl::StatusOr<std::shared_ptr<Collection>> collection = rep_->Find(name);
  if (!collection.ok()) return collection.status();
  return (*collection)->FindCode(code);
}

absl::StatusOr<std::string> Engine::DropCode(absl::string_view name, const OpqSpec& code) {
  return rep_->DropCode(name, code);
}

absl::StatusOr<IndexInfo> Engine::GetIndex(absl::string_view name) const {
  absl::StatusOr<std::shared_ptr<Collection>> collection = rep_->Find(name);
  if (!collection.ok()) return collection.status();
  IndexInfo info = (*collection)->Index();
  info.build_operation = rep_->operations_->Unfinished((*collection)->uid(), "build_index");
  return info;
}

absl::StatusOr<Operation> Engine::GetOperation(absl::string_view id) const {
  return rep_->operations_->Get(id);
}

std::vector<Operation> Engine::ListOperations() const { return rep_->operations_->List(); }

absl::Status Engine::CancelOperation(absl::string_view id) { return rep_->operations_->Cancel(id); }

absl::StatusOr<CollectionStats> Engine::Stats(absl::string_view name) const {
  absl::StatusOr<std::shared_ptr<Collection>> collection = rep_->Find(name);
  if (!collection.ok()) return collection.status();
  CollectionStats stats = (*collection)->Stats();
  stats.index.build_operation = rep_->operations_->Unfinished((*collection)->uid(), "build_index");
  return stats;
}

EngineStats Engine::Stats() const {
  EngineStats stats;
  for (const auto& collection : rep_->All()) stats.collections.push_back(collection->Stats());
  const StoreSizes sizes = rep_->Sizes();
  stats.store_live_bytes = sizes.live_bytes;
  stats.store_memtable_bytes = sizes.memtable_bytes;
  stats.store_cache_bytes = sizes.cache_bytes;
  stats.writes = rep_->context_.writes.entries.load(std::memory_order_relaxed);
  stats.write_groups = rep_->context_.writes.groups.load(std::memory_order_relaxed);
  stats.searches = rep_->context_.searches.load(std::memory_order_relaxed);
  return stats;
}

absl::Status Engine::Health() const { return rep_->store_->Health(); }

}  // namespace nestor
