#include "client/passes/pass.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <latch>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"

namespace nestor {
namespace {

using Clock = std::chrono::steady_clock;

// A run: some queries, one after the other in the half.
using AnswerRun = std::function<absl::Status(int thread, std::span<const uint32_t> queries,
                                             std::span<uint64_t> ids, std::span<float> scores)>;

// One pass, shared by its threads: each takes the next run until none is left.
class Running {
 public:
  Running(const PassOptions& options, std::vector<uint32_t> queries, size_t batch, bool with_scores,
          const AnswerRun& answer)
      : k_(options.k),
        queries_(std::move(queries)),
        batch_(batch),
        batches_((queries_.size() + batch - 1) / batch),
        with_scores_(with_scores),
        answer_(answer) {
    const uint64_t n = queries_.size();
    const uint64_t repeats = std::max<uint64_t>(1, (options.min_runs + n - 1) / n);
    pass_.k = k_;
    pass_.queries = static_cast<uint32_t>(n);
    pass_.ids.assign(n * k_, kNoId);
    if (with_scores_) pass_.scores.assign(n * k_, 0.0f);
    pass_.micros.resize(batches_ * repeats);
    pass_.answered = n * repeats;
  }

  void Work(int thread) {
    std::vector<uint64_t> spare_ids(batch_ * k_);
    std::vector<float> spare_scores(with_scores_ ? batch_ * k_ : 0);
    while (!failed_.load(std::memory_order_relaxed)) {
      const uint64_t run = next_.fetch_add(1, std::memory_order_relaxed);
      if (run >= pass_.micros.size()) return;
      const uint64_t first = run % batches_ * batch_;
      const uint64_t n = std::min<uint64_t>(batch_, queries_.size() - first);
      // Later rounds give the same answers; only the first one's are kept.
      const bool keep = run < batches_;
      std::span<uint64_t> ids = keep ? std::span(pass_.ids).subspan(first * k_, n * k_)
                                     : std::span(spare_ids).first(n * k_);
      std::span<float> scores;
      if (with_scores_) {
        scores = keep ? std::span(pass_.scores).subspan(first * k_, n * k_)
                      : std::span(spare_scores).first(n * k_);
      }
      const Clock::time_point begin = Clock::now();
      absl::Status status = answer_(thread, std::span(queries_).subspan(first, n), ids, scores);
      const Clock::time_point end = Clock::now();
      pass_.micros[run] = std::chrono::duration<float, std::micro>(end - begin).count();
      if (!status.ok()) Fail(std::move(status));
    }
  }

  absl::StatusOr<Pass> Take(double wall_s) {
    if (!status_.ok()) return status_;
    pass_.wall_s = wall_s;
    return std::move(pass_);
  }

 private:
  void Fail(absl::Status status) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (status_.ok()) status_ = std::move(status);
    failed_ = true;
  }

  const uint32_t k_;
  const std::vector<uint32_t> queries_;
  const size_t batch_;  // queries of a run, but for the last
  const uint64_t batches_;
  const bool with_scores_;
  const AnswerRun& answer_;
  Pass pass_;  // each run writes its own entries
  std::atomic<uint64_t> next_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;     // guards status_
  absl::Status status_;  // the first failure
};

}  // namespace

absl::string_view Name(Half half) {
  switch (half) {
    case Half::kEven:
      return "even";
    case Half::kOdd:
      return "odd";
    case Half::kAll:
      return "all";
  }
  return "unknown";
}

absl::StatusOr<Half> ParseHalf(absl::string_view name) {
  for (Half half : {Half::kEven, Half::kOdd, Half::kAll}) {
    if (name == Name(half)) return half;
  }
  return absl::InvalidArgumentError(absl::StrCat("half '", name, "' is none of even, odd, all"));
}

std::vector<uint32_t> QueriesOf(Half half, uint32_t queries) {
  std::vector<uint32_t> numbers;
  const uint32_t step = half == Half::kAll ? 1 : 2;
  for (uint32_t q = half == Half::kOdd ? 1 : 0; q < queries; q += step) numbers.push_back(q);
  return numbers;
}

namespace {

absl::StatusOr<Pass> RunAll(const PassOptions& options, uint32_t queries, uint32_t batch,
                            bool with_scores, const AnswerRun& answer) {
  std::vector<uint32_t> numbers = QueriesOf(options.half, queries);
  if (numbers.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("pass: ", queries, " queries have no ", Name(options.half), " half"));
  }
  if (options.threads < 1 || options.k < 1 || batch < 1) {
    return absl::InvalidArgumentError(absl::StrCat("pass: ", options.threads, " threads, k ",
                                                   options.k, " and batches of ", batch,
                                                   " must be at least 1"));
  }
  Running running(options, std::move(numbers), batch, with_scores, answer);
  // Threads that have started wait for the others, so that the wall time holds no thread's start.
  std::latch ready(options.threads);
  std::vector<std::thread> threads;
  for (int t = 1; t < options.threads; ++t) {
    threads.emplace_back([&running, &ready, t] {
      ready.arrive_and_wait();
      running.Work(t);
    });
  }
  ready.arrive_and_wait();
  const Clock::time_point begin = Clock::now();
  running.Work(0);
  for (std::thread& thread : threads) thread.join();
  return running.Take(std::chrono::duration<double>(Clock::now() - begin).count());
}

}  // namespace

absl::StatusOr<Pass> RunPass(const PassOptions& options, uint32_t queries, bool with_scores,
                             const Answer& answer) {
  return RunAll(options, queries, 1, with_scores,
                [&](int thread, std::span<const uint32_t> one, std::span<uint64_t> ids,
                    std::span<float> scores) { return answer(thread, one[0], ids, scores); });
}

absl::StatusOr<Pass> RunBatches(const PassOptions& options, uint32_t queries, uint32_t batch,
                                const AnswerBatch& answer) {
  return RunAll(options, queries, batch, /*with_scores=*/false,
                [&](int thread, std::span<const uint32_t> some, std::span<uint64_t> ids,
                    std::span<float>) { return answer(thread, some, ids); });
}

}  // namespace nestor
