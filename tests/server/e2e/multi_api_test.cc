// A MULTI collection through generated stubs: what goes in by every way comes out, is found by
// MaxSim, and is refused where it is of the other kind.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "nestor/v1/multi.grpc.pb.h"
#include "tests/server/e2e/api_fixture.h"

namespace nestor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint64_t kPoints = 60;

uint32_t TokensOf(uint64_t id) { return 1 + static_cast<uint32_t>(id % 5); }

// Tokens of a point, one after another.
std::vector<float> MatrixOf(uint64_t id) {
  std::vector<float> values;
  for (uint32_t t = 0; t < TokensOf(id); ++t) {
    const std::vector<float> token = VectorOf(id * 10 + t, kDim);
    values.insert(values.end(), token.begin(), token.end());
  }
  return values;
}

v1::MultiVector Message(const std::vector<float>& values) {
  v1::MultiVector multi;
  multi.set_count(static_cast<uint32_t>(values.size() / kDim));
  multi.mutable_tokens()->set_dtype(v1::DTYPE_F32);
  multi.mutable_tokens()->set_data(Bytes(values));
  return multi;
}

// The best of a point's tokens for each of the query's, and their sum with the weights.
struct Expected {
  double score = 0;
  std::vector<uint32_t> tokens;
};
Expected MaxSim(const std::vector<float>& query, const std::vector<float>& document,
                const std::vector<float>& weights) {
  Expected expected;
  for (size_t q = 0; q < query.size() / kDim; ++q) {
    double best = -1e30;
    uint32_t token = 0;
    for (uint32_t t = 0; t < document.size() / kDim; ++t) {
      double product = 0;
      for (uint32_t d = 0; d < kDim; ++d)
        product += double{query[q * kDim + d]} * document[t * kDim + d];
      if (product > best) {
        best = product;
        token = t;
      }
    }
    expected.score += weights[q] * best;
    expected.tokens.push_back(token);
  }
  return expected;
}

class MultiApiTest : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    v1::CreateCollectionRequest create = MakeCollection("m", kDim);
    create.mutable_spec()->set_metric(v1::METRIC_DOT);
    create.mutable_spec()->set_kind(v1::VECTOR_KIND_MULTI);
    create.mutable_spec()->mutable_muvera()->set_repetitions(8);
    create.mutable_spec()->mutable_muvera()->set_k_sim(2);
    create.mutable_spec()->mutable_muvera()->set_max_tokens(6);
    made_ = Create(create);
  }

  // Half of the points by each way.
  void Fill() {
    v1::UpsertPointsRequest upsert;
    upsert.set_collection("m");
    for (uint64_t id = 0; id < kPoints / 2; ++id) {
      v1::Point* point = upsert.add_points();
      point->mutable_id()->set_num(id);
      *point->mutable_vector()->mutable_multi() = Message(MatrixOf(id));
    }
    v1::UpsertPointsResponse wrote;
    ASSERT_THAT(
        CallStub(stubs().points.get(), &v1::PointService::Stub::UpsertPoints, upsert, &wrote),
        IsOk());
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    const auto stream = stubs().points->StreamUpsert(&context);
    v1::StreamUpsertRequest batch;
    batch.set_batch(1);
    batch.set_collection("m");
    batch.mutable_vectors()->set_dtype(v1::DTYPE_F32);
    for (uint64_t id = kPoints / 2; id < kPoints; ++id) {
      batch.mutable_ids()->add_nums(id);
      batch.add_counts(TokensOf(id));
      batch.mutable_vectors()->mutable_data()->append(Bytes(MatrixOf(id)));
    }
    // A row of too many tokens, which concerns no other.
    batch.mutable_ids()->add_nums(1000);
    batch.add_counts(7);
    batch.mutable_vectors()->mutable_data()->append(Bytes(std::vector<float>(7 * kDim, 1)));
    ASSERT_TRUE(stream->Write(batch));
    v1::StreamUpsertResponse reply;
    ASSERT_TRUE(stream->Read(&reply));
    EXPECT_EQ(reply.ack().count(), kPoints / 2);
    ASSERT_EQ(reply.ack().errors_size(), 1);
    EXPECT_EQ(reply.ack().errors(0).row(), kPoints / 2);
    EXPECT_THAT(reply.ack().errors(0).status().message(), HasSubstr("max_tokens, 6"));
    stream->WritesDone();
    EXPECT_THAT(stream->Finish(), IsOk());
  }

  v1::SearchRequest TokenSearch(const std::vector<float>& query, uint32_t limit) {
    v1::SearchRequest request;
    request.set_collection("m");
    *request.mutable_vector()->mutable_multi() = Message(query);
    request.set_limit(limit);
    return request;
  }
  grpc::Status TrySearch(const v1::SearchRequest& request) {
    v1::SearchResponse reply;
    return CallStub(stubs().searches.get(), &v1::SearchService::Stub::Search, request, &reply);
  }
  // Hits, scores and matches of brute force.
  void ExpectExact(const v1::SearchResponse& reply, const std::vector<float>& query,
                   const std::vector<float>& weights) {
    std::vector<std::pair<double, uint64_t>> all;
    for (uint64_t id = 0; id < kPoints; ++id) {
      all.emplace_back(-MaxSim(query, MatrixOf(id), weights).score, id);
    }
    std::sort(all.begin(), all.end());
    for (int i = 0; i < reply.hits_size(); ++i) {
      const v1::Hit& hit = reply.hits(i);
      EXPECT_EQ(hit.id().num(), all[i].second) << i;
      EXPECT_NEAR(hit.score(), -all[i].first, 1e-4 * std::abs(all[i].first));
    }
  }

  v1::Collection made_;
};

TEST_F(MultiApiTest, TheCollectionShowsWhatIsUsed) {
  const v1::CollectionSpec& spec = made_.spec();
  EXPECT_EQ(spec.kind(), v1::VECTOR_KIND_MULTI);
  EXPECT_EQ(spec.dim(), kDim);
  EXPECT_EQ(spec.muvera().d_proj(), 8u);
  EXPECT_EQ(spec.muvera().fde_dim(), 8u * 4 * 8);
  EXPECT_THAT(spec.muvera().prefixes(), ElementsAre(1, 2, 4, 8));
  EXPECT_THAT(spec.muvera().fde_nesting(), ElementsAre(32, 64, 128, 256));
  EXPECT_EQ(spec.index().exact_vectors(), v1::EXACT_VECTORS_STORE);
}

TEST_F(MultiApiTest, PointsComeBackAsSent) {
  Fill();
  v1::GetPointsRequest get;
  get.set_collection("m");
  for (const uint64_t id : {3, 44, 999}) get.add_ids()->set_num(id);
  get.mutable_output()->set_vectors(true);
  v1::GetPointsResponse got;
  ASSERT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::GetPoints, get, &got),
              IsOk());
  ASSERT_EQ(got.points_size(), 2);
  EXPECT_EQ(got.missing_size(), 1);
  for (const v1::Point& point : got.points()) {
    EXPECT_EQ(point.vector().multi().SerializeAsString(),
              Message(MatrixOf(point.id().num())).SerializeAsString());
  }
  v1::ListPointsRequest list;
  list.set_collection("m");
  list.mutable_output()->set_vectors(true);
  v1::ListPointsResponse page;
  ASSERT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::ListPoints, list, &page),
              IsOk());
  ASSERT_EQ(page.points_size(), static_cast<int>(kPoints));
  EXPECT_EQ(page.points(7).vector().multi().count(), TokensOf(7));
}

TEST_F(MultiApiTest, SearchesScoreByMaxSim) {
  Fill();
  std::vector<float> query = MatrixOf(1000);
  const std::vector<float> more = MatrixOf(1001);
  query.insert(query.end(), more.begin(), more.end());
  std::vector<float> weights(query.size() / kDim, 1);
  v1::SearchRequest request = TokenSearch(query, 10);
  request.mutable_exact();
  request.set_matches(true);
  request.mutable_output()->set_vectors(true);
  v1::SearchResponse reply = Search(request);
  ASSERT_EQ(reply.hits_size(), 10);
  EXPECT_EQ(reply.score_dim(), kDim);
  ExpectExact(reply, query, weights);
  for (const v1::Hit& hit : reply.hits()) {
    const std::vector<float> document = MatrixOf(hit.id().num());
    EXPECT_EQ(hit.vector().multi().tokens().data(), Bytes(document));
    const Expected expected = MaxSim(query, document, weights);
    ASSERT_EQ(hit.matches().tokens_size(), static_cast<int>(weights.size()));
    ASSERT_EQ(hit.matches().scores_size(), static_cast<int>(weights.size()));
    EXPECT_THAT(hit.matches().tokens(), testing::ElementsAreArray(expected.tokens));
  }

  // Weights, and the mean.
  for (size_t i = 0; i < weights.size(); ++i) {
    request.add_token_weights(weights[i] = 0.5f * static_cast<float>(i % 3));
  }
  reply = Search(request);
  ExpectExact(reply, query, weights);
  const float sum = reply.hits(0).score();
  request.set_token_score(v1::TOKEN_SCORE_MEAN);
  EXPECT_NEAR(Search(request).hits(0).score(), sum / static_cast<float>(weights.size()),
              1e-5 * std::abs(sum));

  // A plan that keeps all is as good.
  request.clear_token_weights();
  request.clear_token_score();
  v1::Plan* plan = request.mutable_plan();
  plan->mutable_lists()->mutable_coarse()->set_dim(64);
  plan->mutable_lists()->mutable_coarse()->set_probes(1);
  plan->mutable_lists()->mutable_scan()->set_dim(256);
  plan->mutable_lists()->mutable_scan()->set_keep(100);
  v1::MaxSimStage* maxsim = plan->add_maxsim();
  maxsim->set_dim(kDim);
  maxsim->set_keep(100);
  plan->set_rescore(true);
  reply = Search(request);
  ExpectExact(reply, query, std::vector<float>(weights.size(), 1));
  std::vector<std::string> stages;
  for (const v1::Stage& stage : reply.stages()) stages.push_back(stage.name());
  EXPECT_THAT(stages, ElementsAre("scan", "maxsim", "rescore")) << "there is one list";
  EXPECT_EQ(reply.plan_used().maxsim(0).dim(), kDim);

  // By a point, which is left out; and with no plan named.
  v1::SearchRequest by_id;
  by_id.set_collection("m");
  by_id.mutable_id()->set_num(5);
  by_id.set_limit(5);
  by_id.set_matches(true);
  reply = Search(by_id);
  ASSERT_EQ(reply.hits_size(), 5);
  EXPECT_NE(reply.hits(0).id().num(), 5u);
  EXPECT_EQ(reply.hits(0).matches().tokens_size(), static_cast<int>(TokensOf(5)));
}

TEST_F(MultiApiTest, ABatchIsItsQueriesOneByOne) {
  Fill();
  v1::BatchSearchRequest batch;
  batch.set_collection("m");
  batch.set_limit(4);
  batch.mutable_exact();
  batch.mutable_queries()->set_dtype(v1::DTYPE_F32);
  for (uint64_t id = 100; id < 140; ++id) {
    batch.add_counts(TokensOf(id));
    batch.mutable_queries()->mutable_data()->append(Bytes(MatrixOf(id)));
  }
  v1::BatchSearchResponse reply;
  ASSERT_THAT(
      CallStub(stubs().searches.get(), &v1::SearchService::Stub::BatchSearch, batch, &reply),
      IsOk());
  ASSERT_EQ(reply.counts_size(), 40);
  for (int i = 0; i < reply.counts_size(); ++i) {
    v1::SearchRequest one = TokenSearch(MatrixOf(100 + i), 4);
    one.mutable_exact();
    const v1::SearchResponse alone = Search(one);
    for (int h = 0; h < 4; ++h) {
      EXPECT_EQ(reply.ids().nums(4 * i + h), alone.hits(h).id().num());
      EXPECT_EQ(reply.scores(4 * i + h), alone.hits(h).score());
    }
  }
  batch.mutable_counts()->RemoveLast();
  grpc::Status status =
      CallStub(stubs().searches.get(), &v1::SearchService::Stub::BatchSearch, batch, &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("queries.data: has "));
}

TEST_F(MultiApiTest, TheOtherKindIsRefused) {
  Fill();
  Upsert(0, 3);
  v1::UpsertPointsRequest upsert = MakeUpsert("m", 0, 1, kDim);
  v1::UpsertPointsResponse wrote;
  grpc::Status status =
      CallStub(stubs().points.get(), &v1::PointService::Stub::UpsertPoints, upsert, &wrote);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("points[0].vector: multi must be set"));
  upsert.set_collection("c");
  *upsert.mutable_points(0)->mutable_vector()->mutable_multi() = Message(MatrixOf(1));
  status = CallStub(stubs().points.get(), &v1::PointService::Stub::UpsertPoints, upsert, &wrote);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("points[0].vector.multi: floats or packed"));

  v1::SearchRequest search = TokenSearch(MatrixOf(1), 3);
  search.set_collection("c");
  EXPECT_THAT(TrySearch(search).error_message(), HasSubstr("vector.multi: floats or packed"));
  EXPECT_THAT(TrySearch(MakeSearch("m", VectorOf(1, kDim), 3)).error_message(),
              HasSubstr("vector: multi must be set"));
  std::vector<float> broken = MatrixOf(4);
  broken[20] = std::nanf("");
  EXPECT_EQ(TrySearch(TokenSearch(broken, 3)).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(TrySearch(TokenSearch(std::vector<float>(7 * kDim, 1), 3)).error_message(),
              HasSubstr("holds 7 tokens, not in 1..max_tokens, 6"));
}

TEST_F(MultiApiTest, ABuildEncodesAnew) {
  Fill();
  const std::vector<float> query = MatrixOf(1000);
  v1::SearchRequest exact = TokenSearch(query, 10);
  exact.mutable_exact();
  const v1::SearchResponse before = Search(exact);

  v1::BuildIndexRequest build;
  build.set_collection("m");
  build.mutable_muvera()->set_repetitions(6);
  build.mutable_muvera()->set_k_sim(1);
  build.mutable_muvera()->set_d_proj(16);
  build.mutable_muvera()->set_seed(5);
  build.mutable_spec()->mutable_graph()->set_dim(64);
  const v1::Operation ended = Build(build);
  ASSERT_EQ(ended.state(), v1::Operation::STATE_SUCCEEDED) << ended.error().message();

  v1::GetCollectionRequest get;
  get.set_name("m");
  v1::Collection now;
  ASSERT_THAT(
      CallStub(stubs().collections.get(), &v1::CollectionService::Stub::GetCollection, get, &now),
      IsOk());
  EXPECT_EQ(now.spec().muvera().repetitions(), 6u);
  EXPECT_EQ(now.spec().muvera().seed(), 5u);
  EXPECT_EQ(now.spec().muvera().max_tokens(), 6u);
  EXPECT_THAT(now.spec().muvera().fde_nesting(), ElementsAre(32, 64, 96, 192));
  EXPECT_EQ(now.spec().index().graph().dim(), 64u);
  EXPECT_EQ(now.spec().index().exact_vectors(), v1::EXACT_VECTORS_STORE);

  const v1::SearchResponse after = Search(exact);
  ASSERT_EQ(after.hits_size(), before.hits_size());
  for (int i = 0; i < after.hits_size(); ++i) {
    EXPECT_EQ(after.hits(i).id().num(), before.hits(i).id().num());
    EXPECT_EQ(after.hits(i).score(), before.hits(i).score());
  }
  // Plans, and encodings, are of the new dims.
  v1::SearchRequest planned = TokenSearch(query, 10);
  v1::Graph* graph = planned.mutable_plan()->mutable_graph();
  graph->set_dim(64);
  graph->set_ef(100);
  planned.mutable_plan()->add_refine()->set_dim(192);
  planned.mutable_plan()->mutable_refine(0)->set_keep(100);
  planned.mutable_plan()->set_rescore(true);
  ExpectExact(Search(planned), query, std::vector<float>(query.size() / kDim, 1));
  planned.mutable_plan()->mutable_refine(0)->set_dim(256);
  EXPECT_THAT(TrySearch(planned).error_message(), HasSubstr("256"));
  const auto service = v1::MultiVectorService::NewStub(stubs().channel);
  v1::EncodeFDERequest encode;
  encode.set_collection("m");
  *encode.mutable_tokens() = Message(query);
  encode.set_side(v1::FDE_SIDE_QUERY);
  v1::EncodeFDEResponse fde;
  ASSERT_THAT(CallStub(service.get(), &v1::MultiVectorService::Stub::EncodeFDE, encode, &fde),
              IsOk());
  EXPECT_EQ(fde.fde().data().size(), 192 * sizeof(float));
  EXPECT_THAT(fde.nesting(), ElementsAre(32, 64, 96, 192));
}

TEST_F(MultiApiTest, EncodingsThatCannotBe) {
  v1::BuildIndexRequest build;
  build.set_collection("m");
  const auto expect = [&](grpc::StatusCode code, const char* text) {
    v1::Operation operation;
    const grpc::Status status =
        CallStub(stubs().indexes.get(), &v1::IndexService::Stub::BuildIndex, build, &operation);
    EXPECT_EQ(status.error_code(), code);
    EXPECT_THAT(status.error_message(), HasSubstr(text));
  };
  build.mutable_muvera()->set_d_proj(17);
  expect(grpc::StatusCode::INVALID_ARGUMENT, "muvera: d_proj must be 1..16");
  build.mutable_muvera()->set_d_proj(4);
  build.mutable_muvera()->set_max_tokens(7);
  expect(grpc::StatusCode::INVALID_ARGUMENT, "muvera.max_tokens: cannot change from 6 to 7");
  build.mutable_muvera()->clear_max_tokens();
  build.mutable_spec()->set_coarse_dim(17);
  expect(grpc::StatusCode::INVALID_ARGUMENT, "spec: coarse_dim 17");
  build.set_collection("c");
  expect(grpc::StatusCode::INVALID_ARGUMENT, "muvera: is of MULTI collections; \"c\" is SINGLE");
  build.set_collection("gone");
  expect(grpc::StatusCode::NOT_FOUND, "gone");

  // What was declared for the present encodings is not dropped unasked.
  build.set_collection("m");
  build.clear_muvera();
  build.mutable_spec()->set_coarse_dim(64);
  EXPECT_EQ(Build(build).state(), v1::Operation::STATE_SUCCEEDED);
  build.clear_spec();
  build.mutable_muvera()->set_k_sim(3);
  build.mutable_muvera()->set_repetitions(4);
  build.mutable_muvera()->set_d_proj(3);
  expect(grpc::StatusCode::FAILED_PRECONDITION,
         "the collection's index spec does not fit the new encodings: coarse_dim 64");
  build.mutable_spec();
  EXPECT_EQ(Build(build).state(), v1::Operation::STATE_SUCCEEDED);
}

TEST_F(MultiApiTest, EncodingsAreThoseOfTheCollection) {
  const auto service = v1::MultiVectorService::NewStub(stubs().channel);
  v1::EncodeFDERequest request;
  request.set_collection("m");
  *request.mutable_tokens() = Message(MatrixOf(3));
  request.set_side(v1::FDE_SIDE_DOCUMENT);
  v1::EncodeFDEResponse whole;
  ASSERT_THAT(CallStub(service.get(), &v1::MultiVectorService::Stub::EncodeFDE, request, &whole),
              IsOk());
  EXPECT_EQ(whole.fde().data().size(), 256 * sizeof(float));
  EXPECT_THAT(whole.nesting(), ElementsAre(32, 64, 128, 256));
  request.set_repetitions(2);
  v1::EncodeFDEResponse part;
  ASSERT_THAT(CallStub(service.get(), &v1::MultiVectorService::Stub::EncodeFDE, request, &part),
              IsOk());
  EXPECT_THAT(part.nesting(), ElementsAre(32, 64));
  EXPECT_EQ(part.fde().data(), whole.fde().data().substr(0, 64 * sizeof(float)));

  // The score of a plan that ends with FDEs is the product of the two.
  Fill();
  request.set_repetitions(0);
  request.set_side(v1::FDE_SIDE_QUERY);
  *request.mutable_tokens() = Message(MatrixOf(500));
  v1::EncodeFDEResponse query;
  ASSERT_THAT(CallStub(service.get(), &v1::MultiVectorService::Stub::EncodeFDE, request, &query),
              IsOk());
  v1::SearchRequest search = TokenSearch(MatrixOf(500), kPoints);
  v1::Lists* lists = search.mutable_plan()->mutable_lists();
  lists->mutable_coarse()->set_dim(256);
  lists->mutable_coarse()->set_probes(1);
  lists->mutable_scan()->set_dim(256);
  lists->mutable_scan()->set_keep(100);
  const v1::SearchResponse found = Search(search);
  EXPECT_EQ(found.score_dim(), 256u);
  bool seen = false;
  for (const v1::Hit& hit : found.hits()) {
    if (hit.id().num() != 3) continue;
    seen = true;
    std::vector<float> a(256), b(256);
    std::memcpy(a.data(), query.fde().data().data(), 1024);
    std::memcpy(b.data(), whole.fde().data().data(), 1024);
    double product = 0, lengths = 0, other = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      product += double{a[i]} * b[i];
      lengths += double{a[i]} * a[i];
      other += double{b[i]} * b[i];
    }
    EXPECT_NEAR(hit.score(), product, 0.02 * std::sqrt(lengths * other)) << "of int8 shells";
  }
  EXPECT_TRUE(seen);

  request.set_collection("c");
  grpc::Status status =
      CallStub(service.get(), &v1::MultiVectorService::Stub::EncodeFDE, request, &query);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_collection("gone");
  status = CallStub(service.get(), &v1::MultiVectorService::Stub::EncodeFDE, request, &query);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);

  v1::EstimateFDERequest estimate;
  estimate.set_dim(kDim);
  *estimate.mutable_muvera() = made_.spec().muvera();
  v1::EstimateFDEResponse estimated;
  ASSERT_THAT(
      CallStub(service.get(), &v1::MultiVectorService::Stub::EstimateFDE, estimate, &estimated),
      IsOk());
  EXPECT_EQ(estimated.muvera().SerializeAsString(), made_.spec().muvera().SerializeAsString());
  EXPECT_EQ(estimated.bytes().f32(), 1024u);
}

}  // namespace
}  // namespace nestor
