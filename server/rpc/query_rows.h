// The queries of one BatchSearch, left in the buffers in which gRPC received them. Each search
// thread takes the queries that it searches out of them: to decode all of them first, on one thread
// and into fresh memory, took as long as searching a third of them.
#ifndef NESTOR_SERVER_RPC_QUERY_ROWS_H_
#define NESTOR_SERVER_RPC_QUERY_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "grpcpp/support/byte_buffer.h"
#include "nestor/v1/search.pb.h"
#include "server/rpc/convert_query.h"

namespace nestor {

class QueryRows {
 public:
  // Of one thread: for a query that cannot be read where it is.
  struct Space {
    std::vector<float> values;
    std::string bytes;
  };

  // Decodes all but queries.data, which stays in the buffer. Errors as DecodeRequest.
  absl::Status Decode(const grpc::ByteBuffer& in, v1::BatchSearchRequest* request);
  // After Decode. InvalidArgument: dtype, or a length that is no whole number of vectors, or not
  // that of so many tokens.
  absl::Status CheckShape(v1::Dtype dtype, const PointSchema& schema,
                          std::span<const uint32_t> counts = {});
  uint32_t count() const { return shape_.count; }
  // After CheckShape. D floats, or those of all tokens, in place or in `space`, until its next use.
  std::span<const float> At(uint32_t i, Space* space) const;
  // Starts to load the bytes of query i into this core's cache: another core received them, and to
  // wait for them takes a tenth of a short search. Past the last query: nothing.
  void Prefetch(uint32_t i) const;

 private:
  // The slice that holds the byte at `offset` of the request.
  size_t SliceAt(size_t offset) const;
  const char* InSlice(size_t slice, size_t offset) const;
  // `n` bytes of the request from `offset` on, in place where one slice holds them.
  const char* BytesAt(size_t offset, size_t n, std::string* space) const;

  std::vector<grpc::Slice> slices_;
  std::vector<size_t> ends_;  // of each slice, in the request
  size_t data_offset_ = 0;    // of queries.data, in the request
  size_t data_bytes_ = 0;
  PackedShape shape_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_QUERY_ROWS_H_
