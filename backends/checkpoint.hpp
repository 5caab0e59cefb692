#pragma once
/// Checkpoints: the state of a session in a form that every backend of one arithmetic can load.
///
/// Layout (docs/formats.md): "SLCKPT03", program fingerprint, arithmetic, then everything below in
/// order, integers as 64-bit and reals as IEEE double, little endian, vectors with their length in
/// front (event ports and indices and refractory steps are 32-bit). Values of float32 runs are
/// exact in double. "SLCKPT02", which lacks what is marked "since 03", is read too.

#include <cstdint>
#include <span>
#include <vector>

#include "backends/backend.hpp"

namespace spikeloom {

/// A queued input event.
struct CheckpointEvent {
  std::int64_t step = 0;
  std::uint32_t port = 0, index = 0;
  double value = 0.0;
};

struct CheckpointNode {
  /// Neurons; current is empty without one. Recurrent layers: y' and h.
  std::vector<double> current, membrane;
  std::vector<std::uint32_t> waiting;      ///< refractory steps left; empty without any period
  std::vector<std::vector<double>> delay;  ///< a Delay's past inputs, oldest first
  /// Per incoming link, values on their way, oldest first (as many as its delay).
  std::vector<std::vector<std::vector<double>>> links;
  /// Since 03. Weight nodes on cpu: how they were added up last, and how many sources were active
  /// lately. Both decide how they are added up next, and so the order of the sums.
  Schedule way = Schedule::kRows;
  double active = 0.0;
};

struct CheckpointElement {
  std::vector<CheckpointNode> nodes;
  std::vector<CheckpointEvent> pending;
  std::vector<Time> latest;  ///< latest time pushed, per input port
};

struct CheckpointState {
  std::int64_t step = 0;
  std::vector<CheckpointElement> elements;
  RunStats stats;  ///< counts only; steps of each way, saturated and bytes since 03
};

/// Identifies a program: names, sizes, delays and discretisation. Another value, another program.
std::uint64_t program_fingerprint(const Program& program);

Checkpoint write_checkpoint(const CheckpointState& state, const Program& program,
                            Arithmetic arithmetic);

/// kFormat: not a checkpoint, truncated or inconsistent. kInvalidArgument: of another program,
/// arithmetic or batch size.
Result<CheckpointState> read_checkpoint(std::span<const std::byte> bytes, const Program& program,
                                        Arithmetic arithmetic, std::size_t batch);

}  // namespace spikeloom
