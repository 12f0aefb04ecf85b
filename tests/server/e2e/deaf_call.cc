#include "tests/server/e2e/deaf_call.h"

#include <gtest/gtest.h>

namespace nestor {

DeafCall::DeafCall(const std::string& address, const std::string& method) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(64 << 20);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Else the client takes in several megabytes where the connection is fast.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 64 << 10);
  channel_ = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  grpc::GenericStub stub(channel_);
  call_ = stub.PrepareCall(&context_, method, &queue_);
  call_->StartCall(nullptr);
  EXPECT_TRUE(Next());
}

DeafCall::~DeafCall() {
  context_.TryCancel();
  grpc::Status status;
  if (!finished_) call_->Finish(&status, nullptr);
  // What was begun and not waited for comes before it.
  void* tag = nullptr;
  bool ok = false;
  queue_.Shutdown();
  while (queue_.Next(&tag, &ok)) {
  }
}

bool DeafCall::Write(const google::protobuf::Message& message, std::chrono::seconds patience) {
  const grpc::Slice slice(message.SerializeAsString());
  call_->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  void* tag = nullptr;
  bool ok = false;
  return queue_.AsyncNext(&tag, &ok, std::chrono::system_clock::now() + patience) ==
             grpc::CompletionQueue::GOT_EVENT &&
         ok;
}

void DeafCall::AwaitReply() {
  call_->ReadInitialMetadata(nullptr);
  EXPECT_TRUE(Next());
}

bool DeafCall::Read() {
  grpc::ByteBuffer reply;
  call_->Read(&reply, nullptr);
  return Next();
}

grpc::Status DeafCall::Finish() {
  grpc::Status status;
  call_->Finish(&status, nullptr);
  finished_ = true;
  EXPECT_TRUE(Next());
  return status;
}

bool DeafCall::Next() {
  void* tag = nullptr;
  bool ok = false;
  return queue_.Next(&tag, &ok) && ok;
}

}  // namespace nestor
