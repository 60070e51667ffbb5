// SPDX-License-Identifier: BSD-3-Clause
// Addresses of UNIX sockets.
#pragma once
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <string>

#include <pollux/core/error.hpp>

namespace pollux {

/// The address of a socket's path. Errors: ENAMETOOLONG.
[[nodiscard]] inline Result<sockaddr_un> try_unix_address(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof out.sun_path) {
    return Failure{.code = path.empty() ? EINVAL : ENAMETOOLONG,
                   .operation = "use the socket",
                   .object = path,
                   .where = {},
                   .remedy = text::cat("its path has 1 to ", sizeof out.sun_path - 1, " bytes")};
  }
  std::memcpy(out.sun_path, path.data(), path.size());
  return out;
}
/// For bind and connect, which take every kind of address.
[[nodiscard]] inline const sockaddr* generic(const sockaddr_un& address) noexcept {
  return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace pollux
