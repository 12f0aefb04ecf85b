#include "server/storage/records.h"

#include <utility>

#include "server/storage/codec.h"

namespace nestor {
namespace {

// First byte of each record. Never renumber.
enum Tag : uint8_t {
  kFormatTag = 1,
  kNextUidTag = 2,
  kCollection3Tag = 3,  // of formats 3 to 5
  kStateTag = 4,
  kGenerationTag = 5,
  kRowTag = 6,
  kPointTag = 7,
  kOperationTag = 8,
  kCollectionTag = 9,  // from format 6 on
};

void PutDims(Encoder* out, const std::vector<uint32_t>& dims) {
  out->Varint(dims.size());
  for (uint32_t dim : dims) out->Varint(dim);
}

std::vector<uint32_t> GetDims(Decoder* in, absl::string_view field) {
  std::vector<uint32_t> dims(in->Count(field));
  for (uint32_t& dim : dims) dim = in->Varint32(field);
  return dims;
}

// Flags of a spec, one bit each.
constexpr uint8_t kWithGraph = 1;
constexpr uint8_t kNoLists = 2;
constexpr uint8_t kWithCodes = 4;           // from format 4 on
constexpr uint8_t kWithMemoryDim = 8;       // from format 5 on
constexpr uint8_t kWithListAttribute = 16;  // from format 7 on
constexpr uint8_t kImportedCentroids = 32;  // likewise
constexpr uint8_t kAllFlags = 63;

// coarse_dim, lists, shells, codec, exact_vectors, flags; with a graph its dim, degree and
// ef_construction; with codes their number, and of each dim, bytes and bits; memory_dim and
// list_attribute where they are set.
void PutSpec(Encoder* out, const IndexSpec& spec) {
  out->Varint(spec.coarse_dim);
  out->Varint(spec.lists);
  PutDims(out, spec.shells);
  out->Byte(static_cast<uint8_t>(spec.codec));
  out->Byte(static_cast<uint8_t>(spec.exact_vectors));
  out->Byte(static_cast<uint8_t>(
      (spec.graph.has_value() ? kWithGraph : 0) | (spec.no_lists ? kNoLists : 0) |
      (spec.codes.empty() ? 0 : kWithCodes) | (spec.memory_dim == 0 ? 0 : kWithMemoryDim) |
      (spec.list_attribute.empty() ? 0 : kWithListAttribute) |
      (spec.centroids == CentroidOrigin::kImported ? kImportedCentroids : 0)));
  if (spec.graph.has_value()) {
    out->Varint(spec.graph->dim);
    out->Varint(spec.graph->degree);
    out->Varint(spec.graph->ef_construction);
  }
  if (!spec.codes.empty()) out->Varint(spec.codes.size());
  for (const OpqSpec& code : spec.codes) {
    out->Varint(code.dim);
    out->Varint(code.bytes);
    out->Varint(code.bits);
  }
  if (spec.memory_dim != 0) out->Varint(spec.memory_dim);
  if (!spec.list_attribute.empty()) out->String(spec.list_attribute);
}

IndexSpec GetSpec(Decoder* in) {
  IndexSpec spec;
  spec.coarse_dim = in->Varint32("coarse_dim");
  spec.lists = in->Varint32("lists");
  spec.shells = GetDims(in, "shells");
  spec.codec = in->Enum(ShellCodec::kF32, "shell codec");
  spec.exact_vectors = in->Enum(ExactVectors::kStore, "exact_vectors");
  const uint8_t flags = in->Byte();
  if ((flags & ~kAllFlags) != 0) in->Fail(absl::StrCat("has spec flags ", flags));
  spec.no_lists = (flags & kNoLists) != 0;
  if ((flags & kImportedCentroids) != 0) spec.centroids = CentroidOrigin::kImported;
  if ((flags & kWithGraph) != 0) {
    spec.graph.emplace();
    spec.graph->dim = in->Varint32("graph dim");
    spec.graph->degree = in->Varint32("graph degree");
    spec.graph->ef_construction = in->Varint32("ef_construction");
  }
  if ((flags & kWithCodes) != 0) {
    spec.codes.resize(in->Count("codes"));
    if (in->ok() && spec.codes.empty()) in->Fail("has the flag of codes and none");
    for (OpqSpec& code : spec.codes) {
      code.dim = in->Varint32("code dim");
      code.bytes = in->Varint32("code bytes");
      code.bits = in->Varint32("code bits");
    }
  }
  if ((flags & kWithMemoryDim) != 0) {
    spec.memory_dim = in->Varint32("memory_dim");
    if (in->ok() && spec.memory_dim == 0) in->Fail("has the flag of memory_dim and 0");
  }
  if ((flags & kWithListAttribute) != 0) {
    spec.list_attribute = std::string(in->String("list_attribute"));
    if (in->ok() && spec.list_attribute.empty())
      in->Fail("has the flag of list_attribute and none");
  }
  return spec;
}

// dim, nesting, metric, dtype of a token, max_tokens; repetitions, k_sim, projection, d_proj,
// fill_empty, sketch_repetitions, sketch_dim, seed of their FDE.
void PutMulti(Encoder* out, const MultiSpec& multi) {
  const TokenSchema& tokens = multi.tokens;
  out->Varint(tokens.token.dim);
  PutDims(out, tokens.token.nesting);
  out->Byte(static_cast<uint8_t>(tokens.token.metric));
  out->Byte(static_cast<uint8_t>(tokens.token.dtype));
  out->Varint(tokens.max_tokens);
  const FdeSpec& fde = multi.fde;
  out->Varint(fde.repetitions);
  out->Varint(fde.k_sim);
  out->Byte(static_cast<uint8_t>(fde.projection));
  out->Varint(fde.d_proj);
  out->Byte(fde.fill_empty ? 1 : 0);
  out->Varint(fde.sketch_repetitions);
  out->Varint(fde.sketch_dim);
  out->Varint(fde.seed);
}

bool GetBool(Decoder* in, absl::string_view field) {
  const uint8_t byte = in->Byte();
  if (byte > 1) in->Fail(absl::StrCat("has ", field, " ", byte));
  return byte == 1;
}

MultiSpec GetMulti(Decoder* in) {
  MultiSpec multi;
  TokenSchema& tokens = multi.tokens;
  tokens.token.dim = in->Varint32("token dim");
  tokens.token.nesting = GetDims(in, "token nesting");
  tokens.token.metric = in->Enum(Metric::kL2, "token metric");
  tokens.token.dtype = in->Enum(Dtype::kI8, "token dtype");
  tokens.max_tokens = in->Varint32("max_tokens");
  FdeSpec& fde = multi.fde;
  fde.dim = tokens.token.dim;
  fde.repetitions = in->Varint32("repetitions");
  fde.k_sim = in->Varint32("k_sim");
  fde.projection = in->Enum(FdeProjection::kCountSketch, "projection");
  fde.d_proj = in->Varint32("d_proj");
  fde.fill_empty = GetBool(in, "fill_empty");
  fde.sketch_repetitions = in->Varint32("sketch_repetitions");
  fde.sketch_dim = in->Varint32("sketch_dim");
  fde.seed = in->Varint();
  return multi;
}

// type, value.
void PutValue(Encoder* out, const AttributeValue& value) {
  out->Byte(static_cast<uint8_t>(TypeOf(value)));
  switch (TypeOf(value)) {
    case AttributeType::kString:
      return out->String(std::get<std::string>(value));
    case AttributeType::kInt64:
      return out->Signed(std::get<int64_t>(value));
    case AttributeType::kDouble:
      return out->Double(std::get<double>(value));
    case AttributeType::kBool:
      return out->Byte(std::get<bool>(value) ? 1 : 0);
    case AttributeType::kStringList: {
      const auto& list = std::get<std::vector<std::string>>(value);
      out->Varint(list.size());
      for (const std::string& item : list) out->String(item);
      return;
    }
    case AttributeType::kTimestamp:
      return out->Signed(std::get<Timestamp>(value).micros);
  }
}

AttributeValue GetValue(Decoder* in) {
  switch (in->Enum(AttributeType::kTimestamp, "attribute type")) {
    case AttributeType::kString:
      return std::string(in->String("attribute"));
    case AttributeType::kInt64:
      return in->Signed();
    case AttributeType::kDouble:
      return in->Double();
    case AttributeType::kBool:
      return GetBool(in, "bool");
    case AttributeType::kStringList: {
      std::vector<std::string> list(in->Count("list items"));
      for (std::string& item : list) item = std::string(in->String("list item"));
      return list;
    }
    case AttributeType::kTimestamp:
      return Timestamp{in->Signed()};
  }
  return std::string();
}

}  // namespace

// tag, version.
std::string EncodeFormatVersion(uint32_t version) {
  Encoder out;
  out.Byte(kFormatTag);
  out.Varint(version);
  return out.Take();
}

// Later versions may append to this one record, so bytes after the version are not refused.
absl::StatusOr<uint32_t> ParseFormatVersion(absl::string_view bytes) {
  Decoder in("format", bytes);
  in.Expect(kFormatTag);
  const uint32_t version = in.Varint32("version");
  if (!in.ok()) return in.status();
  return version;
}

// tag, uid.
std::string EncodeNextUid(uint32_t uid) {
  Encoder out;
  out.Byte(kNextUidTag);
  out.Varint(uid);
  return out.Take();
}

absl::StatusOr<uint32_t> ParseNextUid(absl::string_view bytes) {
  Decoder in("next uid", bytes);
  in.Expect(kNextUidTag);
  const uint32_t uid = in.Varint32("uid");
  if (absl::Status status = in.Finish(); !status.ok()) return status;
  return uid;
}

// tag, name, dim, nesting, metric, dtype, id kind, durability, spec, attributes {name, type},
// created, memory limit, whether of token matrices, and what these are. Before format 6 without the
// last three.
std::string EncodeCollection(const CollectionRecord& collection) {
  const CollectionSpec& spec = collection.spec;
  Encoder out;
  out.Byte(kCollectionTag);
  out.String(spec.name);
  out.Varint(spec.schema.dim);
  PutDims(&out, spec.schema.nesting);
  out.Byte(static_cast<uint8_t>(spec.schema.metric));
  out.Byte(static_cast<uint8_t>(spec.schema.dtype));
  out.Byte(static_cast<uint8_t>(spec.id_kind));
  out.Byte(static_cast<uint8_t>(spec.durability));
  PutSpec(&out, spec.index);
  out.Varint(spec.attributes.size());
  for (const AttributeField& field : spec.attributes) {
    out.String(field.name);
    out.Byte(static_cast<uint8_t>(field.type));
  }
  out.Signed(collection.created_micros);
  out.Varint(spec.memory_limit_bytes);
  out.Byte(spec.multi.has_value() ? 1 : 0);
  if (spec.multi.has_value()) PutMulti(&out, *spec.multi);
  return out.Take();
}

absl::StatusOr<CollectionRecord> ParseCollection(absl::string_view bytes) {
  Decoder in("collection", bytes);
  const bool before6 = in.Tells(kCollection3Tag);
  in.Expect(before6 ? kCollection3Tag : kCollectionTag);
  CollectionRecord collection;
  CollectionSpec& spec = collection.spec;
  spec.name = std::string(in.String("name"));
  spec.schema.dim = in.Varint32("dim");
  spec.schema.nesting = GetDims(&in, "nesting");
  spec.schema.metric = in.Enum(Metric::kL2, "metric");
  spec.schema.dtype = in.Enum(Dtype::kI8, "dtype");
  spec.id_kind = in.Enum(IdKind::kStr, "id kind");
  spec.durability = in.Enum(Durability::kAsync, "durability");
  spec.index = GetSpec(&in);
  spec.attributes.resize(in.Count("attributes"));
  for (AttributeField& field : spec.attributes) {
    field.name = std::string(in.String("attribute name"));
    field.type = in.Enum(AttributeType::kTimestamp, "attribute type");
  }
  collection.created_micros = in.Signed();
  if (!before6) {
    spec.memory_limit_bytes = in.Varint();
    if (GetBool(&in, "tokens")) spec.multi = GetMulti(&in);
  }
  if (absl::Status status = in.Finish(); !status.ok()) return status;
  return collection;
}

// tag, seq, next row.
std::string EncodeState(const StateRecord& state) {
  Encoder out;
  out.Byte(kStateTag);
  out.Varint(state.seq);
  out.Varint(state.next_row);
  return out.Take();
}

absl::StatusOr<StateRecord> ParseState(absl::string_view bytes) {
  Decoder in("state", bytes);
  in.Expect(kStateTag);
  StateRecord state;
  state.seq = in.Varint();
  state.next_row = in.Varint();
  if (in.ok() && state.next_row == 0) in.Fail("has next row 0");
  if (absl::Status status = in.Finish(); !status.ok()) return status;
  return state;
}

// tag, generation, spec, rows at the build, built.
std::string EncodeGeneration(const GenerationRecord& generation) {
  Encoder out;
  out.Byte(kGenerationTag);
  out.Varint(generation.generation);
  PutSpec(&out, generation.spec);
  out.Varint(generation.rows_at_build);
  out.Signed(generation.built_micros);
  return out.Take();
}

absl::StatusOr<GenerationRecord> ParseGeneration(absl::string_view bytes) {
  Decoder in("generation", bytes);
  in.Expect(kGenerationTag);
  GenerationRecord generation;
  generation.generation = in.Varint32("generation");
  generation.spec = GetSpec(&in);
  generation.rows_at_build = in.Varint();
  generation.built_micros = in.Signed();
  if (absl::Status status = in.Finish(); !status.ok()) return status;
  return generation;
}

// tag, row.
std::string EncodeRow(uint64_t row) {
  Encoder out;
  out.Byte(kRowTag);
  out.Varint(row);
  return out.Take();
}

absl::StatusOr<uint64_t> ParseRow(absl::string_view bytes) {
  Decoder in("id", bytes);
  in.Expect(kRowTag);
  const uint64_t row = in.Varint();
  if (absl::Status status = in.Finish(); !status.ok()) return status;
  return row;
}

// count, then {name, type, value}, names strictly ascending. Part of a point, no tag.
std::string EncodeAttributes(const Attributes& attributes) {
  Encoder out;
  out.Varint(attributes.size());
  for (const Attribute& attribute : attributes) {
    out.String(attribute.name);
    PutValue(&out, attribute.value);
  }
  return out.Take();
}

absl::StatusOr<Attributes> ParseAttributes(absl::string_view bytes) {
  Decoder in("attributes", bytes);
  Attributes attributes(in.Count("attributes"));
  for (size_t i = 0; i < attributes.size() && in.ok(); ++i) {
    attributes[i].name = std::string(in.String("attribute name"));
    attributes[i].value = GetValue(&in);
    if (i > 0 && attributes[i].name <= attributes[i - 1].name) {
      in.Fail("has attribute names out of order");
    }
  }
  if (absl::Status status = in.Finish(); !status.ok()) return status;
  return attributes;
}

// tag, seq, id kind, id (varint or string), attributes as a string, vector as a string, which ends
// the record.
std::string EncodePointHeader(uint64_t seq, const PointId& id, absl::string_view attributes,
                              size_t vector_bytes) {
  Encoder out;
  out.Byte(kPointTag);
  out.Varint(seq);
  if (const uint64_t* num = std::get_if<uint64_t>(&id)) {
    out.Byte(static_cast<uint8_t>(IdKind::kNum));
    out.Varint(*num);
  } else {
    out.Byte(static_cast<uint8_t>(IdKind::kStr));
    out.String(std::get<std::string>(id));
  }
  out.String(attributes);
  out.Varint(vector_bytes);
  return out.Take();
}

absl::StatusOr<PointView> ParsePoint(absl::string_view bytes) {
  Decoder in("point", bytes);
  in.Expect(kPointTag);
  PointView point;
  point.seq = in.Varint();
  if (in.Enum(IdKind::kStr, "id kind") == IdKind::kNum) {
    point.id = in.Varint();
  } else {
    const absl::string_view id = in.String("id");
    if (in.ok() && (id.empty() || id.size() > kMaxStringIdBytes)) {
      in.Fail(absl::StrCat("has an id of ", id.size(), " bytes, limit ", kMaxStringIdBytes));
    }
    point.id = std::string(id);
  }
  point.attributes = in.String("attributes");
  point.vector = in.String("vector");
  if (absl::Status status = in.Finish(); !status.ok()) return status;
  return point;
}

// tag, kind, collection, uid, state, created, started, ended, error code, error message.
std::string EncodeOperation(const OperationRecord& operation) {
  Encoder out;
  out.Byte(kOperationTag);
  out.String(operation.kind);
  out.String(operation.collection);
  out.Varint(operation.collection_uid);
  out.Byte(operation.state);
  out.Signed(operation.created_micros);
  out.Signed(operation.started_micros);
  out.Signed(operation.ended_micros);
  out.Varint(operation.error_code);
  out.String(operation.error_message);
  return out.Take();
}

absl::StatusOr<OperationRecord> ParseOperation(absl::string_view bytes) {
  Decoder in("operation", bytes);
  in.Expect(kOperationTag);
  OperationRecord operation;
  operation.kind = std::string(in.String("kind"));
  operation.collection = std::string(in.String("collection"));
  operation.collection_uid = in.Varint32("uid");
  operation.state = in.Enum(kLastOperationState, "state");
  operation.created_micros = in.Signed();
  operation.started_micros = in.Signed();
  operation.ended_micros = in.Signed();
  operation.error_code = static_cast<uint32_t>(in.Varint(16, "error code"));
  operation.error_message = std::string(in.String("error message"));
  if (absl::Status status = in.Finish(); !status.ok()) return status;
  return operation;
}

}  // namespace nestor
