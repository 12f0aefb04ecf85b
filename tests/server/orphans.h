// What lies in a store that nothing refers to: left by a crash, and not removed at the open after.
#ifndef NESTOR_TESTS_SERVER_ORPHANS_H_
#define NESTOR_TESTS_SERVER_ORPHANS_H_

#include <string>
#include <vector>

namespace nestor {

// Of a directory whose engine is closed: keys of collections that are not there; rows that no id
// names; postings of such rows, or two of one row; postings, models and graphs of generations that
// are not current. One line each; also what cannot be read.
std::vector<std::string> FindOrphans(const std::string& data_dir);

}  // namespace nestor

#endif  // NESTOR_TESTS_SERVER_ORPHANS_H_
