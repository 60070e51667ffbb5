// SPDX-License-Identifier: BSD-3-Clause
// What went wrong, on what, where, and what to do about it: Failure (a value), Error (thrown), Result (either).
#pragma once
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

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
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Failure failure) : state_(std::in_place_index<1>, std::move(failure)) {}

  [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }
  /// Pre: !ok().
  [[nodiscard]] const Failure& failure() const { return *std::get_if<1>(&state_); }
  /// The value; raises the failure when there is none.
  T& value() & { return checked(), *std::get_if<0>(&state_); }
  T&& value() && { return checked(), std::move(*std::get_if<0>(&state_)); }

 private:
  void checked() const {
    if (!ok()) raise(failure());
  }
  std::variant<T, Failure> state_;
};

struct Done {};  ///< the value of a Result that carries none

}  // namespace pollux
