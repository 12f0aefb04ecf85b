#include "client/cli/index_flags.h"

#include <utility>

#include "CLI/Option.hpp"
#include "client/cli/names.h"
#include "client/cli/session.h"
#include "index/codes/spec.h"

namespace nestor {

void AddIndexFlags(CLI::App* command, IndexFlags* flags) {
  command
      ->add_option("--lists", flags->lists,
                   "Number of lists, at most 65536; 0 = chosen from the number of rows")
      ->type_name("N")
      ->group("Index");
  command
      ->add_option("--coarse-dim", flags->coarse_dim,
                   "Prefix on which lists are trained, one of the nesting; 0 = chosen")
      ->type_name("DIM")
      ->group("Index");
  command
      ->add_option("--shells", flags->shells,
                   "Upper bounds of the shells: ascending, of the nesting, the last one D")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("DIM,DIM,...")
      ->group("Index");
  command->add_option("--codec", flags->codec, "How shells are stored: int8 (default), f16 or f32")
      ->type_name("CODEC")
      ->group("Index");
  command->add_flag("--graph", flags->graph, "Build a graph, too")->group("Index");
  command
      ->add_option("--graph-dim", flags->graph_dim,
                   "Prefix that the graph is built on: a multiple of 64, or D; 0 = chosen")
      ->type_name("DIM")
      ->group("Index");
  command->add_option("--degree", flags->degree, "Links of a graph's node, 4 to 128; 0 = chosen")
      ->type_name("N")
      ->group("Index");
  command
      ->add_option("--ef-construction", flags->ef_construction,
                   "Nodes among which a node's links are chosen, at most 10000; 0 = chosen")
      ->type_name("N")
      ->group("Index");
  command->add_flag("--no-lists", flags->no_lists, "Build the graph only")->group("Index");
  command
      ->add_option(
          "--code", flags->codes,
          "An OPQ code of every row for plans to scan, as opq256x32b4: dim, bytes, bits (4 "
          "or 8); repeat the flag for more, at most 4")
      ->allow_extra_args(false)
      ->type_name("CODE")
      ->group("Index");
  command
      ->add_option("--exact-vectors", flags->exact_vectors,
                   "Where rescore reads vectors: memory (default) or store")
      ->type_name("PLACE")
      ->group("Index");
  command
      ->add_option("--memory-dim", flags->memory_dim,
                   "Keep shells up to this dim of the nesting in memory, no others: rescore reads "
                   "the rest from where the exact vectors are; 0 = all shells")
      ->type_name("DIM")
      ->group("Index");
}

CLI::Option* AddListAttributeFlag(CLI::App* command, IndexFlags* flags) {
  return command
      ->add_option("--list-attribute", flags->list_attribute,
                   "An int64 attribute that says in which list each point lies, 0 to N - 1 of "
                   "--lists; points without it lie in the nearest")
      ->type_name("NAME")
      ->group("Index");
}

void AddOwnListsFlags(CLI::App* command, IndexFlags* flags) {
  CLI::Option* attribute = AddListAttributeFlag(command, flags);
  command
      ->add_flag("--train-lists", flags->train_lists,
                 "Lists of the server's own again, without --list-attribute and imported centroids")
      ->excludes(attribute)
      ->group("Index");
}

bool WantsGraph(const IndexFlags& flags) {
  return flags.graph || flags.graph_dim != 0 || flags.degree != 0 || flags.ef_construction != 0 ||
         flags.no_lists;
}

bool AnyGiven(const IndexFlags& flags) {
  return WantsGraph(flags) || !flags.codes.empty() || flags.lists != 0 || flags.coarse_dim != 0 ||
         !flags.shells.empty() || !flags.codec.empty() || !flags.exact_vectors.empty() ||
         flags.memory_dim != 0 || !flags.list_attribute.empty() || flags.train_lists;
}

absl::StatusOr<v1::IndexSpec> ApplyFlags(const IndexFlags& flags, v1::IndexSpec base) {
  if (flags.train_lists) {
    // Their number was the caller's, too.
    if (!base.list_attribute().empty() || base.centroids() == v1::CENTROID_ORIGIN_IMPORTED) {
      base.clear_lists();
    }
    base.clear_list_attribute();
    base.clear_centroids();
  }
  if (!flags.list_attribute.empty()) base.set_list_attribute(flags.list_attribute);
  if (flags.lists != 0) base.set_lists(flags.lists);
  if (flags.coarse_dim != 0) base.set_coarse_dim(flags.coarse_dim);
  if (!flags.shells.empty())
    base.mutable_shells()->Assign(flags.shells.begin(), flags.shells.end());
  if (WantsGraph(flags)) {
    v1::GraphSpec* graph = base.mutable_graph();
    if (flags.graph_dim != 0) graph->set_dim(flags.graph_dim);
    if (flags.degree != 0) graph->set_degree(flags.degree);
    if (flags.ef_construction != 0) graph->set_ef_construction(flags.ef_construction);
  }
  if (flags.no_lists) base.set_no_lists(true);
  if (!flags.codes.empty()) base.clear_codes();
  for (const std::string& name : flags.codes) {
    const absl::StatusOr<OpqSpec> code = ParseOpqName(name);
    if (!code.ok()) return UsageError(code.status().message());
    v1::CodeSpec* spec = base.add_codes();
    spec->set_dim(code->dim);
    spec->set_bytes(code->bytes);
    spec->set_bits(code->bits);
  }
  if (!flags.codec.empty()) {
    const auto codec = ShellCodecFromName(flags.codec);
    if (!codec.ok()) return codec.status();
    base.set_shell_codec(*codec);
  }
  if (!flags.exact_vectors.empty()) {
    const auto place = ExactVectorsFromName(flags.exact_vectors);
    if (!place.ok()) return place.status();
    base.set_exact_vectors(*place);
  }
  if (flags.memory_dim != 0) base.set_memory_dim(flags.memory_dim);
  return base;
}

}  // namespace nestor
