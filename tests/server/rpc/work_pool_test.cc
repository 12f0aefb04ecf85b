#include "server/rpc/work_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <latch>
#include <thread>
#include <vector>

namespace nestor {
namespace {

struct FunctionTask final : WorkPool::Task {
  explicit FunctionTask(std::function<void()> function) : function(std::move(function)) {}
  void Run() override { function(); }
  std::function<void()> function;
};

TEST(WorkPoolTest, RefusesWhatGoesOverTheQueueAndRunsTheRest) {
  std::latch started(1);
  std::latch release(1);
  std::atomic<int> ran{0};
  FunctionTask blocker([&] {
    started.count_down();
    release.wait();
  });
  FunctionTask a([&] { ++ran; });
  FunctionTask b([&] { ++ran; });
  FunctionTask over([&] { ++ran; });
  FunctionTask later([&] { ++ran; });
  WorkPool pool("test", 1, 2);
  ASSERT_TRUE(pool.Submit(&blocker));
  started.wait();
  EXPECT_FALSE(pool.HasBacklog());
  EXPECT_TRUE(pool.Submit(&a));
  EXPECT_TRUE(pool.Submit(&b));
  EXPECT_TRUE(pool.HasBacklog());
  EXPECT_FALSE(pool.Submit(&over));
  pool.Continue(&later);  // what was admitted before is not held to the limit
  release.count_down();
  pool.Stop();
  EXPECT_EQ(ran, 3);
  EXPECT_FALSE(pool.Submit(&a));
}

TEST(WorkPoolTest, RunsInOrder) {
  std::vector<int> order;
  std::vector<FunctionTask> tasks;
  for (int i = 0; i < 100; ++i) tasks.emplace_back([&order, i] { order.push_back(i); });
  WorkPool pool("test", 1, tasks.size());
  for (FunctionTask& task : tasks) ASSERT_TRUE(pool.Submit(&task));
  pool.Stop();
  ASSERT_EQ(order.size(), tasks.size());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

TEST(WorkPoolTest, ManySubmittersLoseNothing) {
  constexpr int kSubmitters = 4;
  constexpr int kEach = 500;
  std::atomic<int> ran{0};
  std::vector<std::vector<FunctionTask>> tasks(kSubmitters);
  WorkPool pool("test", 3, kSubmitters * kEach);
  std::vector<std::thread> submitters;
  for (auto& mine : tasks) {
    for (int i = 0; i < kEach; ++i) mine.emplace_back([&ran] { ++ran; });
    submitters.emplace_back([&pool, &mine] {
      for (FunctionTask& task : mine) EXPECT_TRUE(pool.Submit(&task));
    });
  }
  for (std::thread& thread : submitters) thread.join();
  pool.Stop();
  EXPECT_EQ(ran, kSubmitters * kEach);
}

}  // namespace
}  // namespace nestor
