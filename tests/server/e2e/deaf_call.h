// A call, on a connection of its own, whose replies are not read: the client takes in 64 KiB of
// them and no more.
#ifndef NESTOR_TESTS_SERVER_E2E_DEAF_CALL_H_
#define NESTOR_TESTS_SERVER_E2E_DEAF_CALL_H_

#include <google/protobuf/message.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>

namespace nestor {

class DeafCall {
 public:
  // `method`: "/nestor.v1.SearchService/BatchSearch".
  DeafCall(const std::string& address, const std::string& method);
  // Cancels it.
  ~DeafCall();
  DeafCall(const DeafCall&) = delete;
  DeafCall& operator=(const DeafCall&) = delete;

  // False where the server does not take it within `patience`; then the call is to be given up.
  bool Write(const google::protobuf::Message& message, std::chrono::seconds patience);
  // Until the reply begins.
  void AwaitReply();
  // Reads after all. False where there is no whole reply any more.
  bool Read();
  // After the last Read: waits for the end.
  grpc::Status Finish();

 private:
  bool Next();

  std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  bool finished_ = false;
};

}  // namespace nestor

#endif  // NESTOR_TESTS_SERVER_E2E_DEAF_CALL_H_
