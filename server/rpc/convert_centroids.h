// Centroids that come from elsewhere and go there, between the API and the engine.
#ifndef NESTOR_SERVER_RPC_CONVERT_CENTROIDS_H_
#define NESTOR_SERVER_RPC_CONVERT_CENTROIDS_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nestor/v1/index.pb.h"
#include "server/engine/types.h"

namespace nestor {

// For a build of `request.centroids`: the spec, out of the request or the collection's, made to be
// of such centroids, and their values. INVALID_ARGUMENT names the field.
absl::StatusOr<CentroidImport> ToCentroidImport(const v1::BuildIndexRequest& request,
                                                const CollectionSpec& present,
                                                const IndexSpec* spec);

// INVALID_ARGUMENT: the reply would exceed the limit of a message.
absl::Status FromCentroids(const IndexCentroids& centroids, v1::GetCentroidsResponse* out);

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_CONVERT_CENTROIDS_H_
