#pragma once
/// Processes that simulate one network together, each its own range of neurons.
///
/// All of them call the same functions in the same order, each by any of its threads but one at a
/// time. backends/mpi has them over MPI; tests
/// have them as threads.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.hpp"

namespace spikeloom::simulation {

class Ranks {
 public:
  virtual ~Ranks() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Ranks, this one among them, that share this machine's memory.
  virtual int on_this_machine() const { return size(); }

  /// Begins to send `mine` to all ranks, and returns at once; `mine` is copied. kIo: a rank or the
  /// network is gone.
  virtual Status start_exchange(std::span<const std::uint64_t> mine) = 0;
  /// Waits for what all ranks have sent, by rank; valid until the next exchange begins.
  virtual Result<std::vector<std::span<const std::uint64_t>>> finish_exchange() = 0;

  /// Every element becomes its sum over the ranks.
  virtual Status add_up(std::span<std::uint64_t> values) = 0;

  /// Bytes that this rank has sent and received in exchanges.
  virtual std::uint64_t bytes_sent() const = 0;
  virtual std::uint64_t bytes_received() const = 0;
};

}  // namespace spikeloom::simulation
