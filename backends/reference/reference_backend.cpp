#include <fmt/format.h>

#include "backends/backend_impl.hpp"
#include "backends/reference/executable.hpp"

namespace spikeloom {
namespace {

/// The expanded rows of a rule take 12 bytes a synapse.
constexpr std::int64_t kMaxExpandedSynapses = std::int64_t{1} << 28;

bool is_integer(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::kInteger || arithmetic == Arithmetic::kRing16;
}

class ReferenceBackend : public Backend {
 public:
  BackendInfo info() const override {
    return {.name = "reference",
            .description = "plain loops, one step at a time; defines what the others must give",
            .available = true,
            .reason = "",
            .arithmetics = {Arithmetic::kDouble, Arithmetic::kFloat32, Arithmetic::kInteger,
                            Arithmetic::kRing16}};
  }

  Support supports(const Program& program, const RunOptions& options) const override {
    Support support = check_run(program, options);
    if (is_integer(options.arithmetic)) {
      const auto integer = to_integer(program);
      if (!integer.ok()) support.reasons.push_back(integer.error().message());
    }
    for (const ProgramNode& node : program.nodes) {
      if (std::holds_alternative<op::RandomSparse>(node.operation) &&
          node.weights > kMaxExpandedSynapses) {
        support.reasons.push_back(
            fmt::format("node \"{}\" stands for {} synapses; the reference takes at most {}",
                        node.name, node.weights, kMaxExpandedSynapses));
      }
    }
    support.yes = support.reasons.empty();
    return support;
  }

  Result<std::shared_ptr<const Executable>> compile(const Program& program,
                                                    const RunOptions& options) const override {
    if (is_integer(options.arithmetic)) {
      SPIKELOOM_TRY(IntegerProgram integer, to_integer(program));
      return std::shared_ptr<const Executable>(
          std::make_shared<const reference::ReferenceExecutable<std::int32_t>>(program, options,
                                                                               std::move(integer)));
    }
    if (options.arithmetic == Arithmetic::kDouble) {
      return std::shared_ptr<const Executable>(
          std::make_shared<const reference::ReferenceExecutable<double>>(program, options));
    }
    return std::shared_ptr<const Executable>(
        std::make_shared<const reference::ReferenceExecutable<float>>(program, options));
  }
};

}  // namespace

std::unique_ptr<Backend> make_reference_backend() { return std::make_unique<ReferenceBackend>(); }

}  // namespace spikeloom
