#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <numeric>

#include "backends/cuda/held_memory.hpp"
#include "backends/cuda/machine.hpp"
#include "backends/cuda/team.hpp"
#include "backends/cuda/tuning.hpp"

namespace spikeloom::cuda {
namespace {

struct HostSequence : Sequence {
  std::vector<KernelCall> calls;
  std::vector<std::size_t> order;
};

/// As the calls come or, backwards, always the last of those that wait for nothing more: a device
/// may choose among them.
std::vector<std::size_t> order_of(const std::vector<KernelCall>& calls) {
  std::vector<std::size_t> order(calls.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (!tuning().backwards) return order;
  std::vector<bool> done(calls.size());
  const auto is_ready = [&](std::size_t i) {
    if (done[i]) return false;
    for (std::size_t before = 0; before < i; ++before) {
      if (!done[before] && calls[before].branch == calls[i].branch) return false;
    }
    return std::all_of(calls[i].waits_for.begin(), calls[i].waits_for.end(),
                       [&](std::uint32_t before) { return done[before]; });
  };
  for (std::size_t& next : order) {
    next = calls.size() - 1;
    while (!is_ready(next)) --next;
    done[next] = true;
  }
  return order;
}

/// What a device does at once, one after the other: blocks, their phases, and the threads of each.
template <typename K>
void run_blocks(const K& kernel, const KernelCall& call, std::vector<std::byte>& shared) {
  std::vector<typename K::Local> locals(call.threads);
  const std::uint32_t phases = kernel.phases();
  const bool backwards = tuning().backwards;
  for (std::uint32_t block = 0; block < call.blocks; ++block) {
    // A block finds no zeros in shared memory on a device.
    std::memset(shared.data(), 0xA5, call.shared);
    for (auto& local : locals) local = typename K::Local();
    for (std::uint32_t phase = 0; phase < phases; ++phase) {
      for (std::uint32_t i = 0; i < call.threads; ++i) {
        const std::uint32_t thread = backwards ? call.threads - 1 - i : i;
        kernel(Place{block, thread, call.threads, shared.data()}, phase, locals[thread]);
      }
    }
  }
}

void run_blocks(const Product& product, const KernelCall&, std::vector<std::byte>&) {
  for (std::size_t r = 0; r < product.rows; ++r) {
    float* const y = product.out + r * product.outputs;
    std::fill_n(y, product.outputs, 0.0F);
    for (std::size_t i = 0; i < product.inputs; ++i) {
      const float x = product.in[r * product.inputs + i];
      const float* const w = product.weight + i * product.outputs;
      for (std::size_t o = 0; o < product.outputs; ++o) y[o] += w[o] * x;
    }
  }
}

void run_blocks(const NarrowProduct& product, const KernelCall&, std::vector<std::byte>&) {
  const auto multiply = [&](auto* out, const auto* in, const auto* weight, auto value_of) {
    for (std::size_t r = 0; r < product.rows; ++r) {
      for (std::size_t o = 0; o < product.outputs; ++o) {
        auto sum = product.adds ? out[r * product.outputs + o] : 0;
        for (std::size_t i = 0; i < product.inputs; ++i) {
          if (in[r * product.inputs + i] == 0) continue;
          sum += value_of(in[r * product.inputs + i]) * value_of(weight[o * product.inputs + i]);
        }
        out[r * product.outputs + o] = sum;
      }
    }
  };
  if (product.whole) {
    multiply(static_cast<std::int32_t*>(product.out), static_cast<const std::int8_t*>(product.in),
             static_cast<const std::int8_t*>(product.weight),
             [](std::int8_t value) { return std::int32_t{value}; });
  } else {
    multiply(static_cast<float*>(product.out), static_cast<const std::uint16_t*>(product.in),
             static_cast<const std::uint16_t*>(product.weight), of_bfloat16);
  }
}

void run_blocks(const Gather&, const KernelCall&, std::vector<std::byte>&) {}

void run_call(const KernelCall& call) {
  std::vector<std::byte> shared(call.shared + alignof(std::max_align_t));
  std::visit([&](const auto& kernel) { run_blocks(kernel, call, shared); }, call.kernel);
}

Error no_memory(std::size_t bytes) {
  return Error{.code = ErrorCode::kResource,
               .what = "there is not enough memory",
               .got = std::to_string(bytes) + " bytes wanted",
               .next = "run a smaller batch or network"};
}

class HostMachine : public Machine {
 public:
  Result<void*> allocate(std::size_t bytes) override {
    void* const memory = std::calloc(1, bytes);
    if (memory == nullptr) return no_memory(bytes);
    held_.add(memory, bytes);
    return memory;
  }
  void release(void* memory) noexcept override {
    held_.remove(memory);
    std::free(memory);
  }
  Status upload(void* to, const void* from, std::size_t bytes) override {
    std::memcpy(to, from, bytes);
    return {};
  }
  Status download(void* to, const void* from, std::size_t bytes) override {
    std::memcpy(to, from, bytes);
    return {};
  }
  Status clear(void* memory, std::size_t bytes) override {
    std::memset(memory, 0, bytes);
    return {};
  }
  Status copy(void* to, const void* from, std::size_t bytes) override {
    std::memcpy(to, from, bytes);
    return {};
  }
  Result<std::unique_ptr<Sequence>> record(std::vector<KernelCall> calls) override {
    auto sequence = std::make_unique<HostSequence>();
    sequence->calls = std::move(calls);
    sequence->order = order_of(sequence->calls);
    return std::unique_ptr<Sequence>(std::move(sequence));
  }
  Status run(Sequence& sequence) override {
    for (const std::size_t i : static_cast<HostSequence&>(sequence).order) {
      run_call(static_cast<HostSequence&>(sequence).calls[i]);
    }
    return {};
  }
  Status wait() override { return {}; }
  bool has_products() override { return true; }
  Result<std::shared_ptr<Machine>> fork() override { return make_host_machine(); }
  std::uint64_t memory() const override { return held_.bytes(); }

 private:
  HeldMemory held_;
};

struct HostTeamSequence : Sequence {
  std::vector<std::vector<KernelCall>> calls;
};

class HostTeam : public Team {
 public:
  explicit HostTeam(std::uint32_t devices) {
    for (std::uint32_t d = 0; d < devices; ++d) machines_.push_back(make_host_machine());
  }
  const std::vector<std::shared_ptr<Machine>>& machines() const override { return machines_; }
  Result<std::unique_ptr<Sequence>> record(std::vector<std::vector<KernelCall>> calls) override {
    auto sequence = std::make_unique<HostTeamSequence>();
    sequence->calls = std::move(calls);
    return std::unique_ptr<Sequence>(std::move(sequence));
  }
  Status run(Sequence& sequence) override {
    const auto& calls = static_cast<HostTeamSequence&>(sequence).calls;
    const auto launch = [](std::size_t, const KernelCall& call) {
      run_call(call);
      return Status();
    };
    const auto exchange = [](const std::vector<Gather>& gathers) {
      for (const Gather& to : gathers) {
        for (std::size_t d = 0; d < gathers.size(); ++d) {
          std::copy_n(gathers[d].from, to.words, to.to + d * to.words);
        }
      }
      return Status();
    };
    return walk_together(calls, launch, exchange);
  }
  Status wait() override { return {}; }

 private:
  std::vector<std::shared_ptr<Machine>> machines_;
};

}  // namespace

Result<void*> Machine::allocate_host(std::size_t bytes) {
  void* const memory = std::malloc(bytes);
  if (memory == nullptr) return no_memory(bytes);
  return memory;
}

void Machine::release_host(void* memory) noexcept { std::free(memory); }

std::shared_ptr<Machine> make_host_machine() { return std::make_shared<HostMachine>(); }

std::shared_ptr<Team> make_host_team(std::uint32_t devices) {
  return std::make_shared<HostTeam>(devices);
}

}  // namespace spikeloom::cuda
