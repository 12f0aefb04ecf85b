// Messages from and to the bytes that gRPC hands over. The services take bytes, since gRPC's typed
// handlers answer a message that cannot be decoded with UNIMPLEMENTED and without a word. Free
// functions, any thread.
#ifndef NESTOR_SERVER_RPC_WIRE_H_
#define NESTOR_SERVER_RPC_WIRE_H_

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "grpcpp/support/byte_buffer.h"

namespace nestor {

// INVALID_ARGUMENT: `size` bytes cannot be decoded as such a message.
absl::Status MalformedMessage(size_t size, const google::protobuf::Message& message);
// INVALID_ARGUMENT for bytes that are no such message and for text that is not UTF-8. Empties the
// buffer.
absl::Status DecodeMessage(grpc::ByteBuffer* bytes, google::protobuf::Message* message);
// The same, also for fields that the message does not have. gRPC shows a call's own buffer as
// const; it is emptied all the same, as it may be big.
absl::Status DecodeRequest(const grpc::ByteBuffer* bytes, google::protobuf::Message* request);
absl::Status EncodeReply(const google::protobuf::Message& reply, grpc::ByteBuffer* bytes);

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_WIRE_H_
