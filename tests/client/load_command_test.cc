// nestor load: what it sends, prints and returns.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/commands_testutil.h"

namespace nestor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(CommandsTest, LoadStreamsTheFileAndBuilds) {
  const std::string file = files_.WriteBin("v.fbin", 3, 2, std::vector<float>{1, 2, 3, 4, 5, 6});
  const std::string attributes = files_.Write("a.jsonl", "{\"year\":1}\n{}\n{\"year\":3}\n");
  const Result result = Run({"load", "c", file, "--attributes", attributes, "--lists", "5"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("loaded 3 rows (24 B) into c in "));
  EXPECT_THAT(result.out, HasSubstr("built c in "));
  EXPECT_THAT(result.out, HasSubstr("3 rows, 1 list, coarse dim 2, shells 2 (int8), generation 1"));
  EXPECT_THAT(result.err, HasSubstr("100%  3/3 rows, "));
  ASSERT_EQ(server_.batches().size(), 1u);
  EXPECT_THAT(server_.batches()[0].ids().nums(), ElementsAre(0, 1, 2));
  ASSERT_EQ(server_.builds().size(), 1u);
  EXPECT_EQ(server_.builds()[0].spec().lists(), 5u);
  EXPECT_EQ(server_.builds()[0].spec().coarse_dim(), 2u);  // the collection's
}

TEST_F(CommandsTest, LoadWithoutBuild) {
  const std::string file = files_.WriteBin("v.fbin", 1, 2, std::vector<float>{1, 2});
  const Result result = Run({"load", "c", file, "--no-build"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(server_.builds().empty());
}

TEST_F(CommandsTest, LoadNamesRowsThatFailed) {
  server_.serve_stream = [](int, FakeServer::UpsertStream* stream) {
    v1::StreamUpsertRequest batch;
    while (stream->Read(&batch)) {
      v1::StreamUpsertResponse response;
      response.set_batch(batch.batch());
      response.mutable_ack()->set_count(static_cast<uint32_t>(batch.ids().nums_size()) - 1);
      auto* error = response.mutable_ack()->add_errors();
      error->set_row(1);
      error->mutable_status()->set_code(grpc::StatusCode::INVALID_ARGUMENT);
      error->mutable_status()->set_message("coordinate 0 is NaN");
      stream->Write(response);
    }
    return grpc::Status::OK;
  };
  const std::string file = files_.WriteBin("v.fbin", 3, 2, std::vector<float>{1, 2, 3, 4, 5, 6});
  const Result result = Run({"load", "c", file});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("row 1: INVALID_ARGUMENT: coordinate 0 is NaN\n"));
  EXPECT_THAT(result.err, HasSubstr("1 of 3 rows failed; nothing is built"));
  EXPECT_THAT(result.out, HasSubstr("loaded 2 rows"));
  EXPECT_TRUE(server_.builds().empty());
}

TEST_F(CommandsTest, LoadAccountsForRowsBeforeABadLine) {
  const std::string file =
      files_.Write("p.jsonl", "{\"vector\": [1, 2]}\n{\"vector\": [1, 2]}\n{\"vector\": 3}\n");
  const Result result = Run({"load", "c", file});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("p.jsonl"));
  EXPECT_THAT(result.err, HasSubstr("rows before it were written"));
  EXPECT_TRUE(server_.builds().empty());
}

}  // namespace
}  // namespace nestor
