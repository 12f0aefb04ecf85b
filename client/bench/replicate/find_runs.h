// The runs that findings ask for. Pure functions; the pointers are into the runs given.
#ifndef NESTOR_CLIENT_BENCH_REPLICATE_FIND_RUNS_H_
#define NESTOR_CLIENT_BENCH_REPLICATE_FIND_RUNS_H_

#include <algorithm>
#include <initializer_list>
#include <span>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/bench/replicate/choose_run.h"

namespace nestor {

inline constexpr char kNested[] = "mrl";

inline std::string RigidName(uint32_t dim) { return absl::StrCat("rr", dim); }

// Under COSINE.
inline Chosen OfMethods(std::span<const Trial> runs, std::initializer_list<Method> methods,
                        const std::string& encoder) {
  return Where(runs, [&](const Trial& run) {
    return run.metric == Metric::kCosine && run.encoder == encoder &&
           std::find(methods.begin(), methods.end(), run.method) != methods.end();
  });
}

// Of every rigid encoder.
inline Chosen OfRigid(std::span<const Trial> runs, Method method) {
  return Where(runs, [&](const Trial& run) {
    return run.metric == Metric::kCosine && run.encoder != kNested && run.method == method;
  });
}

inline const Trial* ExactRun(std::span<const Trial> runs, const std::string& encoder, uint32_t dim,
                             Metric metric = Metric::kCosine) {
  for (const Trial& run : runs) {
    if (run.method == Method::kExact && run.metric == metric && run.encoder == encoder &&
        run.scan_dim == dim) {
      return &run;
    }
  }
  return nullptr;
}

inline Chosen WithBytes(const Chosen& runs, uint32_t bytes) {
  Chosen found;
  for (const Trial* run : runs) {
    if (run->code_bytes == bytes) found.push_back(run);
  }
  return found;
}

// The first of them, or null.
inline const Trial* First(const Chosen& runs) { return runs.empty() ? nullptr : runs.front(); }

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_REPLICATE_FIND_RUNS_H_
