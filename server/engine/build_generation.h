// One build: a new generation from the rows visible at a snapshot, beside searches and writes; then
// what was written meanwhile is caught up, and one synced batch makes the new generation current.
// Runs on the builder's thread.
#ifndef NESTOR_SERVER_ENGINE_BUILD_GENERATION_H_
#define NESTOR_SERVER_ENGINE_BUILD_GENERATION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "index/schema.h"
#include "server/engine/point_codec.h"
#include "server/engine/snapshots.h"
#include "server/engine/writer.h"
#include "server/storage/store.h"

namespace nestor {

struct BuildTask {
  Store* store = nullptr;
  uint32_t uid = 0;
  // Of the new generation; where it has another FDE than the present one, points are encoded anew.
  std::shared_ptr<const PointCodec> codec;
  IdKind id_kind = IdKind::kNum;
  IndexSpec spec;  // not resolved
  // Of a spec whose centroids are imported; null: those of the present generation.
  std::shared_ptr<const std::vector<float>> centroids;
  uint32_t generation = 0;  // number of the new one, never tried before by this process
  Writer* writer = nullptr;
  Snapshots* snapshots = nullptr;
  int threads = 1;
  // Makes the new generation current by `swap`, which writes one batch: what is put into it by
  // `add` changes with the generation. For whoever has to hold something meanwhile.
  using Swap = absl::FunctionRef<absl::Status(absl::FunctionRef<void(Batch*)> add)>;
  std::function<absl::Status(Swap swap)> commit;
  // False stops the build: Cancelled.
  std::function<bool(absl::string_view phase, double fraction)> progress;
};

absl::Status BuildGeneration(const BuildTask& task);

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_BUILD_GENERATION_H_
