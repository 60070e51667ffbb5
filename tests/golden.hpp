// SPDX-License-Identifier: BSD-3-Clause
// A second reading of the register tables: what a golden table is made of, and how a driver's declarations are held
// against it. The tables (e1000/golden_regs.cpp, ixgbe/golden_regs.cpp) were written from the datasheet facts without
// looking at the drivers. Where the two disagree, neither is right because it was first: read the source again.
#pragma once
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <pollux/reg/register.hpp>

namespace golden {

enum class Mode : std::uint8_t {
  kRo,       // read only
  kWo,       // write only: what a read gives is not said
  kRw,       // plain
  kRc,       // a read clears
  kW1c,      // write 1 clears
  kRcW1c,    // both
  kW1s,      // write 1 sets, a read gives the state and changes nothing
  kSpecial,  // a read has a side effect of its own
};

/// How a field of the table is to be taken.
enum Kind : std::uint8_t {
  kPlain = 0,
  kPins = 1,     // one bit per pin, cause, queue or vector: a part of it makes sense as well
  kOther = 2,    // named, but for another part of the family: reserved on the part of this table
  kFixed = 4,    // named as reserved or "must be ..."
  kUnnamed = 8,  // bits given by number only
  kUnsure = 16,  // tagged unconfirmed, or the table contradicts itself: see the comment
};

struct Bits {
  unsigned hi = 0;
  unsigned lo = 0;
  std::string_view name{};
  unsigned kind = kPlain;
};
struct Run {
  std::uint32_t offset = 0;
  std::uint32_t count = 0;
  std::uint32_t stride = 0;
};
struct Runs {
  Run first{};
  Run second{};  // behind the first: index n of the register goes on here
};
inline constexpr std::size_t kMaxBits = 34;
struct Fields {
  Bits bits[kMaxBits]{};  // ends with the first entry without a name
  constexpr const Bits* begin() const noexcept { return bits; }
  constexpr const Bits* end() const noexcept {
    std::size_t n = 0;
    while (n < kMaxBits && !bits[n].name.empty()) ++n;
    return bits + n;
  }
};
struct Register {
  std::string_view name;  // two names of one register: "A/B"
  Runs runs;
  Mode mode = Mode::kRw;
  std::optional<std::uint32_t> reset{};   // of element 0
  std::optional<std::uint32_t> reset2{};  // a second value the table gives as well: either will do
  Fields fields{};
  std::uint32_t self_clearing = 0;  // bits the device clears by itself
  Runs alias{};                     // the same registers at other offsets
};

// ---- The driver's side ----

/// One register of a driver, as data.
struct Declared {
  std::string_view name;
  std::vector<pollux::reg::Run> runs;
  pollux::reg::Access access;
  std::uint32_t reset = 0;
  std::vector<pollux::reg::FieldInfo> fields;
};
template <class... Rs>
std::vector<Declared> declared(pollux::reg::RegisterList<Rs...> list) {
  std::vector<Declared> all;
  pollux::reg::for_each_register(list, [&]<class R>(std::type_identity<R>) {
    all.push_back({R::kName,
                   {std::begin(R::kRuns), std::end(R::kRuns)},
                   R::kAccess,
                   R::kReset,
                   {R::kFields.begin(), R::kFields.end()}});
  });
  return all;
}

/// What a driver declares and the tables do not have, with the reason why that is right. `item` is a field's name, or
/// one of "register", "runs", "access", "reset"; hi and lo are the field's bits, or hi is the access or the reset that
/// the driver has. So an exception holds for what was looked at and nothing else. One that nothing needs is an error.
struct Exception {
  std::string_view reg;
  std::string_view item;
  unsigned hi;
  unsigned lo;
  std::string_view reason;
};

/// A field that the driver calls otherwise than the tables: checked by hand once, held to the tables' bits from then
/// on.
struct Synonym {
  std::string_view reg;
  std::string_view field;
  std::string_view golden;
};

struct Report {
  std::vector<std::string> errors;
  std::vector<std::string> notes;
  std::size_t registers = 0;   // compared
  std::size_t fields = 0;      // compared
  std::size_t same_name = 0;   // of these, at the same bits under the same name or a synonym
  std::size_t excepted = 0;    // exceptions used
  std::size_t undeclared = 0;  // in the tables only
};

/// Lower case, letters and digits only.
inline std::string plain(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

inline bool named(const Register& reg, std::string_view name) {
  const auto slash = reg.name.find('/');
  return plain(reg.name.substr(0, slash)) == plain(name) ||
         (slash != reg.name.npos && plain(reg.name.substr(slash + 1)) == plain(name));
}

inline std::optional<std::uint32_t> address(const Runs& runs, std::uint32_t n) {
  if (n < runs.first.count) return runs.first.offset + n * runs.first.stride;
  n -= runs.first.count;
  if (n < runs.second.count) return runs.second.offset + n * runs.second.stride;
  return std::nullopt;
}

inline std::string range(unsigned hi, unsigned lo) {
  return hi == lo ? fmt::format("{}", hi) : fmt::format("{}:{}", hi, lo);
}

class Comparison {
 public:
  Comparison(std::span<const Register> golden, std::span<const Exception> exceptions, std::span<const Synonym> synonyms)
      : golden_(golden), exceptions_(exceptions), synonyms_(synonyms) {}

  Report operator()(const std::vector<Declared>& driver) {
    std::set<const Register*> seen;
    for (const Declared& d : driver) {
      const Register* g = nullptr;
      for (const Register& r : golden_) {
        if (named(r, d.name)) g = &r;
      }
      ++report_.registers;
      if (g == nullptr) {
        unless_excepted(d, "register", 0, 0, "the tables have no such register");
        continue;
      }
      if (!seen.insert(g).second) error(d, "declared twice");
      runs(d, *g);
      access(d, *g);
      reset(d, *g);
      for (const auto& f : d.fields) field(d, *g, f);
    }
    report_.undeclared = golden_.size() - seen.size();
    for (const Exception& e : exceptions_) {
      if (!used_.contains(&e)) {
        report_.errors.push_back(fmt::format("{}.{}: an exception that nothing needs ({})", e.reg, e.item, e.reason));
      }
    }
    for (const Synonym& s : synonyms_) {
      if (!spoken_.contains(&s))
        report_.errors.push_back(fmt::format("{}.{}: a synonym that nothing needs", s.reg, s.field));
    }
    report_.excepted = used_.size();
    return std::move(report_);
  }

 private:
  void error(const Declared& d, std::string_view what) {
    report_.errors.push_back(fmt::format("{}: {}", d.name, what));
  }
  void note(const Declared& d, std::string_view what) { report_.notes.push_back(fmt::format("{}: {}", d.name, what)); }

  void unless_excepted(const Declared& d, std::string_view item, unsigned hi, unsigned lo, std::string_view what) {
    for (const Exception& e : exceptions_) {
      if (e.reg != d.name || e.item != item || e.hi != hi || e.lo != lo) continue;
      used_.insert(&e);
      return note(d, fmt::format("{}; excepted: {}", what, e.reason));
    }
    error(d, what);
  }

  void runs(const Declared& d, const Register& g) {
    std::uint32_t n = 0;
    bool at_alias = false;
    for (const auto& run : d.runs) {
      for (std::uint32_t i = 0; i < run.count; ++i, ++n) {
        const std::uint32_t at = run.offset + i * run.stride;
        const auto want = address(g.runs, n);
        if (!want) {
          return unless_excepted(d, "runs", 0, 0, fmt::format("element {} does not exist: the tables have {}", n, n));
        }
        if (at == *want) continue;
        at_alias = true;
        if (address(g.alias, n) != at) {
          return unless_excepted(d, "runs", 0, 0,
                                 fmt::format("element {} at {:05X}h, the tables have it at {:05X}h", n, at, *want));
        }
      }
    }
    if (at_alias) note(d, "declared at the other of two addresses");
    if (const std::uint32_t all = g.runs.first.count + g.runs.second.count; n < all) {
      note(d, fmt::format("{} of {} elements declared", n, all));
    }
  }

  void access(const Declared& d, const Register& g) {
    using pollux::reg::Access;
    std::uint32_t own = 0;  // bits of the driver's fields
    for (const auto& f : d.fields) own |= mask(f.hi, f.lo);
    bool good = false;
    bool less = false;  // the driver forbids itself more than it would have to
    switch (d.access) {
      case Access::kReadOnly:
        good = g.mode == Mode::kRo;
        less = g.mode == Mode::kRw || g.mode == Mode::kW1s;
        break;
      case Access::kWriteOnly:
        good = g.mode == Mode::kWo;
        less = g.mode == Mode::kRw || g.mode == Mode::kW1s;
        break;
      case Access::kReadWrite:
        good = g.mode == Mode::kRw && (g.self_clearing & own) == 0;
        less = g.mode == Mode::kW1s;
        break;
      case Access::kReadWriteSelfClear:
        good = g.mode == Mode::kRw && (g.self_clearing & own) != 0;
        break;
      case Access::kReadClear:
        good = g.mode == Mode::kRc;
        less = g.mode == Mode::kRcW1c;
        break;
      case Access::kWriteOneToClear:
        good = g.mode == Mode::kW1c;
        break;
      case Access::kReadClearWriteOneToClear:
        good = g.mode == Mode::kRcW1c;
        break;
    }
    if (good) return;
    const auto what = fmt::format("access {} against {} of the tables{}", access_name(d.access), mode_name(g.mode),
                                  (g.self_clearing & own) != 0 ? " with self-clearing bits" : "");
    if (less) return note(d, what);
    unless_excepted(d, "access", static_cast<unsigned>(d.access), 0, what);
  }

  void reset(const Declared& d, const Register& g) {
    if (!g.reset && d.reset != 0) note(d, fmt::format("reset {:08X}h, the tables have none", d.reset));
    if (!g.reset || d.reset == *g.reset) return;
    const auto what = fmt::format("reset {:08X}h, the tables have {:08X}h", d.reset, *g.reset);
    if (g.reset2 && d.reset == *g.reset2) return note(d, what + " and this one as well");
    unless_excepted(d, "reset", d.reset, 0, what);
  }

  void field(const Declared& d, const Register& g, const pollux::reg::FieldInfo& f) {
    ++report_.fields;
    const auto me = fmt::format("field {} {}", f.name, range(f.hi, f.lo));
    std::string_view called = f.name;
    for (const Synonym& s : synonyms_) {
      if (s.reg != d.name || s.field != f.name) continue;
      called = s.golden;
      spoken_.insert(&s);
    }
    const Bits* at = nullptr;    // a field at these bits, the one of the same name if there is one
    const Bits* name = nullptr;  // the field of this name, wherever it is
    bool part = false;           // of a field that counts bit by bit
    std::uint32_t whole = 0;     // bits of fields that these bits hold in full
    std::string there;
    for (const Bits& b : g.fields) {
      const bool same_name = plain(b.name) == plain(called);
      const bool here = b.hi == f.hi && b.lo == f.lo;
      const bool ours = (b.kind & (kOther | kFixed)) == 0;
      if (same_name && ours && (name == nullptr || here)) name = &b;
      if (here && (at == nullptr || rank(b, called) > rank(*at, called))) at = &b;
      part |= (b.kind & kPins) != 0 && f.hi <= b.hi && f.lo >= b.lo;
      if (ours && b.hi <= f.hi && b.lo >= f.lo) whole |= mask(b.hi, b.lo);
      if (b.lo <= f.hi && f.lo <= b.hi)
        there += fmt::format("{}{} {}", there.empty() ? "" : ", ", b.name, range(b.hi, b.lo));
    }
    const auto amiss = [&](std::string_view what) {
      unless_excepted(d, f.name, f.hi, f.lo, fmt::format("{}: {}", me, what));
    };
    if (name != nullptr && (name->hi != f.hi || name->lo != f.lo)) {
      return amiss(fmt::format("the tables have {} at {}", name->name, range(name->hi, name->lo)));
    }
    if (name == nullptr && called != f.name) return amiss(fmt::format("the tables have no {}", called));
    if (at != nullptr && (at->kind & (kOther | kFixed)) != 0)
      return amiss(fmt::format("reserved on this part ({})", at->name));
    if (at != nullptr) {
      if ((at->kind & kUnsure) != 0) note(d, fmt::format("{}: the tables are not sure of it", me));
      if (at == name) {
        ++report_.same_name;
      } else if ((at->kind & kUnnamed) == 0 && !named(g, at->name)) {
        amiss(fmt::format("in the tables these bits are {}: the same under another name?", at->name));
      }
      return;
    }
    if (g.fields.begin() == g.fields.end() && f.hi == 31 && f.lo == 0) return;  // the register as a whole
    amiss(part                        ? fmt::format("a part of {}", there)
          : whole == mask(f.hi, f.lo) ? fmt::format("as one: {}", there)
                                      : fmt::format("no such field; there: {}", there.empty() ? "nothing" : there));
  }

  static int rank(const Bits& b, std::string_view called) {
    return ((b.kind & (kOther | kFixed)) == 0 ? 2 : 0) + (plain(b.name) == plain(called) ? 1 : 0);
  }
  static std::uint32_t mask(unsigned hi, unsigned lo) {
    return static_cast<std::uint32_t>(((std::uint64_t{1} << (hi - lo + 1)) - 1) << lo);
  }
  static const char* access_name(pollux::reg::Access a) {
    static constexpr const char* kNames[] = {"read-only",
                                             "write-only",
                                             "read-write",
                                             "read-clear",
                                             "write-one-to-clear",
                                             "read-clear and write-one-to-clear",
                                             "read-write, self-clearing"};
    return kNames[static_cast<unsigned>(a)];
  }
  static const char* mode_name(Mode m) {
    static constexpr const char* kNames[] = {"RO",  "WO",     "RW",  "RC",
                                             "W1C", "RC+W1C", "W1S", "a read with a side effect"};
    return kNames[static_cast<unsigned>(m)];
  }

  std::span<const Register> golden_;
  std::span<const Exception> exceptions_;
  std::span<const Synonym> synonyms_;
  std::set<const Exception*> used_;
  std::set<const Synonym*> spoken_;
  Report report_;
};

inline Report compare(const std::vector<Declared>& driver, std::span<const Register> golden,
                      std::span<const Exception> exceptions, std::span<const Synonym> synonyms) {
  return Comparison{golden, exceptions, synonyms}(driver);
}

inline std::string lines(const std::vector<std::string>& all) {
  std::string out;
  for (const auto& line : all) out += "\n  " + line;
  return out;
}

inline void print(const Report& r) {
  fmt::print(
      "{} registers, {} fields compared: {} fields under the same name, {} exceptions, {} notes, {} errors; "
      "{} registers are in the tables only\n",
      r.registers, r.fields, r.same_name, r.excepted, r.notes.size(), r.errors.size(), r.undeclared);
  if (!r.notes.empty()) fmt::print("notes:{}\n", lines(r.notes));
  std::fflush(stdout);
}

/// Faults of a table itself: a name twice, a field upside down, plain fields that overlap, runs that collide.
inline std::vector<std::string> faults(std::span<const Register> table) {
  std::vector<std::string> out;
  std::set<std::string> names;
  std::set<std::uint32_t> offsets;
  for (const Register& r : table) {
    if (!names.insert(plain(r.name)).second) out.push_back(fmt::format("{}: twice", r.name));
    for (std::uint32_t n = 0; address(r.runs, n); ++n) {
      if (!offsets.insert(*address(r.runs, n)).second) out.push_back(fmt::format("{}: element {} collides", r.name, n));
    }
    for (std::uint32_t n = 0; address(r.alias, n); ++n) {
      if (!offsets.insert(*address(r.alias, n)).second) out.push_back(fmt::format("{}: alias {} collides", r.name, n));
    }
    for (const Bits& b : r.fields) {
      if (b.hi < b.lo || b.hi > 31) out.push_back(fmt::format("{}.{}: no such bits", r.name, b.name));
      for (const Bits& c : r.fields) {
        if (&c <= &b || ((b.kind | c.kind) & (kOther | kPins | kUnsure | kUnnamed | kFixed)) != 0) continue;
        const bool inside = b.lo >= c.lo && b.hi <= c.hi;
        const bool outside = c.lo >= b.lo && c.hi <= b.hi;
        if (b.lo <= c.hi && c.lo <= b.hi && !inside && !outside) {
          out.push_back(fmt::format("{}: {} and {} overlap", r.name, b.name, c.name));
        }
      }
    }
  }
  return out;
}

}  // namespace golden
