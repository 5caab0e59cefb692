#pragma once
/// Packets between the chips of a machine, event by event: what stands in whose way, what is
/// dropped after waiting, what is sent again, and when each packet arrives.
///
///     cores ---+
///              v
///     [input x 6] -> router -> [output] -> link -> [input] of the next chip
///                      | timeout
///                      v
///                  reinjection
///
/// * A **router** takes one packet every router.seconds, from its seven inputs (six links, its own
///   cores) in turn, and puts a copy into each output that the packet's entry names; that takes
///   router.latency. Cores take their copies at once. A copy whose output is full waits, and with
///   it everything behind it.
/// * An **output** holds link.output packets, the input behind its link link.input. A link carries
///   one packet in link.seconds, and keeps it where the input is full.
/// * After router.timeout of waiting the copies that still wait are dropped. Where the target has
///   reinject.packets, the chip keeps so many and sends them into its router again at the next
///   multiple of reinject.seconds, for the links that were missing alone. Beyond that, and without
///   reinjection, they are lost.
///
/// What is absent from the target costs no time and has no end. Time is whole picoseconds, so the
/// same traffic gives the same result everywhere.

#include <cstdint>
#include <queue>
#include <utility>
#include <vector>

#include "backends/emulator/packet_routes_private.hpp"

namespace spikeloom::emulator {

using Picoseconds = std::int64_t;
/// Whole ones; what is longer than ten days is ten days.
Picoseconds picoseconds(double seconds);

/// A queue that takes no memory until it is used, and little then: a large machine has many.
template <typename T>
class Fifo {
 public:
  bool empty() const { return head_ == items_.size(); }
  std::size_t size() const { return items_.size() - head_; }
  const T& front() const { return items_[head_]; }
  void push(T item) { items_.push_back(item); }
  void pop() {
    ++head_;
    if (head_ < items_.size() && head_ < 64) return;
    items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }

 private:
  std::vector<T> items_;
  std::size_t head_ = 0;
};

/// What the network did since the counts were taken last.
struct NetworkCounts {
  std::uint64_t timed_out = 0;   ///< packets that a router dropped after waiting
  std::uint64_t reinjected = 0;  ///< of them, those that were sent again
};

class PacketNetwork {
 public:
  struct Arrival {
    std::uint32_t packet = 0, core = 0;
    Picoseconds time = 0;
  };
  /// A packet that a core does not get.
  struct Lost {
    std::uint32_t packet = 0, core = 0;
  };

  /// Both have to stay.
  PacketNetwork(const mapping::TargetConstants& constants, const PacketRoutes& routes);

  /// A packet leaves its core: not before what run() has reached, which it is moved to otherwise.
  /// `route` has to stay. Returns its number, which arrivals and losses carry.
  std::uint32_t send(const PacketRoute& route, Picoseconds time);
  /// Until nothing moves any more, or up to `end`. Appends to arrivals() and lost().
  void run(Picoseconds end);

  std::vector<Arrival>& arrivals() { return arrivals_; }
  std::vector<Lost>& lost() { return lost_; }
  /// True when no packet is on its way.
  bool is_empty() const { return open_ == 0; }
  /// Numbers of packets that have arrived or are lost may be given anew.
  void forget();
  NetworkCounts take_counts();
  /// Time that each link was carrying a packet, or held one that could not go on.
  const std::vector<Picoseconds>& link_busy() const { return link_busy_; }
  const std::vector<std::uint64_t>& link_timeouts() const { return link_timeouts_; }

 private:
  enum class Kind : std::uint8_t { kEnter, kRouter, kOutput, kCarried, kTimeout, kReinject };
  struct Event {
    Picoseconds time = 0;
    std::uint64_t order = 0;
    Kind kind = Kind::kEnter;
    std::uint32_t where = 0;   ///< chip or link
    std::uint32_t detail = 0;  ///< of kEnter its copy, of kTimeout the wait it belongs to
    friend bool operator>(const Event& a, const Event& b) {
      return a.time != b.time ? a.time > b.time : a.order > b.order;
    }
  };
  /// A packet in one place; `links` are those that it has still to leave by.
  struct Copy {
    std::uint32_t packet = 0, step = 0;
    std::uint8_t links = 0;
    bool to_cores = true;  ///< false: they have it already
  };
  struct Chip {
    Fifo<std::uint32_t> inputs[kLinkDirections + 1];  ///< copies
    Fifo<std::uint32_t> dropped;
    std::uint32_t held = 0;  ///< the copy that waits for an output
    bool holds = false, wakes = false, reinjects = false;
    std::uint32_t turn = 0;  ///< the input that is asked next
    std::uint32_t wait = 0;  ///< counts waits, so that an old time-out is told apart
    Picoseconds free_at = 0;
  };
  struct Link {
    Fifo<std::pair<std::uint32_t, Picoseconds>> output;  ///< copies, and when they are there
    std::uint32_t carried = 0;
    bool carries = false, stuck = false;
    Picoseconds since = 0;
  };

  void push(Picoseconds time, Kind kind, std::uint32_t where, std::uint32_t detail = 0);
  std::uint32_t make_copy(std::uint32_t packet, std::uint32_t step);
  void close(std::uint32_t copy);
  /// Whether a packet still waits for what this time-out is of.
  bool waits(const Event& timeout) const;
  void handle(const Event& event);
  void route(std::uint32_t chip);
  bool take_next(Chip& chip, std::uint32_t number);
  bool place(std::uint32_t chip, std::uint32_t copy);
  void wake(std::uint32_t chip);
  void drop_held(std::uint32_t chip);
  void lose(const Copy& copy);
  void start_link(std::uint32_t link);
  void deposit(std::uint32_t link);
  void reinject(std::uint32_t chip);
  void lose_what_is_stuck();

  const PacketRoutes& routes_;
  Picoseconds router_, latency_, timeout_, on_link_, reinject_;
  std::size_t output_, input_, kept_;
  Picoseconds now_ = 0;
  std::uint64_t order_ = 0;
  std::uint64_t open_ = 0;  ///< copies
  struct Packet {
    const PacketRoute* route = nullptr;
    std::uint32_t copies = 0;  ///< on their way
  };
  std::vector<Packet> packets_;
  std::vector<std::uint32_t> free_packets_, done_;  ///< numbers; `done_`: until forget()
  std::vector<Copy> copies_;
  std::vector<std::uint32_t> free_copies_;
  std::vector<Chip> chips_;
  std::vector<Link> links_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::vector<Arrival> arrivals_;
  std::vector<Lost> lost_;
  NetworkCounts counts_;
  std::vector<Picoseconds> link_busy_;
  std::vector<std::uint64_t> link_timeouts_;
};

}  // namespace spikeloom::emulator
