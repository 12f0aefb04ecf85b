// Requests as they arrive.
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "nestor/v1/collection.pb.h"
#include "nestor/v1/index.pb.h"
#include "nestor/v1/point.pb.h"
#include "nestor/v1/search.pb.h"
#include "tests/fuzz/sample_kinds.h"
namespace nestor {
namespace {

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
  build_given.mutable_centroids()->set_data(RawBytes<float>({1, 2, -1, 0, 0.5f, 9}));
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
        RawBytes<uint16_t>({0x3c00, 0x4000, 0x3800, 1, 0xbc00, 0x3c01, 0x7000, 0x0400}));
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
  vector.mutable_multi()->mutable_tokens()->set_data(
      RawBytes<float>({1, -2, 0.5f, 3, 0, 1, 0, -1}));
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
  batch.mutable_queries()->set_data(RawBytes<float>({1, 2, 3, 4, -1, 0, 1, 0, 9, 9, 9, 8}));
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
  batch.mutable_queries()->set_data(RawBytes<float>({1, 2, 3, 4, -1, 0, 1, 0, 9, 9, 9, 8}));
  batch.set_limit(5);
  *batch.mutable_plan() = graph;
  (*all)["search_request/batch"] = Choose(0x3f) + Serialize(batch);
  v1::BatchSearchRequest named = batch;
  named.clear_how();
  for (const uint32_t count : {1, 2, 1}) named.add_list_counts(count);
  for (const uint32_t list : {0, 11, 3, 7}) named.add_lists(list);
  (*all)["search_request/batch_of_named_lists"] = Choose(7) + Serialize(named);
  batch.mutable_queries()->set_dtype(v1::DTYPE_BF16);
  batch.mutable_queries()->set_data(RawBytes<uint16_t>({0x3f80, 0x4000, 0x4040, 0x4080}));
  batch.mutable_exact();
  // In slices of four bytes.
  (*all)["search_request/batch_in_slices"] = Choose(7) + Serialize(batch);
}

}  // namespace

void AddRequestSamples(Samples* all) {
  AddSchemaRequests(all);
  AddPointRequests(all);
  AddSearchRequests(all);
  AddTokenRequests(all);
}

}  // namespace nestor
