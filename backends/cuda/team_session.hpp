#pragma once
/// One network over several devices: an executable with a part for each, and its session, which
/// moves the sessions of the parts in step and puts together what they say.

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/cuda/session.hpp"
#include "backends/cuda/team.hpp"

namespace spikeloom::cuda {

template <typename V>
class TeamExecutable : public Executable {
 public:
  using MakeTeam = std::function<Result<std::shared_ptr<Team>>()>;
  TeamExecutable(Program program, RunOptions options, std::string backend, Division division,
                 std::vector<std::shared_ptr<const CudaExecutable<V>>> parts, MakeTeam make_team)
      : program_(std::move(program)),
        options_(std::move(options)),
        backend_(std::move(backend)),
        division_(std::move(division)),
        parts_(std::move(parts)),
        make_team_(std::move(make_team)) {}
  const Program& program() const override { return program_; }
  const RunOptions& options() const override { return options_; }
  Result<std::unique_ptr<Session>> open(std::uint32_t batch) const override;

  const std::string& backend() const { return backend_; }
  const Division& division() const { return division_; }
  const std::vector<std::shared_ptr<const CudaExecutable<V>>>& parts() const { return parts_; }

 private:
  Program program_;
  RunOptions options_;
  std::string backend_;
  Division division_;
  std::vector<std::shared_ptr<const CudaExecutable<V>>> parts_;
  MakeTeam make_team_;
};

/// Compiles for the machines of `devices`, one each; sessions join new ones to a team.
template <typename V>
Result<std::shared_ptr<const Executable>> compile_team(
    const Program& program, const RunOptions& options, std::string backend,
    const std::vector<std::shared_ptr<Machine>>& devices, const std::vector<Share>& shares,
    typename TeamExecutable<V>::MakeTeam make_team);

template <typename V>
class TeamSession : public Session {
 public:
  static Result<std::unique_ptr<Session>> open(std::shared_ptr<const TeamExecutable<V>> executable,
                                               std::shared_ptr<Team> team, std::uint32_t batch);

  Status push(std::uint32_t element, std::uint32_t port, const EventSpan& events) override;
  Status advance(Time until) override;
  Status read(Sink& sink) override;
  Status latest(std::uint32_t element, std::uint32_t node, std::span<float> out) const override;
  Status reset() override;
  void cancel() noexcept override { cancelled_ = true; }
  Result<Checkpoint> save() const override;
  Status load(std::span<const std::byte> checkpoint) override;
  std::int64_t steps_done() const override { return first().step_; }
  Time step_time() const override { return first().step_time_; }
  RunStats stats() const override;

 private:
  using Parts = std::vector<std::unique_ptr<CudaSession<V>>>;
  TeamSession(std::shared_ptr<const TeamExecutable<V>> executable, std::shared_ptr<Team> team,
              Parts parts)
      : executable_(std::move(executable)),
        program_(executable_->program()),
        division_(executable_->division()),
        team_(std::move(team)),
        parts_(std::move(parts)),
        saved_stats_(program_.nodes.size()) {}

  CudaSession<V>& first() const { return *parts_.front(); }
  bool lost() const;
  Status lose(Status status);
  Status run_chunk(std::uint32_t count);
  Status start_chunk(std::uint32_t count);
  NodeStats node_stats(std::uint32_t node, const std::vector<RunStats>& stats) const;

  std::shared_ptr<const TeamExecutable<V>> executable_;
  const Program& program_;
  const Division& division_;
  std::shared_ptr<Team> team_;  ///< outlives the parts
  Parts parts_;
  std::unique_ptr<Sequence> one_step_, chunk_;
  std::vector<NodeStats> saved_stats_;  ///< of a checkpoint that was loaded
  std::atomic<bool> cancelled_ = false;
};

}  // namespace spikeloom::cuda
