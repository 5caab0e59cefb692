#include <fmt/format.h>

#include "backends/backend_impl.hpp"
#include "backends/cpu/executable.hpp"
#include "snn/integer.hpp"

namespace spikeloom {
namespace {

bool is_whole(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::kInteger || arithmetic == Arithmetic::kRing16;
}

class CpuBackend : public Backend {
 public:
  BackendInfo info() const override {
    return {.name = "cpu",
            .description = "event-driven, vectorised and threaded",
            .available = true,
            .reason = "",
            .arithmetics = {Arithmetic::kFloat32, Arithmetic::kInteger, Arithmetic::kRing16}};
  }

  Support supports(const Program& program, const RunOptions& options) const override {
    Support support = check_run(program, options);
    if (is_whole(options.arithmetic)) {
      if (const auto integer = to_integer(program); !integer.ok()) {
        support.reasons.push_back(integer.error().message());
      }
    } else if (options.arithmetic != Arithmetic::kFloat32) {
      support.reasons.push_back(
          fmt::format("arithmetic {} is not one of cpu's; give --arithmetic float32, integer "
                      "or ring16, or --backend reference",
                      to_string(options.arithmetic)));
    }
    support.yes = support.reasons.empty();
    return support;
  }

  Result<std::shared_ptr<const Executable>> compile(const Program& program,
                                                    const RunOptions& options) const override {
    if (is_whole(options.arithmetic)) {
      return cpu::compile_cpu<std::int32_t>(program, options);
    }
    return cpu::compile_cpu<float>(program, options);
  }
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend() { return std::make_unique<CpuBackend>(); }

}  // namespace spikeloom
