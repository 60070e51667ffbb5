// SPDX-License-Identifier: BSD-3-Clause
// The vfio-user server by a client that says each thing right, and each thing wrong.
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include <pollux/sim/vfio_user_server.hpp>
#include <pollux/sim/wire.hpp>

#include "../messages.hpp"
#include "raw_client.hpp"

namespace {

using namespace vu;

constexpr std::uint64_t kAt = 0x1'0000'0000;  // where tests map memory
constexpr std::uint32_t kPage = 4096, kConfig = kConfigRegion;

struct Served {
  explicit Served(const std::string& path, const sim::VfioUserServerConfig& config = {})
      : server(device, path, config) {}
  sim::Iommu iommu;
  sim::FaultLog faults;
  sim::Loopback wire;
  Copier model{iommu, wire, faults};
  sim::ServedModel<Copier> device{model};
  sim::VfioUserServer server;
};

class Server : public ::testing::Test {
 protected:
  void serve(const sim::VfioUserServerConfig& config = {}) { served = std::make_unique<Served>(path, config); }
  RawClient connect() {
    return RawClient(path, [this] { turn(); });
  }
  void turn() {
    (void)served->server.step();
    if (other) (void)other->server.step();
  }
  RawClient ready() {
    RawClient client = connect();
    EXPECT_TRUE(client.hello());
    client.write(kConfig, pci_config::kCommand, 6, 2);  // memory, bus master
    return client;
  }
  void copy(RawClient& client, std::uint64_t from, std::uint64_t to, std::uint32_t n) {
    client.write(0, Copier::kSrc, from, 4);
    client.write(0, Copier::kSrc + 4, from >> 32, 4);
    client.write(0, Copier::kDst, to, 4);
    client.write(0, Copier::kDst + 4, to >> 32, 4);
    client.write(0, Copier::kLen, n, 4);
    client.write(0, Copier::kGo, 1, 4);
    for (int i = 0; i < 10; ++i) turn();
  }
  Directory directory;
  std::string path = directory / "device";
  std::unique_ptr<Served> served = std::make_unique<Served>(path);
  std::unique_ptr<Served> other;  ///< served as well
};

// ---- The socket ---------------------------------------------------------------------------------------------------

TEST_F(Server, RemovesItsSocketAndNotAnothersAtItsPath) {
  struct stat there{};
  EXPECT_EQ(::stat(path.c_str(), &there), 0);
  served.reset();
  EXPECT_NE(::stat(path.c_str(), &there), 0);
  serve();
  std::filesystem::remove(path);
  other = std::make_unique<Served>(path);
  served.reset();
  EXPECT_EQ(::stat(path.c_str(), &there), 0);
  served = std::move(other);
  EXPECT_TRUE(connect().hello());
}

TEST_F(Server, TakesTheSocketOfAKilledServerAndNotThatOfALivingOne) {
  messages::expect_text(messages::error_of([&] { Served again(path); }), {"somebody else has it", path});
  served.reset();
  {
    UniqueFd left_over(::socket(AF_UNIX, SOCK_STREAM, 0));
    const sockaddr_un address = try_unix_address(path).value();
    ASSERT_EQ(::bind(left_over.get(), generic(address), sizeof address), 0);
  }
  serve();
  EXPECT_TRUE(connect().hello());
}

TEST_F(Server, SaysWhyItCannotServeThere) {
  const auto says = [](const std::string& at, const char* what) {
    messages::expect_text(messages::error_of([&] { Served one(at); }), {what, "cannot"});
  };
  std::ofstream(directory / "file") << "text";
  says(directory / "file", "what is there is no socket");
  says(directory / "none/device", "mkdir -p");
  says(directory / std::string(200, 'x').c_str(), "its path has 1 to 107 bytes");
  EXPECT_TRUE(std::filesystem::exists(directory / "file"));
}

// ---- Version ------------------------------------------------------------------------------------------------------

TEST_F(Server, AgreesOnTheLowerMinorVersionInAShortReply) {
  for (const std::uint16_t minor : std::array<std::uint16_t, 4>{0, 1, 2, 9}) {
    RawClient client = connect();
    const Message m = client.call(Command::kVersion, body_of(Version{0, minor}));
    ASSERT_EQ(m.header.error, 0u);
    EXPECT_EQ(load<Version>(m.body).minor, std::min<std::uint16_t>(minor, 2));
    EXPECT_LE(m.header.size, 214u) << "QEMU 11 takes no more";
    EXPECT_EQ(m.body.back(), std::byte{0});
  }
}

TEST_F(Server, TakesEveryVersionMessageThatMakesSense) {
  for (const char* json : {"{}", R"({"capabilities":{}})", R"({"capabilities":{"new":[1,{"a":null}]},"more":1})",
                           R"({"capabilities":{"max_data_xfer_size":99999999999999}})"}) {
    EXPECT_TRUE(connect().hello(json)) << json;
  }
}

TEST_F(Server, RefusesVersionMessagesThatDoNot) {
  for (const char* json : {"", "{", "[]", "1", R"({"capabilities":1})", R"({"capabilities":{"max_msg_fds":"8"}})",
                           R"({"capabilities":{"max_msg_fds":-1}})", R"({"capabilities":{"max_data_xfer_size":1}})",
                           R"({"capabilities":{"max_data_xfer_size":1e99}})"}) {
    EXPECT_FALSE(connect().hello(json)) << json;
  }
  RawClient client = connect();
  EXPECT_FALSE(client.hello("{}", {.major = 1, .minor = 0}));
  EXPECT_EQ(client.error_of(Command::kVersion, {}), unsigned{EINVAL});
  EXPECT_EQ(client.error_of(Command::kVersion, body_of(Version{}, '{', '}')), unsigned{EINVAL}) << "no zero byte";
  EXPECT_EQ(client.error_of(Command::kVersion, body_of(Version{}) + Bytes(100'000, std::byte{'['})), unsigned{EINVAL});
  EXPECT_EQ(client.error_of(Command::kDeviceInfo, body_of(DeviceInfo{sizeof(DeviceInfo)})), unsigned{EINVAL})
      << "before they agreed";
  EXPECT_TRUE(client.hello());
  EXPECT_FALSE(client.hello()) << "once only";
  EXPECT_EQ(client.error_of(Command::kDeviceInfo, body_of(DeviceInfo{sizeof(DeviceInfo)})), 0u);
}

// ---- Information --------------------------------------------------------------------------------------------------

TEST_F(Server, TellsOfDeviceRegionsAndInterrupts) {
  RawClient client = ready();
  const auto device = load<DeviceInfo>(client.call(Command::kDeviceInfo, body_of(DeviceInfo{sizeof(DeviceInfo)})).body);
  EXPECT_EQ(device.flags, DeviceInfo::kReset | DeviceInfo::kPci);
  EXPECT_EQ(device.regions, 9u);
  EXPECT_EQ(device.irqs, 5u);
  for (std::uint32_t i = 0; i < kRegions; ++i) {
    const auto m = client.call(Command::kRegionInfo, body_of(RegionInfo{.argsz = sizeof(RegionInfo), .index = i}));
    const auto info = load<RegionInfo>(m.body);
    EXPECT_EQ(info.size, i == 0 || i == 2 || i == 7 ? 4096u : 0u) << i;
    EXPECT_EQ(info.flags, info.size == 0 ? 0 : RegionInfo::kRead | RegionInfo::kWrite) << "and nothing to map";
    EXPECT_TRUE(m.fds.empty());
  }
  const std::array<std::uint32_t, 5> counts{1, 1, 4, 1, 0};
  for (std::uint32_t i = 0; i < kIrqs; ++i) {
    const auto info =
        load<IrqInfo>(client.call(Command::kIrqInfo, body_of(IrqInfo{.argsz = sizeof(IrqInfo), .index = i})).body);
    EXPECT_EQ(info.count, counts[i]) << i;
  }
}

TEST_F(Server, RefusesQuestionsThatAreTooShortOrAskForWhatIsNot) {
  RawClient client = ready();
  const auto refuses = [&](Command command, const Bytes& body) {
    EXPECT_EQ(client.error_of(command, body), unsigned{EINVAL}) << static_cast<int>(command) << " " << body.size();
  };
  for (const Command c :
       {Command::kDeviceInfo, Command::kRegionInfo, Command::kIrqInfo, Command::kSetIrqs, Command::kDmaMap,
        Command::kDmaUnmap, Command::kRegionRead, Command::kRegionWrite, Command::kRegionWriteMulti}) {
    refuses(c, {});
    refuses(c, Bytes(7));
  }
  refuses(Command::kDeviceInfo, body_of(DeviceInfo{.argsz = 15}));
  refuses(Command::kRegionInfo, body_of(RegionInfo{.argsz = 31}));
  refuses(Command::kRegionInfo, body_of(RegionInfo{.argsz = 32, .index = 9}));
  refuses(Command::kIrqInfo, body_of(IrqInfo{.argsz = 16, .index = 5}));
  refuses(Command::kIrqInfo, body_of(IrqInfo{.argsz = 16, .index = ~0u}));
  for (const unsigned command : {0u, 6u, 11u, 14u, 16u, 17u, 18u, 1000u}) {
    EXPECT_EQ(client.error_of(static_cast<Command>(command), Bytes(64)), unsigned{ENOTSUP}) << command;
  }
  EXPECT_TRUE(client.alive());
}

TEST_F(Server, RepeatsIdAndCommandAndAnswersErrorsWithAHeaderAlone) {
  RawClient client = ready();
  const Message good = client.call(Command::kDeviceInfo, body_of(DeviceInfo{sizeof(DeviceInfo)}));
  EXPECT_EQ(good.header.flags, Header::kReply);
  EXPECT_TRUE(good.header.is(Command::kDeviceInfo));
  const Message bad = client.call(Command::kDeviceInfo, Bytes(3));
  EXPECT_EQ(bad.header.flags, Header::kReply | Header::kError);
  EXPECT_EQ(bad.header.size, 16u);
  EXPECT_EQ(served->server.counts().refused, 1u);
}

// ---- Regions ------------------------------------------------------------------------------------------------------

TEST_F(Server, ReadsAndWritesConfigurationSpaceAsItsMasksAllow) {
  RawClient client = ready();
  EXPECT_EQ(client.read(kConfig, 0, 4), 0xC0DE'1234u);
  EXPECT_EQ(client.read(kConfig, 0, 2), 0x1234u);
  EXPECT_EQ(client.read(kConfig, 3, 1), 0xC0u);
  EXPECT_EQ(client.read(kConfig, 0, 8), 0x0010'0006'C0DE'1234u);
  const Message all = client.call(Command::kRegionRead, body_of(RegionAccess{0, kConfig, 256}));
  EXPECT_EQ(all.body.size(), 16u + 256);
  client.write(kConfig, 0, 0xFFFF'FFFF, 4);
  EXPECT_EQ(client.read(kConfig, 0, 4), 0xC0DE'1234u);
  client.write(kConfig, 0x10, 0xFFFF'FFFF, 4);
  EXPECT_EQ(client.read(kConfig, 0x10, 4), 0xFFFF'F004u) << "size and type";
  client.write(kConfig, 0x10, 0xFEB0'0000'0000'0000 >> 16, 8);
  EXPECT_EQ(client.read(kConfig, 0x10, 8), 0x0000'FEB0'0000'0004u);
  EXPECT_EQ(client.read(kConfig, 4095, 1), 0u);
}

TEST_F(Server, ReachesNothingOutsideARegion) {
  RawClient client = ready();
  const auto refused = [&](std::uint64_t offset, std::uint32_t region, std::uint32_t count) {
    EXPECT_EQ(client.error_of(Command::kRegionRead, body_of(RegionAccess{offset, region, count})), unsigned{EINVAL});
    EXPECT_EQ(client.error_of(Command::kRegionWrite,
                              body_of(RegionAccess{offset, region, count}) + Bytes(count < 8192 ? count : 8)),
              unsigned{EINVAL});
  };
  refused(0, 0, 0);
  refused(4096, 0, 4);
  refused(4093, 0, 4);
  refused(0, 0, 4097);
  refused(~std::uint64_t{0}, 0, 4);
  refused(~std::uint64_t{0} - 3, 0, 4);
  refused(0, 0, ~0u);
  for (const std::uint32_t region : {1u, 3u, 6u, 8u, 9u, ~0u}) refused(0, region, 4);
  refused(4096, kConfig, 1);
  EXPECT_EQ(client.error_of(Command::kRegionWrite, body_of(RegionAccess{0, 0, 8}, 1u)), unsigned{EINVAL})
      << "less data than it says";
  EXPECT_TRUE(client.alive());
}

TEST_F(Server, CarriesEveryWidthToTheDevice) {
  RawClient client = ready();
  client.write(0, Copier::kSrc, 0x8765'4321, 4);
  EXPECT_EQ(client.read(0, Copier::kSrc, 4), 0x8765'4321u);
  EXPECT_EQ(served->faults.count(), 0u);
  for (const std::uint32_t width : {1u, 2u, 8u}) {  // the device has dwords only, and says so
    (void)client.read(0, Copier::kSrc, width);
    client.write(0, Copier::kSrc, 0, width);
  }
  EXPECT_EQ(client.read(0, Copier::kSrc, 4), 0x8765'4321u);
  EXPECT_EQ(served->faults.count(sim::FaultKind::kWidth), 6u);
  served->faults.clear();
  const Message dump = client.call(Command::kRegionRead, body_of(RegionAccess{0, 0, 16}));
  ASSERT_EQ(dump.body.size(), 32u);
  EXPECT_EQ(load<std::uint32_t>(std::span(dump.body).subspan(16)), 0x8765'4321u);
  EXPECT_EQ(served->faults.count(), 0u) << "as dwords";
  client.write(kConfig, pci_config::kCommand, 0, 2);
  EXPECT_EQ(client.read(0, Copier::kSrc, 4), 0xFFFF'FFFFu) << "not decoded";
}

TEST_F(Server, AnswersWritesUnlessToldNotTo) {
  RawClient client = ready();
  const Message m = client.call(Command::kRegionWrite, body_of(RegionAccess{Copier::kLen, 0, 4}, 77u));
  EXPECT_EQ(m.body, body_of(RegionAccess{Copier::kLen, 0, 4}));
  EXPECT_EQ(client.read(0, Copier::kLen, 4), 77u);
  (void)client.post(Command::kRegionWrite, body_of(RegionAccess{0, 99, 4}, 77u), {}, Header::kNoReply);
  (void)client.post(static_cast<Command>(77), {}, {}, Header::kNoReply);
  EXPECT_FALSE(client.next(10)) << "no answer, not even an error";
  EXPECT_TRUE(client.alive());
}

TEST_F(Server, SaysWhetherItHasTakenAllThatWasSent) {
  RawClient client = ready();
  sim::VfioUserServer& server = served->server;
  while (!server.take()) {}
  const std::uint64_t before = server.counts().messages;
  for (std::uint32_t i = 1; i <= 100; ++i) client.write(0, Copier::kLen, i, 4);
  EXPECT_FALSE(server.take()) << "some wait still";
  EXPECT_LT(server.counts().messages, before + 100);
  while (!server.take()) {}
  EXPECT_EQ(server.counts().messages, before + 100);
  EXPECT_FALSE(server.move()) << "the device had nothing to do";
  EXPECT_EQ(client.read(0, Copier::kLen, 4), 100u);
}

TEST_F(Server, DoesSeveralWritesOfOneMessageInOrder) {
  RawClient client = ready();
  const auto entry = [](std::uint64_t offset, std::uint32_t value) {
    WriteMultiEntry out{.access = {offset, 0, 4}};
    std::memcpy(out.data, &value, 4);
    return out;
  };
  EXPECT_EQ(
      client.error_of(Command::kRegionWriteMulti, body_of(std::uint64_t{3}, entry(0, 1), entry(0, 2), entry(8, 3))),
      0u);
  EXPECT_EQ(client.read(0, 0, 4), 2u);
  EXPECT_EQ(client.read(0, 8, 4), 3u);
  EXPECT_EQ(client.error_of(Command::kRegionWriteMulti, body_of(std::uint64_t{2}, entry(0, 9))), unsigned{EINVAL});
  EXPECT_EQ(client.error_of(Command::kRegionWriteMulti, body_of(~std::uint64_t{0}, entry(0, 9))), unsigned{EINVAL});
  EXPECT_EQ(client.error_of(Command::kRegionWriteMulti, body_of(std::uint64_t{2}, entry(0, 9), entry(5000, 9))),
            unsigned{EINVAL});
  EXPECT_EQ(client.read(0, 0, 4), 2u) << "all or none";
}

// ---- Memory -------------------------------------------------------------------------------------------------------

TEST_F(Server, RefusesMappingsThatMakeNoSense) {
  RawClient client = ready();
  const Memory memory(4 * kPage);
  const auto refused = [&](std::uint32_t error, std::uint64_t address, std::uint64_t size, std::uint64_t offset = 0,
                           std::uint32_t flags = 3) {
    EXPECT_EQ(client.map(address, size, memory.fd(), offset, flags), error) << address << " " << size << " " << offset;
  };
  refused(EINVAL, kAt + 1, kPage);
  refused(EINVAL, kAt, kPage + 1);
  refused(EINVAL, kAt, 0);
  refused(EINVAL, kAt, kPage, 1);
  refused(EINVAL, kAt, kPage, 0, 0);
  refused(EINVAL, kAt, kPage, 0, 0x13);
  refused(EINVAL, ~std::uint64_t{0} - kPage + 1, 2 * kPage);
  refused(EINVAL, kAt, 5 * kPage);
  refused(EINVAL, kAt, kPage, 4 * kPage);
  refused(EINVAL, kAt, kPage, ~std::uint64_t{0} - kPage + 1);
  refused(EINVAL, kAt, ~std::uint64_t{0} - kPage + 1);
  EXPECT_EQ(client.map(kAt, 2 * kPage, memory.fd()), 0u);
  refused(EEXIST, kAt + kPage, kPage);
  refused(EEXIST, kAt - kPage, 2 * kPage);
  refused(EEXIST, kAt - kPage, 4 * kPage);
  refused(EEXIST, kAt, 2 * kPage, 0, 1);
  EXPECT_EQ(client.map(kAt, 2 * kPage, memory.fd(), kPage), 0u) << "the same once more, elsewhere in the file";
  EXPECT_EQ(client.map(kAt + 2 * kPage, kPage), 0u);
  EXPECT_EQ(served->server.memory().mapped, 1u);
  EXPECT_EQ(served->server.memory().by_message, 1u);
  EXPECT_EQ(client.map(~std::uint64_t{0} - kPage + 1, kPage), 0u) << "the last page there is";
  const std::array two{memory.fd(), memory.fd()};
  EXPECT_EQ(client.error_of(Command::kDmaMap, body_of(DmaMap{32, 3, 0, 0, kPage}), two), unsigned{EINVAL});
  EXPECT_EQ(client.error_of(Command::kDmaMap, body_of(DmaMap{31, 3, 0, 0, kPage})), unsigned{EINVAL});
}

TEST_F(Server, UnmapsWhatLiesWithinAndNothingThatLiesAcross) {
  RawClient client = ready();
  const Memory memory(8 * kPage);
  for (std::uint64_t i = 0; i < 4; ++i) ASSERT_EQ(client.map(kAt + i * kPage, kPage, memory.fd(), i * kPage), 0u);
  ASSERT_EQ(client.map(kAt + 8 * kPage, 4 * kPage, memory.fd()), 0u);
  EXPECT_EQ(client.unmap(kAt, 9 * kPage), unsigned{EINVAL});
  EXPECT_EQ(client.unmap(kAt + 9 * kPage, kPage), unsigned{EINVAL});
  EXPECT_EQ(client.unmap(kAt, 0), unsigned{EINVAL});
  EXPECT_EQ(client.unmap(kAt, kPage, DmaUnmap::kDirtyPages), unsigned{ENOTSUP});
  EXPECT_EQ(client.unmap(kAt, kPage, DmaUnmap::kAll), unsigned{EINVAL});
  EXPECT_EQ(client.unmap(kAt, kPage, 0x80), unsigned{EINVAL});
  EXPECT_EQ(client.unmap(~std::uint64_t{0} - 10, 20), unsigned{EINVAL});
  EXPECT_EQ(served->iommu.mappings(), 5u);
  EXPECT_EQ(client.unmap(kAt + kPage, 2 * kPage), 0u);
  EXPECT_EQ(served->iommu.mappings(), 3u);
  EXPECT_EQ(client.unmap(kAt + kPage, 2 * kPage), 0u) << "nothing there";
  EXPECT_EQ(client.unmap(0, std::uint64_t{1} << 63), 0u) << "as a virtual IOMMU does";
  EXPECT_EQ(served->iommu.mappings(), 0u);
  ASSERT_EQ(client.map(kAt, kPage, memory.fd()), 0u);
  EXPECT_EQ(client.unmap(0, 0, DmaUnmap::kAll), 0u);
  EXPECT_EQ(served->iommu.mappings(), 0u);
  EXPECT_EQ(served->server.memory().mapped, 0u);
}

TEST_F(Server, ReachesMemoryOfAFile) {
  RawClient client = ready();
  const Memory memory(8 * kPage);
  ASSERT_EQ(client.map(kAt, 2 * kPage, memory.fd(), kPage), 0u);
  ASSERT_EQ(client.map(kAt + 2 * kPage, 2 * kPage, memory.fd(), 5 * kPage), 0u);
  for (unsigned i = 0; i < 4 * kPage; ++i) memory.data()[kPage + i] = static_cast<std::byte>(i * 7);
  copy(client, kAt + 16, kAt + 2 * kPage - 100, 200);  // from one mapping, across the border of two
  EXPECT_EQ(client.read(0, Copier::kDone, 4), 1u);
  EXPECT_EQ(std::memcmp(memory.data() + 3 * kPage - 100, memory.data() + kPage + 16, 100), 0);
  EXPECT_EQ(std::memcmp(memory.data() + 5 * kPage, memory.data() + kPage + 116, 100), 0);
  EXPECT_EQ(served->faults.count(), 0u);
  EXPECT_EQ(served->server.memory().reads, 0u);
}

TEST_F(Server, KeepsTheDeviceFromWhatItMayNotTouch) {
  RawClient client = ready();
  const Memory memory(2 * kPage);
  ASSERT_EQ(client.map(kAt, kPage, memory.fd(), 0, DmaMap::kRead), 0u);
  ASSERT_EQ(client.map(kAt + kPage, kPage, memory.fd(), kPage, DmaMap::kWrite), 0u);
  memory.data()[0] = std::byte{1};
  memory.data()[kPage] = std::byte{2};
  copy(client, kAt, kAt, 8);          // may not be written
  copy(client, kAt + kPage, kAt, 8);  // may not be read
  copy(client, kAt, kAt + 2 * kPage - 4, 8);
  copy(client, kAt + kPage - 4, kAt + kPage, 8);
  copy(client, ~std::uint64_t{0} - 3, kAt + kPage, 8);
  copy(client, 0, kAt + kPage, 8);
  EXPECT_EQ(served->faults.count(sim::FaultKind::kDma), 6u);
  copy(client, kAt, kAt + kPage, 8);
  EXPECT_EQ(memory.data()[kPage], std::byte{1});
  client.write(kConfig, pci_config::kCommand, 2, 2);
  copy(client, kAt, kAt + kPage, 8);
  EXPECT_EQ(served->faults.count(sim::FaultKind::kDma), 7u) << "no bus master";
}

TEST_F(Server, MapsOnlyFilesThatCannotShrinkUnlessItTrusts) {
  const Memory unsealed(2 * kPage, 0);
  {
    RawClient client = ready();
    EXPECT_EQ(client.map(kAt, kPage, unsealed.fd()), 0u);
    EXPECT_EQ(served->server.memory().by_message, 1u);
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    EXPECT_EQ(client.map(kAt + kPage, kPage, ends[0]), 0u) << "by message: whatever it is";
    ::close(ends[0]), ::close(ends[1]);
  }
  served.reset();
  serve({.files = sim::ClientFiles::kAny});
  RawClient client = ready();
  EXPECT_EQ(client.map(kAt, kPage, unsealed.fd()), 0u);
  EXPECT_EQ(served->server.memory().mapped, 1u);
  EXPECT_EQ(client.map(kAt + kPage, 3 * kPage, unsealed.fd()), unsigned{EINVAL}) << "longer than the file";
  const Event event;
  EXPECT_EQ(client.map(kAt + kPage, kPage, event.fd()), unsigned{EINVAL}) << "no file of memory";
  const Memory read_only(kPage, F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE);
  EXPECT_EQ(client.map(kAt + kPage, kPage, read_only.fd()), unsigned{EPERM});
  EXPECT_EQ(client.map(kAt + kPage, kPage, read_only.fd(), 0, DmaMap::kRead), 0u);
}

// ---- Memory by message --------------------------------------------------------------------------------------------

/// Answers the server's DMA messages from `memory`, which lies at kAt. Returns how many.
unsigned answer_dma(RawClient& client, Bytes& memory, bool& in_order, int turns = 4) {
  unsigned n = 0;
  const auto serve = [&](const Message& m) {
    const auto transfer = load<DmaTransfer>(m.body);
    const std::size_t at = transfer.address - kAt;
    in_order = in_order && at + transfer.count <= memory.size();
    if (at + transfer.count > memory.size()) return client.reply(m.header, {}, ENODEV);
    const auto begin = memory.begin() + static_cast<std::ptrdiff_t>(at);
    if (m.header.is(Command::kDmaRead)) {
      client.reply(m.header, body_of(transfer) + Bytes(begin, begin + static_cast<std::ptrdiff_t>(transfer.count)));
    } else {
      std::copy(m.body.begin() + sizeof transfer, m.body.end(), begin);
      client.reply(m.header, body_of(transfer));
    }
  };
  for (const Message& m : std::exchange(client.others, {})) serve(m), ++n;
  while (auto m = client.next(turns)) serve(*m), ++n;
  return n;
}

TEST_F(Server, ReachesMemoryByMessage) {
  RawClient client = ready();
  Bytes memory(2 * kPage);
  bool in_order = true;
  ASSERT_EQ(client.map(kAt, 2 * kPage), 0u);
  for (unsigned i = 0; i < 1000; ++i) memory[i] = static_cast<std::byte>(i * 3 + 1);
  copy(client, kAt, kAt + 4000, 1000);
  EXPECT_EQ(client.read(0, Copier::kDone, 4), 0u) << "and answers meanwhile";
  EXPECT_EQ(answer_dma(client, memory, in_order), 2u);
  EXPECT_EQ(client.read(0, Copier::kDone, 4), 1u);
  EXPECT_TRUE(std::equal(memory.begin(), memory.begin() + 1000, memory.begin() + 4000));
  EXPECT_EQ(served->server.memory().reads, 1u);
  EXPECT_EQ(served->faults.count(), 0u);
}

TEST_F(Server, CutsTransfersToWhatTheClientTakes) {
  RawClient client = connect();
  ASSERT_TRUE(client.hello(R"({"capabilities":{"max_data_xfer_size":64}})"));
  client.write(kConfig, pci_config::kCommand, 6, 2);
  Bytes memory(2 * kPage);
  bool in_order = true;
  ASSERT_EQ(client.map(kAt, 2 * kPage), 0u);
  for (unsigned i = 0; i < 150; ++i) memory[i] = static_cast<std::byte>(i + 1);
  copy(client, kAt, kAt + kPage, 150);
  EXPECT_EQ(answer_dma(client, memory, in_order), 6u);
  EXPECT_TRUE(std::equal(memory.begin(), memory.begin() + 150, memory.begin() + kPage));
}

TEST_F(Server, CopiesBetweenAFileAndMemoryByMessage) {
  RawClient client = ready();
  const Memory file(kPage);
  Bytes memory(kPage);
  bool in_order = true;
  ASSERT_EQ(client.map(kAt, kPage), 0u);
  ASSERT_EQ(client.map(kAt + kPage, kPage, file.fd()), 0u);
  memory[kPage - 1] = std::byte{5};
  file.data()[0] = std::byte{6};
  copy(client, kAt + kPage - 1, kAt + 100, 2);  // read from both
  EXPECT_GT(answer_dma(client, memory, in_order), 0u);
  EXPECT_EQ(memory[100], std::byte{5});
  EXPECT_EQ(memory[101], std::byte{6});
}

TEST_F(Server, HoldsInterruptsUntilWhatWasWrittenIsConfirmed) {
  RawClient client = ready();
  Event event;
  Bytes memory(kPage);
  const Memory file(kPage);
  ASSERT_EQ(client.map(kAt, kPage, file.fd()), 0u);
  ASSERT_EQ(client.map(kAt + kPage, kPage), 0u);
  const int fd = event.fd();
  ASSERT_EQ(client.set_irqs(IrqSet::kEventFd | IrqSet::kTrigger, IrqIndex::kMsix, 0, 1, {&fd, 1}), 0u);
  copy(client, kAt, kAt + kPage, 8);
  EXPECT_EQ(event.take(), 0u);
  const auto write = client.next();
  ASSERT_TRUE(write && write->header.is(Command::kDmaWrite));
  turn();
  EXPECT_EQ(event.take(), 0u);
  client.reply(write->header, body_of(load<DmaTransfer>(write->body)));
  turn();
  EXPECT_EQ(event.take(), 1u);
}

TEST_F(Server, TakesAnErrorForAnAnswer) {
  RawClient client = ready();
  ASSERT_EQ(client.map(kAt, kPage), 0u);
  copy(client, kAt, kAt + 100, 8);
  const auto read = client.next();
  ASSERT_TRUE(read && read->header.is(Command::kDmaRead));
  client.reply(read->header, {}, ENODEV);
  turn(), turn();
  EXPECT_EQ(served->faults.count(sim::FaultKind::kDma), 1u);
  EXPECT_TRUE(client.alive());
  EXPECT_EQ(client.read(0, Copier::kDone, 4), 1u);
}

TEST_F(Server, DropsAClientThatAnswersWrongly) {
  const std::vector<std::function<void(RawClient&, const Message&)>> wrong{
      [](RawClient& c, const Message& m) { c.reply(m.header, body_of(load<DmaTransfer>(m.body))); },  // no data
      [](RawClient& c, const Message& m) { c.reply(m.header, body_of(load<DmaTransfer>(m.body)) + Bytes(9)); },
      [](RawClient& c, const Message& m) { c.reply(m.header, body_of(DmaTransfer{kAt + 1, 8}) + Bytes(8)); },
      [](RawClient& c, const Message& m) { c.reply(m.header, Bytes(3)); },
      [](RawClient& c, const Message& m) { c.reply({.id = 9999, .command = m.header.command}, Bytes(24)); },
      [](RawClient& c, const Message& m) { c.reply({.id = m.header.id, .command = 12}, Bytes(24)); },
  };
  for (const auto& reply : wrong) {
    RawClient client = ready();
    ASSERT_EQ(client.map(kAt, kPage), 0u);
    copy(client, kAt, kAt + 100, 8);
    const auto read = client.next();
    ASSERT_TRUE(read);
    reply(client, *read);
    EXPECT_FALSE(client.next());
    EXPECT_FALSE(client.alive());
    EXPECT_FALSE(served->server.connected());
    EXPECT_NE(served->server.complaint(), "");
  }
}

TEST_F(Server, DropsAClientThatDoesNotAnswer) {
  served.reset();
  serve({.answer_deadline = 1_ms});
  RawClient client = ready();
  ASSERT_EQ(client.map(kAt, kPage), 0u);
  copy(client, kAt, kAt + 100, 8);
  while (served->server.connected()) turn();
  EXPECT_NE(served->server.complaint().find("does not answer"), std::string::npos);
  EXPECT_TRUE(ready().alive()) << "the next one finds a device";
}

TEST_F(Server, UsesNothingThatWasFetchedBeforeAnUnmap) {
  RawClient client = ready();
  ASSERT_EQ(client.map(kAt, kPage), 0u);
  copy(client, kAt, kAt + 100, 8);
  const auto read = client.next();
  ASSERT_TRUE(read);
  EXPECT_EQ(client.unmap(kAt, kPage), 0u);
  client.reply(read->header, body_of(load<DmaTransfer>(read->body)) + Bytes(8));
  turn(), turn();
  EXPECT_TRUE(served->server.connected());
  EXPECT_EQ(served->faults.count(sim::FaultKind::kDma), 1u) << "by then it is not mapped";
}

// ---- Interrupts ---------------------------------------------------------------------------------------------------

TEST_F(Server, SignalsMsix) {
  RawClient client = ready();
  std::array<Event, 4> events;
  const std::array fds{events[0].fd(), events[1].fd(), events[2].fd(), events[3].fd()};
  using S = IrqSet;
  EXPECT_EQ(client.set_irqs(S::kEventFd | S::kTrigger, IrqIndex::kMsix, 0, 1), 0u) << "on and silent, as QEMU does";
  EXPECT_EQ(client.read(kConfig, Copier::kMsix + 2, 2), 0x8003u);
  EXPECT_EQ(client.set_irqs(S::kNone | S::kTrigger, IrqIndex::kMsix, 0, 0), 0u);
  EXPECT_EQ(client.read(kConfig, Copier::kMsix + 2, 2), 0x0003u);
  EXPECT_EQ(client.set_irqs(S::kEventFd | S::kTrigger, IrqIndex::kMsix, 0, 4, fds), 0u);
  EXPECT_EQ(client.set_irqs(S::kNone | S::kTrigger, IrqIndex::kMsix, 1, 2), 0u);  // as if the device had
  EXPECT_EQ(events[0].take() + events[3].take(), 0u);
  EXPECT_EQ(events[1].take(), 1u);
  EXPECT_EQ(events[2].take(), 1u);
  const Bytes which{std::byte{1}, std::byte{0}, std::byte{1}};
  EXPECT_EQ(client.set_irqs(S::kBool | S::kTrigger, IrqIndex::kMsix, 0, 3, {}, which), 0u);
  EXPECT_EQ(events[0].take(), 1u);
  EXPECT_EQ(events[1].take(), 0u);
  EXPECT_EQ(events[2].take(), 1u);
  EXPECT_EQ(client.set_irqs(S::kNone | S::kMask, IrqIndex::kMsix, 0, 1), 0u);
  served->model.interrupts().message(0);
  EXPECT_EQ(events[0].take(), 0u);
  EXPECT_EQ(client.set_irqs(S::kNone | S::kUnmask, IrqIndex::kMsix, 0, 1), 0u);
  EXPECT_EQ(events[0].take(), 1u) << "it waited";
  EXPECT_EQ(client.set_irqs(S::kEventFd | S::kTrigger, IrqIndex::kMsix, 0, 1), 0u);
  served->model.interrupts().message(0);
  served->model.interrupts().message(1);
  EXPECT_EQ(events[0].take(), 0u) << "taken away";
  EXPECT_EQ(events[1].take(), 1u);
}

TEST_F(Server, HeedsMasksInTheMsixTable) {
  RawClient client = ready();
  EXPECT_EQ(client.read(2, 12, 4), 1u) << "masked after reset";
  Event event;
  const int fd = event.fd();
  ASSERT_EQ(client.set_irqs(IrqSet::kEventFd | IrqSet::kTrigger, IrqIndex::kMsix, 0, 1, {&fd, 1}), 0u);
  EXPECT_EQ(client.read(2, 12, 4), 0u);
  client.write(2, 0, 0xFEE0'0000, 4);
  client.write(2, 12, 1, 4);
  EXPECT_EQ(client.read(2, 0, 8), 0xFEE0'0000u);
  served->model.interrupts().message(0);
  EXPECT_EQ(event.take(), 0u);
  EXPECT_EQ(client.read(2, 0x800, 8), 1u) << "pending";
  client.write(2, 12, 0, 4);
  EXPECT_EQ(client.read(2, 0x800, 8), 0u);
  EXPECT_EQ(event.take(), 1u);
  client.write(2, 0x800, 0xFF, 4);
  EXPECT_EQ(client.read(2, 0x800, 4), 0u) << "read only";
}

TEST_F(Server, SignalsMsi) {
  RawClient client = ready();
  Event event;
  const int fd = event.fd();
  ASSERT_EQ(client.set_irqs(IrqSet::kEventFd | IrqSet::kTrigger, IrqIndex::kMsi, 0, 1, {&fd, 1}), 0u);
  EXPECT_EQ(client.read(kConfig, Copier::kMsi + 2, 2) & 1, 1u);
  EXPECT_EQ(client.set_irqs(IrqSet::kEventFd | IrqSet::kTrigger, IrqIndex::kMsix, 0, 1, {&fd, 1}), unsigned{EINVAL})
      << "one kind at a time";
  served->model.interrupts().message(0);
  EXPECT_EQ(event.take(), 1u);
  EXPECT_EQ(client.set_irqs(IrqSet::kNone | IrqSet::kTrigger, IrqIndex::kMsi, 0, 0), 0u);
  EXPECT_EQ(client.read(kConfig, Copier::kMsi + 2, 2) & 1, 0u);
  served->model.interrupts().message(0);
  EXPECT_EQ(event.take(), 0u);
}

TEST_F(Server, MasksIntxWhenItComesUntilItIsUnmasked) {
  RawClient client = ready();
  Event event, unmask;
  const int fd = event.fd(), unmask_fd = unmask.fd();
  using S = IrqSet;
  ASSERT_EQ(client.set_irqs(S::kEventFd | S::kTrigger, IrqIndex::kIntx, 0, 1, {&fd, 1}), 0u);
  client.write(0, Copier::kLine, 1, 4);
  turn();
  EXPECT_EQ(event.take(), 1u);
  client.write(0, Copier::kLine, 0, 4);
  client.write(0, Copier::kLine, 1, 4);
  turn();
  EXPECT_EQ(event.take(), 0u) << "masked";
  EXPECT_EQ(client.set_irqs(S::kNone | S::kUnmask, IrqIndex::kIntx, 0, 1), 0u);
  EXPECT_EQ(event.take(), 1u) << "still asserted";
  ASSERT_EQ(client.set_irqs(S::kEventFd | S::kUnmask, IrqIndex::kIntx, 0, 1, {&unmask_fd, 1}), 0u);
  const std::uint64_t one = 1;
  ASSERT_EQ(::write(unmask_fd, &one, sizeof one), 8);
  pollfd readable{.fd = served->server.fd(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&readable, 1, 0), 1) << "fd() tells of it";
  turn();
  EXPECT_EQ(event.take(), 1u) << "unmasked by the eventfd";
  client.write(0, Copier::kLine, 0, 4);
  EXPECT_EQ(client.set_irqs(S::kNone | S::kMask, IrqIndex::kIntx, 0, 1), 0u);
  client.write(0, Copier::kLine, 1, 4);
  turn();
  EXPECT_EQ(event.take(), 0u);
  EXPECT_EQ(client.set_irqs(S::kNone | S::kTrigger, IrqIndex::kIntx, 0, 0), 0u);
}

TEST_F(Server, RefusesInterruptSettingsThatMakeNoSense) {
  RawClient client = ready();
  using S = IrqSet;
  const Event event;
  const std::array two{event.fd(), event.fd()};
  const auto refused = [&](std::uint32_t flags, IrqIndex index, std::uint32_t start, std::uint32_t count,
                           std::span<const int> fds = {}, const Bytes& data = {}) {
    EXPECT_EQ(client.set_irqs(flags, index, start, count, fds, data), unsigned{EINVAL}) << flags << " " << start;
  };
  refused(S::kEventFd | S::kTrigger, IrqIndex::kMsix, 0, 5);
  refused(S::kEventFd | S::kTrigger, IrqIndex::kMsix, 4, 1);
  refused(S::kEventFd | S::kTrigger, IrqIndex::kMsix, ~0u, 2);
  refused(S::kEventFd | S::kTrigger, IrqIndex::kMsix, 1, ~0u);
  refused(S::kEventFd | S::kTrigger, IrqIndex::kMsix, 0, 1, two);
  refused(S::kEventFd | S::kTrigger, IrqIndex::kMsix, 0, 3, two);
  refused(S::kEventFd, IrqIndex::kMsix, 0, 1);
  refused(S::kTrigger, IrqIndex::kMsix, 0, 1);
  refused(S::kNone | S::kBool | S::kTrigger, IrqIndex::kMsix, 0, 1);
  refused(S::kNone | S::kTrigger | S::kMask, IrqIndex::kMsix, 0, 1);
  refused(S::kNone | S::kTrigger | 0x100, IrqIndex::kMsix, 0, 1);
  refused(S::kBool | S::kTrigger, IrqIndex::kMsix, 0, 4, {}, Bytes(3));
  refused(S::kNone | S::kTrigger, IrqIndex::kMsix, 0, 1);  // nothing is on
  refused(S::kNone | S::kTrigger, IrqIndex::kRequest, 0, 1);
  refused(S::kEventFd | S::kUnmask, IrqIndex::kMsix, 0, 1);
  refused(S::kEventFd | S::kMask, IrqIndex::kIntx, 0, 1);
  refused(S::kNone | S::kTrigger, static_cast<IrqIndex>(5), 0, 0);
  const Memory memory(kPage);
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  for (const int no_event : {memory.fd(), pipe[1], 0}) {
    refused(S::kEventFd | S::kTrigger, IrqIndex::kMsix, 0, 1, {&no_event, 1});
  }
  ::close(pipe[0]), ::close(pipe[1]);
  const int fd = event.fd();
  EXPECT_EQ(client.set_irqs(S::kEventFd | S::kTrigger, IrqIndex::kError, 0, 1, {&fd, 1}), 0u) << "QEMU asks for it";
  EXPECT_EQ(client.set_irqs(S::kNone | S::kTrigger, IrqIndex::kError, 0, 0), 0u);
}

TEST_F(Server, DoesNotWaitForAFullEventfd) {
  RawClient client = ready();
  const UniqueFd full(::eventfd(0, 0));  // blocks
  const std::uint64_t most = ~std::uint64_t{0} - 1;
  ASSERT_EQ(::write(full.get(), &most, sizeof most), 8);
  const int fd = full.get();
  ASSERT_EQ(client.set_irqs(IrqSet::kEventFd | IrqSet::kTrigger, IrqIndex::kMsix, 0, 1, {&fd, 1}), 0u);
  EXPECT_EQ(client.set_irqs(IrqSet::kNone | IrqSet::kTrigger, IrqIndex::kMsix, 0, 1), 0u);
}

TEST_F(Server, ResetsTheDeviceAndKeepsItsInterrupts) {
  RawClient client = ready();
  Event event;
  const int fd = event.fd();
  ASSERT_EQ(client.set_irqs(IrqSet::kEventFd | IrqSet::kTrigger, IrqIndex::kMsix, 0, 1, {&fd, 1}), 0u);
  client.write(0, Copier::kLen, 5, 4);
  EXPECT_EQ(client.error_of(Command::kDeviceReset, {}), 0u);
  EXPECT_EQ(client.read(kConfig, pci_config::kCommand, 2), 0u);
  EXPECT_EQ(client.read(kConfig, Copier::kMsix + 2, 2), 0x8003u);
  client.write(kConfig, pci_config::kCommand, 2, 2);
  EXPECT_EQ(client.read(0, Copier::kLen, 4), 0u);
  served->model.interrupts().message(0);
  EXPECT_EQ(event.take(), 1u);
}

// ---- Clients come and go ------------------------------------------------------------------------------------------

TEST_F(Server, GivesTheNextClientADeviceAsAfterPowerOn) {
  Event event;
  const Memory memory(kPage);
  {
    RawClient client = ready();
    const int fd = event.fd();
    ASSERT_EQ(client.set_irqs(IrqSet::kEventFd | IrqSet::kTrigger, IrqIndex::kMsix, 0, 1, {&fd, 1}), 0u);
    ASSERT_EQ(client.map(kAt, kPage, memory.fd()), 0u);
    client.write(0, Copier::kLen, 5, 4);
    turn();
  }
  turn();
  EXPECT_FALSE(served->server.connected());
  EXPECT_EQ(served->iommu.mappings(), 0u);
  served->model.interrupts().message(0);
  EXPECT_EQ(event.take(), 0u);
  RawClient client = connect();
  ASSERT_TRUE(client.hello());
  EXPECT_EQ(client.read(kConfig, pci_config::kCommand, 2), 0u);
  EXPECT_EQ(client.read(kConfig, Copier::kMsix + 2, 2), 3u);
  client.write(kConfig, pci_config::kCommand, 2, 2);
  EXPECT_EQ(client.read(0, Copier::kLen, 4), 0u);
}

TEST_F(Server, KeepsTheNextClientWaitingUntilTheFirstIsGone) {
  auto first = std::make_unique<RawClient>(ready());
  RawClient second = connect();
  (void)second.post(Command::kVersion, body_of(Version{}));
  EXPECT_FALSE(second.next(20));
  EXPECT_TRUE(second.alive());
  first.reset();
  EXPECT_TRUE(second.next());
}

TEST_F(Server, LeaksNothingOverAThousandClients) {
  const Memory memory(4 * kPage), unsealed(kPage, 0);
  const std::array<Event, 4> events;
  const std::array fds{events[0].fd(), events[1].fd(), events[2].fd(), events[3].fd()};
  const Holdings before = Holdings::now();
  for (unsigned i = 0; i < 1000; ++i) {
    RawClient client = ready();
    ASSERT_EQ(client.map(kAt, kPage, memory.fd()), 0u);
    ASSERT_EQ(client.map(kAt + kPage, kPage, unsealed.fd()), 0u);
    ASSERT_EQ(client.set_irqs(IrqSet::kEventFd | IrqSet::kTrigger, IrqIndex::kMsix, 0, 4, fds), 0u);
    if (i % 2 == 0) { ASSERT_EQ(client.set_irqs(IrqSet::kNone | IrqSet::kTrigger, IrqIndex::kMsix, 0, 0), 0u); }
    if (i % 3 == 0) {
      ASSERT_EQ(client.set_irqs(IrqSet::kNone | IrqSet::kTrigger, IrqIndex::kMsix, 0, 0), 0u);
      ASSERT_EQ(client.set_irqs(IrqSet::kEventFd | IrqSet::kTrigger, IrqIndex::kIntx, 0, 1, {fds.data(), 1}), 0u);
      ASSERT_EQ(client.set_irqs(IrqSet::kEventFd | IrqSet::kUnmask, IrqIndex::kIntx, 0, 1, {fds.data(), 1}), 0u);
    }
    copy(client, kAt + kPage, kAt, 8);  // leaves a question open
    // Some leave within a message.
    if (i % 5 == 0) (void)::send(client.fd(), "\1\0\2\0\60", 5, 0);
    if (i % 7 == 0) (void)client.post(Command::kDmaMap, Bytes(4), fds);
  }
  while (served->server.connected()) turn();
  EXPECT_EQ(Holdings::now(), before);
  EXPECT_EQ(served->server.counts().clients, 1000u);
}

// ---- Messages in pieces, and what are none ------------------------------------------------------------------------

TEST_F(Server, TakesMessagesInPiecesOfAnySize) {
  RawClient client = ready();
  const Header header{.id = 77, .command = 9, .size = 32};
  const Bytes message = body_of(header, RegionAccess{0, kConfig, 4});
  for (const std::size_t piece : {1u, 3u, 15u, 16u, 17u, 31u}) {
    for (std::size_t at = 0; at < message.size(); at += piece) {
      const std::size_t n = std::min(piece, message.size() - at);
      ASSERT_EQ(::send(client.fd(), &message[at], n, 0), static_cast<ssize_t>(n));
      turn();
    }
    const auto reply = client.next();
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->header.id, 77);
    EXPECT_EQ(reply->body.size(), 20u);
  }
  Bytes many;
  for (int i = 0; i < 200; ++i) many = many + message;  // and many at once
  ASSERT_EQ(::send(client.fd(), many.data(), many.size(), 0), static_cast<ssize_t>(many.size()));
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(client.next());
}

TEST_F(Server, GivesEveryMessageItsOwnDescriptors) {
  RawClient client = ready();
  const Memory a(kPage), b(kPage);
  const int a_fd = a.fd(), b_fd = b.fd();
  (void)client.post(Command::kDmaMap, body_of(DmaMap{32, 3, 0, kAt, kPage}), {&a_fd, 1});
  (void)client.post(Command::kDmaMap, body_of(DmaMap{32, 3, 0, kAt + kPage, kPage}));
  (void)client.post(Command::kDmaMap, body_of(DmaMap{32, 3, 0, kAt + 2 * kPage, kPage}), {&b_fd, 1});
  for (int i = 0; i < 3; ++i) ASSERT_EQ(client.next()->header.error, 0u);
  a.data()[0] = std::byte{1};
  b.data()[0] = std::byte{2};
  EXPECT_EQ(*served->iommu.find(kAt, 1).memory, std::byte{1});
  EXPECT_EQ(served->iommu.find(kAt + kPage, 1).memory, nullptr);
  EXPECT_EQ(*served->iommu.find(kAt + 2 * kPage, 1).memory, std::byte{2});
}

TEST_F(Server, ClosesDescriptorsThatBelongToNothing) {
  RawClient client = ready();
  const Holdings before = Holdings::now();
  const Event event;
  const std::vector<int> many(60, event.fd());
  for (const Command c : {Command::kVersion, Command::kDeviceInfo, Command::kRegionRead, Command::kDeviceReset,
                          Command::kDmaUnmap, Command::kSetIrqs, Command::kDmaMap, static_cast<Command>(99)}) {
    (void)client.error_of(c, Bytes(40), many);
  }
  const std::vector<int> too_many(200, event.fd());  // more than are kept
  alignas(cmsghdr) std::array<char, CMSG_SPACE(200 * sizeof(int))> control{};
  Header header{.id = 9, .command = 13, .size = 16};
  iovec io{.iov_base = &header, .iov_len = sizeof header};
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(200 * sizeof(int));
  std::memcpy(CMSG_DATA(c), too_many.data(), 200 * sizeof(int));
  ASSERT_EQ(::sendmsg(client.fd(), &message, 0), 16);
  const auto reply = client.next();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->header.error, unsigned{EMFILE});
  // One for each byte of a header.
  const int one = event.fd();
  header = {.id = 10, .command = 13, .size = 16};
  for (std::size_t i = 0; i < sizeof header; ++i) {
    iovec byte{.iov_base = reinterpret_cast<char*>(&header) + i, .iov_len = 1};
    message.msg_iov = &byte;
    message.msg_controllen = CMSG_SPACE(sizeof(int));
    c->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(c), &one, sizeof one);
    ASSERT_EQ(::sendmsg(client.fd(), &message, 0), 1);
  }
  EXPECT_TRUE(client.next());
  EXPECT_EQ(Holdings::now().fds, before.fds + 1) << "the event's own";
}

TEST_F(Server, DropsAClientThatSendsNoMessages) {
  for (const std::uint32_t size : {0u, 1u, 15u, 0x7FFF'FFFFu, ~0u, (1u << 20) + 33}) {
    RawClient client = ready();
    const Header header{.id = 1, .command = 9, .size = size};
    ASSERT_EQ(::send(client.fd(), &header, sizeof header, 0), 16);
    EXPECT_FALSE(client.next());
    EXPECT_FALSE(client.alive()) << size;
    EXPECT_NE(served->server.complaint().find("no message"), std::string::npos);
  }
  RawClient client = ready();
  client.reply({.id = 5, .command = 11}, {});
  EXPECT_FALSE(client.next());
  EXPECT_FALSE(client.alive()) << "it answered what nobody asked";
  RawClient again = ready();
  EXPECT_EQ(again.read(kConfig, 0, 4), 0xC0DE'1234u);
}

TEST_F(Server, StopsListeningToAClientThatDoesNotRead) {
  RawClient client = ready();
  const Bytes read = body_of(Header{.id = 1, .command = 9, .size = 32}, RegionAccess{0, kConfig, 4096});
  std::size_t sent = 0;
  for (int i = 0; i < 200'000; ++i) {
    if (::send(client.fd(), read.data(), read.size(), MSG_DONTWAIT) == static_cast<ssize_t>(read.size())) {
      ++sent;
    } else if (i % 2 == 1) {
      break;
    }
    turn();
  }
  EXPECT_LT(sent, 100'000u) << "it would hold answers without end";
  for (std::size_t i = 0; i < 100; ++i) ASSERT_TRUE(client.next());
}

TEST_F(Server, ServesSeveralDevicesWhateverOneClientDoes) {
  other = std::make_unique<Served>(directory / "other");
  RawClient good(directory / "other", [this] { turn(); });
  ASSERT_TRUE(good.hello());
  RawClient bad = ready();
  ASSERT_EQ(bad.map(kAt, kPage), 0u);
  copy(bad, kAt, kAt + 8, 8);  // never answered
  EXPECT_EQ(good.read(kConfig, 0, 4), 0xC0DE'1234u);
  (void)::send(bad.fd(), "half a", 6, 0);
  EXPECT_EQ(good.read(kConfig, 0, 4), 0xC0DE'1234u);
  const Bytes ones(64, std::byte{0xFF});
  (void)::send(bad.fd(), ones.data(), ones.size(), 0);
  EXPECT_EQ(good.read(kConfig, 0, 4), 0xC0DE'1234u);
  turn();
  EXPECT_FALSE(served->server.connected());
  EXPECT_TRUE(other->server.connected());
}

}  // namespace
