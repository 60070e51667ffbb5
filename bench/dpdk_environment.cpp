// SPDX-License-Identifier: BSD-3-Clause
#include "dpdk_environment.hpp"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>

#include <cerrno>
#include <cstdlib>

namespace bench {

DpdkLog::DpdkLog() : file_(::open_memstream(&text_, &bytes_)) { ::rte_openlog_stream(file_); }
DpdkLog::~DpdkLog() {
  ::rte_openlog_stream(nullptr);
  std::fclose(file_);
  std::free(text_);
}
std::string DpdkLog::text() const {
  std::fflush(file_);
  return text_ == nullptr ? std::string() : std::string(text_, bytes_);
}
std::string DpdkLog::paths() const {
  const std::string all = text();
  std::string out;
  for (const char* said : {"Vector rx enabled", "Rx Burst Bulk Alloc function will be used",
                           "Rx Burst Bulk Alloc Preconditions are not satisfied", "Vector tx enabled",
                           "Using simple tx code path", "Using full-featured tx code path"}) {
    if (all.find(said) != all.npos) out += (out.empty() ? "" : "; ") + std::string(said);
  }
  return out;
}

bool start_dpdk(std::vector<std::string> arguments) {
  for (const char* library : {"librte_bus_pci.so", "librte_mempool_ring.so", "librte_net_ixgbe.so"}) {
    arguments.emplace_back("-d");
    arguments.emplace_back(library);
  }
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  if (::rte_eal_init(static_cast<int>(pointers.size()), pointers.data()) < 0) return errno = rte_errno, false;
  if (::rte_eth_dev_count_avail() != 1) return errno = ENODEV, false;
  return true;
}

}  // namespace bench
