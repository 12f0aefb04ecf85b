// The server's version, set by CMake from project(VERSION).
#ifndef NESTOR_SERVER_VERSION_H_
#define NESTOR_SERVER_VERSION_H_

namespace nestor {

inline constexpr const char kVersion[] = NESTOR_VERSION;

}  // namespace nestor

#endif  // NESTOR_SERVER_VERSION_H_
