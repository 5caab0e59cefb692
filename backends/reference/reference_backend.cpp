#include <fmt/format.h>

#include "backends/backend_impl.hpp"
#include "backends/reference/executable.hpp"

namespace spikeloom {
namespace {

/// A reset to or above the threshold would fire without end within one step.
bool fires_forever(const ProgramNode& node, const Discretisation& d) {
  const auto* neuron = std::get_if<op::Neuron>(&node.operation);
  if (neuron == nullptr || !neuron->coefficients.spiking || d.spike_time != SpikeTime::kSubStep) {
    return false;
  }
  const NeuronCoefficients& c = neuron->coefficients;
  for (std::size_t i = 0; i < c.size(); ++i) {
    const double after = d.reset == Reset::kSubtract ? 0.0 : c.reset[i];
    if (after >= c.threshold[i]) return true;
  }
  return false;
}

class ReferenceBackend : public Backend {
 public:
  BackendInfo info() const override {
    return {.name = "reference",
            .description = "plain loops, one step at a time; defines what the others must give",
            .available = true,
            .reason = "",
            .arithmetics = {Arithmetic::kDouble, Arithmetic::kFloat32}};
  }

  Support supports(const Program& program, const RunOptions& options) const override {
    Support support;
    if (options.arithmetic != Arithmetic::kDouble && options.arithmetic != Arithmetic::kFloat32) {
      support.reasons.push_back(
          fmt::format("arithmetic {} is not part of this version; give "
                      "--arithmetic double or float32",
                      to_string(options.arithmetic)));
    }
    for (const ProgramNode& node : program.nodes) {
      if (fires_forever(node, program.discretisation)) {
        support.reasons.push_back(fmt::format(
            "node \"{}\": its reset is not below its threshold, so with spikes within a step it "
            "would fire without end",
            node.name));
      }
    }
    for (const RecordRequest& request : options.record) {
      if (request.node >= program.nodes.size()) {
        support.reasons.push_back(fmt::format("there is no node {} to record", request.node));
      } else if (!has_variable(program.nodes[request.node], request.variable)) {
        support.reasons.push_back(fmt::format(
            "node \"{}\" ({}) has no variable '{}' to record", program.nodes[request.node].name,
            program.nodes[request.node].kind, to_string(request.variable)));
      }
    }
    support.yes = support.reasons.empty();
    return support;
  }

  Result<std::shared_ptr<const Executable>> compile(const Program& program,
                                                    const RunOptions& options) const override {
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
