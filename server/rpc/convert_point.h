// nestor.v1 points <-> domain: ids, vectors, attributes. Free functions, any thread. Domain values
// that are spans or string_views borrow from the message. INVALID_ARGUMENT names the field from the
// converted message on (see FieldError).
#ifndef NESTOR_SERVER_RPC_CONVERT_POINT_H_
#define NESTOR_SERVER_RPC_CONVERT_POINT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nestor/v1/types.pb.h"
#include "server/engine/types.h"
#include "server/rpc/point_schema.h"

namespace nestor {

// Limits of one attribute value.
inline constexpr size_t kMaxAttributeValueBytes = 64 << 10;
inline constexpr size_t kMaxListValues = 1024;

absl::StatusOr<PointId> ToPointId(const v1::PointId& id);
void FromPointId(const PointId& id, v1::PointId* out);

// Has the shape checked against the schema: D values, INT8 into INT8 only; tokens where the
// collection is MULTI (convert_multi.h), and only there.
absl::StatusOr<VectorInput> ToVectorInput(const v1::Vector& vector, const PointSchema& schema);
// `bytes` as stored.
void FromStoredVector(const PointSchema& schema, std::string&& bytes, v1::Vector* out);

absl::StatusOr<AttributeValue> ToAttributeValue(const v1::AttributeValue& value);
void FromAttributeValue(AttributeValue&& value, v1::AttributeValue* out);
// The rules of one value, whichever message it came in.
absl::Status CheckString(absl::string_view value);
absl::Status CheckDouble(double value);
absl::Status CheckStringList(const v1::StringList& list);

absl::StatusOr<PointInput> ToPointInput(const v1::Point& point, const PointSchema& schema);

// Which attributes a reply carries.
class AttributeChoice {
 public:
  // `names` are Output.attributes; every name must be declared.
  static absl::StatusOr<AttributeChoice> Make(const v1::Output& output,
                                              const std::vector<AttributeField>& declared);
  bool Wants(absl::string_view name) const;
  bool any() const { return all_ || !names_.empty(); }

 private:
  bool all_ = false;
  std::vector<std::string> names_;
};

void FromPoint(Point&& point, const PointSchema& schema, const PointOutput& output,
               const AttributeChoice& choice, v1::Point* out);

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_CONVERT_POINT_H_
