// Files that clients read.
#include <cstddef>
#include <cstdint>

#include "client/files/npy_header.h"
#include "tests/fuzz/sample_kinds.h"
namespace nestor {
namespace {

template <typename T>
std::string Bin(uint32_t rows, uint32_t dim, const std::vector<T>& values) {
  return RawBytes<uint32_t>({rows, dim}) + RawBytes(values);
}

template <typename T>
std::string Vecs(uint32_t dim, const std::vector<T>& values) {
  std::string file;
  for (size_t at = 0; at < values.size(); at += dim) {
    const auto begin = values.begin() + static_cast<ptrdiff_t>(at);
    file += RawBytes<uint32_t>({dim}) + RawBytes(std::vector<T>(begin, begin + dim));
  }
  return file;
}

template <typename T>
std::string Npy(Element element, uint64_t rows, uint64_t dim, const std::vector<T>& values) {
  return FormatNpyHeader(element, rows, dim) + RawBytes(values);
}

// With the header that Python's NumPy writes for a list of numbers.
std::string NpyOfOneDimension() {
  std::string dict = "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }";
  dict.resize(117, ' ');
  return std::string("\x93NUMPY\x01\x00", 8) + RawBytes<uint16_t>({118}) + dict + "\n" +
         RawBytes<int64_t>({5, 7, 1ll << 40});
}

std::string NpyOfVersion2() {
  const std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}\n";
  return std::string("\x93NUMPY\x02\x00", 8) + RawBytes<uint32_t>({uint32_t(dict.size())}) + dict +
         RawBytes<float>({1, 2});
}

}  // namespace

void AddFileSamples(Samples* all) {
  const std::vector<float> floats = {1, -2.5f, 0, 3e8f, 1e-3f, 7};
  const std::vector<int32_t> ints = {0, 5, 2147483647, 9, 1, 3};
  (*all)["vector_file/fbin"] = Choose(0) + Bin(2, 3, floats);
  (*all)["vector_file/f16bin"] = Choose(1) + Bin<uint16_t>(2, 2, {0x3c00, 0xc000, 0x0001, 0x7bff});
  (*all)["vector_file/i8bin"] = Choose(2) + Bin<int8_t>(2, 2, {-128, 127, 0, 1});
  (*all)["vector_file/u8bin"] = Choose(3) + Bin<uint8_t>(1, 4, {0, 255, 7, 9});
  (*all)["vector_file/ibin"] = Choose(4) + Bin(3, 2, ints);
  (*all)["vector_file/u64bin"] = Choose(5) + Bin<uint64_t>(2, 1, {~uint64_t{0}, 12});
  (*all)["vector_file/fvecs"] = Choose(6) + Vecs(3, floats);
  (*all)["vector_file/ivecs"] = Choose(7) + Vecs(2, ints);
  (*all)["vector_file/npy"] = Choose(8) + Npy(Element::kF32, 2, 3, floats);
  (*all)["vector_file/npy_i1"] = Choose(8) + Npy<int8_t>(Element::kI8, 3, 1, {-1, 2, 3});
  (*all)["vector_file/empty"] = Choose(0) + Bin<float>(0, 4, {});
  (*all)["npy_header/two"] = Npy(Element::kF32, 2, 3, floats);
  (*all)["npy_header/one"] = NpyOfOneDimension();
  (*all)["npy_header/version2"] = NpyOfVersion2();
  (*all)["id_file/u64bin"] = Choose(0) + Bin<uint64_t>(3, 1, {1, 1ull << 63, 3});
  (*all)["id_file/ibin"] = Choose(1) + Bin<int32_t>(2, 1, {0, 70000});
  (*all)["id_file/npy"] = Choose(2) + NpyOfOneDimension();
  (*all)["id_file/numbers"] = Choose(3) + "12\n0\r\n18446744073709551615";
  (*all)["id_file/strings"] = Choose(7) + "a\nkey/2\nünï\n";
  (*all)["jsonl/points"] = Choose(0) + R"({"id": 7, "vector": [1, -2.5e3, 0]}
{"id": "a/b", "vector": [0.25], "attributes": {"s": "té\u0000\ud83d\ude00", "i": -9, "d": 1.5}}
{"vector": [1e-9], "attributes": {"b": true, "l": ["x", ""], "t": "2026-11-22T17:00:00.25+01:00"}}
)";
  (*all)["jsonl/attributes"] = Choose(1) + R"({"s": "x", "i": 9223372036854775807, "l": [], "d": 3}
{}
{"b": false, "t": "1969-12-31T23:59:59.999999Z", "s": null})";
}

}  // namespace nestor
