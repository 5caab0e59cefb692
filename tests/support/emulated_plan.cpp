#include "tests/support/emulated_plan.hpp"

#include <algorithm>

#include "mapping/from_program.hpp"
#include "mapping/images.hpp"
#include "mapping/plan_file.hpp"

namespace spikeloom::test {
namespace {

class Collect : public Sink {
 public:
  SentEvents sent;

  void events(std::uint32_t node, Variable, std::uint32_t, std::int64_t step,
              std::span<const std::uint32_t> index, std::span<const double> value) override {
    auto& here = sent[{node, step}];
    here.clear();  // an Output that is asked for comes twice
    for (std::size_t i = 0; i < index.size(); ++i) here.emplace_back(index[i], value[i]);
  }
  void state(std::uint32_t, Variable, std::uint32_t, std::int64_t,
             std::span<const double>) override {}
};

}  // namespace

Result<SentEvents> sent_on_cpu(const Program& program, const InputByStep& input,
                               const std::vector<std::uint32_t>& nodes, Arithmetic arithmetic) {
  RunOptions options;
  options.arithmetic = arithmetic;
  for (const std::uint32_t node : nodes) options.record.push_back({node, Variable::kOutput});
  SPIKELOOM_TRY(const auto executable, compile("cpu", program, options));
  SPIKELOOM_TRY(auto session, executable->open());
  for (std::size_t step = 0; step < input.size(); ++step) {
    for (const emulator::PlacedEvent& event : input[step]) {
      const auto port = std::get<op::Input>(program.nodes[event.node].operation).port;
      const Time time = static_cast<Time>(step) * session->step_time();
      const double value = event.value;
      SPIKELOOM_CHECK(session->push(0, port, {{&time, 1}, {&event.index, 1}, {&value, 1}}));
    }
  }
  SPIKELOOM_CHECK(session->advance(static_cast<Time>(input.size()) * session->step_time()));
  Collect collect;
  SPIKELOOM_CHECK(session->read(collect));
  SentEvents wanted;
  for (auto& [where, events] : collect.sent) {
    const bool asked = std::find(nodes.begin(), nodes.end(), where.first) != nodes.end();
    if (asked && !events.empty()) wanted.emplace(where, std::move(events));
  }
  return wanted;
}

Result<EmulatedRun> run_plan(const Program& program, const mapping::Plan& plan,
                             const InputByStep& input, const emulator::PlanOptions& options) {
  mapping::PlanImages images;
  const mapping::PlanImages* loaded = nullptr;
  if (mapping::check(plan).ok()) {
    SPIKELOOM_TRY(const auto graph, mapping::population_graph(program));
    SPIKELOOM_TRY(images, mapping::MemoryImages(program, graph, plan).all());
    loaded = &images;
  }
  SPIKELOOM_TRY(auto machine, emulator::PlanEmulator::create(program, plan, options, loaded));
  EmulatedRun run;
  run.rows_from_images = loaded != nullptr && images.missing.empty();
  for (const emulator::PlacedPopulation& population : machine.placed().populations) {
    if (population.kind != emulator::PlacedKind::kInput) run.nodes.push_back(population.node);
  }
  for (const std::uint32_t node : program.outputs) {
    if (std::find(run.nodes.begin(), run.nodes.end(), node) == run.nodes.end()) {
      run.nodes.push_back(node);
    }
  }
  for (std::size_t step = 0; step < input.size(); ++step) {
    SPIKELOOM_CHECK(machine.tick(input[step]));
    for (const std::uint32_t node : run.nodes) {
      auto& here = run.sent[{node, static_cast<std::int64_t>(step)}];
      for (const emulator::PlacedEvent& event : machine.sent(node)) {
        here.emplace_back(event.index, event.value);
      }
      if (here.empty()) run.sent.erase({node, static_cast<std::int64_t>(step)});
    }
  }
  machine.finish();
  run.total = machine.total();
  run.losses = machine.losses();
  run.saturations = machine.saturations();
  return run;
}

std::string difference(const SentEvents& expected, const SentEvents& got, const Program& program) {
  const auto place = [&](const auto& entry) {
    return "node " + program.nodes[entry.first.first].name + ", step " +
           std::to_string(entry.first.second);
  };
  for (const auto& entry : expected) {
    const auto other = got.find(entry.first);
    if (other == got.end()) return place(entry) + ": nothing was sent";
    if (other->second != entry.second) {
      return place(entry) + ": " + std::to_string(entry.second.size()) + " and " +
             std::to_string(other->second.size()) + " events, or other ones";
    }
  }
  for (const auto& entry : got) {
    if (!expected.contains(entry.first)) return place(entry) + ": something was sent";
  }
  return {};
}

}  // namespace spikeloom::test
