// The second half of `nestord verify`: every record of every collection is parsed, and points, ids
// and schemas must fit each other.
#ifndef NESTOR_SERVER_STORAGE_VERIFY_RECORDS_H_
#define NESTOR_SERVER_STORAGE_VERIFY_RECORDS_H_

#include "absl/status/status.h"
#include "server/storage/read_only_db.h"
#include "server/storage/verify.h"

namespace nestor {

// Adds collections and points to the report. DataLoss names the first damaged record;
// FailedPrecondition: another format version. What a crash leaves behind (rows that no id names,
// generations that never became current) is no damage.
absl::Status VerifyRecords(ReadOnlyDb* db, VerifyReport* report);

}  // namespace nestor

#endif  // NESTOR_SERVER_STORAGE_VERIFY_RECORDS_H_
