// What an engine does to indexes, as operations of the builder: builds, asked for or not, and codes
// that come and go.
#include <algorithm>
#include <memory>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "index/model.h"
#include "server/engine/engine_rep.h"
#include "server/engine/validate.h"

namespace nestor {

absl::StatusOr<std::string> Engine::Rep::BuildIndex(absl::string_view name,
                                                    const std::optional<IndexSpec>& spec) {
  MutexLock change(&change_mutex_);
  absl::StatusOr<std::shared_ptr<Collection>> found = Find(name);
  if (!found.ok()) return found.status();
  Collection& collection = **found;
  CollectionSpec next = *collection.spec();
  if (spec.has_value()) {
    next.index = *spec;
    if (absl::Status s = collection.KeepCentroids(&next.index); !s.ok()) return s;
    if (absl::Status s = ValidateIndexSpec(next.index, next); !s.ok()) return s;
  }
  if (absl::Status status = AdmitBuild(collection, next); !status.ok()) return status;
  absl::StatusOr<uint64_t> number =
      operations_->Create("build_index", name, collection.uid(), Operations::Origin::kCaller);
  if (!number.ok()) return number.status();
  if (spec.has_value()) {
    CollectionUpdate update;
    update.index = next.index;
    if (absl::Status status = collection.Update(update); !status.ok()) {
      operations_->Finish(*number, status);
      return status;
    }
  }
  Enqueue(*number, *std::move(found));
  return Operations::Id(*number);
}

// The spec changes when the new index takes over: until then there are no such centroids to keep.
absl::StatusOr<std::string> Engine::Rep::ImportCentroids(absl::string_view name,
                                                         const CentroidImport& import) {
  MutexLock change(&change_mutex_);
  absl::StatusOr<std::shared_ptr<Collection>> found = Find(name);
  if (!found.ok()) return found.status();
  const Collection& collection = **found;
  CollectionSpec next = *collection.spec();
  const IndexSpec& spec = next.index = import.index;
  if (absl::Status s = NormalizeCollectionSpec(&next); !s.ok()) return s;
  if (absl::Status s = ValidateIndexSpec(spec, next); !s.ok()) return s;
  std::vector<float> centroids = *import.centroids;
  if (spec.centroids != CentroidOrigin::kImported ||
      centroids.size() != size_t{spec.lists} * spec.coarse_dim) {
    return absl::InvalidArgumentError(absl::StrCat(centroids.size(), " values of centroids for ",
                                                   spec.lists, " lists of ", spec.coarse_dim,
                                                   " dims"));
  }
  if (absl::Status s = TakeCentroids(next.schema, spec.coarse_dim, &centroids); !s.ok()) return s;
  if (absl::Status status = AdmitBuild(collection, next); !status.ok()) return status;
  absl::StatusOr<uint64_t> number =
      operations_->Create("build_index", name, collection.uid(), Operations::Origin::kCaller);
  if (!number.ok()) return number.status();
  Enqueue(*number, *std::move(found),
          CentroidImport{spec, std::make_shared<const std::vector<float>>(std::move(centroids))});
  return Operations::Id(*number);
}

// What it changes of the collection's spec changes when the new index takes over: until then the
// spec is that of the present encodings.
absl::StatusOr<std::string> Engine::Rep::Reencode(absl::string_view name,
                                                  const Reencoding& reencoding) {
  MutexLock change(&change_mutex_);
  absl::StatusOr<std::shared_ptr<Collection>> found = Find(name);
  if (!found.ok()) return found.status();
  const Collection& collection = **found;
  const absl::StatusOr<CollectionSpec> next = collection.Reencoded(reencoding);
  if (!next.ok()) return next.status();
  if (absl::Status status = AdmitBuild(collection, *next); !status.ok()) return status;
  absl::StatusOr<uint64_t> number =
      operations_->Create("build_index", name, collection.uid(), Operations::Origin::kCaller);
  if (!number.ok()) return number.status();
  Enqueue(*number, *std::move(found), reencoding);
  return Operations::Id(*number);
}

void Engine::Rep::Enqueue(uint64_t number, std::shared_ptr<Collection> collection,
                          const Collection::BuildChange& change) {
  Collection* const target = collection.get();
  builder_->Add({number, std::move(collection),
                 std::holds_alternative<Reencoding>(change)
                     ? "encoding the points anew and building the index"
                     : "building the index",
                 [target, change](const Collection::Progress& progress) {
                   return target->Build(change, progress);
                 }});
}

absl::StatusOr<std::string> Engine::Rep::AddCode(absl::string_view name, const OpqSpec& code,
                                                 const std::optional<GivenCode>& given) {
  MutexLock change(&change_mutex_);
  absl::StatusOr<std::shared_ptr<Collection>> found = Find(name);
  if (!found.ok()) return found.status();
  Collection* const collection = found->get();
  if (absl::Status s = ValidateOpq(code, collection->schema()); !s.ok()) return s;
  const std::string what = absl::StrCat("adding the code ", OpqName(code), " to ", name);
  const uint64_t bytes = collection->points() * (code.bytes + sizeof(float));
  if (absl::Status s = memory_->Admit(what, bytes); !s.ok()) return s;
  if (absl::Status s = collection->AdmitCode(what, code); !s.ok()) return s;
  absl::StatusOr<uint64_t> number =
      operations_->Create("add_code", name, collection->uid(), Operations::Origin::kCaller);
  if (!number.ok()) return number.status();
  builder_->Add({*number, *std::move(found), absl::StrCat("adding the code ", OpqName(code)),
                 [collection, code, given](const Collection::Progress& progress) {
                   return collection->AddCode(code, given, progress);
                 }});
  return Operations::Id(*number);
}

absl::StatusOr<std::string> Engine::Rep::DropCode(absl::string_view name, const OpqSpec& code) {
  MutexLock change(&change_mutex_);
  absl::StatusOr<std::shared_ptr<Collection>> found = Find(name);
  if (!found.ok()) return found.status();
  Collection* const collection = found->get();
  if (absl::Status s = ValidateOpq(code, collection->schema()); !s.ok()) return s;
  absl::StatusOr<uint64_t> number =
      operations_->Create("drop_code", name, collection->uid(), Operations::Origin::kCaller);
  if (!number.ok()) return number.status();
  builder_->Add(
      {*number, *std::move(found), absl::StrCat("dropping the code ", OpqName(code)),
       [collection, code](const Collection::Progress&) { return collection->DropCode(code); }});
  return Operations::Id(*number);
}

// For a while there are two indexes.
absl::Status Engine::Rep::AdmitBuild(const Collection& collection, const CollectionSpec& next) {
  const std::string what = absl::StrCat("building the index of ", next.name);
  const IndexMemory memory = collection.Index().memory;
  uint64_t in_memory = memory.Total();
  uint64_t on_disk = in_memory - memory.exact_vectors;
  if (next.schema != collection.schema()) {
    // Of encodings of other dims the present ones say nothing.
    in_memory = on_disk = collection.EstimateIndex(next);
  } else if (next.index.own_lists()) {
    // The caller's lists may be many where the present index has few.
    in_memory = std::max(in_memory, collection.EstimateIndex(next));
    on_disk = std::max(on_disk, in_memory - memory.exact_vectors);
  }
  if (absl::Status status = memory_->Admit(what, in_memory); !status.ok()) return status;
  if (absl::Status status = collection.AdmitBuild(what, next); !status.ok()) return status;
  return disk_->Admit(what, on_disk);
}

// On the keeper's thread, which Close stops while it holds change_mutex_. A collection that is
// being deleted cancels its operations or refuses the build.
absl::Status Engine::Rep::BuildUnasked(const std::shared_ptr<Collection>& collection,
                                       absl::string_view why) {
  absl::Status admitted = AdmitBuild(*collection, *collection->spec());
  if (!admitted.ok()) return admitted;
  const std::string name = collection->spec()->name;
  absl::StatusOr<uint64_t> number =
      operations_->Create("build_index", name, collection->uid(), Operations::Origin::kUpkeep);
  if (!number.ok()) return number.status();
  options_.log(Severity::kInfo, absl::StrCat("operation ", Operations::Id(*number),
                                             " is for upkeep of ", name, ": ", why));
  Enqueue(*number, collection);
  return absl::OkStatus();
}

}  // namespace nestor
