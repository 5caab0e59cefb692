#pragma once
/// Whether what is wanted fits a device, before anything is taken.

#include <memory>

#include "backends/cuda/machine.hpp"
#include "backends/cuda/parts.hpp"

namespace spikeloom::cuda {

/// A machine that counts what it is asked for, and has nothing: its pointers are numbers. It stands
/// for `real`, which has to outlive it.
std::shared_ptr<Machine> make_measuring_machine(Machine& real);

/// kResource: `needed` bytes are more than `machine` has free; says both.
Status check_memory(Machine& machine, std::uint64_t needed, const char* what, const char* next);

/// Bytes of weights, at least.
std::uint64_t weight_bytes(const Part& part, bool whole_numbers);

}  // namespace spikeloom::cuda
