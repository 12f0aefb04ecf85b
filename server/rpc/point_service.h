// nestor.v1.PointService over the engine. Handlers are called on gRPC threads, work on the pools.
#ifndef NESTOR_SERVER_RPC_POINT_SERVICE_H_
#define NESTOR_SERVER_RPC_POINT_SERVICE_H_

#include "nestor/v1/point.grpc.pb.h"
#include "server/rpc/backend.h"
#include "server/rpc/open_streams.h"

namespace nestor {

class PointService final : public v1::PointService::CallbackService {
 public:
  // `streams` knows the open streams, so that a shutdown can end them.
  PointService(Backend* backend, OpenStreams* streams) : backend_(backend), streams_(streams) {}

  grpc::ServerUnaryReactor* UpsertPoints(grpc::CallbackServerContext* context,
                                         const v1::UpsertPointsRequest* request,
                                         v1::UpsertPointsResponse* reply) override;
  grpc::ServerUnaryReactor* GetPoints(grpc::CallbackServerContext* context,
                                      const v1::GetPointsRequest* request,
                                      v1::GetPointsResponse* reply) override;
  grpc::ServerUnaryReactor* DeletePoints(grpc::CallbackServerContext* context,
                                         const v1::DeletePointsRequest* request,
                                         v1::DeletePointsResponse* reply) override;
  grpc::ServerUnaryReactor* ListPoints(grpc::CallbackServerContext* context,
                                       const v1::ListPointsRequest* request,
                                       v1::ListPointsResponse* reply) override;
  grpc::ServerUnaryReactor* CountPoints(grpc::CallbackServerContext* context,
                                        const v1::CountPointsRequest* request,
                                        v1::CountPointsResponse* reply) override;
  grpc::ServerBidiReactor<v1::StreamUpsertRequest, v1::StreamUpsertResponse>* StreamUpsert(
      grpc::CallbackServerContext* context) override;

 private:
  Backend* const backend_;
  OpenStreams* const streams_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_POINT_SERVICE_H_
