// SPDX-License-Identifier: BSD-3-Clause
// SocketFile: a UNIX socket at a path of its own, gone when its owner is.
#pragma once
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

#include <pollux/core/socket.hpp>
#include <pollux/core/unique_fd.hpp>
#include <pollux/core/unix_address.hpp>

namespace pollux::sim {

/// Non-blocking. What a server that was killed has left at the path is replaced; nothing else is.
class SocketFile {
 public:
  /// type: SOCK_STREAM, SOCK_DGRAM. backlog: of a socket that listens, which appears at its path when it does: whoever
  /// sees it can connect. Errors: raises EADDRINUSE (somebody lives there), EEXIST (what is there is no socket),
  /// EACCES, ENOENT, ENAMETOOLONG.
  SocketFile(std::string path, int type, int backlog = 0)
      : path_(std::move(path)), fd_(sys::socket(AF_UNIX, type | SOCK_NONBLOCK, 0)) {
    const sockaddr_un address = try_unix_address(path_).value();
    const std::string aside = text::cat(path_, ".", ::getpid(), "~");
    auto aside_address = try_unix_address(aside);  // a path may be so long that there is none
    const auto open_at = [&](const sockaddr_un& at) {
      return sys::bind(fd_.get(), generic(at), sizeof at) == 0 &&
             (backlog == 0 || sys::listen(fd_.get(), backlog) == 0);
    };
    bool made = false;
    if (fd_ && backlog > 0 && aside_address) {
      made = open_at(aside_address.value()) &&
             (move_from(aside) || (errno == EEXIST && remove_stale(address, type) && move_from(aside)));
      if (const int code = errno; !made) {
        ::unlink(aside.c_str());
        errno = code;
      }
    } else if (fd_) {
      made = open_at(address) || (errno == EADDRINUSE && remove_stale(address, type) && open_at(address));
    }
    if (!made || ::lstat(path_.c_str(), &made_) != 0) refuse(errno);
  }
  SocketFile(const SocketFile&) = delete;
  SocketFile& operator=(const SocketFile&) = delete;
  /// Removes the file, if it is still the one that was made.
  ~SocketFile() {
    struct stat now{};
    if (::lstat(path_.c_str(), &now) == 0 && now.st_ino == made_.st_ino && now.st_dev == made_.st_dev) {
      ::unlink(path_.c_str());
    }
  }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  [[noreturn]] void refuse(int code) const {
    const char* remedy = "";
    if (code == EADDRINUSE) remedy = "somebody else has it; choose another path, or end them: fuser -v PATH";
    if (code == EACCES || code == EPERM) remedy = "choose a directory that this user may write to";
    if (code == ENOENT || code == ENOTDIR) remedy = "make its directory first: mkdir -p DIRECTORY";
    if (code == EEXIST) remedy = "what is there is no socket; remove it, or choose another path";
    raise({.code = code, .operation = "make a socket at", .object = path_, .where = {}, .remedy = remedy});
  }
  /// Replaces nothing.
  [[nodiscard]] bool move_from(const std::string& aside) const noexcept {
    if (::renameat2(AT_FDCWD, aside.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) == 0) return true;
    struct stat there{};
    if (errno != EINVAL || ::lstat(path_.c_str(), &there) == 0) return false;  // EINVAL: the file system cannot
    return ::rename(aside.c_str(), path_.c_str()) == 0;
  }
  /// A socket that nobody has open is left over. Sets errno when it is none.
  [[nodiscard]] bool remove_stale(const sockaddr_un& address, int type) const noexcept {
    struct stat there{};
    if (::lstat(path_.c_str(), &there) != 0) return errno == ENOENT;
    if (!S_ISSOCK(there.st_mode)) return errno = EEXIST, false;
    const UniqueFd probe(sys::socket(AF_UNIX, type | SOCK_NONBLOCK, 0));
    if (sys::connect(probe.get(), generic(address), sizeof address) == 0 || errno != ECONNREFUSED) {
      if (errno != EACCES) errno = EADDRINUSE;
      return false;
    }
    return ::unlink(path_.c_str()) == 0 || errno == ENOENT;
  }

  std::string path_;
  UniqueFd fd_;
  struct stat made_{};
};

}  // namespace pollux::sim
