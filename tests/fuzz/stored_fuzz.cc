// What the server reads from its store, and the text of plans.
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "index/graph/stored_graph.h"
#include "index/plan.h"
#include "server/storage/keys.h"
#include "server/storage/records.h"
#include "tests/fuzz/targets.h"

namespace nestor {
namespace {

// Whether `bytes` parse; what does is written and read again without a change.
template <typename Parse, typename Encode>
bool ParsesAndComesBack(absl::string_view bytes, const Parse& parse, const Encode& encode) {
  const auto record = parse(bytes);
  if (!record.ok()) {
    Require(absl::IsDataLoss(record.status()), "a damaged record is DATA_LOSS");
    return false;
  }
  // Not always the same bytes: a varint may be longer than it need be.
  const std::string written = encode(*record);
  const auto again = parse(written);
  Require(again.ok() && encode(*again) == written, "a record that is written reads the same");
  return true;
}

std::string EncodePoint(const PointView& point) {
  std::string bytes = EncodePointHeader(point.seq, point.id, point.attributes, point.vector.size());
  return bytes.append(point.vector.data(), point.vector.size());
}

constexpr uint32_t kLast = ~uint32_t{0};

bool InGeneration(uint32_t uid, uint32_t generation, absl::string_view key) {
  return GenerationBegin(uid, generation) < key &&
         (generation == kLast || key < GenerationBegin(uid, generation + 1));
}

std::string MetaKey(const MetaKeyParts& parts) {
  switch (parts.kind) {
    case MetaKind::kFormat:
      return FormatKey();
    case MetaKind::kNextUid:
      return NextUidKey();
    case MetaKind::kOperation:
      return OperationKey(0);
    case MetaKind::kCollection:
      return CollectionKey(parts.uid);
    case MetaKind::kState:
      return StateKey(parts.uid);
    case MetaKind::kGeneration:
      return GenerationKey(parts.uid);
    case MetaKind::kFde:
      return FdeKey(parts.uid);
  }
  return "";
}

// Whether the key parses; what does is made again from its parts.
bool FuzzKey(uint8_t kind, absl::string_view key) {
  // The parts that a parser does not give back, since whoever scans knows them.
  const auto number = [&](size_t at) {
    uint32_t value = 0;
    for (size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<uint8_t>(key[i]);
    return value;
  };
  switch (kind) {
    case 0: {
      const auto parts = ParseMetaKey(key);
      if (!parts.ok()) return false;
      // Behind the uid: that of a kind which is the server's own is 0, whatever the key says.
      Require(MetaKey(*parts).substr(4, 1) == key.substr(4, 1), "a meta key comes back");
      return true;
    }
    case 1: {
      const auto operation = ParseOperationKey(key);
      if (!operation.ok()) return false;
      const std::string made = OperationKey(*operation);
      Require(made.substr(5) == key.substr(5), "an operation's key comes back");
      Require(OperationsBegin() <= made && made < OperationsEnd(), "it lies in its range");
      return true;
    }
    case 2: {
      const auto row = ParsePointKey(key);
      if (!row.ok()) return false;
      Require(PointKey(number(0), *row) == key, "a point's key comes back");
      Require(UidBegin(number(0)) < key && (number(0) == kLast || key < UidBegin(number(0) + 1)),
              "it lies among those of its collection");
      return true;
    }
    case 3: {
      const auto block = ParseGraphBlockKey(key);
      if (!block.ok()) return false;
      Require(GraphBlockKey(number(0), number(4), *block) == key, "a block's key comes back");
      Require(GraphHeadKey(number(0), number(4)) < key && InGeneration(number(0), number(4), key),
              "it lies behind its graph's head");
      return true;
    }
    case 5: {
      const auto code = ParseCodeKey(key);
      if (!code.ok()) return false;
      Require(CodeKey(number(0), number(4), *code) == key, "a code's key comes back");
      Require(ModelKey(number(0), number(4)) < key && InGeneration(number(0), number(4), key),
              "it lies behind its generation's model");
      return true;
    }
    default: {
      const auto posting = ParsePostingKey(key);
      if (!posting.ok()) return false;
      Require(PostingKey(number(0), posting->generation, posting->list, posting->row) == key,
              "a posting's key comes back");
      Require(InGeneration(number(0), posting->generation, key),
              "it lies among those of its generation");
      return true;
    }
  }
}

}  // namespace

// The first byte chooses the kind of record, or of key; the rest is its bytes.
bool FuzzRecords(FuzzInput input) {
  if (input.empty()) return false;
  const ExactCopy copy(input.subspan(1));
  const absl::string_view bytes = copy.text();
  switch (const auto kind = static_cast<uint8_t>(static_cast<uint8_t>(input[0]) % 15)) {
    case 0:
      return ParsesAndComesBack(bytes, ParseFormatVersion, EncodeFormatVersion);
    case 1:
      return ParsesAndComesBack(bytes, ParseNextUid, EncodeNextUid);
    case 2:
      return ParsesAndComesBack(bytes, ParseCollection, EncodeCollection);
    case 3:
      return ParsesAndComesBack(bytes, ParseState, EncodeState);
    case 4:
      return ParsesAndComesBack(bytes, ParseGeneration, EncodeGeneration);
    case 5:
      return ParsesAndComesBack(bytes, ParseRow, EncodeRow);
    case 6:
      return ParsesAndComesBack(bytes, ParseAttributes, EncodeAttributes);
    case 7:
      return ParsesAndComesBack(bytes, ParsePoint, EncodePoint);
    case 8:
      return ParsesAndComesBack(bytes, ParseOperation, EncodeOperation);
    default:
      return FuzzKey(kind - 9, bytes);
  }
}

// The first byte chooses the schema. Then the head (20 bytes), then blocks: number (1 byte),
// length (2 bytes, the higher one first), bytes.
bool FuzzStoredGraph(FuzzInput input) {
  constexpr size_t kHeadBytes = 20;
  if (input.empty()) return false;
  constexpr uint32_t kDims[] = {64, 100, 784};
  const uint32_t dim = kDims[static_cast<size_t>(input[0]) % 3];
  const VectorSchema schema{.dim = dim, .nesting = {dim}, .metric = Metric::kDot};
  input = input.subspan(1);
  const ExactCopy head_bytes(input.first(std::min(input.size(), kHeadBytes)));
  const auto head = ParseHead(head_bytes.text(), schema);
  if (!head.ok()) {
    Require(absl::IsDataLoss(head.status()), "a damaged head is DATA_LOSS");
    return false;
  }
  Require(SerializeHead(*head) == head_bytes.text(), "a head comes back");
  input = input.subspan(kHeadBytes);
  StoredGraph graph{.head = *head};
  const uint32_t degree = head->spec.degree;
  while (input.size() >= 3) {
    const auto number = static_cast<uint32_t>(input[0]);
    const size_t length = std::min(
        static_cast<size_t>(input[1]) << 8 | static_cast<size_t>(input[2]), input.size() - 3);
    const ExactCopy block(input.subspan(3, length));
    input = input.subspan(3 + length);
    const absl::Status added = graph.Add(number, block.text());
    Require(graph.links.size() == graph.rows.size() * degree, "every node has its links");
    if (!added.ok()) {
      Require(absl::IsDataLoss(added), "a damaged block is DATA_LOSS");
      return false;
    }
    std::string again;
    const size_t node_bytes = sizeof(uint64_t) + degree * sizeof(uint32_t);
    for (size_t i = 0; i < length / node_bytes; ++i) {
      const size_t node = size_t{number} * StoredGraph::kBlockNodes + i;
      AppendNode(graph.rows[node], std::span(graph.links).subspan(node * degree, degree), degree,
                 &again);
    }
    Require(again == block.text(), "a block comes back");
  }
  return input.empty();
}

// The text of a plan.
bool FuzzPlan(FuzzInput input) {
  const VectorSchema schema{.dim = 768, .nesting = {64, 128, 256, 768}, .metric = Metric::kCosine};
  const ExactCopy copy(input);
  const auto plan = ParsePlan(copy.text());
  if (!plan.ok()) return false;
  const std::string text = FormatPlan(*plan);
  const auto again = ParsePlan(text);
  Require(again.ok() && FormatPlan(*again) == text, "a plan that is written reads the same");
  if (!ValidatePlan(*plan, schema, 10).ok()) return false;
  Require(*again == *plan, "a valid plan comes back");
  return true;
}

}  // namespace nestor
