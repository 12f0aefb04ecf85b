#include "server/rpc/convert_operation.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/rpc/convert_schema.h"
#include "server/rpc/status.h"

namespace nestor {
namespace {

constexpr absl::string_view kPrefix = "op-";

}  // namespace

absl::StatusOr<std::string> ToOperationId(uint64_t number) {
  if (number == 0) return FieldError("id", "0 is no operation: they are numbered from 1");
  return absl::StrCat(kPrefix, number);
}

uint64_t FromOperationId(absl::string_view id) {
  uint64_t number = 0;
  return absl::ConsumePrefix(&id, kPrefix) && absl::SimpleAtoi(id, &number) ? number : 0;
}

void FromOperation(const Operation& operation, v1::Operation* out) {
  out->set_id(FromOperationId(operation.id));
  out->set_kind(operation.kind == "build_index" ? v1::Operation::KIND_BUILD_INDEX
                : operation.kind == "add_code"  ? v1::Operation::KIND_ADD_CODE
                : operation.kind == "drop_code" ? v1::Operation::KIND_DROP_CODE
                                                : v1::Operation::KIND_UNSPECIFIED);
  out->set_collection(operation.collection);
  // The enums are numbered alike.
  out->set_state(static_cast<v1::Operation::State>(operation.state));
  out->set_progress(operation.state == OperationState::kSucceeded ? 1 : operation.fraction);
  if (operation.eta_seconds >= 0 && !IsFinal(operation.state)) {
    out->set_eta_seconds(operation.eta_seconds);
  }
  out->set_phase(operation.phase);
  if (!operation.error.ok()) *out->mutable_error() = ToRpcStatus(operation.error);
  out->set_created_micros(operation.created_micros);
  out->set_finished_micros(operation.ended_micros);
}

namespace {

void AddTier(v1::Tier::Kind kind, uint64_t bytes, uint64_t rows, v1::Index* out) {
  v1::Tier* tier = out->add_tiers();
  tier->set_kind(kind);
  tier->set_bytes(bytes);
  if (rows != 0) tier->set_bytes_per_row(static_cast<double>(bytes) / static_cast<double>(rows));
}

}  // namespace

void FromIndexInfo(const IndexInfo& info, v1::Index* out) {
  if (!info.build_operation.empty()) {
    out->set_state(v1::Index::STATE_BUILDING);
  } else {
    out->set_state(info.generation == 0 ? v1::Index::STATE_UNBUILT : v1::Index::STATE_READY);
  }
  out->set_rows(info.rows);
  out->set_unbuilt(info.unbuilt);
  out->set_generation(info.generation);
  out->set_built_micros(info.built_micros);
  out->set_lists(info.lists);
  FromIndexSpec(info.spec, out->mutable_spec());
  v1::IndexMemory* memory = out->mutable_memory();
  memory->set_first_shell(info.memory.first_shell);
  memory->set_later_shells(info.memory.later_shells);
  memory->set_norms_scales(info.memory.norms_scales);
  memory->set_ids(info.memory.ids);
  memory->set_map(info.memory.map + info.id_map_bytes);
  memory->set_seqs(info.memory.sequences);
  memory->set_exact_vectors(info.memory.exact_vectors);
  memory->set_centroids(info.memory.model);
  memory->set_codes(info.memory.codes);
  for (size_t c = 0; c < info.spec.codes.size(); ++c) {
    v1::Code* code = out->add_codes();
    FromCodeSpec(info.spec.codes[c], code->mutable_spec());
    if (c < info.memory.code_parts.size()) code->set_bytes(info.memory.code_parts[c]);
    code->set_state(v1::Code::STATE_READY);
    code->set_progress(1);
    const bool trained =
        c >= info.code_origins.size() || info.code_origins[c] == CodeOrigin::kTrained;
    code->set_origin(trained ? v1::Code::ORIGIN_TRAINED : v1::Code::ORIGIN_IMPORTED);
  }
  for (const IndexInfo::BuildingCode& building : info.building_codes) {
    v1::Code* code = out->add_codes();
    FromCodeSpec(building.spec, code->mutable_spec());
    code->set_state(v1::Code::STATE_BUILDING);
    code->set_progress(building.progress);
  }
  memory->set_token_codes(info.token_bytes);
  memory->set_graph(info.memory.graph);
  const GraphMemory& graph = info.memory.graph_parts;
  memory->set_graph_codes(graph.codes);
  memory->set_graph_tails(graph.tails);
  memory->set_graph_links(graph.links);
  memory->set_graph_entries(graph.entries);
  memory->set_graph_tables(graph.tables);
  AddTier(v1::Tier::KIND_MEMORY, info.memory.Total() + info.id_map_bytes + info.token_bytes,
          info.rows, out);
  AddTier(v1::Tier::KIND_STORE, info.store_vector_bytes, info.rows, out);
}

}  // namespace nestor
