// SPDX-License-Identifier: BSD-3-Clause
// Small text files of the kernel (sysfs, procfs): read whole, write whole, follow a link.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include <pollux/core/unique_fd.hpp>

namespace pollux::file {

/// The whole file. Kernel attributes fit one page; longer files are read to their end.
inline Result<std::string> try_read(const std::string& path) {
  auto fd = try_open(path, O_RDONLY);
  if (!fd) return fd.failure();
  std::string out;
  std::array<char, 4096> chunk{};
  for (;;) {
    const ssize_t n = sys::read(fd.value().get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failure{.code = errno, .operation = "read", .object = path, .where = {}, .remedy = {}};
    if (n == 0) return out;
    out.append(chunk.data(), static_cast<std::size_t>(n));
  }
}

/// One write(2) of `content` to an existing file: a kernel attribute takes its value in one call.
inline Result<Done> try_write(const std::string& path, std::string_view content) {
  auto fd = try_open(path, O_WRONLY);
  if (!fd) return fd.failure();
  const ssize_t n = sys::write(fd.value().get(), content.data(), content.size());
  if (n == static_cast<ssize_t>(content.size())) return Done{};
  return Failure{.code = n < 0 ? errno : EIO,
                 .operation = text::cat("write '", text::trim(content), "' to"),
                 .object = path,
                 .where = {},
                 .remedy = {}};
}

/// The last component of the symbolic link at `path`; nothing when there is no such link.
inline std::optional<std::string> link_name(const std::string& path) {
  std::array<char, 4096> target{};
  const ssize_t n = ::readlink(path.c_str(), target.data(), target.size());
  if (n <= 0) return std::nullopt;
  const std::string_view whole(target.data(), static_cast<std::size_t>(n));
  const auto slash = whole.rfind('/');
  return std::string(slash == whole.npos ? whole : whole.substr(slash + 1));
}

inline bool exists(const std::string& path) noexcept { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace pollux::file
