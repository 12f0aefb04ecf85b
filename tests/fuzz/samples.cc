#include "tests/fuzz/samples.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/files/npy_header.h"
#include "index/codes/faiss_format.h"
#include "index/codes/stored.h"
#include "index/graph/stored_graph.h"
#include "index/multi/stored_fde.h"
#include "index/stored_code.h"
#include "nestor/v1/collection.pb.h"
#include "nestor/v1/index.pb.h"
#include "nestor/v1/point.pb.h"
#include "nestor/v1/search.pb.h"
#include "server/storage/keys.h"
#include "server/storage/records.h"

namespace nestor {
namespace {

using Samples = std::map<std::string, std::string>;

template <typename T>
std::string Raw(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// The byte with which an input chooses a variant (targets.h).
std::string Choose(int variant) { return std::string(1, static_cast<char>(variant)); }

// --- Files ---

template <typename T>
std::string Bin(uint32_t rows, uint32_t dim, const std::vector<T>& values) {
  return Raw<uint32_t>({rows, dim}) + Raw(values);
}

template <typename T>
std::string Vecs(uint32_t dim, const std::vector<T>& values) {
  std::string file;
  for (size_t at = 0; at < values.size(); at += dim) {
    const auto begin = values.begin() + static_cast<ptrdiff_t>(at);
    file += Raw<uint32_t>({dim}) + Raw(std::vector<T>(begin, begin + dim));
  }
  return file;
}

template <typename T>
std::string Npy(Element element, uint64_t rows, uint64_t dim, const std::vector<T>& values) {
  return FormatNpyHeader(element, rows, dim) + Raw(values);
}

// With the header that Python's NumPy writes for a list of numbers.
std::string NpyOfOneDimension() {
  std::string dict = "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }";
  dict.resize(117, ' ');
  return std::string("\x93NUMPY\x01\x00", 8) + Raw<uint16_t>({118}) + dict + "\n" +
         Raw<int64_t>({5, 7, 1ll << 40});
}

std::string NpyOfVersion2() {
  const std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}\n";
  return std::string("\x93NUMPY\x02\x00", 8) + Raw<uint32_t>({uint32_t(dict.size())}) + dict +
         Raw<float>({1, 2});
}

void AddFiles(Samples* all) {
  const std::vector<float> floats = {1, -2.5f, 0, 3e8f, 1e-3f, 7};
  const std::vector<int32_t> ints = {0, 5, 2147483647, 9, 1, 3};
  (*all)["vector_file/fbin"] = Choose(0) + Bin(2, 3, floats);
  (*all)["vector_file/f16bin"] = Choose(1) + Bin<uint16_t>(2, 2, {0x3c00, 0xc000, 0x0001, 0x7bff});
  (*all)["vector_file/i8bin"] = Choose(2) + Bin<int8_t>(2, 2, {-128, 127, 0, 1});
  (*all)["vector_file/u8bin"] = Choose(3) + Bin<uint8_t>(1, 4, {0, 255, 7, 9});
  (*all)["vector_file/ibin"] = Choose(4) + Bin(3, 2, ints);
  (*all)["vector_file/u64bin"] = Choose(5) + Bin<uint64_t>(2, 1, {~uint64_t{0}, 12});
  (*all)["vector_file/fvecs"] = Choose(6) + Vecs(3, floats);
  (*all)["vector_file/ivecs"] = Choose(7) + Vecs(2, ints);
  (*all)["vector_file/npy"] = Choose(8) + Npy(Element::kF32, 2, 3, floats);
  (*all)["vector_file/npy_i1"] = Choose(8) + Npy<int8_t>(Element::kI8, 3, 1, {-1, 2, 3});
  (*all)["vector_file/empty"] = Choose(0) + Bin<float>(0, 4, {});
  (*all)["npy_header/two"] = Npy(Element::kF32, 2, 3, floats);
  (*all)["npy_header/one"] = NpyOfOneDimension();
  (*all)["npy_header/version2"] = NpyOfVersion2();
  (*all)["id_file/u64bin"] = Choose(0) + Bin<uint64_t>(3, 1, {1, 1ull << 63, 3});
  (*all)["id_file/ibin"] = Choose(1) + Bin<int32_t>(2, 1, {0, 70000});
  (*all)["id_file/npy"] = Choose(2) + NpyOfOneDimension();
  (*all)["id_file/numbers"] = Choose(3) + "12\n0\r\n18446744073709551615";
  (*all)["id_file/strings"] = Choose(7) + "a\nkey/2\nünï\n";
  (*all)["jsonl/points"] = Choose(0) + R"({"id": 7, "vector": [1, -2.5e3, 0]}
{"id": "a/b", "vector": [0.25], "attributes": {"s": "té\u0000\ud83d\ude00", "i": -9, "d": 1.5}}
{"vector": [1e-9], "attributes": {"b": true, "l": ["x", ""], "t": "2026-11-22T17:00:00.25+01:00"}}
)";
  (*all)["jsonl/attributes"] = Choose(1) + R"({"s": "x", "i": 9223372036854775807, "l": [], "d": 3}
{}
{"b": false, "t": "1969-12-31T23:59:59.999999Z", "s": null})";
}

// --- Stored ---

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
  (*all)["tokens/f32"] = Choose(0) + Raw(floats);
  (*all)["tokens/f32_to_f16_cosine"] = Choose(0 + 4 * 1 + 16) + Raw(floats);
  (*all)["tokens/f16_to_i8"] = Choose(1 + 4 * 3) + Raw<uint16_t>({0x3c00, 0xc000, 0x4200});
  (*all)["tokens/bf16_to_f32"] = Choose(2) + Raw<uint16_t>({0x3f80, 0x4000, 0x4040});
  (*all)["tokens/i8"] = Choose(3 + 4 * 3) + Raw<int8_t>({-128, 127, 0, 1, 2, 3});
  (*all)["tokens/stored_bf16_cosine"] =
      Choose(4 * 2 + 16 + 32) + Raw<uint16_t>({0x3f80, 0x4000, 0x4040});
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

// --- Requests ---

// Maps in the order of their keys: the same bytes everywhere.
std::string Serialize(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&out);
  }
  return bytes;
}

v1::CollectionSpec Spec() {
  v1::CollectionSpec spec;
  spec.set_name("words");
  spec.set_dim(768);
  for (uint32_t dim : {64, 256, 768}) spec.add_nesting(dim);
  spec.set_metric(v1::METRIC_COSINE);
  spec.set_dtype(v1::DTYPE_BF16);
  spec.set_durability(v1::DURABILITY_ASYNC);
  spec.set_id_kind(v1::ID_KIND_STR);
  (*spec.mutable_attributes())["lang"] = v1::ATTRIBUTE_TYPE_STRING;
  (*spec.mutable_attributes())["year"] = v1::ATTRIBUTE_TYPE_INT64;
  v1::IndexSpec* index = spec.mutable_index();
  index->set_lists(100);
  index->add_shells(256);
  index->add_shells(768);
  index->set_shell_codec(v1::SHELL_CODEC_F16);
  index->set_exact_vectors(v1::EXACT_VECTORS_STORE);
  index->mutable_graph()->set_dim(384);
  v1::CodeSpec* code = index->add_codes();
  code->set_dim(256);
  code->set_bytes(32);
  code->set_bits(4);
  return spec;
}

void AddSchemaRequests(Samples* all) {
  v1::CreateCollectionRequest create;
  *create.mutable_spec() = Spec();
  create.mutable_spec()->set_memory_limit_bytes(uint64_t{300} << 20);
  (*all)["schema_request/create"] = Choose(0) + Serialize(create);
  v1::CreateCollectionRequest least;
  least.mutable_spec()->set_name("c");
  least.mutable_spec()->set_dim(4);
  least.mutable_spec()->set_metric(v1::METRIC_DOT);
  (*all)["schema_request/create_least"] = Choose(0) + Serialize(least);
  v1::CreateCollectionRequest tokens = least;
  tokens.mutable_spec()->set_kind(v1::VECTOR_KIND_MULTI);
  tokens.mutable_spec()->mutable_muvera()->set_repetitions(6);
  tokens.mutable_spec()->mutable_muvera()->set_k_sim(2);
  tokens.mutable_spec()->mutable_muvera()->set_d_proj(2);
  tokens.mutable_spec()->mutable_muvera()->set_projection(v1::FDE_PROJECTION_COUNT_SKETCH);
  for (const uint32_t prefix : {2, 6}) {
    tokens.mutable_spec()->mutable_muvera()->add_prefixes(prefix);
  }
  (*all)["schema_request/create_tokens"] = Choose(0) + Serialize(tokens);
  // Of the collections of wire_fuzz.cc.
  v1::UpdateCollectionRequest update;
  update.mutable_spec()->set_name("c");
  update.mutable_spec()->set_dim(4);
  update.mutable_spec()->add_nesting(2);
  update.mutable_spec()->add_nesting(4);
  update.mutable_spec()->set_durability(v1::DURABILITY_SYNC);
  update.mutable_spec()->set_memory_limit_bytes(0);
  (*update.mutable_spec()->mutable_attributes())["added"] = v1::ATTRIBUTE_TYPE_BOOL;
  (*update.mutable_spec()->mutable_attributes())["s"] = v1::ATTRIBUTE_TYPE_STRING;
  (*all)["schema_request/update"] = Choose(1) + Serialize(update);
  update.mutable_spec()->set_metric(v1::METRIC_L2);
  update.mutable_spec()->set_dtype(v1::DTYPE_INT8);
  update.mutable_spec()->set_id_kind(v1::ID_KIND_STR);
  update.mutable_spec()->mutable_index()->set_lists(7);
  (*all)["schema_request/update_str"] = Choose(0x80 | 1) + Serialize(update);
  v1::BuildIndexRequest build;
  build.set_collection("c");
  build.mutable_spec()->set_coarse_dim(2);
  build.mutable_spec()->add_shells(2);
  build.mutable_spec()->add_shells(4);
  build.mutable_spec()->set_shell_codec(v1::SHELL_CODEC_F32);
  build.mutable_spec()->mutable_graph()->set_dim(4);
  build.mutable_spec()->mutable_graph()->set_degree(8);
  v1::UpdateCollectionRequest update_tokens;
  update_tokens.mutable_spec()->set_name("c");
  update_tokens.mutable_spec()->set_kind(v1::VECTOR_KIND_MULTI);
  update_tokens.mutable_spec()->mutable_muvera()->set_repetitions(4);
  update_tokens.mutable_spec()->mutable_muvera()->set_max_tokens(5);
  (*all)["schema_request/update_tokens"] = Choose(0x40 | 1) + Serialize(update_tokens);
  (*all)["schema_request/build"] = Choose(2) + Serialize(build);
  v1::BuildIndexRequest build_own;
  build_own.set_collection("c");
  build_own.mutable_spec()->set_lists(12);
  build_own.mutable_spec()->set_list_attribute("i");
  (*all)["schema_request/build_own_lists"] = Choose(2) + Serialize(build_own);
  v1::BuildIndexRequest build_given;
  build_given.set_collection("c");
  build_given.mutable_spec()->set_coarse_dim(2);
  build_given.mutable_centroids()->set_dtype(v1::DTYPE_F32);
  build_given.mutable_centroids()->set_data(Raw<float>({1, 2, -1, 0, 0.5f, 9}));
  (*all)["schema_request/build_of_centroids"] = Choose(2) + Serialize(build_given);
  v1::BuildIndexRequest build_tokens;
  build_tokens.set_collection("c");
  *build_tokens.mutable_muvera() = tokens.spec().muvera();
  build_tokens.mutable_muvera()->set_max_tokens(5);
  (*all)["schema_request/build_tokens"] = Choose(0x40 | 2) + Serialize(build_tokens);
}

// Of the collection of numbers and f32, or of strings and int8.
v1::Point SomePoint(bool strings) {
  v1::Point point;
  if (strings) {
    point.mutable_id()->set_str("key");
    point.mutable_vector()->mutable_packed()->set_dtype(v1::DTYPE_INT8);
    point.mutable_vector()->mutable_packed()->set_data("\x01\x80\x7f\x05");
  } else {
    point.mutable_id()->set_num(7);
    for (float x : {1.f, -2.f, 0.5f, 3.f}) point.mutable_vector()->mutable_floats()->add_values(x);
  }
  auto& attributes = *point.mutable_attributes();
  attributes["b"].set_bool_value(true);
  attributes["d"].set_double_value(0.25);
  attributes["i"].set_int64_value(-1);
  attributes["l"].mutable_string_list_value()->add_values("one");
  attributes["s"].set_string_value("text");
  attributes["t"].set_timestamp_micros(1);
  return point;
}

v1::StreamUpsertRequest Batch(bool strings) {
  v1::StreamUpsertRequest batch;
  batch.set_batch(5);
  batch.set_collection("c");
  if (strings) {
    batch.mutable_ids()->add_strs("a");
    batch.mutable_ids()->add_strs("b");
    batch.mutable_vectors()->set_dtype(v1::DTYPE_INT8);
    batch.mutable_vectors()->set_data("\x01\x02\x03\x04\xff\x06\x07\x08");
  } else {
    batch.mutable_ids()->add_nums(1);
    batch.mutable_ids()->add_nums(1ull << 50);
    batch.mutable_vectors()->set_dtype(v1::DTYPE_F16);
    batch.mutable_vectors()->set_data(
        Raw<uint16_t>({0x3c00, 0x4000, 0x3800, 1, 0xbc00, 0x3c01, 0x7000, 0x0400}));
  }
  const auto column = [&](const char* name) {
    v1::AttributeColumn* made = batch.add_columns();
    made->set_name(name);
    return made;
  };
  for (bool x : {true, false}) {
    if (x) column("b");
    batch.mutable_columns(0)->mutable_bools()->add_values(x);
  }
  v1::AttributeColumn* doubles = column("d");
  v1::AttributeColumn* ints = column("i");
  v1::AttributeColumn* lists = column("l");
  v1::AttributeColumn* texts = column("s");
  v1::AttributeColumn* times = column("t");
  for (int i = 0; i < 2; ++i) {
    doubles->mutable_doubles()->add_values(i + 0.5);
    ints->mutable_int64s()->add_values(-i);
    lists->mutable_string_lists()->add_values()->add_values("x");
    texts->mutable_strings()->add_values("text");
    times->mutable_timestamps()->add_micros(i);
  }
  ints->set_validity("\x02");
  return batch;
}

// Of two tokens.
v1::Vector SomeTokens() {
  v1::Vector vector;
  vector.mutable_multi()->set_count(2);
  vector.mutable_multi()->mutable_tokens()->set_dtype(v1::DTYPE_F32);
  vector.mutable_multi()->mutable_tokens()->set_data(Raw<float>({1, -2, 0.5f, 3, 0, 1, 0, -1}));
  return vector;
}

void AddTokenRequests(Samples* all) {
  v1::UpsertPointsRequest upsert;
  upsert.set_collection("c");
  *upsert.add_points() = SomePoint(false);
  *upsert.mutable_points(0)->mutable_vector() = SomeTokens();
  (*all)["point_request/upsert_tokens"] = Choose(0x40) + Serialize(upsert);
  v1::StreamUpsertRequest stream = Batch(false);
  stream.add_counts(1);
  stream.add_counts(1);
  (*all)["point_request/stream_tokens"] = Choose(0x40 | 1) + Serialize(stream);

  v1::SearchRequest search;
  search.set_collection("c");
  *search.mutable_vector() = SomeTokens();
  search.set_limit(10);
  search.add_token_weights(0.5f);
  search.add_token_weights(2);
  search.set_token_score(v1::TOKEN_SCORE_MEAN);
  search.mutable_output()->set_vectors(true);
  search.set_matches(true);
  v1::Plan* plan = search.mutable_plan();
  plan->mutable_graph()->set_dim(32);
  plan->mutable_graph()->set_ef(50);
  plan->add_maxsim()->set_dim(2);
  plan->mutable_maxsim(0)->set_keep(20);
  plan->set_rescore(true);
  (*all)["search_request/tokens"] = Choose(0x40) + Serialize(search);
  v1::BatchSearchRequest batch;
  batch.set_collection("c");
  batch.mutable_queries()->set_dtype(v1::DTYPE_F32);
  batch.mutable_queries()->set_data(Raw<float>({1, 2, 3, 4, -1, 0, 1, 0, 9, 9, 9, 8}));
  batch.add_counts(2);
  batch.add_counts(1);
  batch.set_limit(5);
  batch.mutable_exact();
  (*all)["search_request/batch_tokens"] = Choose(0x40 | 7) + Serialize(batch);
}

void AddPointRequests(Samples* all) {
  for (const bool strings : {false, true}) {
    const int bit = strings ? 0x80 : 0;
    const std::string suffix = strings ? "_str" : "_num";
    v1::UpsertPointsRequest upsert;
    upsert.set_collection("c");
    *upsert.add_points() = SomePoint(strings);
    (*all)["point_request/upsert" + suffix] = Choose(bit) + Serialize(upsert);
    (*all)["point_request/stream" + suffix] = Choose(bit | 1) + Serialize(Batch(strings));
    v1::GetPointsRequest get;
    get.set_collection("c");
    *get.add_ids() = SomePoint(strings).id();
    get.mutable_output()->add_attributes("s");
    get.mutable_output()->set_vectors(true);
    (*all)["point_request/get" + suffix] = Choose(bit | 2) + Serialize(get);
  }
  v1::ListPointsRequest list;
  list.set_collection("c");
  list.set_page_size(10);
  for (const char* token : {"n:12", "s:key", "c:words", "o:3"}) {
    list.set_page_token(token);
    (*all)[absl::StrCat("point_request/list_", std::string(1, token[0]))] =
        Choose(3) + Serialize(list);
  }
}

void AddSearchRequests(Samples* all) {
  v1::Plan lists;
  lists.mutable_lists()->mutable_coarse()->set_dim(2);
  lists.mutable_lists()->mutable_coarse()->set_probes(3);
  lists.mutable_lists()->mutable_scan()->set_dim(2);
  lists.mutable_lists()->mutable_scan()->set_keep(100);
  v1::RefineStage* refine = lists.add_refine();
  refine->set_dim(4);
  refine->set_keep(20);
  lists.set_rescore(true);
  v1::Plan graph;
  graph.mutable_graph()->set_dim(4);
  graph.mutable_graph()->set_ef(50);
  graph.mutable_graph()->set_margin(0.2f);

  v1::SearchRequest search;
  search.set_collection("c");
  *search.mutable_vector() = SomePoint(false).vector();
  search.set_limit(10);
  *search.mutable_plan() = lists;
  search.mutable_output()->add_attributes("*");
  search.mutable_output()->set_vectors(true);
  (*all)["search_request/lists"] = Choose(0) + Serialize(search);
  for (const uint32_t named : {11, 3, 3}) search.add_lists(named);
  (*all)["search_request/named_lists"] = Choose(0) + Serialize(search);
  search.clear_lists();
  search.mutable_plan()->mutable_lists()->mutable_scan()->set_code("opq4x1b8");
  (*all)["search_request/code"] = Choose(0) + Serialize(search);
  *search.mutable_plan() = graph;
  (*all)["search_request/graph"] = Choose(0) + Serialize(search);
  search.mutable_id()->set_num(7);
  search.mutable_exact()->set_dim(2);
  (*all)["search_request/exact"] = Choose(0) + Serialize(search);
  search.clear_how();
  search.clear_output();
  *search.mutable_vector() = SomePoint(true).vector();
  (*all)["search_request/default"] = Choose(0x80) + Serialize(search);

  v1::BatchSearchRequest batch;
  batch.set_collection("c");
  batch.mutable_queries()->set_dtype(v1::DTYPE_F32);
  batch.mutable_queries()->set_data(Raw<float>({1, 2, 3, 4, -1, 0, 1, 0, 9, 9, 9, 8}));
  batch.set_limit(5);
  *batch.mutable_plan() = graph;
  (*all)["search_request/batch"] = Choose(0x3f) + Serialize(batch);
  v1::BatchSearchRequest named = batch;
  named.clear_how();
  for (const uint32_t count : {1, 2, 1}) named.add_list_counts(count);
  for (const uint32_t list : {0, 11, 3, 7}) named.add_lists(list);
  (*all)["search_request/batch_of_named_lists"] = Choose(7) + Serialize(named);
  batch.mutable_queries()->set_dtype(v1::DTYPE_BF16);
  batch.mutable_queries()->set_data(Raw<uint16_t>({0x3f80, 0x4000, 0x4040, 0x4080}));
  batch.mutable_exact();
  // In slices of four bytes.
  (*all)["search_request/batch_in_slices"] = Choose(7) + Serialize(batch);
}

}  // namespace

std::map<std::string, std::string> MakeSamples() {
  Samples all;
  AddFiles(&all);
  AddStored(&all);
  AddCodes(&all);
  AddFdes(&all);
  AddTokens(&all);
  AddSchemaRequests(&all);
  AddPointRequests(&all);
  AddSearchRequests(&all);
  AddTokenRequests(&all);
  return all;
}

}  // namespace nestor
