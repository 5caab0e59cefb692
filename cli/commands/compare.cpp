/// `spikeloom compare`: the same network and recording under two sets of flags.

#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands/commands.hpp"
#include "cli/comparison.hpp"
#include "cli/exit_codes.hpp"
#include "cli/network_file.hpp"
#include "cli/number_check.hpp"
#include "cli/sample.hpp"
#include "cli/table.hpp"

namespace spikeloom::cli {
namespace {

struct CompareCommand {
  std::string model;
  ModelFlags model_flags;
  std::string left, right;
  std::optional<std::int64_t> sample;
  double tolerance = 1e-6;
  RunFlags run;
  InputFlags input;
  CommonOptions common;
};

/// One side, kept so that it can be run again with membranes recorded.
struct Side {
  std::string flags;
  PipelineRequest request;
  Pipeline pipeline;
  CodedInput input;
  std::int64_t steps = 0;
  RunOutcome outcome;
  std::vector<std::string> notes;
};

Result<CodedSample> code_input(const CompareCommand& command, const Side& side,
                               const std::optional<std::int64_t>& asked) {
  if (command.input.files.empty()) return CodedSample{};
  if (!side.pipeline.port) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the network has no Input node to feed",
                 .where = command.model,
                 .next = "compare it with --steps N, without --input"};
  }
  const Shape shape = side.pipeline.input_shape();
  SPIKELOOM_TRY(const std::int64_t elements, element_count(shape));
  SPIKELOOM_TRY(const auto samples, list_samples(command.input, elements));
  const auto count = static_cast<std::int64_t>(samples.size());
  if (count != 1 && !command.sample) {
    return Error{.code = ErrorCode::kAmbiguous,
                 .what = "compare looks at one recording",
                 .got = fmt::format("{}", count),
                 .next = "give --sample N, from 0"};
  }
  const std::int64_t number = command.sample.value_or(0);
  if (number < 0 || number >= count) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = fmt::format("there is no recording {}", number),
                 .expected = fmt::format("0 to {}", count - 1)};
  }
  CodingContext context{shape, side.pipeline.step_time(), side.pipeline.coding, asked,
                        command.common.seed + static_cast<std::uint64_t>(number)};
  return code_sample(samples[static_cast<std::size_t>(number)], command.input, context);
}

Result<Side> run_side(const CompareCommand& command, const LoadedModel& model,
                      const std::string& flags, const char* name) {
  Side side;
  side.flags = flags;
  side.request.flags = command.run;
  auto applied = apply_run_flags(flags, side.request.flags);
  if (!applied.ok()) return std::move(applied).error().in(name);
  side.request.record_all_spikes = true;
  side.request.membrane = RecordMembrane::kBeforeReset;
  side.request.seed = command.common.seed;
  side.request.threads = thread_count(command.common);
  auto pipeline = make_pipeline(model, side.request);
  if (!pipeline.ok()) return std::move(pipeline).error().in(name);
  side.pipeline = *std::move(pipeline);
  SPIKELOOM_TRY(const auto asked, asked_steps(side.request.flags, side.pipeline.discretisation()));
  auto coded = code_input(command, side, asked);
  if (!coded.ok()) return std::move(coded).error().in(name);
  side.input = std::move(coded->input);
  side.notes = std::move(coded->notes);
  side.steps = asked.value_or(side.input.steps);
  if (side.steps == 0) {
    return Error{.what = "there is nothing to run",
                 .where = name,
                 .next = "give --input FILE of at least one step, or --steps N"};
  }
  SPIKELOOM_TRY(side.outcome, run_coded(side.pipeline, side.input, side.steps));
  return side;
}

/// Runs a side once more, up to `steps`, with the membranes of the nodes that differ.
Result<ComparedRun> run_with_membranes(const LoadedModel& model, Side& side, std::int64_t steps,
                                       const std::vector<NodeComparison>& nodes) {
  side.request.record_all_spikes = false;
  for (const NodeComparison& node : nodes) {
    if (node.spiking && node.first && node.kind != "Threshold") {
      side.request.record.push_back({node.name, Variable::kMembrane});
    }
  }
  SPIKELOOM_TRY(side.pipeline, make_pipeline(model, side.request));
  ComparedRun run{&side.pipeline, {}};
  SPIKELOOM_TRY(run.outcome, run_coded(side.pipeline, side.input, std::min(steps, side.steps)));
  return run;
}

Status add_distances(const LoadedModel& model, Side& left, Side& right,
                     std::vector<NodeComparison>& nodes) {
  std::int64_t steps = 0;
  for (const NodeComparison& node : nodes) {
    if (node.spiking && node.first) steps = std::max(steps, node.first->step + 1);
  }
  if (steps == 0) return {};
  SPIKELOOM_TRY(const ComparedRun l, run_with_membranes(model, left, steps, nodes));
  SPIKELOOM_TRY(const ComparedRun r, run_with_membranes(model, right, steps, nodes));
  for (NodeComparison& node : nodes) {
    if (!node.first) continue;
    FirstDifference& first = *node.first;
    first.left_distance = threshold_distance(l, node.name, first.step, first.index);
    first.right_distance = threshold_distance(r, node.name, first.step, first.index);
  }
  return {};
}

Value distance_value(const std::optional<ThresholdDistance>& distance) {
  if (!distance) return {};
  Value value = Value::map();
  value.set("v", distance->membrane).set("threshold", distance->threshold);
  return value.set("distance", distance->distance());
}

Value node_value(const NodeComparison& node) {
  Value value = Value::map();
  value.set("name", node.name).set("kind", node.kind).set("spiking", node.spiking);
  value.set("left_sum", node.left_sum).set("right_sum", node.right_sum);
  value.set("cosine", node.cosine).set("largest_difference", node.largest_difference);
  if (!node.first) return value.set("first_difference", Value());
  Value first = Value::map();
  first.set("step", node.first->step).set("index", node.first->index);
  first.set("left", node.first->left).set("right", node.first->right);
  first.set("left_membrane", distance_value(node.first->left_distance));
  first.set("right_membrane", distance_value(node.first->right_distance));
  return value.set("first_difference", std::move(first));
}

Value side_value(const Side& side) {
  Value value = Value::map();
  value.set("flags", side.flags).set("discretisation", to_value(side.pipeline.discretisation()));
  value.set("steps", side.outcome.steps).set("backend", side.outcome.stats.backend);
  value.set("arithmetic", side.outcome.stats.arithmetic);
  Value notes = Value::list();
  for (const std::string& note : side.pipeline.notes) notes.push(note);
  for (const std::string& note : side.notes) notes.push(note);
  value.set("notes", std::move(notes));
  if (side.outcome.outputs.empty()) return value;
  const OutputResult& output = side.outcome.outputs.front();
  value.set("prediction", output.prediction ? Value(*output.prediction) : Value());
  Value counts = Value::list();
  for (const double count : output.counts) counts.push(count);
  return value.set("output_counts", std::move(counts));
}

std::string distance_text(const std::optional<ThresholdDistance>& distance) {
  if (!distance) return "";
  return fmt::format(" (v {:.9g}, threshold {:.9g}, {:+.3g})", distance->membrane,
                     distance->threshold, distance->distance());
}

std::string side_text(const char* name, const Side& side) {
  std::string text = fmt::format("{:<6} {} steps, {}, {}, preset {}", name, side.outcome.steps,
                                 side.outcome.stats.backend, side.outcome.stats.arithmetic,
                                 side.pipeline.discretisation().preset);
  if (!side.flags.empty()) text += fmt::format("; {}", side.flags);
  if (!side.outcome.outputs.empty() && side.outcome.outputs.front().prediction) {
    text += fmt::format("; prediction {}", *side.outcome.outputs.front().prediction);
  }
  return text + "\n";
}

std::string comparison_text(const Side& left, const Side& right,
                            const std::vector<NodeComparison>& nodes, bool equal) {
  std::string text = side_text("left", left) + side_text("right", right) + "\n";
  Table table({"node", "kind", "left", "right", "cosine", "largest diff", "first difference"}, 2);
  for (const NodeComparison& node : nodes) {
    table.row({node.name, node.kind, number_text(node.left_sum), number_text(node.right_sum),
               fmt::format("{:.6f}", node.cosine), number_text(node.largest_difference),
               node.first ? fmt::format("step {}", node.first->step) : std::string("none")});
  }
  text += table.text();
  for (const NodeComparison& node : nodes) {
    if (!node.first) continue;
    const FirstDifference& first = *node.first;
    text += fmt::format("\n{}, step {}, element {}:\n  left  {}{}\n  right {}{}\n", node.name,
                        first.step, first.index, number_text(first.left),
                        distance_text(first.left_distance), number_text(first.right),
                        distance_text(first.right_distance));
  }
  return text + (equal ? "\nequal\n" : "\ndifferent\n");
}

Result<int> compare(const CompareCommand& command, Console& console) {
  SPIKELOOM_TRY(const LoadedModel model,
                load_network_file(command.model, command.model_flags, command.input));
  SPIKELOOM_TRY(Side left, run_side(command, model, command.left, "--left"));
  SPIKELOOM_TRY(Side right, run_side(command, model, command.right, "--right"));
  if (!command.common.json) {
    for (const std::string& note : left.pipeline.notes) console.note("left: " + note);
    for (const std::string& note : right.pipeline.notes) console.note("right: " + note);
    console.note("left: discretisation: " + describe(left.pipeline.discretisation()));
    console.note("right: discretisation: " + describe(right.pipeline.discretisation()));
  }
  std::vector<NodeComparison> nodes;
  {
    const ComparedRun l{&left.pipeline, left.outcome};
    const ComparedRun r{&right.pipeline, right.outcome};
    nodes = compare_runs(l, r, command.tolerance);
  }
  const bool equal = std::none_of(nodes.begin(), nodes.end(),
                                  [](const auto& node) { return node.first.has_value(); });
  SPIKELOOM_CHECK(add_distances(model, left, right, nodes));
  if (command.common.json) {
    Value value = Value::map();
    value.set("model", command.model).set("equal", equal);
    value.set("left", side_value(left)).set("right", side_value(right));
    Value list = Value::list();
    for (const NodeComparison& node : nodes) list.push(node_value(node));
    value.set("nodes", std::move(list));
    SPIKELOOM_CHECK(printed(console.print_json(value)));
  } else {
    SPIKELOOM_CHECK(printed(console.print(comparison_text(left, right, nodes, equal))));
  }
  return equal ? kExitOk : kExitNo;
}

}  // namespace

void add_compare(CLI::App& app, Chosen& chosen) {
  const auto command = std::make_shared<CompareCommand>();
  CLI::App* sub = app.add_subcommand("compare", "Run a network twice and show where it differs");
  sub->add_option("MODEL", command->model, "network: .nir, .sloom, or a .yaml of SLAYER")
      ->required();
  add_model_flags(*sub, command->model_flags);
  sub->add_option("--left", command->left, "flags of the left run, as one word")->required();
  sub->add_option("--right", command->right, "flags of the right run, as one word")->required();
  sub->add_option("--sample", command->sample, "which recording of the input, from 0")
      ->check(whole_number);
  sub->add_option("--tolerance", command->tolerance,
                  "allowed difference of values that are no spikes (1e-6)")
      ->check(not_negative);
  add_input_flags(*sub, command->input);
  add_run_flags(*sub, command->run);
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return compare(*command, console); };
  });
}

}  // namespace spikeloom::cli
