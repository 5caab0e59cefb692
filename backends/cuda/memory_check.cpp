#include "backends/cuda/memory_check.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "backends/cuda/held_memory.hpp"

namespace spikeloom::cuda {
namespace {

class MeasuringMachine : public Machine {
 public:
  explicit MeasuringMachine(Machine& real) : real_(real) {}
  Result<void*> allocate(std::size_t bytes) override {
    void* const memory = reinterpret_cast<void*>(next_);
    next_ += (bytes + kAlign - 1) / kAlign * kAlign;
    held_.add(memory, bytes);
    return memory;
  }
  void release(void* memory) noexcept override { held_.remove(memory); }
  Status upload(void*, const void*, std::size_t) override { return {}; }
  Status download(void*, const void*, std::size_t) override { return {}; }
  Status clear(void*, std::size_t) override { return {}; }
  Status copy(void*, const void*, std::size_t) override { return {}; }
  Result<std::unique_ptr<Sequence>> record(std::vector<KernelCall>) override { return refused(); }
  Status run(Sequence&) override { return refused(); }
  Status wait() override { return {}; }
  bool has_products() override { return real_.has_products(); }
  Result<std::shared_ptr<Machine>> fork() override { return refused(); }
  std::uint64_t memory() const override { return held_.bytes(); }
  /// After what it has given out, as a real one would say.
  std::uint64_t free_memory() override {
    const std::uint64_t free = real_.free_memory(), held = held_.bytes();
    return free == ~std::uint64_t{0} ? free : free - std::min(free, held);
  }

 private:
  static constexpr std::uintptr_t kAlign = 256;
  static Error refused() {
    return Error{.code = ErrorCode::kUnsupported, .what = "this machine only measures"};
  }
  Machine& real_;
  std::uintptr_t next_ = kAlign;
  HeldMemory held_;
};

std::string megabytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

}  // namespace

std::shared_ptr<Machine> make_measuring_machine(Machine& real) {
  return std::make_shared<MeasuringMachine>(real);
}

Status check_memory(Machine& machine, std::uint64_t needed, const char* what, const char* next) {
  const std::uint64_t free = machine.free_memory();
  if (needed <= free) return {};
  return Error{.code = ErrorCode::kResource,
               .what = fmt::format("{} does not fit the memory of the device", what),
               .expected = fmt::format("at most the {} that are free", megabytes(free)),
               .got = fmt::format("{} needed", megabytes(needed)),
               .next = next};
}

std::uint64_t weight_bytes(const Part& part, bool whole_numbers) {
  std::uint64_t bytes = 0;
  for (std::size_t n = 0; n < part.program.nodes.size(); ++n) {
    const ProgramNode& node = part.program.nodes[n];
    const auto weights = static_cast<std::uint64_t>(node.weights);
    if (std::holds_alternative<op::Sparse>(node.operation) ||
        std::holds_alternative<op::RandomSparse>(node.operation)) {
      bytes += weights * (whole_numbers ? 4 : 8);
    } else if (std::holds_alternative<op::Dense>(node.operation) ||
               std::holds_alternative<op::Convolution>(node.operation)) {
      bytes += weights * (!whole_numbers ? 4 : part.integer.nodes[n].fits_int8 ? 1 : 2);
    } else {
      bytes += weights;
    }
  }
  return bytes;
}

}  // namespace spikeloom::cuda
