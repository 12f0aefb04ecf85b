// Search buffers that are kept warm between queries, for callers that bring none. Any thread.
#ifndef NESTOR_SERVER_ENGINE_SCRATCH_POOL_H_
#define NESTOR_SERVER_ENGINE_SCRATCH_POOL_H_

#include <memory>
#include <utility>
#include <vector>

#include "index/base/mutex.h"
#include "index/ivf_index.h"

namespace nestor {

class ScratchPool {
 public:
  std::unique_ptr<SearchScratch> Take() {
    {
      MutexLock lock(&mutex_);
      if (!free_.empty()) {
        std::unique_ptr<SearchScratch> scratch = std::move(free_.back());
        free_.pop_back();
        return scratch;
      }
    }
    return std::make_unique<SearchScratch>();
  }

  void Return(std::unique_ptr<SearchScratch> scratch) {
    MutexLock lock(&mutex_);
    free_.push_back(std::move(scratch));
  }

 private:
  Mutex mutex_;
  std::vector<std::unique_ptr<SearchScratch>> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_SCRATCH_POOL_H_
