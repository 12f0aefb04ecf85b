#include "server/rpc/unknown_fields.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/unknown_field_set.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "server/rpc/status.h"

namespace nestor {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::UnknownFieldSet;

// The path ("points[3].vector") of a message with unknown fields, their number in `number`; the
// path is built on the way back, so a clean request costs no text.
bool FindUnknown(const Message& message, std::string* path, int* number) {
  const Reflection& reflection = *message.GetReflection();
  const UnknownFieldSet& unknown = reflection.GetUnknownFields(message);
  if (!unknown.empty()) {
    *number = unknown.field(0).number();
    return true;
  }
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) continue;
    if (!field->is_repeated()) {
      if (!reflection.HasField(message, field)) continue;
      if (FindUnknown(reflection.GetMessage(message, field), path, number)) {
        *path = path->empty() ? field->name() : absl::StrCat(field->name(), ".", *path);
        return true;
      }
      continue;
    }
    const int size = reflection.FieldSize(message, field);
    for (int j = 0; j < size; ++j) {
      if (FindUnknown(reflection.GetRepeatedMessage(message, field, j), path, number)) {
        const std::string here = absl::StrCat(field->name(), "[", j, "]");
        *path = path->empty() ? here : absl::StrCat(here, ".", *path);
        return true;
      }
    }
  }
  return false;
}

}  // namespace

absl::Status RefuseUnknownFields(const Message& request) {
  std::string path;
  int number = 0;
  if (!FindUnknown(request, &path, &number)) return absl::OkStatus();
  const std::string where = path.empty() ? request.GetDescriptor()->full_name() : path;
  return WithReason("UNKNOWN_FIELD",
                    FieldError(where, absl::StrCat("field number ", number,
                                                   " is not supported by this version")));
}

}  // namespace nestor
