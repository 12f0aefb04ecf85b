// nestor create NAME --dim D --metric M ...
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/index_flags.h"
#include "client/cli/memory_limit_flag.h"
#include "client/cli/muvera.h"
#include "client/cli/names.h"

namespace nestor {
namespace {

struct CreateFlags {
  std::string name;
  uint32_t dim = 0;
  std::vector<uint32_t> nesting;
  std::string metric;
  std::string dtype = "f32";
  std::string durability = "sync";
  std::string id_kind = "num";
  std::string kind = "single";
  std::string muvera;
  std::vector<std::string> attributes;
  std::optional<uint64_t> memory_limit;
  IndexFlags index;
};

absl::StatusOr<v1::CollectionSpec> MakeSpec(const CreateFlags& flags) {
  const auto metric = MetricFromName(flags.metric);
  if (!metric.ok()) return metric.status();
  const auto dtype = DtypeFromName(flags.dtype);
  if (!dtype.ok()) return dtype.status();
  const auto durability = DurabilityFromName(flags.durability);
  if (!durability.ok()) return durability.status();
  const auto id_kind = IdKindFromName(flags.id_kind);
  if (!id_kind.ok()) return id_kind.status();
  const auto kind = VectorKindFromName(flags.kind);
  if (!kind.ok()) return kind.status();
  if (!flags.muvera.empty() && *kind != v1::VECTOR_KIND_MULTI) {
    return UsageError("--muvera is for --kind multi");
  }
  const auto muvera = MuveraFromText(flags.muvera);
  if (!muvera.ok()) return muvera.status();
  auto index = ApplyFlags(flags.index, {});
  if (!index.ok()) return index.status();

  v1::CollectionSpec spec;
  spec.set_name(flags.name);
  spec.set_dim(flags.dim);
  spec.mutable_nesting()->Assign(flags.nesting.begin(), flags.nesting.end());
  spec.set_metric(*metric);
  spec.set_dtype(*dtype);
  spec.set_durability(*durability);
  spec.set_id_kind(*id_kind);
  if (flags.memory_limit.has_value()) spec.set_memory_limit_bytes(*flags.memory_limit);
  if (*kind == v1::VECTOR_KIND_MULTI) {
    spec.set_kind(*kind);
    *spec.mutable_muvera() = *muvera;
  }
  *spec.mutable_index() = *std::move(index);
  for (const std::string& attribute : flags.attributes) {
    const size_t colon = attribute.find(':');
    if (colon == std::string::npos) {
      return UsageError(absl::StrCat("attribute '", attribute, "' is not NAME:TYPE"));
    }
    const auto type = AttributeTypeFromName(attribute.substr(colon + 1));
    if (!type.ok()) return type.status();
    const std::string name = attribute.substr(0, colon);
    if (!spec.mutable_attributes()->insert({name, *type}).second) {
      return UsageError(absl::StrCat("attribute '", name, "' is given twice"));
    }
  }
  return spec;
}

absl::Status Create(const CreateFlags& flags, Session& session) {
  const absl::StatusOr<v1::CollectionSpec> spec = MakeSpec(flags);
  if (!spec.ok()) return spec.status();
  Client client(session.client);
  const absl::StatusOr<v1::Collection> made = client.CreateCollection(*spec);
  if (!made.ok()) return made.status();
  session.out << "created collection " << made->spec().name() << ": " << made->spec().dim()
              << " dims, " << ToName(made->spec().metric()) << ", " << ToName(made->spec().dtype());
  if (made->spec().kind() == v1::VECTOR_KIND_MULTI) {
    session.out << " a token; " << FdesText(made->spec().muvera());
  }
  session.out << "\n";
  return absl::OkStatus();
}

}  // namespace

void RegisterCreate(CLI::App& app, Session& session) {
  auto flags = std::make_shared<CreateFlags>();
  CLI::App* command = app.add_subcommand("create", "Make an empty collection");
  command->add_option("NAME", flags->name, "Name: letters, digits, _ . -, at most 128")->required();
  command
      ->add_option("--dim", flags->dim,
                   "D: coordinates per vector, 1 to 16384; per token, 1 to 1024")
      ->required()
      ->type_name("D");
  command
      ->add_option(
          "--nesting", flags->nesting,
          "Prefix lengths at which vectors are usable: ascending, at most 16, the last one D "
          "(default: D alone)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("DIM,DIM,...");
  command->add_option("--metric", flags->metric, "cosine, dot or l2")->required()->type_name("M");
  command->add_option("--dtype", flags->dtype, "Stored type: f32 (default), f16, bf16 or i8")
      ->type_name("T");
  command
      ->add_option(
          "--attribute", flags->attributes,
          "An attribute of the points; repeat the flag for more. TYPE: string, int64, double, "
          "bool, string-list or timestamp")
      ->type_name("NAME:TYPE")
      ->allow_extra_args(false);
  command
      ->add_option("--durability", flags->durability,
                   "What an acknowledged write promises: sync (default: on disk) or async")
      ->type_name("D");
  command->add_option("--id-kind", flags->id_kind, "Kind of ids: num (default) or str")
      ->type_name("K");
  AddMemoryLimitFlag(command, &flags->memory_limit);
  command
      ->add_option("--kind", flags->kind,
                   "What a point is: single (default: a vector) or multi (a matrix of token "
                   "vectors, scored by MaxSim)")
      ->type_name("K");
  command
      ->add_option("--muvera", flags->muvera,
                   absl::StrCat("Of kind multi: how token matrices are encoded to be found, e.g. ",
                                kMuveraHelp))
      ->type_name("NAME=VALUE,...");
  AddIndexFlags(command, &flags->index);
  AddListAttributeFlag(command, &flags->index);
  AddConnectionFlags(command, &session);
  command->callback([flags, &session] { session.status = Create(*flags, session); });
}

}  // namespace nestor
