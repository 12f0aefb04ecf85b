#include "index/codes/spec.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "index/schema.h"

namespace nestor {

absl::Status ValidateOpq(const OpqSpec& spec) {
  const auto refuse = [](const auto&... parts) {
    return absl::InvalidArgumentError(absl::StrCat("code: ", parts...));
  };
  if (spec.bits != 4 && spec.bits != 8) {
    return refuse("bits must be 4 or 8, not ", spec.bits);
  }
  if (spec.dim < 1 || spec.dim > kMaxOpqDim) {
    return refuse("dim must be 1..", kMaxOpqDim, ", not ", spec.dim);
  }
  if (spec.bytes < 1 || spec.bytes > spec.dim) {
    return refuse("bytes must be 1..", spec.dim, " (its dim), not ", spec.bytes);
  }
  if (spec.dim % spec.subquantizers() != 0) {
    return refuse("its ", spec.subquantizers(), " sub-quantizers (8 * ", spec.bytes, " bytes / ",
                  spec.bits, " bits) must divide its dim ", spec.dim);
  }
  return absl::OkStatus();
}

absl::Status ValidateOpq(const OpqSpec& spec, const VectorSchema& schema) {
  if (const absl::Status valid = ValidateOpq(spec); !valid.ok()) return valid;
  if (NestingIndex(schema, spec.dim) < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "code: dim ", spec.dim, " is not in the nesting ", absl::StrJoin(schema.nesting, ",")));
  }
  return absl::OkStatus();
}

std::string CodesText(const std::vector<OpqSpec>& codes) {
  if (codes.empty()) return "no codes";
  return absl::StrCat(codes.size() == 1 ? "the code " : "the codes ",
                      absl::StrJoin(codes, ", ", [](std::string* out, const OpqSpec& code) {
                        out->append(OpqName(code));
                      }));
}

std::string OpqName(const OpqSpec& spec) {
  return absl::StrCat("opq", spec.dim, "x", spec.bytes, "b", spec.bits);
}

absl::StatusOr<OpqSpec> ParseOpqName(absl::string_view name) {
  OpqSpec spec;
  absl::string_view rest = name;
  const auto number = [&rest](absl::string_view digits, uint32_t* value) {
    rest.remove_prefix(digits.size());
    return absl::SimpleAtoi(digits, value);
  };
  const auto until = [&rest](char c) { return rest.substr(0, rest.find(c)); };
  const bool parsed = absl::ConsumePrefix(&rest, "opq") && number(until('x'), &spec.dim) &&
                      absl::ConsumePrefix(&rest, "x") && number(until('b'), &spec.bytes) &&
                      absl::ConsumePrefix(&rest, "b") && number(rest, &spec.bits);
  // SimpleAtoi also takes signs, spaces and leading zeros.
  if (!parsed || OpqName(spec) != name) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a code is named opq<dim>x<bytes>b<bits>, as opq256x32b4, not '", name.substr(0, 64), "'"));
  }
  return spec;
}

}  // namespace nestor
