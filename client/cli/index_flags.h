// The flags that say what a build makes, for every command that can build: --lists --coarse-dim
// --shells --codec --exact-vectors --memory-dim, --code, --graph --graph-dim --degree
// --ef-construction
// --no-lists.
#ifndef NESTOR_CLIENT_CLI_INDEX_FLAGS_H_
#define NESTOR_CLIENT_CLI_INDEX_FLAGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "nestor/v1/collection.pb.h"

namespace nestor {

struct IndexFlags {
  uint32_t lists = 0;
  uint32_t coarse_dim = 0;
  std::vector<uint32_t> shells;
  bool graph = false;
  uint32_t graph_dim = 0;
  uint32_t degree = 0;
  uint32_t ef_construction = 0;
  bool no_lists = false;
  std::vector<std::string> codes;
  std::string codec;          // empty = not given
  std::string exact_vectors;  // likewise
  uint32_t memory_dim = 0;
  std::string list_attribute;  // empty = not given
  bool train_lists = false;
};

// `flags` must outlive the parsing.
void AddIndexFlags(CLI::App* command, IndexFlags* flags);
// Of the command that makes a collection: --list-attribute.
CLI::Option* AddListAttributeFlag(CLI::App* command, IndexFlags* flags);
// Of commands that build: that one, and --train-lists, which ends it.
void AddOwnListsFlags(CLI::App* command, IndexFlags* flags);

// Whether a graph is to be built: by --graph or a flag about it.
bool WantsGraph(const IndexFlags& flags);

// Whether any of them was given.
bool AnyGiven(const IndexFlags& flags);

// `base` with the flags that were given in place of its fields. A usage error for unknown words.
absl::StatusOr<v1::IndexSpec> ApplyFlags(const IndexFlags& flags, v1::IndexSpec base);

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_INDEX_FLAGS_H_
