// SPDX-License-Identifier: BSD-3-Clause
// Frames from a capture file, through libpcap (link with -lpcap): pcap and pcapng, any byte order.
#pragma once
#include <pcap/pcap.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <pollux/core/error.hpp>

namespace pollux {

/// All frames of a capture, in order. Errors: raises when the file cannot be read, is no capture, is truncated, does
/// not hold Ethernet frames, holds no frame, or frames that were cut when captured (snap length).
inline std::vector<std::vector<std::byte>> read_capture(const std::string& path) {
  std::array<char, PCAP_ERRBUF_SIZE> why{};
  const auto close = [](pcap_t* p) { ::pcap_close(p); };
  const std::unique_ptr<pcap_t, decltype(close)> file(::pcap_open_offline(path.c_str(), why.data()), close);
  const auto refuse = [&](std::string where, std::string remedy) {
    raise({.code = 0,
           .operation = "read capture",
           .object = path,
           .where = std::move(where),
           .remedy = std::move(remedy)});
  };
  if (!file) refuse(why.data(), "expected a pcap or pcapng file, as tcpdump -w writes it");
  if (::pcap_datalink(file.get()) != DLT_EN10MB) refuse("not a capture of Ethernet frames", {});
  std::vector<std::vector<std::byte>> frames;
  for (;;) {
    pcap_pkthdr* header = nullptr;
    const u_char* data = nullptr;
    const int got = ::pcap_next_ex(file.get(), &header, &data);
    if (got == PCAP_ERROR_BREAK) break;
    const std::string number = text::cat("frame ", frames.size() + 1);
    if (got != 1) refuse(text::cat(number, ": ", ::pcap_geterr(file.get())), "the file is truncated or damaged");
    if (header->caplen < header->len) {
      refuse(text::cat(number, " was cut to ", header->caplen, " of ", header->len, " bytes"),
             "capture whole frames: tcpdump -s 0");
    }
    const auto* bytes = reinterpret_cast<const std::byte*>(data);
    frames.emplace_back(bytes, bytes + header->caplen);
  }
  if (frames.empty()) refuse("no frame in it", {});
  return frames;
}

}  // namespace pollux
