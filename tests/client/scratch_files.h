// A folder of files for one test, removed with the object.
#ifndef NESTOR_TESTS_CLIENT_SCRATCH_FILES_H_
#define NESTOR_TESTS_CLIENT_SCRATCH_FILES_H_

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace nestor {

class ScratchFiles {
 public:
  ScratchFiles() {
    std::string folder = (std::filesystem::temp_directory_path() / "nestor-test-XXXXXX").string();
    folder_ = mkdtemp(folder.data());
  }
  ~ScratchFiles() { std::filesystem::remove_all(folder_); }

  // Each returns the file's path.
  std::string Write(const std::string& name, const std::string& content) const {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  // rows, dim, values: fbin and its kin.
  template <typename Value>
  std::string WriteBin(const std::string& name, uint32_t rows, uint32_t dim,
                       const std::vector<Value>& values) const {
    std::string content(reinterpret_cast<const char*>(&rows), sizeof(rows));
    content.append(reinterpret_cast<const char*>(&dim), sizeof(dim));
    content.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value));
    return Write(name, content);
  }

  std::string Read(const std::string& name) const {
    std::ifstream file(folder_ + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string PathOf(const std::string& name) const { return folder_ + "/" + name; }

 private:
  std::string folder_;
};

}  // namespace nestor

#endif  // NESTOR_TESTS_CLIENT_SCRATCH_FILES_H_
