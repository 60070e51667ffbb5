// SPDX-License-Identifier: BSD-3-Clause
// What went wrong, on what, where, and what to do about it: Failure (a value), Error (thrown), Result (either).
#pragma once
#include <cerrno>
#include <concepts>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include <pollux/core/text.hpp>

namespace pollux {

/// One failed operation. Every message a user can meet is made of these five parts.
struct Failure {
  int code = 0;           ///< errno value; 0 when no system call failed
  std::string operation;  ///< what was tried: "open", "reset", "map DMA memory"
  std::string object;     ///< on what: a BDF, a path, an interface
  std::string where;      ///< register, datasheet section, ioctl or detail; may be empty
  std::string remedy;     ///< what to do about it, a command where there is one; may be empty

  /// "cannot OPERATION OBJECT: WHERE: REASON; REMEDY"
  [[nodiscard]] std::string text() const {
    std::string out = text::cat("cannot ", operation, object.empty() ? "" : " ", object);
    if (!where.empty()) out += ": " + where;
    if (code != 0) out += ": " + std::system_category().message(code);
    if (!remedy.empty()) out += "; " + remedy;
    return out;
  }
};

/// Setup ended (error tier 1). `what()` is Failure::text(); `code()` holds the errno.
class Error : public std::system_error {
 public:
  explicit Error(Failure failure)
      : std::system_error(failure.code, std::system_category()), failure_(std::move(failure)), text_(failure_.text()) {}
  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }
  [[nodiscard]] const Failure& failure() const noexcept { return failure_; }

 private:
  Failure failure_;
  std::string text_;
};

/// The one place where the library throws. With -fno-exceptions the program ends through POLLUX_NO_EXCEPTIONS_RAISE
/// (a function taking the message; the default is std::terminate's).
#if defined(__cpp_exceptions)
[[noreturn]] inline void raise(Failure failure) { throw Error(std::move(failure)); }
#else
#ifndef POLLUX_NO_EXCEPTIONS_RAISE
#define POLLUX_NO_EXCEPTIONS_RAISE(message) ((void)(message))
#endif
[[noreturn]] inline void raise(const Failure& failure) {
  POLLUX_NO_EXCEPTIONS_RAISE(failure.text().c_str());
  std::terminate();
}
#endif

/// A value, or why there is none (error tier 2): the caller has a next move. Returned by functions named try_*.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) noexcept : ok_(true), value_(std::move(value)) {}
  Result(Failure failure) noexcept : ok_(false), failure_(std::move(failure)) {}
  Result(const Result& other)
    requires std::copy_constructible<T>
      : ok_(other.ok_) {
    take(other);
  }
  Result(Result&& other) noexcept : ok_(other.ok_) { take(std::move(other)); }
  Result& operator=(Result&& other) noexcept {
    if (this != &other) {
      this->~Result();
      new (this) Result(std::move(other));
    }
    return *this;
  }
  ~Result() {
    if (ok_) {
      value_.~T();
    } else {
      failure_.~Failure();
    }
  }

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  explicit operator bool() const noexcept { return ok(); }
  /// Pre: !ok().
  [[nodiscard]] const Failure& failure() const noexcept { return failure_; }
  /// The value; raises the failure when there is none.
  T& value() & { return checked(), value_; }
  T&& value() && { return checked(), std::move(value_); }

 private:
  template <class Other>
  void take(Other&& other) {
    if (ok_) {
      new (&value_) T(std::forward<Other>(other).value_);
    } else {
      new (&failure_) Failure(std::forward<Other>(other).failure_);
    }
  }
  void checked() const {
    if (!ok()) raise(failure());
  }
  // Not a std::variant: there is one for each kind of value, and every one costs the compiler 10 to 30 ms.
  bool ok_;
  union {
    T value_;
    Failure failure_;
  };
};

struct Done {};  ///< the value of a Result that carries none

}  // namespace pollux
