#include "server/rpc/wire.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include "absl/strings/str_cat.h"
#include "server/rpc/status.h"
#include "server/rpc/unknown_fields.h"

namespace nestor {

using Traits = grpc::SerializationTraits<google::protobuf::MessageLite>;

absl::Status MalformedMessage(size_t size, const google::protobuf::Message& message) {
  return WithReason("MALFORMED_MESSAGE",
                    absl::InvalidArgumentError(absl::StrCat("the ", size, " bytes are no ",
                                                            message.GetDescriptor()->full_name(),
                                                            ", or text in them is not UTF-8")));
}

absl::Status DecodeMessage(grpc::ByteBuffer* bytes, google::protobuf::Message* message) {
  const size_t size = bytes->Length();
  if (Traits::Deserialize(bytes, message).ok()) return absl::OkStatus();
  return MalformedMessage(size, *message);
}

absl::Status DecodeRequest(const grpc::ByteBuffer* bytes, google::protobuf::Message* request) {
  const absl::Status decoded = DecodeMessage(const_cast<grpc::ByteBuffer*>(bytes), request);
  return decoded.ok() ? RefuseUnknownFields(*request) : decoded;
}

absl::Status EncodeReply(const google::protobuf::Message& reply, grpc::ByteBuffer* bytes) {
  bool own = false;
  const grpc::Status encoded = Traits::Serialize(reply, bytes, &own);
  return encoded.ok() ? absl::OkStatus() : absl::InternalError(encoded.error_message());
}

}  // namespace nestor
