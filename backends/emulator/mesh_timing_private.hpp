#pragma once
/// Every message through every router of the mesh, event by event, in whole cycles.
///
/// The chip has two meshes (planes); a core sends its messages over them in turn. A router has one
/// input buffer and one output per neighbour and per core of its tile. Messages are one flit and
/// are routed in x, then in y. What happens to a flit, in cycles:
///
///     a      it enters an input buffer of `buffer_flits` places
///     >= a   at the head of the buffer it asks for its output; an output that is free is given to
///            the next input in turn (round robin)
///     + 1    it leaves if the next buffer has a place, else it waits and keeps the output
///     + 3    it enters the next router's buffer; its own place is known to be free again after 2
///
/// A core receives into a queue of `receive_places`; while the queue is full, flits for it stay in
/// the mesh, and what stands behind them waits as well, back to the senders, which stop working off
/// their neurons until their message has left.
///
/// A step ends as SANA-FE's cycle mode ends it: when every core has turned to the neurons behind
/// its last message and the last message has arrived, what is left of these neurons is worked off,
/// and then what is left of the received messages.
///
/// The numbers are those of the router that SANA-FE's cycle mode sets up in BookSim 2 (Jiang et
/// al., ISPASS 2013): two subnets, one virtual channel of eight flits, one cycle each for channel
/// and switch allocation, crossbar and link, a clock of 1 ns.

#include <array>

#include "backends/emulator/core_calendar_private.hpp"
#include "backends/emulator/network_timing.hpp"

namespace spikeloom::emulator {

struct RouterParameters {
  std::uint32_t planes = 2;
  std::uint32_t buffer_flits = 8;
  std::uint32_t receive_places = 8;
  double clock_seconds = 1e-9;
};

class MeshTiming final : public NetworkTiming {
 public:
  MeshTiming(const Chip& chip, const RouterParameters& parameters);
  double step(std::span<const CoreTraffic> cores) override;

 private:
  static constexpr std::uint32_t kDirections = 4;  ///< east, west, north, south
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  struct Flit {
    std::uint32_t core = 0;    ///< where to
    std::uint32_t cycles = 0;  ///< its receiver's work
  };
  /// An input buffer, and where its places are given back to: an output or a core.
  struct Input {
    std::array<std::uint32_t, 8> flits = {};
    std::uint32_t head = 0, count = 0;
    std::uint32_t router = 0, first_port = 0;  ///< ports of a router follow each other
    std::uint32_t upstream = kNone;            ///< output; kNone: the core
    std::uint32_t core = kNone, plane = 0;
  };
  struct Output {
    std::uint64_t requests = 0;  ///< by input of the router
    std::uint32_t first_port = 0;
    std::uint32_t holder = kNone, next_in_turn = 0;
    std::uint32_t places = 0;          ///< of the next buffer
    std::uint32_t downstream = kNone;  ///< input; kNone: a core, or the edge of the mesh
    bool to_core = false;
    bool waits = false;  ///< its holder needs a place
  };
  struct Sender {
    std::size_t next = 0;
    std::uint64_t sent = 0;
    std::array<std::uint32_t, 2> places = {};
    bool waits = false;
    std::uint64_t done = 0;
  };
  struct Receiver {
    std::vector<std::uint32_t> queue;  ///< cycles of each waiting message
    std::size_t first = 0;
    bool busy = false;
    std::uint64_t done = 0;  ///< first cycle after its work on the messages it has begun

    std::size_t waiting() const { return queue.size() - first; }
  };
  struct Place {
    std::uint32_t x = 0, y = 0, tile = 0;
  };
  struct Arrival {
    std::uint32_t input = 0, flit = 0;
  };
  /// What happens in one of the next cycles, in this order.
  struct Slot {
    std::vector<Arrival> arrivals;
    std::vector<std::uint32_t> places, grants, departures, deliveries;
    bool used = false;

    void clear();
  };

  std::uint32_t port(std::uint32_t plane, std::uint32_t router, std::uint32_t index) const {
    return (plane * routers_ + router) * ports_ + index;
  }
  void connect(std::uint32_t plane, std::uint32_t router, std::uint32_t direction,
               std::uint32_t neighbour);
  std::uint32_t cycles(double seconds) const;
  std::uint32_t route(const Input& input, std::uint32_t core) const;
  Slot& slot(std::uint64_t cycle) {
    Slot& slot = slots_[cycle % slots_.size()];
    slot.used = true;
    return slot;
  }

  void start(std::uint32_t core);
  void try_to_send(std::uint32_t core);
  void schedule_next(std::uint32_t core);
  void offer_head(const Input& input, std::uint32_t index, std::uint64_t cycle);
  void give_back_place(std::uint32_t input);
  void grant(std::uint32_t output);
  void depart(std::uint32_t output);
  void deliver(std::uint32_t flit);
  void finish_receiving(std::uint32_t core);
  void run_cycle();
  std::uint64_t end_of_step() const;

  RouterParameters parameters_;
  std::uint32_t routers_ = 0, core_ports_ = 0, ports_ = 0;
  std::vector<Place> router_places_, core_places_;
  std::vector<std::uint32_t> core_offsets_;  ///< within the tile
  std::vector<Input> inputs_;
  std::vector<Output> outputs_;
  std::vector<Sender> senders_;
  std::vector<Receiver> receivers_;
  std::vector<Flit> flits_;
  std::array<Slot, 4> slots_;
  CoreCalendar sending_, receiving_;
  std::span<const CoreTraffic> traffic_;
  std::uint64_t now_ = 0, last_fetch_ = 0, last_arrival_ = 0;
};

}  // namespace spikeloom::emulator
