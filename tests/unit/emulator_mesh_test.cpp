/// The event-level mesh: latencies without contention, queues and back pressure.

#include <gtest/gtest.h>

#include "backends/emulator/network_timing.hpp"
#include "backends/emulator/sanafe.hpp"
#include "tests/support/mapped_example.hpp"

namespace spikeloom::test {
namespace {

using emulator::Axon;
using emulator::CoreTraffic;

/// The example's chip of 3 x 2 tiles with two cores each, and traffic made by hand.
class Mesh {
 public:
  Mesh() {
    auto chip = emulator::parse_sanafe_chip(example_chip(), "chip.yaml");
    EXPECT_TRUE(chip.ok());
    program_.chip = *std::move(chip);
    timing_ = emulator::make_network_timing(emulator::Timing::kEvents, program_);
    traffic_.resize(program_.chip.cores.size());
    axons_.reserve(1000);
  }

  /// A message of `work` cycles at its sender and `receive` cycles at its receiver.
  void send(std::size_t from, std::uint32_t to, double work, double receive) {
    Axon axon;
    axon.core = to;
    axon.receive_latency = receive * 1e-9;
    axons_.push_back(axon);
    traffic_[from].messages.push_back({&axons_.back(), work * 1e-9});
  }
  void work_after(std::size_t core, double cycles) { traffic_[core].tail = cycles * 1e-9; }

  double cycles() { return timing_->step(traffic_) * 1e9; }

 private:
  emulator::MappedProgram program_;
  std::unique_ptr<emulator::NetworkTiming> timing_;
  std::vector<CoreTraffic> traffic_;
  std::vector<Axon> axons_;
};

// Core 2 t + i is core i of tile t; tiles 0, 2, 4 are the lower row.
constexpr double kEndPoints = 4.0;  ///< cycles from a sender through one router to its receiver
constexpr double kHop = 4.0;        ///< cycles more per router

TEST(EmulatorMesh, WithoutContentionEveryRouterTakesFourCycles) {
  for (const auto& [to, hops] : std::vector<std::pair<std::uint32_t, int>>{
           {1, 0}, {2, 1}, {4, 1}, {6, 2}, {8, 2}, {11, 3}}) {
    Mesh mesh;
    mesh.send(0, to, 100, 50);
    EXPECT_NEAR(mesh.cycles(), 100 + kEndPoints + kHop * hops + 50, 1e-6) << to;
  }
}

TEST(EmulatorMesh, AReceiverServesOneMessageAfterTheOther) {
  Mesh mesh;
  mesh.send(0, 4, 10, 300);
  mesh.send(1, 4, 10, 300);
  mesh.send(8, 4, 10, 300);
  EXPECT_NEAR(mesh.cycles(), 10 + kEndPoints + kHop + 3 * 300, 1e-6);
}

TEST(EmulatorMesh, StepsDoNotLeaveAnythingBehind) {
  Mesh mesh;
  for (int i = 0; i < 60; ++i) {
    mesh.send(0, 11, 1, 40);
    mesh.send(7, 11, 2, 30);
  }
  const double first = mesh.cycles();
  EXPECT_EQ(mesh.cycles(), first);
  EXPECT_EQ(mesh.cycles(), first);
  // The receiver is never idle in between: 60 x 70 cycles from its first message on, which comes
  // from core 7, in tile 3, one hop away.
  EXPECT_NEAR(first, 2 + kEndPoints + kHop + 60 * 70, 1e-6);
}

TEST(EmulatorMesh, AFullReceiverStopsItsSender) {
  // 200 messages of 100 cycles; the queue, the two meshes' buffers on the way and what is between
  // them hold fewer than 60, so the last message cannot leave before 140 are done.
  Mesh mesh;
  for (int i = 0; i < 200; ++i) mesh.send(0, 4, 1, 100);
  mesh.work_after(0, 50000);
  EXPECT_GT(mesh.cycles(), 140 * 100 + 50000);
  // On its way to another receiver the same work does not wait for anything.
  Mesh free;
  for (int i = 0; i < 200; ++i) free.send(0, static_cast<std::uint32_t>(2 + i % 10), 1, 1);
  free.work_after(0, 50000);
  EXPECT_LT(free.cycles(), 200 * 3 + 50000 + 100);
}

TEST(EmulatorMesh, AStepWithoutMessagesLastsAsLongAsItsNeurons) {
  Mesh mesh;
  mesh.work_after(3, 777);
  mesh.work_after(4, 1000);
  EXPECT_NEAR(mesh.cycles(), 1000 + 1, 1e-6);
}

}  // namespace
}  // namespace spikeloom::test
