// make_corpus DIR: writes the samples below DIR, a file each.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/fuzz/samples.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_corpus DIR\n");
    return 2;
  }
  const std::filesystem::path root = argv[1];
  for (const auto& [name, bytes] : nestor::MakeSamples()) {
    std::filesystem::create_directories((root / name).parent_path());
    std::ofstream file(root / name, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.close();
    if (!file.good()) {
      std::fprintf(stderr, "make_corpus: cannot write %s\n", (root / name).c_str());
      return 1;
    }
  }
  return 0;
}
