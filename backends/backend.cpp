#include "backends/backend.hpp"

#include <array>
#include <cmath>

#include <fmt/format.h>

#include "backends/backend_impl.hpp"

namespace spikeloom {
namespace {

constexpr std::array<const char*, 4> kArithmeticNames = {"double", "float32", "integer", "ring16"};
constexpr std::array<const char*, 4> kScheduleNames = {"auto", "rows", "bitmask", "dense"};
constexpr std::array<const char*, 4> kVariableNames = {"spikes", "y", "v", "u"};

}  // namespace

const char* to_string(Arithmetic arithmetic) {
  return kArithmeticNames[static_cast<std::size_t>(arithmetic)];
}

Result<Arithmetic> parse_arithmetic(std::string_view text) {
  for (std::size_t i = 0; i < kArithmeticNames.size(); ++i) {
    if (text == kArithmeticNames[i]) return static_cast<Arithmetic>(i);
  }
  return Error{.what = "unknown arithmetic",
               .expected = "double|float32|integer|ring16",
               .got = fmt::format("'{}'", text)};
}

const char* to_string(Schedule schedule) {
  return kScheduleNames[static_cast<std::size_t>(schedule)];
}

Result<Schedule> parse_schedule(std::string_view text) {
  for (std::size_t i = 0; i < kScheduleNames.size(); ++i) {
    if (text == kScheduleNames[i]) return static_cast<Schedule>(i);
  }
  return Error{.what = "unknown schedule",
               .expected = "auto|rows|bitmask|dense",
               .got = fmt::format("'{}'", text)};
}

const char* to_string(Variable variable) {
  return kVariableNames[static_cast<std::size_t>(variable)];
}

Result<Variable> parse_variable(std::string_view text) {
  for (std::size_t i = 0; i < kVariableNames.size(); ++i) {
    if (text == kVariableNames[i]) return static_cast<Variable>(i);
  }
  return Error{.what = "unknown variable to record",
               .expected = "spikes|y|v|u",
               .got = fmt::format("'{}'", text)};
}

bool has_variable(const ProgramNode& node, Variable variable) {
  const auto* neuron = std::get_if<op::Neuron>(&node.operation);
  if (variable == Variable::kMembrane) return neuron != nullptr;
  if (variable == Variable::kCurrent) return neuron != nullptr && neuron->coefficients.has_current;
  return true;
}

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

}  // namespace

UnavailableBackend::UnavailableBackend(std::string name, std::string description,
                                       std::string reason) {
  info_.name = std::move(name);
  info_.description = std::move(description);
  info_.reason = std::move(reason);
}

BackendInfo UnavailableBackend::info() const { return info_; }

Support UnavailableBackend::supports(const Program&, const RunOptions&) const {
  return {false, {info_.reason}};
}

Result<std::shared_ptr<const Executable>> UnavailableBackend::compile(const Program&,
                                                                      const RunOptions&) const {
  return Error{.code = ErrorCode::kUnsupported,
               .what = fmt::format("the backend '{}' is not available", info_.name),
               .got = info_.reason,
               .next = "see `spikeloom devices`"};
}

Time session_step_time(const Discretisation& discretisation) {
  const Time step = discretisation.step_time();
  return step > 0 ? step : kSecond;
}

Support check_run(const Program& program, const RunOptions& options) {
  Support support;
  for (const ProgramNode& node : program.nodes) {
    if (fires_forever(node, program.discretisation)) {
      support.reasons.push_back(fmt::format(
          "node \"{}\": its reset is not below its threshold, so with spikes within a step it "
          "would fire without end",
          node.name));
    }
  }
  for (const ProgramNode& node : program.nodes) {
    if (options.arithmetic != Arithmetic::kRing16) break;
    const bool language = std::holds_alternative<op::Recurrent>(node.operation) ||
                          std::holds_alternative<op::Embedding>(node.operation) ||
                          std::holds_alternative<op::Decoder>(node.operation);
    if (!language) continue;
    support.reasons.push_back(fmt::format(
        "node \"{}\" ({}) has no slots of 16 bits; give --arithmetic integer or float32", node.name,
        node.kind));
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

bool is_input_integer(double value) {
  return std::trunc(value) == value && std::abs(value) <= 32767.0;
}

Status check_push(const Program& program, std::size_t batch, std::uint32_t element,
                  std::uint32_t port) {
  if (element < batch && port < program.inputs.size()) return {};
  return Error{.code = ErrorCode::kNotFound,
               .what = "there is no such input",
               .expected = fmt::format("batch element below {}, port below {}", batch,
                                       program.inputs.size()),
               .got = fmt::format("element {}, port {}", element, port)};
}

Status check_latest(const Program& program, const RunOptions& options, std::size_t batch,
                    std::uint32_t element, std::uint32_t node, std::size_t size) {
  if (element >= batch || node >= program.nodes.size()) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "there is no such node",
                 .expected = fmt::format("batch element below {}, node below {}", batch,
                                         program.nodes.size()),
                 .got = fmt::format("element {}, node {}", element, node)};
  }
  if (static_cast<std::int64_t>(size) != program.nodes[node].out_size) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the space does not fit the node's output",
                 .where = fmt::format("node \"{}\"", program.nodes[node].name),
                 .expected = std::to_string(program.nodes[node].out_size),
                 .got = std::to_string(size)};
  }
  if (!options.record_outputs &&
      std::holds_alternative<op::Output>(program.nodes[node].operation)) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "nobody worked this Output out, because outputs are not recorded",
                 .where = fmt::format("node \"{}\"", program.nodes[node].name),
                 .next = "ask for the node in front of it, or record outputs"};
  }
  return {};
}

}  // namespace spikeloom
