// How we run RocksDB: every setting that is not its default, with the reason. Pure functions.
#ifndef NESTOR_SERVER_STORAGE_OPTIONS_H_
#define NESTOR_SERVER_STORAGE_OPTIONS_H_

#include <memory>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/options.h"
#include "server/storage/keys.h"
#include "server/storage/store.h"

namespace nestor {

rocksdb::DBOptions MakeDbOptions(const StoreOptions& options);

// `cache` is the one block cache of all families.
rocksdb::ColumnFamilyOptions MakeFamilyOptions(Family family, const StoreOptions& options,
                                               const std::shared_ptr<rocksdb::Cache>& cache);

}  // namespace nestor

#endif  // NESTOR_SERVER_STORAGE_OPTIONS_H_
