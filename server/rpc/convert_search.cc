#include "server/rpc/convert_search.h"

#include <span>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/engine/validate.h"
#include "server/rpc/convert_schema.h"
#include "server/rpc/limits.h"
#include "server/rpc/status.h"

namespace nestor {

namespace {

absl::Status ToListStages(const v1::Lists& lists, Plan* out) {
  if (!lists.has_coarse()) return FieldError("lists.coarse", "must be set");
  out->coarse = {lists.coarse().dim(), lists.coarse().probes()};
  switch (lists.scan().what_case()) {
    case v1::ScanStage::kDim:
      out->scan = {lists.scan().dim(), lists.scan().keep()};
      return absl::OkStatus();
    case v1::ScanStage::kCode: {
      const absl::StatusOr<OpqSpec> code = ParseOpqName(lists.scan().code());
      if (!code.ok()) return FieldError("lists.scan.code", code.status().message());
      out->scan = {code->dim, lists.scan().keep()};
      out->code = *code;
      return absl::OkStatus();
    }
    case v1::ScanStage::WHAT_NOT_SET:
      break;
  }
  return FieldError("lists.scan.what", "dim or code must be set");
}

void FromListStages(const Plan& plan, v1::Lists* out) {
  out->mutable_coarse()->set_dim(plan.coarse.dim);
  out->mutable_coarse()->set_probes(plan.coarse.probes);
  if (plan.code.has_value()) {
    out->mutable_scan()->set_code(OpqName(*plan.code));
  } else {
    out->mutable_scan()->set_dim(plan.scan.dim);
  }
  out->mutable_scan()->set_keep(plan.scan.keep);
}

void FromGraphStage(const Plan::GraphStage& graph, v1::Graph* out) {
  out->set_dim(graph.dim);
  out->set_ef(graph.ef);
  out->set_margin(graph.margin);
}

}  // namespace

absl::StatusOr<Plan> ToPlan(const v1::Plan& plan) {
  Plan out;
  switch (plan.first_case()) {
    case v1::Plan::kLists:
      if (absl::Status s = ToListStages(plan.lists(), &out); !s.ok()) return s;
      break;
    case v1::Plan::kGraph:
      out.graph = {plan.graph().dim(), plan.graph().ef(), plan.graph().margin()};
      break;
    case v1::Plan::FIRST_NOT_SET:
      return FieldError("first", "lists or graph must be set");
  }
  if (static_cast<uint32_t>(plan.refine_size()) > kMaxRefineStages) {
    return FieldError("refine", absl::StrCat("has ", plan.refine_size(), " stages, the limit is ",
                                             kMaxRefineStages));
  }
  for (const v1::RefineStage& stage : plan.refine()) {
    out.refine.push_back({stage.dim(), stage.keep()});
  }
  if (static_cast<uint32_t>(plan.maxsim_size()) > kMaxRefineStages) {
    return FieldError("maxsim", absl::StrCat("has ", plan.maxsim_size(), " stages, the limit is ",
                                             kMaxRefineStages));
  }
  for (const v1::MaxSimStage& stage : plan.maxsim()) {
    out.maxsim.push_back({stage.dim(), stage.keep()});
  }
  out.rescore = plan.rescore();
  return out;
}

void FromPlan(const Plan& plan, v1::Plan* out) {
  if (plan.graph.has_value()) {
    FromGraphStage(*plan.graph, out->mutable_graph());
  } else {
    FromListStages(plan, out->mutable_lists());
  }
  for (const Plan::Stage& stage : plan.refine) {
    v1::RefineStage* refine = out->add_refine();
    refine->set_dim(stage.dim);
    refine->set_keep(stage.keep);
  }
  for (const Plan::Stage& stage : plan.maxsim) {
    v1::MaxSimStage* maxsim = out->add_maxsim();
    maxsim->set_dim(stage.dim);
    maxsim->set_keep(stage.keep);
  }
  out->set_rescore(plan.rescore);
}

namespace {

std::span<const uint32_t> SpanOf(const google::protobuf::RepeatedField<uint32_t>& field) {
  return {field.data(), static_cast<size_t>(field.size())};
}

absl::Status CheckBuilt(const Plan& plan, const IndexSpec& built) {
  const auto needs = [&](absl::string_view what) {
    return NotBuilt(
        absl::FailedPreconditionError(absl::StrCat("plan ", FormatPlan(plan), " needs ", what)));
  };
  if (!plan.graph.has_value()) {
    return built.no_lists ? needs("lists; the index has a graph only") : absl::OkStatus();
  }
  if (!built.graph.has_value()) return needs("a graph; the index has none");
  if (plan.graph->dim == built.graph->dim) return absl::OkStatus();
  return FieldError("graph.dim", absl::StrCat(plan.graph->dim, " is not the dim of the graph, ",
                                              built.graph->dim));
}

}  // namespace

absl::Status NotBuilt(absl::Status status) {
  return absl::IsFailedPrecondition(status) ? WithReason("PLAN_NOT_BUILT", std::move(status))
                                            : status;
}

template <typename Request>
absl::StatusOr<SearchHow> ToSearchHow(const Request& request, const PointSchema& schema,
                                      const IndexSpec& built) {
  switch (request.how_case()) {
    case Request::kPlan: {
      absl::StatusOr<Plan> plan = ToPlan(request.plan());
      if (!plan.ok()) return AtField("plan", plan.status());
      if (plan->graph.has_value() && plan->graph->ef > 0 && plan->graph->ef < request.limit()) {
        return FieldError("plan.graph.ef",
                          absl::StrCat(plan->graph->ef, " is below the limit ", request.limit()));
      }
      const absl::Status valid = ValidatePlan(*plan, schema.indexed, request.limit(),
                                              schema.multi() ? &schema.item() : nullptr);
      // Its messages begin with the field.
      if (!valid.ok()) return FieldError("plan", absl::StripPrefix(valid.message(), "plan: "));
      const absl::Status can_run = CheckBuilt(*plan, built);
      if (!can_run.ok()) return AtField("plan", can_run);
      if (plan->graph.has_value() && request.lists_size() > 0) {
        return FieldError("lists", "go with a plan for lists; this one is for the graph");
      }
      return SearchHow(*std::move(plan));
    }
    case Request::kExact: {
      if (request.lists_size() > 0) {
        return FieldError("lists", "go with a plan for lists; the search is exact");
      }
      const VectorSchema& item = schema.item();
      const uint32_t dim = request.exact().dim() == 0 ? item.dim : request.exact().dim();
      if (schema.multi() && dim != item.dim) {
        return FieldError("exact.dim", absl::StrCat(dim, " is not the tokens' dim, ", item.dim,
                                                    ": matrices are compared exactly in all dims"));
      }
      if (NestingIndex(item, dim) < 0) {
        return FieldError(
            "exact.dim",
            absl::StrCat(dim, " is not in the collection's nesting, whose last is ", item.dim));
      }
      return SearchHow(ExactSearch{dim});
    }
    case Request::HOW_NOT_SET:
      break;
  }
  return SearchHow(UseDefaultPlan{});
}

template absl::StatusOr<SearchHow> ToSearchHow(const v1::SearchRequest&, const PointSchema&,
                                               const IndexSpec&);
template absl::StatusOr<SearchHow> ToSearchHow(const v1::BatchSearchRequest&, const PointSchema&,
                                               const IndexSpec&);

absl::Status CheckLists(const v1::SearchRequest& request, const IndexSpec& built) {
  if (request.lists_size() == 0) return absl::OkStatus();
  return AtField("lists", NotBuilt(CheckNamedLists(built, SpanOf(request.lists()))));
}

absl::StatusOr<std::vector<uint64_t>> ToListEnds(const v1::BatchSearchRequest& request,
                                                 const IndexSpec& built, uint32_t queries) {
  std::vector<uint64_t> ends;
  if (request.list_counts_size() == 0 && request.lists_size() == 0) return ends;
  if (static_cast<uint32_t>(request.list_counts_size()) != queries) {
    return FieldError("list_counts",
                      absl::StrCat("has ", request.list_counts_size(), " entries, the batch has ",
                                   queries, " queries; one each"));
  }
  uint64_t end = 0;
  for (const uint32_t count : request.list_counts()) ends.push_back(end += count);
  const std::span<const uint32_t> lists = SpanOf(request.lists());
  if (end != lists.size()) {
    return FieldError(
        "lists", absl::StrCat("has ", lists.size(), " entries, the sum of list_counts is ", end));
  }
  for (uint32_t i = 0; i < queries; ++i) {
    const uint64_t begin = i == 0 ? 0 : ends[i - 1];
    const absl::Status valid = CheckNamedLists(built, lists.subspan(begin, ends[i] - begin));
    if (!valid.ok()) return AtField(absl::StrCat("lists (of query ", i, ")"), NotBuilt(valid));
  }
  return ends;
}

absl::Status CheckLimit(uint32_t limit) {
  if (limit >= 1 && limit <= kMaxLimit) return absl::OkStatus();
  return FieldError("limit", absl::StrCat(limit, " is not in 1..", kMaxLimit));
}

absl::Status CheckReplyBytes(uint64_t points, uint64_t bytes_each) {
  const uint64_t bytes = points * bytes_each;
  if (bytes <= kMaxMessageBytes) return absl::OkStatus();
  return WithReason("REPLY_TOO_LARGE",
                    absl::InvalidArgumentError(absl::StrCat(
                        "the reply could take ", bytes, " bytes, ", points, " points of ",
                        bytes_each, "; the limit of a message is ", kMaxMessageBytes)));
}

absl::Status ReplyTooLong(uint64_t points, uint64_t all, uint64_t bytes) {
  return WithReason(
      "REPLY_TOO_LARGE",
      FieldError("output", absl::StrCat("the first ", points, " of ", all, " points take ", bytes,
                                        " bytes, the limit of a message is ", kMaxMessageBytes)));
}

absl::Status AtOutput(const absl::Status& status) {
  if (!absl::IsOutOfRange(status)) return status;
  return WithReason("REPLY_TOO_LARGE", FieldError("output", status.message()));
}

uint64_t MaxPointBytes(const PointSchema& schema, const PointOutput& output) {
  // Id, score, sequence number and the framing of each.
  constexpr uint64_t kFixed = kMaxStringIdBytes + 40;
  const VectorSchema& item = schema.item();
  return kFixed + (output.vector ? item.dim * DtypeBytes(item.dtype) + 24 : 0);
}

uint64_t MaxMatchBytes(uint64_t query_tokens) {
  constexpr uint64_t kVarint = 3;  // of a number below kMaxTokens
  constexpr uint64_t kFraming = 18;
  return query_tokens * (kVarint + sizeof(float)) + kFraming;
}

PointOutput ToPointOutput(const v1::Output& output, const AttributeChoice& choice) {
  return {
      .attributes = choice.any(), .vector = output.vectors(), .max_token_bytes = kMaxPointBytes};
}

uint64_t MaxColumnHitBytes(IdKind kind) {
  constexpr uint64_t kVarint = 10;
  constexpr uint64_t kFraming = 4;
  return sizeof(float) + (kind == IdKind::kNum ? kVarint : kMaxStringIdBytes + kFraming);
}

absl::Status FromSearchReply(SearchReply* reply, const PointSchema& schema,
                             const PointOutput& output, const AttributeChoice& choice,
                             v1::SearchResponse* out) {
  out->mutable_hits()->Reserve(static_cast<int>(reply->hits.size()));
  uint64_t bytes = 0;
  for (SearchHit& hit : reply->hits) {
    v1::Hit* to = out->add_hits();
    FromPointId(hit.id, to->mutable_id());
    to->set_score(hit.score);
    to->set_seq(hit.seq);
    if (output.vector) FromStoredVector(schema, std::move(hit.vector), to->mutable_vector());
    for (const TokenMatch& match : hit.matches) {
      to->mutable_matches()->add_tokens(match.token);
      to->mutable_matches()->add_scores(match.product);
    }
    // All else is bounded beforehand.
    if (!output.attributes && !(output.vector && schema.multi())) continue;
    for (Attribute& attribute : hit.attributes) {
      if (!choice.Wants(attribute.name)) continue;
      FromAttributeValue(std::move(attribute.value), &(*to->mutable_attributes())[attribute.name]);
    }
    bytes += to->ByteSizeLong();
    if (bytes > kMaxMessageBytes) {
      return ReplyTooLong(out->hits_size(), reply->hits.size(), bytes);
    }
  }
  out->set_score_dim(reply->score_dim);
  out->set_unbuilt(reply->unbuilt);
  out->set_seq(reply->seq);
  if (const auto* plan = std::get_if<Plan>(&reply->how)) FromPlan(*plan, out->mutable_plan_used());
  for (const StageCost& cost : reply->stages) FromStage(cost, out->add_stages());
  return absl::OkStatus();
}

std::string FormatHow(const SearchHow& how) {
  if (const auto* plan = std::get_if<Plan>(&how)) return FormatPlan(*plan);
  const auto* exact = std::get_if<ExactSearch>(&how);
  return exact != nullptr ? absl::StrCat("exact=", exact->dim) : "default";
}

void FromStage(const StageCost& cost, v1::Stage* out) {
  out->set_name(cost.name);
  out->set_in(cost.in);
  out->set_out(cost.out);
  out->set_bytes(cost.bytes);
  out->set_multiply_adds(cost.multiply_adds);
  out->set_micros(cost.micros);
  out->set_store_reads(cost.store_reads);
}

}  // namespace nestor
