#include "server/rpc/convert_code.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/codes/faiss_format.h"
#include "server/rpc/convert_schema.h"
#include "server/rpc/limits.h"
#include "server/rpc/status.h"

namespace nestor {
namespace {

// Of a reply, beside the file.
constexpr size_t kOtherFieldsBytes = 64;

}  // namespace

absl::StatusOr<GivenCode> ToGivenCode(const v1::ImportCodeRequest& request) {
  if (!request.has_code()) return FieldError("code", "must be set");
  const OpqSpec wanted = ToCodeSpec(request.code());
  if (absl::Status s = ValidateOpq(wanted); !s.ok()) return AtField("code", s);
  GivenCode code;
  switch (request.input()) {
    case v1::CODE_INPUT_ROWS:
      code.origin = CodeOrigin::kGivenForRows;
      break;
    case v1::CODE_INPUT_RESIDUALS:
      code.origin = CodeOrigin::kGivenForResiduals;
      break;
    case v1::CODE_INPUT_UNSPECIFIED:
      return FieldError("input", "must be set");
    default:
      return FieldError("input", absl::StrCat("value ", static_cast<int>(request.input()),
                                              " is not supported by this version"));
  }
  auto quantizer = ParseFaissOpq(request.faiss());
  if (!quantizer.ok()) return AtField("faiss", quantizer.status());
  if ((*quantizer)->spec() != wanted) {
    return FieldError("faiss", absl::StrCat("holds the code ", OpqName((*quantizer)->spec()),
                                            ", not ", OpqName(wanted)));
  }
  code.quantizer = *std::move(quantizer);
  return code;
}

absl::Status FromCode(const Code& code, v1::ExportCodeResponse* out) {
  std::string file = FormatFaissOpq(code.quantizer(), code.metric());
  if (file.size() + kOtherFieldsBytes > kMaxMessageBytes) {
    return FieldError(
        "code", absl::StrCat("takes ", file.size(), " bytes as a file, the limit of a message is ",
                             kMaxMessageBytes));
  }
  const bool residuals = code.of_residuals() || code.origin() == CodeOrigin::kGivenForResiduals;
  out->set_input(residuals ? v1::CODE_INPUT_RESIDUALS : v1::CODE_INPUT_ROWS);
  out->set_faiss(std::move(file));
  return absl::OkStatus();
}

}  // namespace nestor
