#include "client/bench/replicate/csv.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace nestor {
namespace {

constexpr Measure kReported[] = {
    Measure::kTop1,       Measure::kMap10,        Measure::kP10,           Measure::kP40,
    Measure::kRecall1At1, Measure::kRecall10At10, Measure::kRecall40At2048};
constexpr Measure kSelected[] = {Measure::kTop1, Measure::kMap10};

std::string OrNothing(uint32_t value) { return value == 0 ? "" : absl::StrCat(value); }

// Plans hold commas.
std::string Quoted(const std::string& text) { return absl::StrCat("\"", text, "\""); }

void AppendMean(const Scores& scores, Measure measure, Half half, std::string* line) {
  line->append(",");
  if (scores.has(measure)) absl::StrAppendFormat(line, "%.4f", scores.Mean(measure, half));
}

}  // namespace

std::string CsvOf(std::span<const Trial> runs) {
  std::string text =
      "encoder,metric,seed,method,d_c,d_s,lists,probes,code_bytes,keep,rerank,plan,k,rows,rows_"
      "scanned,"
      "multiply_adds,p50_ms,p99_ms,threads,memory_bytes,vector_reads";
  for (const Measure measure : kReported) absl::StrAppend(&text, ",", Name(measure));
  for (const Measure measure : kSelected) absl::StrAppend(&text, ",", Name(measure), "_select");
  text += "\n";
  for (const Trial& run : runs) {
    absl::StrAppend(&text, run.encoder, ",", Name(run.metric), ",1,", Name(run.method), ",",
                    OrNothing(run.coarse_dim), ",", OrNothing(run.scan_dim), ",",
                    OrNothing(run.lists), ",", OrNothing(run.probes), ",",
                    OrNothing(run.code_bytes), ",", OrNothing(run.keep), ",", run.rerank, ",",
                    Quoted(run.plan), ",", run.k, ",", run.rows);
    // FAISS's graph does not count.
    if (run.multiply_adds > 0) {
      absl::StrAppendFormat(&text, ",%.1f,%.0f", run.rows_scanned, run.multiply_adds);
    } else {
      text += ",,";
    }
    absl::StrAppendFormat(&text, ",%.4f,%.4f,1,%d,%.1f", run.p50_ms, run.p99_ms, run.memory_bytes,
                          run.vector_reads);
    for (const Measure measure : kReported) AppendMean(run.scores, measure, Half::kOdd, &text);
    for (const Measure measure : kSelected) AppendMean(run.scores, measure, Half::kEven, &text);
    text += "\n";
  }
  return text;
}

}  // namespace nestor
