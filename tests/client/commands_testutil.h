// The commands of `nestor` against an in-process server.
#ifndef NESTOR_TESTS_CLIENT_COMMANDS_TESTUTIL_H_
#define NESTOR_TESTS_CLIENT_COMMANDS_TESTUTIL_H_

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/app.h"
#include "gtest/gtest.h"
#include "tests/client/fake_server.h"
#include "tests/client/scratch_files.h"

namespace nestor {

// What a command returned and printed.
struct Result {
  int code = 0;
  std::string out;
  std::string err;
};

inline Result RunCommand(const std::vector<std::string>& args) {
  std::vector<const char*> argv = {"nestor"};
  for (const std::string& arg : args) argv.push_back(arg.c_str());
  std::ostringstream out;
  std::ostringstream err;
  Result result;
  result.code = RunNestor(static_cast<int>(argv.size()), argv.data(), out, err, false);
  result.out = out.str();
  result.err = err.str();
  return result;
}

inline Result RunCommand(std::vector<std::string> args, const std::string& server) {
  args.push_back("--server");
  args.push_back(server);
  return RunCommand(args);
}

// The server has a collection `c` of 2 dims, L2.
class CommandsTest : public ::testing::Test {
 protected:
  CommandsTest() {
    v1::Collection collection;
    collection.mutable_spec()->set_name("c");
    collection.mutable_spec()->set_dim(2);
    collection.mutable_spec()->set_metric(v1::METRIC_L2);
    collection.mutable_spec()->set_dtype(v1::DTYPE_F32);
    collection.mutable_spec()->set_id_kind(v1::ID_KIND_NUM);
    (*collection.mutable_spec()->mutable_attributes())["year"] = v1::ATTRIBUTE_TYPE_INT64;
    collection.mutable_spec()->mutable_index()->set_coarse_dim(2);
    server_.collections["c"] = collection;
    v1::Operation operation;
    operation.set_id(7);
    operation.set_state(v1::Operation::STATE_SUCCEEDED);
    operation.set_progress(1);
    server_.operations = {operation};
    server_.index.set_rows(3);
    server_.index.set_lists(1);
    server_.index.set_generation(1);
    server_.index.set_state(v1::Index::STATE_READY);
    server_.index.mutable_spec()->set_coarse_dim(2);
    server_.index.mutable_spec()->add_shells(2);
    server_.index.mutable_spec()->set_shell_codec(v1::SHELL_CODEC_INT8);
  }

  Result Run(std::vector<std::string> args, bool with_server = true) {
    return with_server ? RunCommand(std::move(args), server_.address()) : RunCommand(args);
  }

  FakeServer server_;
  ScratchFiles files_;
};

}  // namespace nestor

#endif  // NESTOR_TESTS_CLIENT_COMMANDS_TESTUTIL_H_
