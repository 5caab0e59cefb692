#include "cli/pipeline.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "cli/quantize_command.hpp"
#include "snn/integer.hpp"
#include "snn/lowering.hpp"
#include "snn/resolve.hpp"

namespace spikeloom::cli {
namespace {

/// As many steps as input coding makes bins.
constexpr std::int64_t kMostSteps = std::int64_t{1} << 32;

bool is_active(const Operation& operation) {
  return std::holds_alternative<op::Neuron>(operation) ||
         std::holds_alternative<op::Threshold>(operation) ||
         std::holds_alternative<op::Recurrent>(operation);
}

/// The nodes that have `variable`; every node has spikes.
std::string node_list(const Program& program, Variable variable = Variable::kSpikes) {
  std::string list;
  for (const ProgramNode& node : program.nodes) {
    if (!has_variable(node, variable)) continue;
    list += fmt::format("{}{}", list.empty() ? "" : ", ", node.name);
    if (list.size() > 400) return list + ", ...";
  }
  return list;
}

Error nothing_to_record(const Program& program, std::uint32_t number, Variable variable) {
  const ProgramNode& node = program.nodes[number];
  const std::string others = node_list(program, variable);
  return Error{
      .what = fmt::format("node '{}' ({}) has no {}", node.name, node.kind, to_string(variable)),
      .where = "--record",
      .expected = others.empty() ? "" : "one of " + others,
      .next = others.empty() ? fmt::format("no node of this network has {}; record spikes or y",
                                           to_string(variable))
                             : "record one of these, or this node's spikes or y"};
}

Result<std::vector<RecordRequest>> record_requests(const Program& program,
                                                   const PipelineRequest& request) {
  std::vector<RecordRequest> records;
  for (const RecordFlag& flag : request.record) {
    const auto node = program.find(flag.node);
    if (!node) {
      return Error{.code = ErrorCode::kNotFound,
                   .what = fmt::format("there is no node '{}' to record", flag.node),
                   .expected = node_list(program),
                   .next = "give --record NODE or NODE:v, NODE:u, NODE:y"};
    }
    if (!has_variable(program.nodes[*node], flag.variable)) {
      return nothing_to_record(program, *node, flag.variable);
    }
    records.push_back({*node, flag.variable});
  }
  if (request.record_all_spikes) {
    for (std::uint32_t n = 0; n < program.nodes.size(); ++n) {
      if (is_active(program.nodes[n].operation)) records.push_back({n, Variable::kSpikes});
    }
  }
  return records;
}

Result<std::optional<std::uint32_t>> choose_port(const Program& program, const std::string& name) {
  if (program.inputs.empty()) return std::optional<std::uint32_t>();
  if (name.empty() && program.inputs.size() == 1) return std::optional<std::uint32_t>(0);
  std::string names;
  for (std::uint32_t port = 0; port < program.inputs.size(); ++port) {
    const std::string& path = program.nodes[program.inputs[port]].name;
    if (path == name) return std::optional<std::uint32_t>(port);
    names += fmt::format("{}{}", names.empty() ? "" : ", ", path);
  }
  return Error{.code = name.empty() ? ErrorCode::kAmbiguous : ErrorCode::kNotFound,
               .what = name.empty() ? "the network has several Input nodes"
                                    : fmt::format("there is no Input node '{}'", name),
               .expected = names,
               .next = "give --port NAME"};
}

/// What the model file says about how it is run; flags beat it.
struct DeclaredSettings {
  std::optional<Discretisation> discretisation;
  std::optional<InputCoding> coding;
  std::optional<ReadOut> read_out;
};

Result<DeclaredSettings> declared_settings(const Value& settings) {
  DeclaredSettings declared;
  if (const Value* value = settings.find("discretisation")) {
    SPIKELOOM_TRY(declared.discretisation, discretisation_from_value(*value));
  }
  if (const Value* value = settings.find("input_coding")) {
    SPIKELOOM_TRY(declared.coding, input_coding_from_value(*value));
  }
  if (const Value* value = settings.find("read_out"); value != nullptr && value->as_string()) {
    SPIKELOOM_TRY(declared.read_out, parse_read_out(*value->as_string()));
  }
  return declared;
}

/// The `quantize` command for this very file, in the place of its general form.
Error with_quantize_command(Error error, const std::string& file, const RunFlags& flags) {
  constexpr std::string_view kGeneral = "spikeloom quantize MODEL -o OUT.sloom";
  const std::size_t at = error.next.find(kGeneral);
  if (at == std::string::npos || file.empty()) return error;
  error.next.replace(at, kGeneral.size(), quantize_command(file, flags));
  return error;
}

/// `auto`: integer for a network that is declared fixed point and whose numbers are integers.
Result<Arithmetic> choose_arithmetic(const RunFlags& flags, const Program& program,
                                     const LoadedModel& model, std::vector<std::string>& notes) {
  if (flags.arithmetic == "auto") {
    if (program.discretisation.fixed_point == FixedPoint::kNone || !to_integer(program).ok()) {
      return Arithmetic::kFloat32;
    }
    notes.emplace_back("arithmetic integer: all numbers of the network are integers");
    return Arithmetic::kInteger;
  }
  SPIKELOOM_TRY(const Arithmetic arithmetic, parse_arithmetic(flags.arithmetic));
  if (arithmetic == Arithmetic::kInteger || arithmetic == Arithmetic::kRing16) {
    auto integer = to_integer(program);
    if (!integer.ok()) {
      return with_quantize_command(std::move(integer).error().in(model.report.file),
                                   model.report.file, flags);
    }
  }
  return arithmetic;
}

}  // namespace

Shape Pipeline::input_shape() const {
  return port ? program().nodes[program().inputs[*port]].out_shape : Shape{};
}

Time Pipeline::step_time() const { return discretisation().step_time(); }

std::string describe(const Discretisation& discretisation) {
  std::string text = fmt::format("preset {}", discretisation.preset);
  for (const OptionInfo& info : discretisation_options()) {
    text += fmt::format(", {} {}", info.name, get_option(discretisation, info.name));
  }
  return text;
}

std::string describe(const InputCoding& coding) {
  std::string text = fmt::format("{}, bins from {}", to_string(coding.coding),
                                 coding.origin == BinOrigin::kZero ? "time 0" : "the first event");
  if (coding.rounding == BinRounding::kNearest) text += ", times rounded to the nearest bin";
  if (coding.ignored_steps > 0) {
    text += fmt::format(", the first {} without events", coding.ignored_steps);
  }
  if (coding.steps) text += fmt::format(", {} steps", *coding.steps);
  return text;
}

Result<Pipeline> make_pipeline(const LoadedModel& model, const PipelineRequest& request) {
  Pipeline pipeline;
  auto declared = declared_settings(model.run_settings);
  if (!declared.ok()) return std::move(declared).error().in(model.report.file);

  if (model.report.status() != ImportStatus::kRead || !model.report.warnings.empty()) {
    for (const std::string& line : model.report.lines()) {
      pipeline.notes.push_back(line.substr(std::min(line.find_first_not_of(' '), line.size())));
    }
  }
  DiscretisationRequest wanted;
  wanted.preset = request.flags.preset;
  wanted.options = request.flags.discretisation;
  wanted.declared = declared->discretisation;
  auto resolved = resolve_discretisation(model.network, wanted);
  if (!resolved.ok()) return std::move(resolved).error().in(model.report.file);
  pipeline.notes.insert(pipeline.notes.end(), resolved->notes.begin(), resolved->notes.end());
  if (request.membrane) resolved->discretisation.record_membrane = *request.membrane;
  auto lowered = lower(model.network, resolved->discretisation);
  if (!lowered.ok()) return std::move(lowered).error().in(model.report.file);
  pipeline.notes.insert(pipeline.notes.end(), lowered->notes.begin(), lowered->notes.end());

  SPIKELOOM_TRY(pipeline.coding,
                input_coding(request.flags, declared->coding, resolved->discretisation.preset));
  pipeline.read_out = declared->read_out.value_or(ReadOut::kCount);
  if (request.flags.read_out) {
    SPIKELOOM_TRY(pipeline.read_out, parse_read_out(*request.flags.read_out));
  }
  SPIKELOOM_TRY(pipeline.port, choose_port(*lowered, request.flags.port));
  SPIKELOOM_TRY(pipeline.record, record_requests(*lowered, request));

  RunOptions options;
  SPIKELOOM_TRY(options.arithmetic,
                choose_arithmetic(request.flags, *lowered, model, pipeline.notes));
  SPIKELOOM_TRY(options.schedule, parse_schedule(request.flags.schedule));
  options.threads = request.threads;
  options.seed = request.seed;
  options.record = pipeline.record;
  options.record_outputs = request.record_outputs;
  options.state_reset = request.state_reset;
  options.sharpen = request.sharpen;
  options.tabulate = request.tabulate;
  SPIKELOOM_TRY(pipeline.executable, compile(request.flags.backend, *lowered, options));
  return pipeline;
}

Result<std::optional<std::int64_t>> asked_steps(const RunFlags& flags,
                                                const Discretisation& discretisation) {
  const auto too_long = [](double steps) {
    return Error{.code = ErrorCode::kResource,
                 .what = "the run is too long",
                 .expected = fmt::format("at most {} steps", kMostSteps),
                 .got = fmt::format("{:.6g} steps", steps)};
  };
  if (flags.steps && *flags.steps > kMostSteps) return too_long(static_cast<double>(*flags.steps));
  if (flags.steps) return flags.steps;
  if (!flags.duration) return std::optional<std::int64_t>();
  if (discretisation.dt <= 0.0) {
    return Error{.code = ErrorCode::kAmbiguous,
                 .what = "a duration needs a time step, and it is unknown",
                 .next = "give --dt, or --steps instead of --duration"};
  }
  // Whole steps; a quotient that misses one by rounding alone counts it.
  const double steps = std::floor(*flags.duration / discretisation.dt * (1.0 + 1e-12));
  if (!(steps >= 0.0)) {
    return Error{.what = "this is no duration",
                 .where = "--duration",
                 .expected = "a number, 0 or more",
                 .got = fmt::format("{}", *flags.duration)};
  }
  if (steps > static_cast<double>(kMostSteps)) return too_long(steps);
  return std::optional<std::int64_t>(static_cast<std::int64_t>(steps));
}

}  // namespace spikeloom::cli
