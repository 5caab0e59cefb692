#pragma once
/// Numbers of a Program as the cores of a machine hold them.
///
/// A word of a core's memory, and the payload of a packet, has 32 bits: an integer, or a float32 on
/// machines that compute with real numbers.
///
///     integer   docs/integer.md
///     ring16    the same; weights are those of the 16-bit slots, in units of their shifts
///     float32   each weight with its row's scale, rounded once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "backends/backend.hpp"
#include "base/result.hpp"
#include "snn/integer.hpp"
#include "snn/program.hpp"

namespace spikeloom::emulator {

using Word = std::int32_t;

/// How words are read.
struct WordFormat {
  bool is_real = false;

  static Word of_real(float value) { return value == 0.0F ? 0 : std::bit_cast<Word>(value); }
  static float real(Word word) { return std::bit_cast<float>(word); }

  Word of(double value) const {
    return is_real ? of_real(static_cast<float>(value)) : static_cast<Word>(value);
  }
  double number(Word word) const { return is_real ? double{real(word)} : double(word); }
  Word sum(Word a, Word b) const { return is_real ? of_real(real(a) + real(b)) : a + b; }
  /// Less than every number: starts the sum of a tap that lies outside of a pool's input.
  Word none() const {
    return is_real ? std::bit_cast<Word>(-std::numeric_limits<float>::infinity())
                   : std::numeric_limits<Word>::min();
  }
  /// Whether a number fits a word. Those that are none, or without end, do not.
  bool holds(double value) const {
    return is_real ? std::abs(value) <= double{std::numeric_limits<float>::max()}
                   : (value >= std::numeric_limits<Word>::min() &&
                      value <= std::numeric_limits<Word>::max());
  }
};

class CoreNumbers {
 public:
  /// The errors of to_integer(); kUnsupported for language layers in ring16, and for double. The
  /// Program has to stay.
  static Result<CoreNumbers> of(const Program& program, Arithmetic arithmetic);

  bool is_ring() const { return arithmetic_ == Arithmetic::kRing16; }
  WordFormat format() const { return {arithmetic_ == Arithmetic::kFloat32}; }

  /// Weight i of a weight node, in the Program's order; of RandomSparse, of group i.
  double weight(std::uint32_t node, std::size_t i) const {
    return format().is_real ? double{real_[node].weight[i]}
                            : double(integer_.nodes[node].weight[i]);
  }
  /// The same of a weight as it is stored, of row (output, channel) `row`.
  double of_stored(std::uint32_t node, std::size_t row, double stored) const;
  double factor(std::uint32_t node, std::size_t i) const;
  /// Of a weight node, one an output or channel; empty without one.
  std::vector<double> bias(std::uint32_t node) const;
  /// Integer and ring16.
  const IntegerNode& integer(std::uint32_t node) const { return integer_.nodes[node]; }

 private:
  struct RealNode {
    std::vector<float> weight;
  };
  CoreNumbers(const Program& program, Arithmetic arithmetic)
      : program_(&program), arithmetic_(arithmetic) {}
  void take_real();
  void round_to_slots();

  const Program* program_;
  Arithmetic arithmetic_;
  IntegerProgram integer_;
  std::vector<RealNode> real_;
};

}  // namespace spikeloom::emulator
