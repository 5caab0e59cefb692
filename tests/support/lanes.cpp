#include "tests/support/lanes.hpp"

#include <utility>
#include <variant>
#include <vector>

#include "backends/cuda/kernel_call.hpp"

namespace spikeloom::test {
namespace {

template <typename K>
struct Named {
  static constexpr bool kKnown = false;
};
template <typename V>
struct Named<cuda::LayerInputKernel<V>> {
  static constexpr bool kKnown = true;
  static LaneKernel name() {
    return {.kind = LaneKernel::Kind::kInput, .real = std::is_same_v<V, float>};
  }
};
template <typename V, cuda::LayerForm kForm>
struct Named<cuda::PoolLayer<V, kForm>> {
  static constexpr bool kKnown = true;
  static LaneKernel name() {
    return {.kind = LaneKernel::Kind::kPool,
            .real = std::is_same_v<V, float>,
            .form = static_cast<int>(kForm)};
  }
};
template <typename V, std::uint32_t kChannels, cuda::LayerForm kForm, cuda::LayerHead kHead>
struct Named<cuda::LayerKernel<V, kChannels, kForm, kHead>> {
  static constexpr bool kKnown = true;
  static LaneKernel name() {
    return {.real = std::is_same_v<V, float>,
            .channels = kChannels,
            .form = static_cast<int>(kForm),
            .head = static_cast<int>(kHead)};
  }
};

/// Whether its threads have nothing to do with one another: loops over them say the same.
bool needs_no_lanes(const cuda::KernelCall& call) {
  return std::holds_alternative<cuda::LogBitsKernel<float>>(call.kernel) ||
         std::holds_alternative<cuda::LogBitsKernel<std::int32_t>>(call.kernel);
}

bool run_in_lanes(const cuda::KernelCall& call, std::uint64_t seed, std::vector<LaneKernel>* ran) {
  return std::visit(
      [&](const auto& kernel) {
        using K = std::remove_cvref_t<decltype(kernel)>;
        if constexpr (Named<K>::kKnown) {
          if (ran != nullptr) ran->push_back(Named<K>::name());
          return run_twin(Named<K>::name(),
                          {&kernel, sizeof kernel, call.blocks, call.threads, call.shared}, seed);
        } else {
          return false;
        }
      },
      call.kernel);
}

struct LanesSequence : cuda::Sequence {
  std::vector<cuda::KernelCall> calls;
};

class LanesMachine : public cuda::Machine, public std::enable_shared_from_this<LanesMachine> {
 public:
  LanesMachine(std::uint64_t seed, std::vector<LaneKernel>* ran)
      : host_(cuda::make_host_machine()), seed_(seed), ran_(ran) {}
  Result<void*> allocate(std::size_t bytes) override { return host_->allocate(bytes); }
  void release(void* memory) noexcept override { host_->release(memory); }
  Status upload(void* to, const void* from, std::size_t bytes) override {
    return host_->upload(to, from, bytes);
  }
  Status download(void* to, const void* from, std::size_t bytes) override {
    return host_->download(to, from, bytes);
  }
  Status clear(void* memory, std::size_t bytes) override { return host_->clear(memory, bytes); }
  Status copy(void* to, const void* from, std::size_t bytes) override {
    return host_->copy(to, from, bytes);
  }
  Result<std::unique_ptr<cuda::Sequence>> record(std::vector<cuda::KernelCall> calls) override {
    auto sequence = std::make_unique<LanesSequence>();
    sequence->calls = std::move(calls);
    return std::unique_ptr<cuda::Sequence>(std::move(sequence));
  }
  Status run(cuda::Sequence& sequence) override {
    for (const cuda::KernelCall& call : static_cast<LanesSequence&>(sequence).calls) {
      if (needs_no_lanes(call)) {
        SPIKELOOM_TRY(const auto alone, host_->record({call}));
        SPIKELOOM_CHECK(host_->run(*alone));
        continue;
      }
      if (run_in_lanes(call, seed_++, ran_)) continue;
      return Error{.what = "a kernel that is not known in lanes, or lanes that never meet",
                   .got = "kernel " + std::to_string(call.kernel.index())};
    }
    return {};
  }
  Status wait() override { return {}; }
  bool has_products() override { return false; }
  Result<std::shared_ptr<cuda::Machine>> fork() override {
    return std::shared_ptr<cuda::Machine>(shared_from_this());
  }
  std::uint64_t memory() const override { return host_->memory(); }

 private:
  std::shared_ptr<cuda::Machine> host_;
  std::uint64_t seed_;
  std::vector<LaneKernel>* ran_;
};

}  // namespace

std::shared_ptr<cuda::Machine> make_lanes_machine(std::uint64_t seed,
                                                  std::vector<LaneKernel>* ran) {
  return std::make_shared<LanesMachine>(seed, ran);
}

}  // namespace spikeloom::test
