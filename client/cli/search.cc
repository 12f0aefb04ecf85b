// nestor search NAME [--vector V | --file F --row N | --tokens F | --id ID] [--plan P |
// --exact[=DIM]]
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/commands.h"
#include "client/cli/json.h"
#include "client/cli/names.h"
#include "client/cli/plan_message.h"
#include "client/cli/search_text.h"
#include "client/cli/text.h"
#include "client/files/token_offsets.h"
#include "client/files/vector_file.h"

namespace nestor {
namespace {

struct SearchFlags {
  std::string name;
  std::string vector;
  std::string file;
  std::string tokens;
  std::string offsets;
  uint64_t row = 0;
  std::string weights;
  bool mean = false;
  bool matches = false;
  std::string id;
  std::string plan;
  std::string exact;  // empty = not given, "true" = at D, else a dim
  std::vector<uint32_t> lists;
  uint32_t limit = 10;
  bool with_attributes = false;
  bool with_vectors = false;
  bool json = false;
};

absl::StatusOr<std::vector<float>> ReadRow(const std::string& path, uint64_t row) {
  const absl::StatusOr<VectorFile> file = VectorFile::Open(path);
  if (!file.ok()) return file.status();
  if (row >= file->rows()) {
    return absl::OutOfRangeError(
        absl::StrCat("read ", path, ": row ", row, " of a file with ", file->rows(), " rows"));
  }
  std::vector<float> values(file->dim());
  file->ReadF32(row, values);
  return values;
}

// All tokens of the file, or those of a matrix where there are offsets.
absl::Status SetTokens(const SearchFlags& flags, v1::SearchRequest* request) {
  const absl::StatusOr<VectorFile> file = VectorFile::Open(flags.tokens);
  if (!file.ok()) return file.status();
  std::vector<uint64_t> range = {0, file->rows()};
  if (!flags.offsets.empty()) {
    const auto offsets = ReadTokenOffsets(flags.offsets, file->rows());
    if (!offsets.ok()) return offsets.status();
    if (flags.row >= offsets->size() - 1) {
      return absl::OutOfRangeError(absl::StrCat("read ", flags.tokens, ": row ", flags.row, " of ",
                                                offsets->size() - 1, " token matrices"));
    }
    range.assign(offsets->begin() + static_cast<int64_t>(flags.row),
                 offsets->begin() + static_cast<int64_t>(flags.row) + 2);
  }
  std::vector<float> values((range[1] - range[0]) * file->dim());
  for (uint64_t token = range[0]; token < range[1]; ++token) {
    file->ReadF32(token, std::span(values).subspan((token - range[0]) * file->dim(), file->dim()));
  }
  v1::MultiVector* multi = request->mutable_vector()->mutable_multi();
  multi->set_count(static_cast<uint32_t>(range[1] - range[0]));
  multi->mutable_tokens()->set_dtype(v1::DTYPE_F32);
  multi->mutable_tokens()->set_data(
      std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
  if (flags.weights.empty()) return absl::OkStatus();
  const auto weights = ParseVector(flags.weights);
  if (!weights.ok()) return weights.status();
  request->mutable_token_weights()->Assign(weights->begin(), weights->end());
  return absl::OkStatus();
}

absl::Status SetQuery(const SearchFlags& flags, Client& client, v1::SearchRequest* request) {
  const int given =
      !flags.vector.empty() + !flags.file.empty() + !flags.tokens.empty() + !flags.id.empty();
  if (given != 1) {
    return UsageError(absl::StrCat("search takes one query: --vector, --file, --tokens or --id; ",
                                   given, " are given"));
  }
  if (!flags.tokens.empty()) return SetTokens(flags, request);
  if (!flags.id.empty()) {
    const absl::StatusOr<v1::Collection> collection = client.GetCollection(flags.name);
    if (!collection.ok()) return collection.status();
    auto id = IdFromText(flags.id, collection->spec().id_kind());
    if (!id.ok()) return id.status();
    *request->mutable_id() = *std::move(id);
    return absl::OkStatus();
  }
  const auto values =
      flags.file.empty() ? ParseVector(flags.vector) : ReadRow(flags.file, flags.row);
  if (!values.ok()) return values.status();
  request->mutable_vector()->mutable_floats()->mutable_values()->Assign(values->begin(),
                                                                        values->end());
  return absl::OkStatus();
}

absl::Status SetHow(const SearchFlags& flags, v1::SearchRequest* request) {
  if (!flags.plan.empty()) {
    auto plan = PlanFromText(flags.plan);
    if (!plan.ok()) return UsageError(plan.status().message());
    *request->mutable_plan() = *std::move(plan);
  } else if (!flags.exact.empty()) {
    uint32_t dim = 0;
    if (flags.exact != "true" && (!absl::SimpleAtoi(flags.exact, &dim) || dim == 0)) {
      return UsageError(absl::StrCat("--exact=", flags.exact, ": not a dim of 1 or more"));
    }
    request->mutable_exact()->set_dim(dim);
  }
  return absl::OkStatus();
}

absl::Status Search(const SearchFlags& flags, Session& session) {
  Client client(session.client);
  v1::SearchRequest request;
  request.set_collection(flags.name);
  request.set_limit(flags.limit);
  request.mutable_lists()->Assign(flags.lists.begin(), flags.lists.end());
  if (flags.with_attributes) request.mutable_output()->add_attributes("*");
  if (flags.with_vectors) request.mutable_output()->set_vectors(true);
  if (flags.mean) request.set_token_score(v1::TOKEN_SCORE_MEAN);
  request.set_matches(flags.matches);
  if (absl::Status status = SetHow(flags, &request); !status.ok()) return status;
  if (absl::Status status = SetQuery(flags, client, &request); !status.ok()) return status;
  if (absl::Status status = client.Connect(); !status.ok()) return status;
  const absl::Time start = absl::Now();
  const absl::StatusOr<v1::SearchResponse> response = client.Search(request);
  if (!response.ok()) return response.status();
  const absl::Duration elapsed = absl::Now() - start;
  if (flags.json) {
    const absl::StatusOr<Json> json = ToJson(*response);
    if (!json.ok()) return json.status();
    session.out << ToLine(*json) << "\n";
    return absl::OkStatus();
  }
  const absl::StatusOr<std::string> text = SearchText(*response, elapsed);
  if (!text.ok()) return text.status();
  session.out << *text;
  return absl::OkStatus();
}

}  // namespace

void RegisterSearch(CLI::App& app, Session& session) {
  auto flags = std::make_shared<SearchFlags>();
  CLI::App* command = app.add_subcommand(
      "search",
      "Find the points nearest to a query; prints hits, the plan that ran and what each of its "
      "stages cost");
  command->add_option("NAME", flags->name, "Collection")->required();
  command->add_option("--vector", flags->vector, "The query's D coordinates")
      ->type_name("\"0.1,0.2,...\"")
      ->group("Query");
  CLI::Option* file =
      command
          ->add_option("--file", flags->file,
                       "A file of queries: fbin, f16bin, i8bin, u8bin, fvecs or npy")
          ->type_name("F")
          ->group("Query");
  CLI::Option* tokens =
      command
          ->add_option("--tokens", flags->tokens,
                       "Of a multi collection: a file of the query's tokens, one a row")
          ->type_name("F")
          ->group("Query");
  CLI::Option* offsets =
      command
          ->add_option("--offsets", flags->offsets,
                       "The file of tokens has many queries: where they begin (n + 1, from 0)")
          ->type_name("F")
          ->needs(tokens)
          ->group("Query");
  command
      ->add_option("--row", flags->row,
                   "Row of the file, or query of the offsets, from 0 (default 0)")
      ->type_name("N")
      ->group("Query");
  command->add_option("--weights", flags->weights, "A factor for each of the query's tokens")
      ->type_name("\"1,0.5,...\"")
      ->needs(tokens)
      ->group("Query");
  command->add_flag("--mean", flags->mean, "Divide scores by the number of the query's tokens")
      ->needs(tokens)
      ->group("Query");
  command->add_option("--id", flags->id, "The vector of this point; the point itself is left out")
      ->type_name("ID")
      ->group("Query");
  CLI::Option* plan =
      command
          ->add_option(
              "--plan", flags->plan,
              "The stages, e.g. coarse=64:32,scan=128:100,refine=256:30,rescore (DIM:PROBES for "
              "coarse, DIM:KEEP for the others; refine may repeat), or where a graph is built "
              "graph=384:200:0.18,refine=768:15,rescore (DIM:EF[:MARGIN]); of a multi collection "
              "also maxsim=128:20 (token dim, keep) before rescore. Default: the server chooses")
          ->type_name("P");
  CLI::Option* exact =
      command
          ->add_flag("--exact", flags->exact,
                     "[=DIM] Brute force over all points, at D or at a dim of the nesting")
          ->excludes(plan);
  command
      ->add_option("--lists", flags->lists,
                   "The lists to scan, the nearest first, in place of those that the plan would "
                   "choose; where they are the caller's (build --list-attribute or --centroids)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->excludes(exact)
      ->type_name("N,N,...");
  command->add_option("-k,--limit", flags->limit, "Hits wanted, 1 to 10000 (default 10)")
      ->type_name("K");
  command->add_flag("--with-attributes", flags->with_attributes, "Return the hits' attributes");
  command->add_flag("--with-vectors", flags->with_vectors, "Return the hits' vectors or tokens");
  command->add_flag("--matches", flags->matches,
                    "Of a multi collection: return which of a hit's tokens each of the query's "
                    "tokens matched, and their scores");
  command->add_flag("--json", flags->json, "Print one JSON object instead of tables");
  AddConnectionFlags(command, &session);
  command->callback([command, flags, file, offsets, &session] {
    if (command->count("--row") > 0 && file->count() + offsets->count() == 0) {
      session.status = UsageError("--row needs --file, or --tokens with --offsets");
      return;
    }
    session.status = Search(*flags, session);
  });
}

}  // namespace nestor
