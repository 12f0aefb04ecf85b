// nestor stats [NAME]
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/json.h"
#include "client/cli/memory_limit_flag.h"
#include "client/cli/muvera.h"
#include "client/cli/names.h"
#include "client/cli/text.h"
#include "google/protobuf/util/json_util.h"

namespace nestor {
namespace {

struct StatsFlags {
  std::string name;
  bool json = false;
};

// Protobuf's own mapping, with the field names of the API.
absl::StatusOr<Json> MessageJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  if (!status.ok()) return absl::InternalError(absl::StrCat("print as JSON: ", status.ToString()));
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

absl::Status PrintJson(
    const std::vector<std::pair<const char*, const google::protobuf::Message*>>& parts,
    Session& session) {
  Json json;
  for (const auto& [name, message] : parts) {
    absl::StatusOr<Json> part = MessageJson(*message);
    if (!part.ok()) return part.status();
    json[name] = *std::move(part);
  }
  session.out << ToLine(json) << "\n";
  return absl::OkStatus();
}

absl::Status ServerStats(bool as_json, Client& client, Session& session) {
  const absl::StatusOr<v1::ServerInfo> info = client.GetServerInfo();
  if (!info.ok()) return info.status();
  const absl::StatusOr<v1::Stats> stats = client.GetStats();
  if (!stats.ok()) return stats.status();
  if (as_json) return PrintJson({{"server", &*info}, {"stats", &*stats}}, session);
  session.out << "nestord " << info->version() << ", kernels " << info->simd_level() << ", up "
              << FormatSeconds(stats->uptime_seconds()) << "\n\n";
  std::vector<std::vector<std::string>> rows = {{"collection", "rows", "seq", "memory", "disk"}};
  for (const v1::CollectionStats& one : stats->collections()) {
    rows.push_back({one.collection(), FormatCount(one.rows()), FormatCount(one.seq()),
                    FormatBytes(one.memory_bytes()), FormatBytes(one.disk_bytes())});
  }
  session.out << (rows.size() > 1 ? FormatTable(rows) : "no collections\n");
  rows = {{"method", "status", "calls"}};
  for (const v1::RequestCount& one : stats->requests()) {
    rows.push_back({one.method(), one.status(), FormatCount(one.count())});
  }
  if (rows.size() > 1) session.out << "\n" << FormatTable(rows);
  return absl::OkStatus();
}

std::string AttributeList(const v1::CollectionSpec& spec) {
  std::map<std::string, std::string> sorted;
  for (const auto& [name, type] : spec.attributes()) sorted[name] = ToName(type);
  return sorted.empty() ? "none" : absl::StrJoin(sorted, ", ", absl::PairFormatter(":"));
}

// "512 (imported centroids, as cell says)".
std::string ListsText(const v1::Index& index) {
  if (index.spec().no_lists()) return "none";
  std::vector<std::string> notes;
  if (index.spec().centroids() == v1::CENTROID_ORIGIN_IMPORTED) {
    notes.push_back("imported centroids");
  }
  if (!index.spec().list_attribute().empty()) {
    notes.push_back(absl::StrCat("as ", index.spec().list_attribute(), " says"));
  }
  const std::string count = FormatCount(index.lists());
  return notes.empty() ? count : absl::StrCat(count, " (", absl::StrJoin(notes, ", "), ")");
}

// "opq256x32b4 (imported), opq64x8b8 (45 %)", the latter being added.
std::string CodeList(const v1::Index& index) {
  if (index.codes().empty()) return "none";
  return absl::StrJoin(index.codes(), ", ", [](std::string* out, const v1::Code& code) {
    absl::StrAppend(out, ToText(code.spec()));
    if (code.origin() == v1::Code::ORIGIN_IMPORTED) absl::StrAppend(out, " (imported)");
    if (code.state() != v1::Code::STATE_BUILDING) return;
    absl::StrAppend(out, " (", static_cast<int>(100 * code.progress()), " %)");
  });
}

absl::Status CollectionStats(const StatsFlags& flags, Client& client, Session& session) {
  const absl::StatusOr<v1::Collection> collection = client.GetCollection(flags.name);
  if (!collection.ok()) return collection.status();
  const absl::StatusOr<v1::Index> index = client.GetIndex(flags.name);
  if (!index.ok()) return index.status();
  if (flags.json) return PrintJson({{"collection", &*collection}, {"index", &*index}}, session);
  const v1::CollectionSpec& spec = collection->spec();
  const v1::IndexSpec& built = index->spec();
  const v1::IndexMemory& memory = index->memory();
  std::vector<std::vector<std::string>> rows = {
      {"collection", spec.name()},
      {"state", ToName(collection->state())},
      {"rows", FormatCount(collection->rows())},
      {"seq", FormatCount(collection->seq())},
      {"kind", ToName(spec.kind())},
      {"dim", absl::StrCat(spec.dim())},
      {"nesting", absl::StrJoin(spec.nesting(), ",")},
      {"metric", ToName(spec.metric())},
      {"dtype", ToName(spec.dtype())},
      {"durability", ToName(spec.durability())},
      {"id kind", ToName(spec.id_kind())},
      {"attributes", AttributeList(spec)},
      {"index", absl::StrCat(ToName(index->state()), ", generation ", index->generation())},
      {"unbuilt rows", FormatCount(index->unbuilt())},
      {"lists", ListsText(*index)},
      {"coarse dim", absl::StrCat(built.coarse_dim())},
      {"shells",
       absl::StrCat(absl::StrJoin(built.shells(), ","), " (", ToName(built.shell_codec()), ")")},
      {"graph", built.has_graph() ? ToText(built.graph()) : "none"},
      {"codes", CodeList(*index)},
      {"exact vectors", ToName(built.exact_vectors())},
      {"memory dim", built.memory_dim() == 0 ? "all" : absl::StrCat(built.memory_dim())},
      {"memory limit", MemoryLimitText(spec)},
      {"memory: first shell", FormatBytes(memory.first_shell())},
      {"memory: later shells", FormatBytes(memory.later_shells())},
      {"memory: norms, scales", FormatBytes(memory.norms_scales())},
      {"memory: ids", FormatBytes(memory.ids())},
      {"memory: map", FormatBytes(memory.map())},
      {"memory: seqs", FormatBytes(memory.seqs())},
      {"memory: exact vectors", FormatBytes(memory.exact_vectors())},
      {"memory: centroids", FormatBytes(memory.centroids())},
      {"memory: codes", FormatBytes(memory.codes())},
      {"memory: graph", FormatBytes(memory.graph())},
  };
  if (spec.kind() == v1::VECTOR_KIND_MULTI) {
    rows.push_back({"muvera", ToText(spec.muvera())});
    rows.push_back({"fde dims", absl::StrJoin(spec.muvera().fde_nesting(), ",")});
    rows.push_back({"memory: token codes", FormatBytes(memory.token_codes())});
  }
  for (const v1::Tier& tier : index->tiers()) {
    const bool store = tier.kind() == v1::Tier::KIND_STORE;
    rows.push_back({store ? "in the store" : "in memory",
                    absl::StrCat(FormatBytes(tier.bytes()), ", ",
                                 absl::StrFormat("%.0f", tier.bytes_per_row()), " bytes a row")});
  }
  if (index->codes_size() > 1) {
    for (const v1::Code& code : index->codes()) {
      rows.push_back({absl::StrCat("memory: ", ToText(code.spec())), FormatBytes(code.bytes())});
    }
  }
  if (built.has_graph()) {
    rows.push_back({"memory: graph codes", FormatBytes(memory.graph_codes())});
    rows.push_back({"memory: graph tails", FormatBytes(memory.graph_tails())});
    rows.push_back({"memory: graph links", FormatBytes(memory.graph_links())});
    rows.push_back({"memory: graph entries", FormatBytes(memory.graph_entries())});
    rows.push_back({"memory: graph tables", FormatBytes(memory.graph_tables())});
  }
  session.out << FormatTable(rows);
  return absl::OkStatus();
}

absl::Status Stats(const StatsFlags& flags, Session& session) {
  Client client(session.client);
  return flags.name.empty() ? ServerStats(flags.json, client, session)
                            : CollectionStats(flags, client, session);
}

}  // namespace

void RegisterStats(CLI::App& app, Session& session) {
  auto flags = std::make_shared<StatsFlags>();
  CLI::App* command = app.add_subcommand(
      "stats",
      "Show the server, its collections and calls; or one collection, its schema and index");
  command->add_option("NAME", flags->name, "Collection (default: the server)");
  command->add_flag("--json", flags->json, "Print one JSON object");
  AddConnectionFlags(command, &session);
  command->callback([flags, &session] { session.status = Stats(*flags, session); });
}

}  // namespace nestor
