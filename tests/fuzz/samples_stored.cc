// What the store holds: records, models, codes, blocks of graphs, tokens.
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/codes/faiss_format.h"
#include "index/codes/stored.h"
#include "index/graph/stored_graph.h"
#include "index/multi/stored_fde.h"
#include "index/stored_code.h"
#include "server/storage/keys.h"
#include "server/storage/records.h"
#include "tests/fuzz/sample_kinds.h"
namespace nestor {
namespace {

CollectionRecord Collection() {
  CollectionRecord record;
  record.spec.name = "words";
  record.spec.schema = {
      .dim = 768, .nesting = {64, 256, 768}, .metric = Metric::kDot, .dtype = Dtype::kF16};
  record.spec.id_kind = IdKind::kStr;
  record.spec.durability = Durability::kAsync;
  record.spec.index.shells = {256, 768};
  record.spec.index.graph = GraphSpec{384, 28, 120};
  record.spec.index.codes = {{256, 32, 4}, {64, 8, 8}};
  record.spec.attributes = {{"lang", AttributeType::kString}, {"year", AttributeType::kInt64}};
  record.created_micros = 1'795'000'000'000'000;
  return record;
}

CollectionRecord TokenCollection() {
  CollectionRecord record = Collection();
  MultiSpec& multi = record.spec.multi.emplace();
  multi.tokens = {.token = {128, {32, 128}, Metric::kDot, Dtype::kF16}, .max_tokens = 300};
  multi.fde = {.dim = 128, .repetitions = 20, .sketch_repetitions = 4, .sketch_dim = 256};
  return record;
}

Attributes SomeAttributes() {
  return {{"b", true},
          {"d", -0.5},
          {"i", int64_t{-300}},
          {"l", std::vector<std::string>{"one", ""}},
          {"s", std::string("text")},
          {"t", Timestamp{-1}}};
}

std::string Point(const PointId& id) {
  return EncodePointHeader(900, id, EncodeAttributes(SomeAttributes()), 8) + "vectorxx";
}

// Head and blocks as FuzzStoredGraph takes them.
std::string Graph() {
  const StoredGraph::Head head = {.spec = {64, 4, 40}, .largest_norm = 2.5};
  std::string bytes = Choose(0) + SerializeHead(head);
  for (uint8_t number : {0, 1}) {
    std::string block;
    for (uint64_t i = 0; i < 3; ++i) {
      AppendNode(i == 2 ? StoredGraph::kNoRow : number * 64 + i,
                 std::vector<uint32_t>{uint32_t(1 - i % 2), 64}, head.spec.degree, &block);
    }
    bytes += std::string{static_cast<char>(number), static_cast<char>(block.size() >> 8),
                         static_cast<char>(block.size())} +
             block;
  }
  return bytes;
}

// Nodes in a ring, as FuzzAdoptedGraph takes them.
std::string Ring(int metric, int rows) {
  std::string bytes = Choose(metric) + Choose(rows - 1);
  for (int i = 0; i < rows; ++i) {
    bytes += Choose(i) + Choose((i + 1) % rows) + Choose((i + rows - 1) % rows) + "\xff\xff";
  }
  return bytes;
}

void AddCodes(Samples* all) {
  // A rotation by a right angle in the first two of four dims.
  const std::vector<float> rotation = {0, -1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
  std::vector<float> centroids;
  for (int i = 0; i < 4 * 16; ++i) centroids.push_back(static_cast<float>(i % 7) - 2.5f);
  const auto quantizer = OpqQuantizer::Make({4, 1, 4}, rotation, centroids);
  (*all)["code/stored"] = Choose(0) + SerializeOpq(**quantizer);
  (*all)["code/faiss"] = Choose(1) + FormatFaissOpq(**quantizer, Metric::kL2);
  const Code code(Metric::kL2, *quantizer, {1, 2, 3, 4, -1, -2, -3, -4});
  (*all)["code/of_two_lists"] = Choose(3) + SerializeCode(code);
  const Code imported(Metric::kL2, *quantizer, {}, CodeOrigin::kGivenForRows);
  (*all)["code/imported"] = Choose(3) + SerializeCode(imported);
  (*all)["code/name"] = Choose(2) + "opq256x32b4";
}

void AddFdes(Samples* all) {
  // Matrices of our own: what is drawn may differ between libraries.
  const auto matrices = [](const FdeSpec& spec) {
    const FdeMatrixSizes sizes(spec);
    FdeMatrices m;
    for (size_t i = 0; i < sizes.hyperplanes; ++i) {
      m.hyperplanes.push_back(static_cast<float>(i * 5 % 7) - 3);
    }
    for (size_t i = 0; i < sizes.projections; ++i) {
      m.projections.push_back(i * 5 % 3 == 0 ? 0.5f : -0.5f);
    }
    for (size_t i = 0; i < sizes.sketch; ++i) {
      m.sketch.push_back(static_cast<uint32_t>(i * 7 % (2 * spec.sketch_dim)));
    }
    return m;
  };
  const FdeSpec plain = {.dim = 3, .repetitions = 2, .k_sim = 2, .d_proj = 2};
  FdeSpec sketched = plain;
  sketched.fill_empty = true;
  sketched.sketch_repetitions = 1;
  sketched.sketch_dim = 3;
  FdeSpec identity = {.dim = 3, .k_sim = 1, .projection = FdeProjection::kIdentity, .d_proj = 3};
  identity.repetitions = 1;
  (*all)["fde/plain"] = Choose(0) + SerializeFde(**FdeModel::Make(plain, matrices(plain)));
  for (const auto& [name, spec] :
       {std::pair("plain", plain), {"sketched", sketched}, {"identity", identity}}) {
    const std::string bytes = SerializeFde(**FdeModel::Make(spec, matrices(spec)));
    (*all)[absl::StrCat("fde/", name, "_without_checksum")] =
        Choose(1) + bytes.substr(0, bytes.size() - sizeof(uint64_t));
  }
}

void AddTokens(Samples* all) {
  // As FuzzTokens chooses: wire + 4 * stored + 16 for COSINE + 32 from the store, dtypes from 0.
  const std::vector<float> floats = {1, -2, 0, 0.5f, 7, 3, -1, 0, 0};
  (*all)["tokens/f32"] = Choose(0) + RawBytes(floats);
  (*all)["tokens/f32_to_f16_cosine"] = Choose(0 + 4 * 1 + 16) + RawBytes(floats);
  (*all)["tokens/f16_to_i8"] = Choose(1 + 4 * 3) + RawBytes<uint16_t>({0x3c00, 0xc000, 0x4200});
  (*all)["tokens/bf16_to_f32"] = Choose(2) + RawBytes<uint16_t>({0x3f80, 0x4000, 0x4040});
  (*all)["tokens/i8"] = Choose(3 + 4 * 3) + RawBytes<int8_t>({-128, 127, 0, 1, 2, 3});
  (*all)["tokens/stored_bf16_cosine"] =
      Choose(4 * 2 + 16 + 32) + RawBytes<uint16_t>({0x3f80, 0x4000, 0x4040});
}

void AddStored(Samples* all) {
  const OperationRecord operation = {.kind = "build_index",
                                     .collection = "words",
                                     .collection_uid = 3,
                                     .state = 4,
                                     .created_micros = 5,
                                     .started_micros = 6,
                                     .ended_micros = 7,
                                     .error_code = 13,
                                     .error_message = "why"};
  const GenerationRecord generation = {
      .generation = 2, .spec = Collection().spec.index, .rows_at_build = 1000, .built_micros = 9};
  (*all)["records/format"] = Choose(0) + EncodeFormatVersion(kFormatVersion);
  (*all)["records/next_uid"] = Choose(1) + EncodeNextUid(300);
  CollectionRecord collection = Collection();
  // As formats 3 to 5 wrote them: another tag, nothing behind `created`.
  const std::string unlimited = EncodeCollection(collection);
  (*all)["records/collection_of_format_5"] =
      Choose(2) + "\x03" + unlimited.substr(1, unlimited.size() - 3);
  collection.spec.memory_limit_bytes = uint64_t{300} << 20;
  (*all)["records/collection"] = Choose(2) + EncodeCollection(collection);
  (*all)["records/token_collection"] = Choose(2) + EncodeCollection(TokenCollection());
  (*all)["records/state"] = Choose(3) + EncodeState({.seq = 1ull << 40, .next_row = 77});
  (*all)["records/generation"] = Choose(4) + EncodeGeneration(generation);
  GenerationRecord own_lists = generation;
  own_lists.spec.graph.reset();
  own_lists.spec.lists = 12;
  own_lists.spec.list_attribute = "year";
  own_lists.spec.centroids = CentroidOrigin::kImported;
  (*all)["records/generation_of_own_lists"] = Choose(4) + EncodeGeneration(own_lists);
  (*all)["records/row"] = Choose(5) + EncodeRow(~uint64_t{0});
  (*all)["records/attributes"] = Choose(6) + EncodeAttributes(SomeAttributes());
  (*all)["records/point_num"] = Choose(7) + Point(PointId(uint64_t{12345}));
  (*all)["records/point_str"] = Choose(7) + Point(PointId(std::string("a/b")));
  (*all)["records/operation"] = Choose(8) + EncodeOperation(operation);
  (*all)["records/meta_key"] = Choose(9) + CollectionKey(3);
  (*all)["records/operation_key"] = Choose(10) + OperationKey(17);
  (*all)["records/point_key"] = Choose(11) + PointKey(3, 99);
  (*all)["records/block_key"] = Choose(12) + GraphBlockKey(3, 2, 5);
  (*all)["records/posting_key"] = Choose(13) + PostingKey(3, 2, 8, 99);
  (*all)["records/code_key"] = Choose(14) + CodeKey(3, 2, {256, 32, 4});
  (*all)["stored_graph/two_blocks"] = Graph();
  (*all)["adopted_graph/built"] = Choose(0x82) + Choose(63);
  (*all)["adopted_graph/built_and_changed"] = Choose(0x80) + Choose(20) + "\x05\x11\x09\xff";
  (*all)["adopted_graph/cosine"] = Ring(0, 4);
  (*all)["adopted_graph/dot"] = Ring(1, 30);
  (*all)["adopted_graph/l2"] = Ring(2, 64);
  (*all)["plan/lists"] = "coarse=64:32,scan=128:100,refine=256:30,rescore";
  (*all)["plan/graph"] = "graph=384:200:0.18,refine=768:15,rescore";
  (*all)["plan/short"] = "graph=64:40";
}

}  // namespace

void AddStoredSamples(Samples* all) {
  AddStored(all);
  AddCodes(all);
  AddFdes(all);
  AddTokens(all);
}

}  // namespace nestor
