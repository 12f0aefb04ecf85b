// nestor.v1.PointService over the engine. Handlers are called on gRPC threads, work on the pools.
#ifndef NESTOR_SERVER_RPC_POINT_SERVICE_H_
#define NESTOR_SERVER_RPC_POINT_SERVICE_H_

#include "nestor/v1/point.grpc.pb.h"
#include "server/rpc/backend.h"
#include "server/rpc/open_streams.h"

namespace nestor {

// Every method takes bytes (wire.h says why).
using RawPointService = v1::PointService::WithRawCallbackMethod_StreamUpsert<
    v1::PointService::WithRawCallbackMethod_CountPoints<
        v1::PointService::WithRawCallbackMethod_ListPoints<
            v1::PointService::WithRawCallbackMethod_DeletePoints<
                v1::PointService::WithRawCallbackMethod_GetPoints<
                    v1::PointService::WithRawCallbackMethod_UpsertPoints<
                        v1::PointService::Service>>>>>>;

class PointService final : public RawPointService {
 public:
  // `streams` knows the open streams, so that a shutdown can end them.
  PointService(Backend* backend, OpenStreams* streams) : backend_(backend), streams_(streams) {}

  grpc::ServerUnaryReactor* UpsertPoints(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* in,
                                         grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* GetPoints(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* DeletePoints(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* in,
                                         grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* ListPoints(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* CountPoints(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* StreamUpsert(
      grpc::CallbackServerContext* context) override;

 private:
  Backend* const backend_;
  OpenStreams* const streams_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_POINT_SERVICE_H_
