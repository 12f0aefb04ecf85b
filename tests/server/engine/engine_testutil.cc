#include "tests/server/engine/engine_testutil.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <random>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace nestor {

std::vector<float> MakeVector(const VectorSchema& schema, uint64_t seed) {
  std::mt19937_64 random(seed * 0x9e3779b97f4a7c15u + 1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> vector(schema.dim);
  for (uint32_t d = 0; d < schema.dim; ++d) {
    const float shrink = 1.0f / (1.0f + 0.05f * static_cast<float>(d));
    vector[d] = schema.dtype == Dtype::kI8 ? std::round(uniform(random) * 100 * shrink)
                                           : uniform(random) * shrink;
  }
  vector[0] += vector[0] < 0 ? -2 : 2;  // no prefix is near zero
  return vector;
}

PointId MakeId(IdKind kind, uint64_t i) {
  if (kind == IdKind::kNum) return i;
  return absl::StrFormat("point-%06d", i);
}

CollectionSpec MakeSpec(Metric metric, Dtype dtype, IdKind id_kind) {
  CollectionSpec spec;
  spec.name = "docs";
  spec.schema = {32, {8, 16, 32}, metric, dtype};
  spec.id_kind = id_kind;
  spec.attributes = {{"name", AttributeType::kString},
                     {"version", AttributeType::kInt64},
                     {"score", AttributeType::kDouble}};
  return spec;
}

CollectionSpec MakeMultiSpec(Metric metric, Dtype dtype) {
  CollectionSpec spec = MakeSpec(metric, dtype);
  MultiSpec& multi = spec.multi.emplace();
  multi.tokens.token = {8, {4, 8}, metric, dtype};
  multi.tokens.max_tokens = 5;
  multi.fde = {.dim = 8, .repetitions = 4, .k_sim = 1, .d_proj = 4};
  const uint32_t prefixes[] = {1, 2, 4};
  spec.schema = *FdeSchema(multi.fde, prefixes);
  return spec;
}

std::unique_ptr<Engine> OpenOrDie(const EngineOptions& options) {
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  if (!engine.ok()) abort();
  return *std::move(engine);
}

Operation Await(const Engine& engine, const std::string& id) {
  while (true) {
    absl::StatusOr<Operation> operation = engine.GetOperation(id);
    EXPECT_TRUE(operation.ok()) << operation.status();
    if (!operation.ok() || IsFinal(operation->state)) return operation.value_or(Operation());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

std::vector<float> Oracle::VectorOf(uint64_t i, uint64_t version) const {
  const uint64_t seed = i * 1000 + version;
  if (!spec_.multi.has_value()) return MakeVector(spec_.schema, seed);
  std::vector<float> tokens;
  for (uint64_t t = 0; t <= seed % 5; ++t) {
    const std::vector<float> token = MakeVector(schema(), seed * 5 + t);
    tokens.insert(tokens.end(), token.begin(), token.end());
  }
  return tokens;
}

VectorInput Oracle::InputOf(const std::vector<float>& vector) const {
  if (!spec_.multi.has_value()) return std::span<const float>(vector);
  return PackedTokens{Dtype::kF32, absl::string_view(reinterpret_cast<const char*>(vector.data()),
                                                     vector.size() * sizeof(float))};
}

void Oracle::SetQuery(const std::vector<float>& vector, SearchRequest* request) const {
  if (spec_.multi.has_value()) {
    request->query = TokenQuery{.tokens = vector};
  } else {
    request->query = std::span<const float>(vector);
  }
}

Attributes Oracle::AttributesOf(uint64_t i, uint64_t version) const {
  Attributes attributes = {{"version", static_cast<int64_t>(version)}};
  if (i % 2 == 0) attributes.insert(attributes.begin(), {"name", absl::StrCat("n", i)});
  return attributes;
}

void Oracle::Upsert(Engine* engine, uint64_t first, uint64_t count, uint64_t version) {
  constexpr uint64_t kBatch = 500;
  for (uint64_t begin = first; begin < first + count; begin += kBatch) {
    const uint64_t end = std::min(begin + kBatch, first + count);
    std::vector<std::vector<float>> vectors;
    std::vector<PointInput> points;
    for (uint64_t i = begin; i < end; ++i) vectors.push_back(VectorOf(i, version));
    for (uint64_t i = begin; i < end; ++i) {
      points.push_back(
          {MakeId(spec_.id_kind, i), InputOf(vectors[i - begin]), AttributesOf(i, version)});
      versions_[i] = version;
    }
    const absl::StatusOr<UpsertResult> result = engine->Upsert(spec_.name, points);
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(result->upserted, end - begin);
  }
}

void Oracle::Delete(Engine* engine, uint64_t first, uint64_t count) {
  std::vector<PointId> ids;
  uint64_t there = 0;
  for (uint64_t i = first; i < first + count; ++i) {
    ids.push_back(MakeId(spec_.id_kind, i));
    there += versions_.erase(i);
  }
  const absl::StatusOr<DeleteResult> result = engine->Delete(spec_.name, ids);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->deleted, there);
}

void Oracle::Check(const Engine& engine) const {
  const absl::StatusOr<uint64_t> count = engine.Count(spec_.name);
  ASSERT_TRUE(count.ok()) << count.status();
  ASSERT_EQ(*count, versions_.size());
  CheckPoints(engine);
  if (!versions_.empty()) CheckSearch(engine);
}

void Oracle::CheckPoints(const Engine& engine) const {
  ListRequest request;
  request.limit = 300;
  request.output = {.attributes = true, .vector = true};
  auto expected = versions_.begin();
  while (true) {
    const absl::StatusOr<ListResult> page = engine.List(spec_.name, request);
    ASSERT_TRUE(page.ok()) << page.status();
    std::vector<PointId> ids;
    for (const Point& point : page->points) {
      ASSERT_NE(expected, versions_.end()) << "more points than there should be";
      const auto [i, version] = *expected++;
      ASSERT_EQ(point.id, MakeId(spec_.id_kind, i));
      ASSERT_EQ(point.attributes, AttributesOf(i, version)) << i;
      const std::vector<float> values = VectorOf(i, version);
      std::string stored(values.size() * DtypeBytes(schema().dtype), '\0');
      ASSERT_TRUE(EncodeVector(schema().dtype, values.data(), values.size(),
                               reinterpret_cast<std::byte*>(stored.data()))
                      .ok());
      ASSERT_EQ(point.vector, stored) << i;
      ids.push_back(point.id);
    }
    if (!ids.empty()) {
      const absl::StatusOr<GetResult> got = engine.Get(spec_.name, ids, request.output);
      ASSERT_TRUE(got.ok()) << got.status();
      ASSERT_EQ(got->found.size(), ids.size());
      for (size_t i = 0; i < ids.size(); ++i) {
        ASSERT_EQ(got->found[i].id, page->points[i].id);
        ASSERT_EQ(got->found[i].seq, page->points[i].seq);
        ASSERT_EQ(got->found[i].vector, page->points[i].vector);
        ASSERT_EQ(got->found[i].attributes, page->points[i].attributes);
      }
    }
    if (!page->more) break;
    request.after = page->points.back().id;
  }
  ASSERT_EQ(expected, versions_.end()) << "points are missing";
}

// Exact search over everything returns each point once; the versions are told by the attributes.
void Oracle::CheckSearch(const Engine& engine) const {
  absl::StatusOr<SearchView> view = engine.Pin(spec_.name);
  ASSERT_TRUE(view.ok()) << view.status();
  const uint64_t probe = versions_.begin()->first;
  const std::vector<float> query = VectorOf(probe, versions_.begin()->second);
  SearchRequest request;
  SetQuery(query, &request);
  request.limit = kMaxLimit;
  request.how = ExactSearch{};
  request.output.attributes = true;
  SearchReply reply;
  const absl::Status status = view->Search(request, nullptr, &reply);
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_EQ(reply.hits.size(), std::min<uint64_t>(versions_.size(), kMaxLimit));
  ASSERT_EQ(reply.score_dim, schema().dim);
  std::set<PointId> seen;
  for (const SearchHit& hit : reply.hits) {
    ASSERT_TRUE(seen.insert(hit.id).second) << "a point in two versions";
    ASSERT_LE(hit.seq, reply.seq);
    const auto version = std::find_if(hit.attributes.begin(), hit.attributes.end(),
                                      [](const Attribute& a) { return a.name == "version"; });
    ASSERT_NE(version, hit.attributes.end());
  }
  if (schema().metric != Metric::kDot) {
    EXPECT_EQ(reply.hits[0].id, MakeId(spec_.id_kind, probe));
  }

  // Every list probed, or the whole graph searched, and everything kept, then rescored: the same.
  const IndexSpec index = engine.GetIndex(spec_.name)->spec;
  std::vector<Plan> plans;
  if (!index.no_lists) {
    Plan& lists = plans.emplace_back();
    // Of token matrices not always what they were made with.
    const uint32_t dim = view->schema().nesting[0];
    lists.coarse = {dim, kMaxProbes};
    lists.scan = {dim, kMaxLimit};
  }
  for (const OpqSpec& code : index.codes) {
    Plan& codes = plans.emplace_back(plans[0]);
    codes.scan.dim = code.dim;
    codes.code = code;
  }
  if (index.graph.has_value()) {
    plans.emplace_back().graph = {.dim = index.graph->dim, .ef = kMaxEf};
  }
  for (Plan& plan : plans) {
    plan.rescore = true;
    request.how = plan;
    SearchReply planned;
    const absl::Status also = view->Search(request, nullptr, &planned);
    ASSERT_TRUE(also.ok()) << also;
    ASSERT_EQ(planned.hits.size(), reply.hits.size()) << FormatPlan(plan);
    for (size_t i = 0; i < reply.hits.size(); ++i) {
      ASSERT_EQ(planned.hits[i].id, reply.hits[i].id) << FormatPlan(plan) << " hit " << i;
      ASSERT_EQ(planned.hits[i].score, reply.hits[i].score) << i;
      ASSERT_EQ(planned.hits[i].attributes, reply.hits[i].attributes) << i;
    }
  }
}

}  // namespace nestor
