#include "server/rpc/query_rows.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <deque>
#include <functional>

#include "server/rpc/unknown_fields.h"
#include "server/rpc/wire.h"

namespace nestor {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::ArrayInputStream;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;
using google::protobuf::io::StringOutputStream;

constexpr uint32_t LengthDelimited(int field) {
  return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}

// Copies a message up to the end of the input, but for the fields with `tag`, whose length has been
// read when `take` is called with it. False where the bytes are no message.
bool CopyWithout(CodedInputStream* in, uint32_t tag, CodedOutputStream* out,
                 const std::function<bool(int)>& take) {
  for (;;) {
    const uint32_t found = in->ReadTag();
    if (found == 0) return in->ConsumedEntireMessage();
    if (found != tag) {
      if (!WireFormatLite::SkipField(in, found, out)) return false;
      continue;
    }
    int length = 0;
    if (!in->ReadVarintSizeAsInt(&length) || !take(length)) return false;
  }
}

// Copies a BatchSearchRequest without queries.data, whose place in the input comes back instead: of
// its last mention, the one that counts.
bool CopyWithoutData(CodedInputStream* in, std::string* rest, size_t* data_offset,
                     size_t* data_bytes) {
  StringOutputStream stream(rest);
  CodedOutputStream out(&stream);
  constexpr uint32_t kQueries = LengthDelimited(v1::BatchSearchRequest::kQueriesFieldNumber);
  constexpr uint32_t kData = LengthDelimited(v1::Packed::kDataFieldNumber);
  return CopyWithout(in, kQueries, &out, [&](int length) {
    std::string queries;
    {
      StringOutputStream queries_stream(&queries);
      CodedOutputStream queries_out(&queries_stream);
      const int64_t end = int64_t{in->CurrentPosition()} + length;
      const auto limit = in->PushLimit(length);
      const bool whole = CopyWithout(in, kData, &queries_out, [&](int bytes) {
        *data_offset = static_cast<size_t>(in->CurrentPosition());
        *data_bytes = static_cast<size_t>(bytes);
        return in->Skip(bytes);
      });
      // The input may have ended before the limit.
      if (!whole || in->CurrentPosition() != end) return false;
      in->PopLimit(limit);
    }
    out.WriteTag(kQueries);
    out.WriteVarint32(static_cast<uint32_t>(queries.size()));
    out.WriteString(queries);
    return true;
  });
}

}  // namespace

absl::Status QueryRows::Decode(const grpc::ByteBuffer& in, v1::BatchSearchRequest* request) {
  const absl::Status malformed = MalformedMessage(in.Length(), *request);
  if (!in.Dump(&slices_).ok()) return malformed;
  std::deque<ArrayInputStream> arrays;
  std::vector<google::protobuf::io::ZeroCopyInputStream*> streams;
  size_t end = 0;
  for (const grpc::Slice& slice : slices_) {
    streams.push_back(&arrays.emplace_back(slice.begin(), static_cast<int>(slice.size())));
    ends_.push_back(end += slice.size());
  }
  google::protobuf::io::ConcatenatingInputStream stream(streams.data(),
                                                        static_cast<int>(streams.size()));
  CodedInputStream coded(&stream);
  std::string rest;
  if (!CopyWithoutData(&coded, &rest, &data_offset_, &data_bytes_) ||
      !request->ParseFromString(rest)) {
    return malformed;
  }
  return RefuseUnknownFields(*request);
}

absl::Status QueryRows::CheckShape(v1::Dtype dtype, const PointSchema& schema,
                                   std::span<const uint32_t> counts) {
  absl::StatusOr<PackedShape> shape = ToPackedShape(dtype, data_bytes_, schema, counts);
  if (shape.ok()) shape_ = *std::move(shape);
  return shape.status();
}

size_t QueryRows::SliceAt(size_t offset) const {
  return static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), offset) - ends_.begin());
}

const char* QueryRows::InSlice(size_t slice, size_t offset) const {
  const size_t begin = ends_[slice] - slices_[slice].size();
  return reinterpret_cast<const char*>(slices_[slice].begin()) + (offset - begin);
}

const char* QueryRows::BytesAt(size_t offset, size_t n, std::string* space) const {
  size_t slice = SliceAt(offset);
  if (offset + n <= ends_[slice]) return InSlice(slice, offset);
  space->clear();
  while (space->size() < n) {
    const size_t part = std::min(n - space->size(), ends_[slice] - offset);
    space->append(InSlice(slice, offset), part);
    offset += part;
    ++slice;
  }
  return space->data();
}

std::span<const float> QueryRows::At(uint32_t i, Space* space) const {
  const char* bytes = BytesAt(data_offset_ + shape_.offset(i), shape_.bytes(i), &space->bytes);
  return DecodeQuery(shape_.dtype, bytes, shape_.values(i), &space->values);
}

void QueryRows::Prefetch(uint32_t i) const {
  if (i >= shape_.count) return;
  constexpr size_t kLine = 64;
  constexpr size_t kMost = 64 << 10;  // more than a core's first cache holds
  size_t offset = data_offset_ + shape_.offset(i);
  const size_t end = offset + std::min(shape_.bytes(i), kMost);
  for (size_t slice = SliceAt(offset); offset < end; offset = ends_[slice++]) {
    const char* const stop = InSlice(slice, std::min(end, ends_[slice]));
    for (const char* at = InSlice(slice, offset); at < stop; at += kLine) __builtin_prefetch(at);
  }
}

}  // namespace nestor
