#include "cli/run_directory.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "base/io/file.hpp"
#include "base/io/hdf5.hpp"
#include "base/io/json.hpp"
#include "cli/page/machine.hpp"

namespace spikeloom::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "spikeloom-run";
constexpr std::int64_t kVersion = 1;

Error file_error(const std::string& path, const char* what, const std::error_code& error) {
  return Error{.code = ErrorCode::kIo, .what = what, .where = path, .got = error.message()};
}

std::string recording_name(std::size_t number) { return fmt::format("{:06}", number); }

std::int64_t signed_size(std::size_t size) { return static_cast<std::int64_t>(size); }

Status write_events(io::Hdf5OutGroup& layer, const RecordedEvents& events) {
  SPIKELOOM_TRY(auto group, layer.create_group(to_string(events.variable)));
  const Shape shape = {signed_size(events.step.size())};
  constexpr auto kPacked = io::Hdf5Compression::kDeflate;
  SPIKELOOM_CHECK(
      group.write_tensor("step", Tensor::of<std::int64_t>(shape, events.step), kPacked));
  SPIKELOOM_CHECK(
      group.write_tensor("index", Tensor::of<std::uint32_t>(shape, events.index), kPacked));
  return group.write_tensor("value", Tensor::of<double>(shape, events.value), kPacked);
}

Status write_state(io::Hdf5OutGroup& layer, const RecordedState& state) {
  const auto neurons = signed_size(state.neurons);
  const Shape shape = {neurons == 0 ? 0 : signed_size(state.value.size()) / neurons, neurons};
  return layer.write_tensor(to_string(state.variable), Tensor::of<double>(shape, state.value),
                            io::Hdf5Compression::kDeflate);
}

/// The group of a node within a recording, made when it is first needed.
class LayerGroups {
 public:
  LayerGroups(io::Hdf5OutGroup parent, const Program& program)
      : parent_(std::move(parent)), program_(program), groups_(program.nodes.size()) {}

  Result<io::Hdf5OutGroup> at(std::uint32_t node) {
    if (groups_[node]) return *groups_[node];
    SPIKELOOM_TRY(auto group, parent_.create_group(fmt::format("{:04}", node)));
    const ProgramNode& layer = program_.nodes[node];
    SPIKELOOM_CHECK(group.write_string("name", layer.name));
    SPIKELOOM_CHECK(group.write_string("kind", layer.kind));
    SPIKELOOM_CHECK(group.write_tensor(
        "shape", Tensor::of<std::int64_t>({signed_size(layer.out_shape.size())}, layer.out_shape)));
    groups_[node] = group;
    return group;
  }

 private:
  io::Hdf5OutGroup parent_;
  const Program& program_;
  std::vector<std::optional<io::Hdf5OutGroup>> groups_;
};

Result<StoredEvents> read_events(const io::Hdf5Group& layer, const std::string& variable) {
  StoredEvents events;
  events.variable = variable;
  SPIKELOOM_TRY(events.node, layer.read_string("name"));
  SPIKELOOM_TRY(const Tensor shape, layer.read_tensor("shape"));
  SPIKELOOM_TRY(const auto sides, shape.to_integers());
  SPIKELOOM_TRY(events.neurons, element_count(sides));
  SPIKELOOM_TRY(const auto group, layer.group(variable));
  SPIKELOOM_TRY(const Tensor step, group.read_tensor("step"));
  SPIKELOOM_TRY(const Tensor index, group.read_tensor("index"));
  SPIKELOOM_TRY(events.step, step.to_integers());
  SPIKELOOM_TRY(events.index, index.to_integers());
  if (events.step.size() != events.index.size()) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "steps and indices differ in number",
                 .where = group.path()};
  }
  return events;
}

}  // namespace

struct RunDirectory::State {
  std::string path, temporary;
  std::optional<io::Hdf5Writer> file;
  std::optional<io::Hdf5OutGroup> recordings;
  std::size_t count = 0;
  bool committed = false;

  ~State() {
    file.reset();
    std::error_code ignored;
    if (!committed && !temporary.empty()) fs::remove_all(temporary, ignored);
  }
};

RunDirectory::RunDirectory(std::unique_ptr<State> state) : state_(std::move(state)) {}
RunDirectory::~RunDirectory() = default;
RunDirectory::RunDirectory(RunDirectory&&) noexcept = default;
RunDirectory& RunDirectory::operator=(RunDirectory&&) noexcept = default;

Result<RunDirectory> RunDirectory::create(const std::string& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  while (state->path.size() > 1 && state->path.back() == '/') state->path.pop_back();
  std::error_code error;
  if (fs::exists(state->path, error) && !fs::is_empty(state->path, error)) {
    return Error{.what = "this folder or file is there already",
                 .where = path,
                 .expected = "a new name",
                 .next = "give another --out, or remove it"};
  }
  std::string pattern = state->path + ".part-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) {
    return file_error(path, "the folder cannot be made", {errno, std::generic_category()});
  }
  state->temporary = pattern;
  fs::permissions(pattern,
                  fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec |
                      fs::perms::others_read | fs::perms::others_exec,
                  error);
  SPIKELOOM_TRY(state->file, io::Hdf5Writer::create(pattern + "/recordings.h5"));
  io::Hdf5OutGroup root = state->file->root();
  SPIKELOOM_CHECK(root.write_string("format", kFormat));
  SPIKELOOM_CHECK(root.write_tensor("version", Tensor::scalar<std::int64_t>(kVersion)));
  SPIKELOOM_TRY(state->recordings, root.create_group("recordings"));
  return RunDirectory(std::move(state));
}

Status RunDirectory::add(const Program& program, const RecordingResult& result) {
  SPIKELOOM_TRY(auto group, state_->recordings->create_group(recording_name(state_->count++)));
  SPIKELOOM_CHECK(group.write_string("name", result.name));
  SPIKELOOM_CHECK(group.write_tensor("steps", Tensor::scalar<std::int64_t>(result.outcome.steps)));
  const Time step = program.discretisation.step_time();
  SPIKELOOM_CHECK(group.write_tensor("step_seconds", Tensor::scalar<double>(to_seconds(step))));
  if (result.label) {
    SPIKELOOM_CHECK(group.write_tensor("label", Tensor::scalar<std::int64_t>(*result.label)));
  }
  if (const auto prediction = result.prediction()) {
    SPIKELOOM_CHECK(group.write_tensor("prediction", Tensor::scalar<std::int64_t>(*prediction)));
  }
  SPIKELOOM_TRY(auto layers, group.create_group("layers"));
  LayerGroups groups(std::move(layers), program);
  for (const RecordedEvents& events : result.outcome.events) {
    SPIKELOOM_TRY(auto layer, groups.at(events.node));
    SPIKELOOM_CHECK(write_events(layer, events));
  }
  for (const RecordedState& state : result.outcome.states) {
    SPIKELOOM_TRY(auto layer, groups.at(state.node));
    SPIKELOOM_CHECK(write_state(layer, state));
  }
  return {};
}

Status RunDirectory::add(const StoredRecording& recording, const std::vector<StoredTrace>& traces) {
  SPIKELOOM_TRY(auto group, state_->recordings->create_group(recording_name(state_->count++)));
  SPIKELOOM_CHECK(group.write_string("name", recording.name));
  SPIKELOOM_CHECK(group.write_tensor("steps", Tensor::scalar<std::int64_t>(recording.steps)));
  SPIKELOOM_CHECK(
      group.write_tensor("step_seconds", Tensor::scalar<double>(recording.step_seconds)));
  SPIKELOOM_TRY(auto layers, group.create_group("layers"));
  std::size_t number = 0;
  const auto add_layer = [&](const std::string& name,
                             std::int64_t neurons) -> Result<io::Hdf5OutGroup> {
    SPIKELOOM_TRY(auto layer, layers.create_group(fmt::format("{:04}", number++)));
    SPIKELOOM_CHECK(layer.write_string("name", name));
    SPIKELOOM_CHECK(layer.write_string("kind", "population"));
    SPIKELOOM_CHECK(layer.write_tensor(
        "shape", Tensor::of<std::int64_t>({1}, std::vector<std::int64_t>{neurons})));
    return layer;
  };
  for (const StoredEvents& events : recording.events) {
    SPIKELOOM_TRY(auto layer, add_layer(events.node, events.neurons));
    const std::vector<std::uint32_t> index(events.index.begin(), events.index.end());
    SPIKELOOM_CHECK(write_events(layer, {0, Variable::kSpikes, events.step, index,
                                         std::vector<double>(events.step.size(), 1.0)}));
  }
  for (const StoredTrace& trace : traces) {
    SPIKELOOM_TRY(auto layer, add_layer(trace.node, trace.neurons));
    const auto samples =
        signed_size(trace.values.size()) / std::max<std::int64_t>(trace.neurons, 1);
    SPIKELOOM_CHECK(layer.write_tensor(trace.variable,
                                       Tensor::of<double>({samples, trace.neurons}, trace.values),
                                       io::Hdf5Compression::kDeflate));
    SPIKELOOM_CHECK(layer.write_attribute("first", trace.first, trace.variable));
    SPIKELOOM_CHECK(layer.write_attribute("interval", trace.interval, trace.variable));
  }
  return {};
}

const std::string& RunDirectory::folder() const { return state_->temporary; }

Status RunDirectory::commit(const Value& run) {
  SPIKELOOM_CHECK(state_->file->commit());
  SPIKELOOM_CHECK(
      io::write_file_atomic(state_->temporary + "/run.json", io::to_json(run, 2) + "\n"));
  std::error_code error;
  fs::rename(state_->temporary, state_->path, error);
  if (error) return file_error(state_->path, "the folder cannot be given its name", error);
  state_->committed = true;
  return {};
}

Result<StoredRecording> read_run_directory(const std::string& path, std::size_t number) {
  const std::string file_path = path + "/recordings.h5";
  if (is_machine_run(path)) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "a run on an emulated machine is not drawn here",
                 .where = path,
                 .next = "`spikeloom report` draws it; what populations sent is in its spikes.csv"};
  }
  SPIKELOOM_TRY(const auto file, io::Hdf5File::open(file_path));
  const io::Hdf5Group root = file.root();
  SPIKELOOM_TRY(const std::string format, root.read_string("format"));
  if (format != kFormat) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "this is not a run folder of spikeloom",
                 .where = file_path,
                 .expected = kFormat,
                 .got = format};
  }
  SPIKELOOM_TRY(const auto recordings, root.group("recordings"));
  if (!recordings.has(recording_name(number))) {
    SPIKELOOM_TRY(const auto names, recordings.children());
    return Error{.code = ErrorCode::kNotFound,
                 .what = fmt::format("there is no recording {}", number),
                 .where = path,
                 .expected = fmt::format("a number below {}", names.size())};
  }
  SPIKELOOM_TRY(const auto group, recordings.group(recording_name(number)));
  StoredRecording stored;
  SPIKELOOM_TRY(stored.name, group.read_string("name"));
  SPIKELOOM_TRY(const Tensor steps, group.read_tensor("steps"));
  SPIKELOOM_TRY(const double step_count, steps.to_scalar());
  stored.steps = static_cast<std::int64_t>(step_count);
  SPIKELOOM_TRY(const Tensor step_seconds, group.read_tensor("step_seconds"));
  SPIKELOOM_TRY(stored.step_seconds, step_seconds.to_scalar());
  SPIKELOOM_TRY(const auto layers, group.group("layers"));
  SPIKELOOM_TRY(const auto names, layers.children());
  for (const std::string& name : names) {
    SPIKELOOM_TRY(const auto layer, layers.group(name));
    for (const char* variable : {"spikes", "y"}) {
      if (layer.kind(variable) != io::Hdf5Kind::kGroup) continue;
      SPIKELOOM_TRY(auto events, read_events(layer, variable));
      stored.events.push_back(std::move(events));
    }
  }
  return stored;
}

}  // namespace spikeloom::cli
