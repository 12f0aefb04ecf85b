#include "server/rpc/convert_code.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "index/codes/faiss_format.h"
#include "tests/server/rpc/matchers.h"

namespace nestor {
namespace {

using testing::HasSubstr;

constexpr OpqSpec kSpec{.dim = 8, .bytes = 2, .bits = 4};

// Without a rotation; the centroids are as good as any.
std::shared_ptr<const OpqQuantizer> Quantizer(const OpqSpec& spec) {
  std::vector<float> rotation(size_t{spec.dim} * spec.dim);
  for (size_t i = 0; i < spec.dim; ++i) rotation[i * spec.dim + i] = 1;
  const std::vector<float> centroids(size_t{spec.dim} * spec.centroids(), 0.5f);
  return *OpqQuantizer::Make(spec, rotation, centroids);
}

v1::ImportCodeRequest Good() {
  v1::ImportCodeRequest request;
  request.set_collection("c");
  request.mutable_code()->set_dim(kSpec.dim);
  request.mutable_code()->set_bytes(kSpec.bytes);
  request.mutable_code()->set_bits(kSpec.bits);
  request.set_input(v1::CODE_INPUT_ROWS);
  request.set_faiss(FormatFaissOpq(*Quantizer(kSpec), Metric::kL2));
  return request;
}

TEST(ConvertCodeTest, CodesSurviveTheRoundTrip) {
  for (const v1::CodeInput input : {v1::CODE_INPUT_ROWS, v1::CODE_INPUT_RESIDUALS}) {
    v1::ImportCodeRequest request = Good();
    request.set_input(input);
    const auto given = ToGivenCode(request);
    ASSERT_THAT(given, IsOk());
    EXPECT_EQ(given->quantizer->spec(), kSpec);
    v1::ExportCodeResponse reply;
    ASSERT_TRUE(FromCode(Code(Metric::kL2, given->quantizer, {}, given->origin), &reply).ok());
    EXPECT_EQ(reply.input(), input);
    EXPECT_EQ(reply.faiss(), request.faiss());
  }
}

// A trained one is of residuals where there are several lists.
TEST(ConvertCodeTest, TrainedCodesSayWhatTheyAreOf) {
  v1::ExportCodeResponse reply;
  ASSERT_TRUE(FromCode(Code(Metric::kDot, Quantizer(kSpec), {}), &reply).ok());
  EXPECT_EQ(reply.input(), v1::CODE_INPUT_ROWS);
  const std::vector<float> means(2 * kSpec.dim, 0.1f);
  ASSERT_TRUE(FromCode(Code(Metric::kDot, Quantizer(kSpec), means), &reply).ok());
  EXPECT_EQ(reply.input(), v1::CODE_INPUT_RESIDUALS);
}

TEST(ConvertCodeTest, RefusesWhatItCannotTake) {
  struct Case {
    std::function<void(v1::ImportCodeRequest*)> spoil;
    const char* message;
  };
  const Case kCases[] = {
      {[](auto* r) { r->clear_code(); }, "code: must be set"},
      {[](auto* r) { r->mutable_code()->set_bits(5); }, "code: "},
      {[](auto* r) { r->clear_input(); }, "input: must be set"},
      {[](auto* r) { r->set_input(static_cast<v1::CodeInput>(3)); }, "input: value 3"},
      {[](auto* r) { r->clear_faiss(); }, "faiss: FAISS file: ends where 4 more bytes"},
      {[](auto* r) { r->mutable_faiss()->pop_back(); }, "faiss: FAISS file: ends where"},
      {[](auto* r) { r->mutable_faiss()->append("x"); }, "goes on behind its end"},
      {[](auto* r) { (*r->mutable_faiss())[0] = 'J'; }, "holds an index of kind 'JxPT'"},
      {[](auto* r) { r->mutable_code()->set_bytes(4); },
       "faiss: holds the code opq8x2b4, not opq8x4b4"},
      {[](auto* r) { r->mutable_code()->set_dim(16); },
       "faiss: holds the code opq8x2b4, not opq16x2b4"},
  };
  for (const Case& c : kCases) {
    v1::ImportCodeRequest request = Good();
    c.spoil(&request);
    EXPECT_THAT(ToGivenCode(request),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.message)));
  }
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
// 4,096 x 4,096 floats are 64 MiB, what a message may have.
TEST(ConvertCodeTest, RefusesAReplyOverTheLimitOfAMessage) {
  v1::ExportCodeResponse reply;
  EXPECT_THAT(FromCode(Code(Metric::kDot, Quantizer({4096, 8, 4}), {}), &reply),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("bytes as a file, the limit of a message is 67108864")));
  EXPECT_TRUE(reply.faiss().empty());
}
#endif

}  // namespace
}  // namespace nestor
