#include "tests/property/session_runs.hpp"

#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

namespace spikeloom::test {
namespace {

void check(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.error().message());
}

class Collector : public Sink {
 public:
  Collector(const Program& program, std::vector<Trace>& traces)
      : program_(program), traces_(traces) {}

  void events(std::uint32_t node, Variable variable, std::uint32_t element, std::int64_t step,
              std::span<const std::uint32_t> index, std::span<const double> value) override {
    auto& list = entry(node, variable, element, step);
    for (std::size_t i = 0; i < index.size(); ++i) list.emplace_back(index[i], value[i]);
  }
  void state(std::uint32_t node, Variable variable, std::uint32_t element, std::int64_t step,
             std::span<const double> value) override {
    auto& list = entry(node, variable, element, step);
    for (std::size_t i = 0; i < value.size(); ++i) {
      list.emplace_back(static_cast<std::uint32_t>(i), value[i]);
    }
  }

 private:
  std::vector<std::pair<std::uint32_t, double>>& entry(std::uint32_t node, Variable variable,
                                                       std::uint32_t element, std::int64_t step) {
    const auto [at, fresh] =
        traces_.at(element).try_emplace({step, program_.nodes.at(node).name, to_string(variable)});
    if (!fresh) throw std::logic_error("a moment was recorded twice");
    return at->second;
  }

  const Program& program_;
  std::vector<Trace>& traces_;
};

std::string show(const Trace::value_type& moment, std::size_t i) {
  const auto& [step, name, variable] = moment.first;
  if (i >= moment.second.size())
    return fmt::format("step {}, {}:{}, nothing", step, name, variable);
  const auto& [index, value] = moment.second[i];
  return fmt::format("step {}, {}:{}[{}] = {}", step, name, variable, index, value);
}

}  // namespace

Arithmetic cpu_arithmetic(Numbers numbers) {
  return numbers == Numbers::kInteger ? Arithmetic::kInteger : Arithmetic::kFloat32;
}

RecordedRun::RecordedRun(const Program& program, const Setup& setup, std::uint32_t batch)
    : program_(program), traces_(batch) {
  RunOptions options;
  options.arithmetic = setup.arithmetic;
  options.threads = setup.threads;
  options.schedule = setup.schedule;
  for (std::uint32_t n = 0; n < program.nodes.size() && setup.watch != Watch::kEnds; ++n) {
    options.record.push_back({n, Variable::kOutput});
    if (setup.watch == Watch::kOutputs) continue;
    for (const Variable variable : {Variable::kMembrane, Variable::kCurrent}) {
      if (has_variable(program.nodes[n], variable)) options.record.push_back({n, variable});
    }
  }
  auto executable = compile(setup.backend, program, options);
  if (!executable.ok()) throw std::runtime_error(executable.error().message());
  executable_ = *std::move(executable);
  auto session = executable_->open(batch);
  if (!session.ok()) throw std::runtime_error(session.error().message());
  session_ = *std::move(session);
}

void RecordedRun::push(std::span<const InputEvent> events, std::uint32_t element) {
  const Time step = session_->step_time();
  for (std::size_t i = 0; i < events.size();) {
    const std::uint32_t port = events[i].port;
    std::vector<Time> time;
    std::vector<std::uint32_t> index;
    std::vector<double> value;
    for (; i < events.size() && events[i].port == port; ++i) {
      time.push_back(events[i].step * step + static_cast<Time>(i % 3) * (step - 1) / 2);
      index.push_back(events[i].index);
      value.push_back(events[i].value);
    }
    check(session_->push(element, port, {time, index, value}));
  }
}

void RecordedRun::advance(std::int64_t steps) {
  check(session_->advance((session_->steps_done() + steps) * session_->step_time()));
}

Checkpoint RecordedRun::save() const {
  auto saved = session_->save();
  if (!saved.ok()) throw std::runtime_error(saved.error().message());
  return *std::move(saved);
}

void RecordedRun::load(const Checkpoint& checkpoint) { check(session_->load(checkpoint)); }

void RecordedRun::reset() {
  check(session_->reset());
  for (Trace& trace : traces_) trace.clear();
}

void RecordedRun::collect() {
  Collector collector(program_, traces_);
  check(session_->read(collector));
}

void RecordedRun::forget(std::int64_t first) {
  for (Trace& trace : traces_) {
    trace.erase(trace.lower_bound({first, std::string(), std::string()}), trace.end());
  }
}

const std::vector<Trace>& RecordedRun::traces() {
  collect();
  return traces_;
}

std::string difference(const Trace& expected, const Trace& got) {
  auto a = expected.begin();
  auto b = got.begin();
  for (; a != expected.end() && b != got.end(); ++a, ++b) {
    if (a->first != b->first) break;
    const std::size_t count = std::max(a->second.size(), b->second.size());
    for (std::size_t i = 0; i < count; ++i) {
      const bool both = i < a->second.size() && i < b->second.size();
      if (both && a->second[i].first == b->second[i].first &&
          same(a->second[i].second, b->second[i].second)) {
        continue;
      }
      return fmt::format("expected {}; got {}", show(*a, i), show(*b, i));
    }
  }
  if (a == expected.end() && b == got.end()) return {};
  return fmt::format("expected {}; got {}", a == expected.end() ? "the end" : show(*a, 0),
                     b == got.end() ? "the end" : show(*b, 0));
}

double rounding(const Trace& trace) {
  double sum = 1.0;
  for (const auto& moment : trace) {
    for (const auto& [index, value] : moment.second) sum += std::abs(value);
  }
  return 1e-12 * sum;
}

Trace from_step(const Trace& trace, std::int64_t first) {
  return {trace.lower_bound({first, std::string(), std::string()}), trace.end()};
}

Trace seen_by(Watch watch, const Program& program, const Trace& trace) {
  Trace kept;
  for (const auto& moment : trace) {
    const auto& [step, name, variable] = moment.first;
    const auto node = program.find(name);
    const bool end = node && std::holds_alternative<op::Output>(program.nodes[*node].operation);
    const bool seen =
        watch == Watch::kStates || (variable == "y" && (end || watch != Watch::kEnds));
    if (seen) kept.insert(moment);
  }
  return kept;
}

std::string describe(const Program& program) {
  std::string text;
  for (const ProgramNode& node : program.nodes) {
    text +=
        fmt::format("{} {} -> {}", node.name, to_string(node.in_shape), to_string(node.out_shape));
    for (const Link& link : node.inputs) {
      text += fmt::format(" <- {} (delay {})", program.nodes[link.source].name, link.delay);
    }
    text += '\n';
  }
  for (const OptionInfo& option : discretisation_options()) {
    const std::string value = get_option(program.discretisation, option.name);
    text += fmt::format("{}={} ", option.name, value);
  }
  return text + '\n';
}

}  // namespace spikeloom::test
