// Requests: bytes -> message -> the engine's types, and back.
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/support/byte_buffer.h"
#include "index/model.h"
#include "nestor/v1/collection.pb.h"
#include "nestor/v1/index.pb.h"
#include "nestor/v1/point.pb.h"
#include "nestor/v1/search.pb.h"
#include "server/engine/validate.h"
#include "server/rpc/convert_centroids.h"
#include "server/rpc/convert_columns.h"
#include "server/rpc/convert_multi.h"
#include "server/rpc/convert_operation.h"
#include "server/rpc/convert_point.h"
#include "server/rpc/convert_query.h"
#include "server/rpc/convert_schema.h"
#include "server/rpc/convert_search.h"
#include "server/rpc/page_token.h"
#include "server/rpc/query_rows.h"
#include "server/rpc/wire.h"
#include "tests/fuzz/targets.h"

namespace nestor {
namespace {

// The collections that requests are about: of numbers and f32, of strings and int8, of token
// matrices.
enum class Kind { kNumbers, kStrings, kTokens };
CollectionSpec SpecOf(Kind kind) {
  const bool strings = kind == Kind::kStrings;
  CollectionSpec spec;
  spec.name = "c";
  spec.schema = {.dim = 4,
                 .nesting = {2, 4},
                 .metric = strings ? Metric::kL2 : Metric::kCosine,
                 .dtype = strings ? Dtype::kI8 : Dtype::kF32};
  spec.id_kind = strings ? IdKind::kStr : IdKind::kNum;
  spec.index.graph = GraphSpec{4, 8, 40};
  spec.index.codes = {{4, 1, 8}};
  spec.attributes = {{"b", AttributeType::kBool},   {"d", AttributeType::kDouble},
                     {"i", AttributeType::kInt64},  {"l", AttributeType::kStringList},
                     {"s", AttributeType::kString}, {"t", AttributeType::kTimestamp}};
  if (kind == Kind::kTokens) {
    spec.multi = MultiSpec{
        .tokens = {.token = {.dim = 4, .nesting = {2, 4}, .dtype = Dtype::kF16}, .max_tokens = 5},
        .fde = {.dim = 4, .repetitions = 4, .k_sim = 1, .d_proj = 4}};
    spec.schema = *FdeSchema(spec.multi->fde, {});
    spec.index.exact_vectors = ExactVectors::kStore;
    spec.index.graph->dim = 32;
    spec.index.codes = {{32, 8, 8}};
  }
  return spec;
}

// The bytes in slices of `each`, as gRPC hands over what came in frames.
grpc::ByteBuffer InSlices(std::span<const std::byte> bytes, size_t each) {
  std::vector<grpc::Slice> slices;
  for (size_t at = 0; at < bytes.size(); at += each) {
    slices.emplace_back(bytes.data() + at, std::min(each, bytes.size() - at));
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

template <typename Message>
bool Decode(std::span<const std::byte> bytes, Message* message) {
  // It writes a line for every text that is not UTF-8.
  static const auto log = google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(log);
  const grpc::ByteBuffer buffer = InSlices(bytes, 64);
  const absl::Status status = DecodeRequest(&buffer, message);
  Require(status.ok() || absl::IsInvalidArgument(status),
          "what cannot be decoded is INVALID_ARGUMENT");
  return status.ok();
}

// Reads as what it was made from.
template <typename Message>
void RequireSent(const Message& reply) {
  grpc::ByteBuffer buffer;
  Message again;
  Require(EncodeReply(reply, &buffer).ok() && DecodeMessage(&buffer, &again).ok(),
          "a reply can be sent");
}

template <typename T>
bool Refused(const absl::StatusOr<T>& converted) {
  if (converted.ok()) return false;
  Require(absl::IsInvalidArgument(converted.status()), "what is refused is INVALID_ARGUMENT");
  return true;
}

bool FuzzCreate(std::span<const std::byte> bytes) {
  v1::CreateCollectionRequest request;
  if (!Decode(bytes, &request)) return false;
  const auto spec = ToCollectionSpec(request.spec());
  if (Refused(spec)) return false;
  v1::Collection reply;
  FromCollectionInfo({.spec = *spec, .uid = 1}, &reply);
  const auto again = ToCollectionSpec(reply.spec());
  Require(again.ok() && *again == *spec, "a collection's spec comes back");
  if (ValidateCollectionSpec(*spec).ok()) {
    Require(ToCollectionUpdate(reply.spec(), *spec).ok(), "what is shown changes nothing");
  }
  RequireSent(reply);
  return ValidateCollectionSpec(*spec).ok();
}

bool FuzzUpdate(std::span<const std::byte> bytes, const CollectionSpec& present) {
  v1::UpdateCollectionRequest request;
  if (!Decode(bytes, &request)) return false;
  const auto update = ToCollectionUpdate(request.spec(), present);
  if (Refused(update)) return false;
  for (const AttributeField& added : update->add_attributes) {
    Require(std::find(present.attributes.begin(), present.attributes.end(), added) ==
                present.attributes.end(),
            "an attribute that is there is not added");
  }
  return true;
}

bool FuzzReencoding(const v1::Muvera& muvera, const CollectionSpec& present) {
  const auto wanted = ToReencoding(muvera, present);
  if (Refused(wanted)) return false;
  CollectionSpec next = present;
  next.multi->fde = wanted->fde;
  next.schema = wanted->schema;
  next.index = {.exact_vectors = ExactVectors::kStore};
  Require(ValidateCollectionSpec(next).ok(), "what is accepted of encodings is valid");
  v1::Muvera reply;
  FromMultiSchema(*next.multi, next.schema, &reply);
  const auto again = ToReencoding(reply, present);
  Require(again.ok() && again->fde == wanted->fde && again->schema == wanted->schema,
          "encodings come back");
  return true;
}

bool FuzzBuild(std::span<const std::byte> bytes, const CollectionSpec& present) {
  v1::BuildIndexRequest request;
  if (!Decode(bytes, &request)) return false;
  if (request.has_muvera()) return FuzzReencoding(request.muvera(), present);
  const auto spec = ToIndexSpec(request.spec(), IndexSpec());
  if (Refused(spec)) return false;
  if (request.has_centroids()) {
    const auto import = ToCentroidImport(request, present, request.has_spec() ? &*spec : nullptr);
    if (Refused(import)) return false;
    Require(import->centroids->size() == size_t{import->index.lists} * import->index.coarse_dim,
            "there are as many centroids as lists");
    std::vector<float> centroids = *import->centroids;
    const absl::Status taken = TakeCentroids(present.schema, import->index.coarse_dim, &centroids);
    Require(taken.ok() || absl::IsInvalidArgument(taken), "what is refused is INVALID_ARGUMENT");
    return taken.ok();
  }
  v1::Index reply;
  FromIndexInfo({.spec = *spec}, &reply);
  const auto again = ToIndexSpec(reply.spec(), IndexSpec());
  Require(again.ok() && *again == *spec, "an index's spec comes back");
  const VectorSchema schema = SpecOf(Kind::kNumbers).schema;
  if (!ValidateSpec(*spec, schema).ok()) return false;
  // Resolving what is resolved changes nothing, whatever the number of rows.
  const IndexSpec resolved = ResolveSpec(*spec, schema, 100'000);
  Require(ValidateSpec(resolved, schema).ok() && ResolveSpec(resolved, schema, 100'000) == resolved,
          "a resolved spec is valid and stays");
  return true;
}

// A point's vector and attributes as the engine stores them; nothing where it refuses them.
struct StoredPoint {
  std::string vector;
  std::string attributes;
  bool operator==(const StoredPoint&) const = default;
};
std::optional<StoredPoint> Store(const PointInput& point, const CollectionSpec& spec) {
  if (!ValidateId(spec.id_kind, point.id).ok()) return std::nullopt;
  if (spec.multi.has_value()) {
    const auto& packed = std::get<PackedTokens>(point.vector);
    const auto set = TokenSet::FromWire(spec.multi->tokens, packed.dtype, packed.bytes);
    if (absl::IsOutOfRange(set.status()) || Refused(set)) return std::nullopt;
    const auto attributes = EncodeCheckedAttributes(spec.attributes, point.attributes);
    if (Refused(attributes)) return std::nullopt;
    return StoredPoint{set->stored(), *attributes};
  }
  std::vector<float> floats(spec.schema.dim);
  std::vector<std::byte> space(spec.schema.dim * DtypeBytes(spec.schema.dtype));
  const auto vector = EncodeCheckedVector(spec.schema, point.vector, floats.data(), space.data());
  const auto attributes = EncodeCheckedAttributes(spec.attributes, point.attributes);
  if (Refused(vector) || Refused(attributes)) return std::nullopt;
  return StoredPoint{std::string(*vector), *attributes};
}

bool FuzzUpsert(std::span<const std::byte> bytes, const CollectionSpec& spec) {
  v1::UpsertPointsRequest request;
  if (!Decode(bytes, &request)) return false;
  v1::Output everything;
  everything.add_attributes("*");
  const auto choice = AttributeChoice::Make(everything, spec.attributes);
  Require(choice.ok(), "all attributes can be asked for");
  for (const v1::Point& point : request.points()) {
    const auto input = ToPointInput(point, spec);
    if (Refused(input)) return false;
    const std::optional<StoredPoint> stored = Store(*input, spec);
    if (!stored.has_value()) return false;
    // As a reply carries it, sent in again.
    v1::Point reply;
    FromPoint({.id = input->id, .vector = stored->vector, .attributes = input->attributes}, spec,
              {.attributes = true, .vector = true}, *choice, &reply);
    const auto again = ToPointInput(reply, spec);
    Require(again.ok() && again->id == input->id && Store(*again, spec) == stored,
            "a point that is read can be written again");
    RequireSent(reply);
  }
  return request.points_size() > 0;
}

bool FuzzStream(std::span<const std::byte> bytes, const CollectionSpec& spec) {
  v1::StreamUpsertRequest request;
  if (!Decode(bytes, &request)) return false;
  auto batch = ToColumnBatch(request, spec);
  if (Refused(batch)) return false;
  const auto rows = static_cast<size_t>(request.ids().nums_size() + request.ids().strs_size());
  SortOutBadRows(spec, &*batch);
  Require(batch->points.size() == batch->rows.size() &&
              batch->points.size() + batch->errors.size() == rows,
          "every row is accounted for");
  std::vector<uint32_t> all = batch->rows;
  for (const RowError& error : batch->errors) {
    Require(!error.status.ok(), "a bad row says why");
    all.push_back(error.row);
  }
  std::sort(all.begin(), all.end());
  for (size_t i = 0; i < rows; ++i) Require(all[i] == i, "every row is accounted for once");
  for (const PointInput& point : batch->points) {
    Require(Store(point, spec).has_value(), "a good row can be stored");
  }
  return batch->errors.empty();
}

bool FuzzIds(std::span<const std::byte> bytes, const CollectionSpec& spec) {
  v1::GetPointsRequest request;
  if (!Decode(bytes, &request)) return false;
  for (const v1::PointId& id : request.ids()) {
    const auto converted = ToPointId(id);
    if (Refused(converted)) return false;
    v1::PointId again;
    FromPointId(*converted, &again);
    Require(ToPointId(again) == converted, "an id comes back");
    const auto token = PointOfToken(TokenOfPoint(*converted));
    Require(token.ok() && *token == *converted, "a page token comes back");
  }
  return !Refused(AttributeChoice::Make(request.output(), spec.attributes));
}

bool FuzzList(std::span<const std::byte> bytes) {
  v1::ListPointsRequest request;
  if (!Decode(bytes, &request)) return false;
  const std::string& token = request.page_token();
  const auto point = PointOfToken(token);
  const auto name = NameOfToken(token);
  const auto operation = OperationOfToken(token);
  Require(point.ok() + name.ok() + operation.ok() <= 1, "a token is of one kind");
  if (point.ok()) Require(TokenOfPoint(*point) == token, "a point's token comes back");
  if (name.ok()) Require(TokenOfName(*name) == token, "a name's token comes back");
  if (operation.ok()) {
    Require(TokenOfOperation(*operation) == token, "an operation's token comes back");
    const auto id = ToOperationId(*operation);
    Require(!id.ok() || FromOperationId(*id) == *operation, "an operation's id comes back");
  }
  return !Refused(ToPageSize(request.page_size())) && (point.ok() || name.ok() || operation.ok());
}

// A reply to a valid request, with `limit` hits of all that they can carry.
void RequireReply(const SearchHow& how, uint32_t limit, const v1::Output& output,
                  const AttributeChoice& choice, const CollectionSpec& spec) {
  SearchReply found;
  found.how = how;
  found.score_dim = spec.schema.dim;
  found.stages.push_back({.name = "rescore", .in = limit, .out = limit});
  for (uint32_t i = 0; i < std::min(limit, 3u); ++i) {
    SearchHit& hit = found.hits.emplace_back();
    hit.id = spec.id_kind == IdKind::kNum ? PointId(uint64_t{i}) : PointId(absl::StrCat("id", i));
    const VectorSchema& item = PointSchema(spec).item();
    hit.vector.resize((spec.multi.has_value() ? 2 : 1) * item.dim * DtypeBytes(item.dtype));
    if (spec.multi.has_value()) hit.matches = {{1, 0.5f}, {0, -1.0f}};
    hit.attributes = {{"i", int64_t{7}}, {"s", std::string("text")}};
  }
  const PointOutput wanted = {.attributes = choice.any(), .vector = output.vectors()};
  v1::SearchResponse reply;
  Require(FromSearchReply(&found, spec, wanted, choice, &reply).ok(), "a small reply fits");
  for (const v1::Hit& hit : reply.hits()) {
    Require(hit.has_vector() == output.vectors(), "hits carry vectors iff they are asked for");
  }
  RequireSent(reply);
}

// An index whose lists are the caller's.
IndexSpec OwnLists() {
  IndexSpec built;
  built.lists = 12;
  built.list_attribute = "i";
  return built;
}

// What a search and a batch have in common.
template <typename Request>
std::optional<SearchHow> FuzzHow(const Request& request, const CollectionSpec& spec) {
  if (!CheckLimit(request.limit()).ok()) return std::nullopt;
  const auto how = ToSearchHow(request, spec, spec.index);
  if (!how.ok()) {
    Require(absl::IsInvalidArgument(how.status()) || absl::IsFailedPrecondition(how.status()),
            "a plan is refused as invalid or as not built");
    return std::nullopt;
  }
  if (const auto* plan = std::get_if<Plan>(&*how)) {
    const VectorSchema* tokens = spec.multi.has_value() ? &spec.multi->tokens.token : nullptr;
    Require(ValidatePlan(*plan, spec.schema, request.limit(), tokens).ok(),
            "an accepted plan is valid");
    v1::Plan message;
    FromPlan(*plan, &message);
    const auto again = ToPlan(message);
    Require(again.ok() && *again == *plan, "a plan comes back");
  }
  return *how;
}

bool FuzzSearch(std::span<const std::byte> bytes, const CollectionSpec& spec) {
  v1::SearchRequest request;
  if (!Decode(bytes, &request)) return false;
  std::vector<float> buffer;
  SearchRequest query;
  if (const absl::Status read = ToSearchQuery(request, spec, &buffer, &query); !read.ok()) {
    Require(absl::IsInvalidArgument(read), "what is refused is INVALID_ARGUMENT");
    return false;
  }
  if (const auto* vector = std::get_if<std::span<const float>>(&query.query)) {
    Require(!spec.multi.has_value() && vector->size() == spec.schema.dim, "a query has D values");
  } else if (const auto* tokens = std::get_if<TokenQuery>(&query.query)) {
    Require(spec.multi.has_value() && !tokens->tokens.empty() && tokens->tokens.size() % 4 == 0,
            "a query has whole tokens");
  }
  const std::optional<SearchHow> how = FuzzHow(request, spec);
  if (!how.has_value()) return false;
  if (const absl::Status named = CheckLists(request, OwnLists()); !named.ok()) {
    Require(absl::IsInvalidArgument(named), "lists that there are not are INVALID_ARGUMENT");
    return false;
  }
  const auto choice = AttributeChoice::Make(request.output(), spec.attributes);
  if (Refused(choice)) return false;
  const PointOutput wanted = {.attributes = choice->any(), .vector = request.output().vectors()};
  if (!CheckReplyBytes(request.limit(), MaxPointBytes(spec, wanted)).ok()) return false;
  RequireReply(*how, request.limit(), request.output(), *choice, spec);
  return true;
}

// QueryRows leaves the vectors where they came in; it must see what the whole message holds.
bool FuzzBatch(std::span<const std::byte> bytes, size_t slice, const CollectionSpec& spec) {
  v1::BatchSearchRequest whole;
  const bool decodes = Decode(bytes, &whole);
  QueryRows rows;
  v1::BatchSearchRequest request;
  const bool taken = rows.Decode(InSlices(bytes, slice), &request).ok();
  Require(taken == decodes, "queries are taken out of a message iff it decodes");
  if (!taken) return false;
  Require(request.queries().dtype() == whole.queries().dtype() &&
              request.limit() == whole.limit() && request.collection() == whole.collection() &&
              request.min_seq() == whole.min_seq() && request.how_case() == whole.how_case(),
          "the rest of the message is the same");
  const std::string& data = whole.queries().data();
  const std::vector<uint32_t> counts(whole.counts().begin(), whole.counts().end());
  Require(
      std::equal(counts.begin(), counts.end(), request.counts().begin(), request.counts().end()),
      "the counts are the same");
  if (!CheckQueryCounts(counts, spec).ok()) return false;
  const auto shape = ToPackedShape(whole.queries().dtype(), data.size(), spec, counts);
  const absl::Status checked = rows.CheckShape(request.queries().dtype(), spec, counts);
  Require(checked.ok() == shape.ok(), "the shape is judged as that of the whole message");
  if (Refused(shape)) return false;
  QueryRows::Space space;
  std::vector<float> buffer;
  for (uint32_t i = 0; i < shape->count; ++i) {
    rows.Prefetch(i);
    const auto row = rows.At(i, &space);
    const auto expected =
        DecodeQuery(shape->dtype, data.data() + shape->offset(i), shape->values(i), &buffer);
    Require(row.size() == expected.size() &&
                std::memcmp(row.data(), expected.data(), row.size_bytes()) == 0,
            "a query is read as it lies in the message");
  }
  const auto list_ends = ToListEnds(request, OwnLists(), shape->count);
  if (Refused(list_ends)) return false;
  Require(list_ends->empty() ? request.lists_size() == 0
                             : list_ends->size() == shape->count &&
                                   list_ends->back() == static_cast<size_t>(request.lists_size()),
          "each query has its lists");
  const std::optional<SearchHow> how = FuzzHow(request, spec);
  if (!how.has_value()) return false;
  return CheckReplyBytes(uint64_t{shape->count} * request.limit(), MaxColumnHitBytes(spec.id_kind))
      .ok();
}

// A choice among requests by the first byte, of collections by its highest bits, then the message.
struct Chosen {
  unsigned request;
  CollectionSpec spec;
};
Chosen Choose(FuzzInput input) {
  const auto byte = static_cast<unsigned>(input[0]);
  return {byte & 0x3f, SpecOf((byte & 0x80) != 0   ? Kind::kStrings
                              : (byte & 0x40) != 0 ? Kind::kTokens
                                                   : Kind::kNumbers)};
}

}  // namespace

bool FuzzSchemaRequest(FuzzInput input) {
  if (input.empty()) return false;
  const Chosen chosen = Choose(input);
  const ExactCopy copy(input.subspan(1));
  switch (chosen.request % 3) {
    case 0:
      return FuzzCreate(copy.bytes());
    case 1:
      return FuzzUpdate(copy.bytes(), chosen.spec);
    default:
      return FuzzBuild(copy.bytes(), chosen.spec);
  }
}

bool FuzzPointRequest(FuzzInput input) {
  if (input.empty()) return false;
  const Chosen chosen = Choose(input);
  const ExactCopy copy(input.subspan(1));
  switch (chosen.request % 4) {
    case 0:
      return FuzzUpsert(copy.bytes(), chosen.spec);
    case 1:
      return FuzzStream(copy.bytes(), chosen.spec);
    case 2:
      return FuzzIds(copy.bytes(), chosen.spec);
    default:
      return FuzzList(copy.bytes());
  }
}

bool FuzzSearchRequest(FuzzInput input) {
  if (input.empty()) return false;
  const Chosen chosen = Choose(input);
  const ExactCopy copy(input.subspan(1));
  if (chosen.request % 2 == 0) return FuzzSearch(copy.bytes(), chosen.spec);
  return FuzzBatch(copy.bytes(), 1 + chosen.request / 2, chosen.spec);
}

}  // namespace nestor
