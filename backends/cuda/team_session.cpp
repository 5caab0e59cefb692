#include "backends/cuda/team_session.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "backends/backend_impl.hpp"
#include "base/stopwatch.hpp"
#include "base/time.hpp"

namespace spikeloom::cuda {
namespace {

using Clocks = std::chrono::steady_clock;

Error lost_state() {
  return Error{.code = ErrorCode::kIo,
               .what = "a device failed in an earlier step, and what the devices held is lost",
               .next = "reset the session, or load its last checkpoint"};
}

/// What a part records: its own share, and of what all have the first one alone.
RunOptions part_options(const RunOptions& all, const Division& division, std::size_t device) {
  RunOptions options = all;
  options.record_outputs = all.record_outputs && device == 0;
  options.record.clear();
  for (RecordRequest request : all.record) {
    const NodeDivision& node = division.nodes[request.node];
    if (device != 0 && node.bounds.empty()) continue;
    request.node = node.place;
    options.record.push_back(request);
  }
  return options;
}

template <typename T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

template <typename T>
std::vector<T> cut(const std::vector<T>& all, const std::vector<std::uint32_t>& bounds,
                   std::size_t device) {
  if (all.empty()) return {};
  return {all.begin() + bounds[device], all.begin() + bounds[device + 1]};
}

}  // namespace

template <typename V>
Result<std::unique_ptr<Session>> TeamExecutable<V>::open(std::uint32_t batch) const {
  if (batch == 0) {
    return Error{.what = "a session needs at least one batch element", .got = "batch 0"};
  }
  SPIKELOOM_TRY(auto team, make_team_());
  auto self = std::static_pointer_cast<const TeamExecutable<V>>(this->shared_from_this());
  return TeamSession<V>::open(std::move(self), std::move(team), batch);
}

template <typename V>
Result<std::shared_ptr<const Executable>> compile_team(
    const Program& program, const RunOptions& options, std::string backend,
    const std::vector<std::shared_ptr<Machine>>& devices, const std::vector<Share>& shares,
    typename TeamExecutable<V>::MakeTeam make_team) {
  IntegerProgram integer;
  if constexpr (std::is_integral_v<V>) {
    SPIKELOOM_TRY(integer, to_integer(program));
  }
  const auto count = static_cast<std::uint32_t>(devices.size());
  SPIKELOOM_TRY(auto division, divide(program, shares, count));
  std::vector<std::shared_ptr<const CudaExecutable<V>>> parts;
  for (std::uint32_t d = 0; d < count; ++d) {
    const Part part =
        make_part(program, std::is_integral_v<V> ? &integer : nullptr, division, shares, d);
    auto made = compile_part<V>(part, part_options(options, division, d), backend, devices[d],
                                division.exchanges);
    if (!made.ok()) return std::move(made).error().in(fmt::format("device {}", d));
    parts.push_back(*std::move(made));
  }
  return std::shared_ptr<const Executable>(std::make_shared<const TeamExecutable<V>>(
      program, options, std::move(backend), std::move(division), std::move(parts),
      std::move(make_team)));
}

template <typename V>
Result<std::unique_ptr<Session>> TeamSession<V>::open(
    std::shared_ptr<const TeamExecutable<V>> executable, std::shared_ptr<Team> team,
    std::uint32_t batch) {
  Parts parts;
  for (std::size_t d = 0; d < executable->parts().size(); ++d) {
    auto made = CudaSession<V>::open_on(executable->parts()[d], team->machines()[d], batch);
    if (!made.ok()) return std::move(made).error().in(fmt::format("device {}", d));
    parts.push_back(*std::move(made));
  }
  return std::unique_ptr<Session>(
      new TeamSession(std::move(executable), std::move(team), std::move(parts)));
}

template <typename V>
bool TeamSession<V>::lost() const {
  return std::any_of(parts_.begin(), parts_.end(), [](const auto& part) { return part->lost_; });
}

/// One part's failure is all parts'.
template <typename V>
Status TeamSession<V>::lose(Status status) {
  for (auto& part : parts_) part->lost_ = true;
  return status;
}

template <typename V>
Status TeamSession<V>::push(std::uint32_t element, std::uint32_t port, const EventSpan& events) {
  return first().push(element, port, events);
}

template <typename V>
Status TeamSession<V>::advance(Time until) {
  if (lost()) return lost_state();
  cancelled_ = false;
  CudaSession<V>& leader = first();
  const std::int64_t target = floor_div(until, leader.step_time_);
  const auto start = Clocks::now();
  Status status;
  while (status.ok() && leader.step_ < target) {
    if (cancelled_) {
      status = Error{.code = ErrorCode::kCancelled,
                     .what = "the run was cancelled",
                     .where = fmt::format("after step {}", leader.step_)};
      break;
    }
    std::int64_t last = std::min(target, leader.step_ + std::int64_t{kChunk});
    if constexpr (std::is_integral_v<V>) {
      auto within = leader.within_limits(last);
      if (!within.ok()) {
        status = std::move(within).error();
        break;
      }
      last = *within;
    }
    status = run_chunk(static_cast<std::uint32_t>(last - leader.step_));
  }
  if (Status done = team_->wait(); !done.ok()) status = lose(std::move(done));
  leader.totals_.seconds.compute += seconds_since(start);
  return status;
}

template <typename V>
Status TeamSession<V>::run_chunk(std::uint32_t count) {
  if (Status status = start_chunk(count); !status.ok()) return lose(std::move(status));
  for (auto& part : parts_) part->count_steps(count);
  return {};
}

template <typename V>
Status TeamSession<V>::start_chunk(std::uint32_t count) {
  first().take_input(count);
  for (auto& part : parts_) {
    SPIKELOOM_CHECK(part->choose_ways());
    if (part->logs_are_full(count)) SPIKELOOM_CHECK(part->take_logs());
    SPIKELOOM_CHECK(part->send_input(count, first().taken_));
    if (!std::exchange(part->stale_, false)) continue;
    one_step_ = nullptr;
    chunk_ = nullptr;
  }
  auto& sequence = count == 1 ? one_step_ : chunk_;
  if (sequence == nullptr) {
    std::vector<std::vector<KernelCall>> calls;
    for (auto& part : parts_) calls.push_back(part->make_calls(count == 1 ? 1 : kChunk));
    SPIKELOOM_TRY(sequence, team_->record(std::move(calls)));
  }
  return team_->run(*sequence);
}

/// Step by step, element by element, in the order of the nodes, as one device would have it.
template <typename V>
Status TeamSession<V>::read(Sink& sink) {
  const auto start = Clocks::now();
  using Key = std::tuple<std::int64_t, std::uint32_t, std::uint32_t, int>;
  struct Merged {
    std::vector<std::uint32_t> index;
    std::vector<double> value;
  };
  std::map<Key, Merged> merged;
  for (std::size_t d = 0; d < parts_.size() && !lost(); ++d) {
    SPIKELOOM_CHECK(parts_[d]->take_logs());
  }
  // A step of which some device's part is lost is not given at all.
  std::int64_t whole = first().log_base_;
  for (const auto& part : parts_) whole = std::min(whole, part->log_base_);
  for (std::size_t d = 0; d < parts_.size(); ++d) {
    CudaSession<V>& part = *parts_[d];
    part.made_.for_each([&](const Record& record, std::span<const std::uint32_t> index,
                            std::span<const double> value) {
      if (record.step >= whole) return;
      const std::uint32_t node = division_.original[record.node];
      const std::vector<std::uint32_t>& bounds = division_.nodes[node].bounds;
      const std::uint32_t offset = bounds.empty() ? 0 : bounds[d];
      const Key key{record.step, record.element, node, static_cast<int>(record.variable)};
      Merged& to = merged[key];
      for (const std::uint32_t i : index) to.index.push_back(i + offset);
      to.value.insert(to.value.end(), value.begin(), value.end());
    });
    part.made_.clear();
  }
  for (const auto& [key, record] : merged) {
    const auto& [step, element, node, number] = key;
    const auto variable = static_cast<Variable>(number);
    if (Records::has_index(variable)) {
      sink.events(node, variable, element, step, record.index, record.value);
    } else {
      sink.state(node, variable, element, step, record.value);
    }
  }
  first().totals_.seconds.record += seconds_since(start);
  return {};
}

template <typename V>
Status TeamSession<V>::latest(std::uint32_t element, std::uint32_t node,
                              std::span<float> out) const {
  SPIKELOOM_CHECK(
      check_latest(program_, executable_->options(), first().batch_, element, node, out.size()));
  if (lost()) return lost_state();
  const NodeDivision& divided = division_.nodes[node];
  if (divided.bounds.empty()) return first().latest(element, divided.place, out);
  for (std::size_t d = 0; d < parts_.size(); ++d) {
    const std::uint32_t begin = divided.bounds[d], size = divided.bounds[d + 1] - begin;
    if (size == 0) continue;
    SPIKELOOM_CHECK(parts_[d]->latest(element, divided.place, out.subspan(begin, size)));
  }
  return {};
}

template <typename V>
Status TeamSession<V>::reset() {
  for (auto& part : parts_) {
    if (Status status = part->reset(); !status.ok()) return lose(std::move(status));
  }
  saved_stats_.assign(program_.nodes.size(), {});
  return {};
}

template <typename V>
Result<Checkpoint> TeamSession<V>::save() const {
  if (lost()) return lost_state();
  std::vector<CheckpointState> states;
  for (const auto& part : parts_) {
    SPIKELOOM_TRY(states.emplace_back(), part->collect());
  }
  CheckpointState all;
  all.step = states.front().step;
  all.stats = stats();
  for (std::size_t e = 0; e < states.front().elements.size(); ++e) {
    CheckpointElement& lead = states.front().elements[e];
    CheckpointElement element;
    element.pending = std::move(lead.pending);
    element.latest = std::move(lead.latest);
    for (const NodeDivision& divided : division_.nodes) {
      CheckpointNode node = lead.nodes[divided.place];
      for (std::size_t d = 1; divided.reads_part && d < states.size(); ++d) {
        const CheckpointNode& other = states[d].elements[e].nodes[divided.place];
        append(node.current, other.current);
        append(node.membrane, other.membrane);
        append(node.waiting, other.waiting);
        for (std::size_t l = 0; l < node.links.size(); ++l) {
          for (std::size_t s = 0; s < node.links[l].size(); ++s) {
            append(node.links[l][s], other.links[l][s]);
          }
        }
      }
      element.nodes.push_back(std::move(node));
    }
    all.elements.push_back(std::move(element));
  }
  return write_checkpoint(all, program_, executable_->options().arithmetic);
}

template <typename V>
Status TeamSession<V>::load(std::span<const std::byte> checkpoint) {
  SPIKELOOM_TRY(
      const CheckpointState saved,
      read_checkpoint(checkpoint, program_, executable_->options().arithmetic, first().batch_));
  for (std::size_t d = 0; d < parts_.size(); ++d) {
    CheckpointState part;
    part.step = saved.step;
    part.stats.steps = saved.stats.steps;
    part.stats.input = saved.stats.input;
    part.stats.nodes.resize(division_.original.size());
    for (const CheckpointElement& whole : saved.elements) {
      CheckpointElement element;
      element.pending = whole.pending;
      element.latest = whole.latest;
      element.nodes.resize(division_.original.size());
      for (std::size_t n = 0; n < program_.nodes.size(); ++n) {
        const NodeDivision& divided = division_.nodes[n];
        CheckpointNode node = whole.nodes[n];
        if (divided.reads_part) {
          node.current = cut(node.current, divided.bounds, d);
          node.membrane = cut(node.membrane, divided.bounds, d);
          node.waiting = cut(node.waiting, divided.bounds, d);
          for (auto& link : node.links) {
            for (auto& slot : link) slot = cut(slot, divided.bounds, d);
          }
        }
        element.nodes[divided.place] = std::move(node);
      }
      part.elements.push_back(std::move(element));
    }
    if (Status status = parts_[d]->restore(part); !status.ok()) return lose(std::move(status));
  }
  saved_stats_ = saved.stats.nodes;
  return {};
}

/// Of what all devices have, the first one's counts; of a divided node, the sum, but for its input
/// where every device reads all of it.
template <typename V>
NodeStats TeamSession<V>::node_stats(std::uint32_t n, const std::vector<RunStats>& stats) const {
  const ProgramNode& node = program_.nodes[n];
  const NodeDivision& divided = division_.nodes[n];
  RunStats sum;
  sum.nodes.resize(1);
  for (std::size_t d = 0; d < (divided.bounds.empty() ? 1 : stats.size()); ++d) {
    RunStats one;
    one.nodes.push_back(stats[d].nodes[divided.place]);
    NodeStats& made = one.nodes.back();
    if (d > 0) {
      made.steps_rows = made.steps_bitmask = made.steps_dense = 0;
      if (is_weight_operation(node.operation)) made.events_in = 0, made.value_sum = 0.0;
    }
    sum.add(one);
  }
  NodeStats made = sum.nodes.front();
  made.name = node.name;
  made.kind = node.kind;
  made.dense_macs =
      static_cast<std::uint64_t>(node.dense_macs) * first().steps_here_ * first().batch_;
  RunStats whole;
  whole.nodes.push_back(made);
  RunStats before;
  before.nodes.push_back(saved_stats_[n]);
  whole.add(before);
  return whole.nodes.front();
}

template <typename V>
RunStats TeamSession<V>::stats() const {
  std::vector<RunStats> stats;
  std::uint64_t memory = 0;
  for (const auto& part : parts_) {
    stats.push_back(part->stats());
    memory += stats.back().peak_memory_bytes;
  }
  RunStats all = stats.front();
  all.peak_memory_bytes = memory;
  all.nodes.clear();
  for (std::uint32_t n = 0; n < program_.nodes.size(); ++n) {
    all.nodes.push_back(node_stats(n, stats));
  }
  return all;
}

#define SPIKELOOM_INSTANTIATE(V)                                               \
  template class TeamExecutable<V>;                                            \
  template class TeamSession<V>;                                               \
  template Result<std::shared_ptr<const Executable>> compile_team<V>(          \
      const Program&, const RunOptions&, std::string,                          \
      const std::vector<std::shared_ptr<Machine>>&, const std::vector<Share>&, \
      typename TeamExecutable<V>::MakeTeam);
SPIKELOOM_INSTANTIATE(float)
SPIKELOOM_INSTANTIATE(std::int32_t)
#undef SPIKELOOM_INSTANTIATE

}  // namespace spikeloom::cuda
