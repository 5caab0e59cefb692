/// `spikeloom doctor`: what this build and this machine have, and whether a network runs right.

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <hdf5.h>

#include "base/build_info.hpp"
#include "cli/commands/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/host.hpp"
#include "cli/motion_demo.hpp"
#include "cli/partition_engines.hpp"
#include "sensors/codec.hpp"

namespace spikeloom::cli {
namespace {

/// The version of the HDF5 library that is loaded, which may differ from the headers'.
std::string hdf5_version() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  if (H5get_libversion(&major, &minor, &release) < 0) return "unknown";
  return fmt::format("{}.{}.{}", major, minor, release);
}

struct SelfTest {
  bool passed = false;
  std::string message;
};

/// The embedded network on a bar that moves up to the right: every window must say so.
SelfTest self_test() {
  const auto pipeline = make_motion_pipeline({});
  if (!pipeline.ok()) return {false, pipeline.error().message()};
  MovingBarOptions scene;
  scene.direction_degrees = 45.0;
  const auto run = run_motion(*pipeline, scene);
  if (!run.ok()) return {false, run.error().message()};
  const bool passed = !run->decisions.empty() && run->right() == run->decisions.size();
  return {passed, fmt::format("{} of {} decisions of the motion network right", run->right(),
                              run->decisions.size())};
}

std::string or_none(const char* text) { return *text == '\0' ? "none" : text; }

Value part(bool present, const char* reason) {
  Value value = Value::map();
  return value.set("built", present).set("reason", reason);
}

Value report(const SelfTest& test) {
  Value value = Value::map();
  value.set("version", build_info::version).set("git_revision", build_info::git_revision);
  value.set("compiler", build_info::compiler).set("build_type", build_info::build_type);
  value.set("sanitizers", build_info::sanitizers).set("hdf5", hdf5_version());
  value.set("cuda", part(build_info::has_cuda, build_info::cuda_reason));
  value.set("nccl", part(build_info::has_nccl, build_info::nccl_reason));
  value.set("mpi", part(build_info::has_mpi, build_info::mpi_reason));
  for (const PartitionEngine& engine : partition_engines()) {
    value.set(engine.name, part(engine.reason.empty(), engine.reason.c_str()));
  }
  value.set("backends", backends_value()).set("host", host_value());
  Value codecs = Value::list();
  for (const EventCodec& codec : event_codecs()) codecs.push(codec.name);
  value.set("event_formats", std::move(codecs));
  Value self = Value::map();
  self.set("passed", test.passed).set("message", test.message);
  return value.set("self_test", std::move(self));
}

std::string report_text(const SelfTest& test) {
  std::string text = fmt::format("spikeloom  {} ({}), {}, {}, sanitizers {}\n", build_info::version,
                                 build_info::git_revision, build_info::compiler,
                                 build_info::build_type, or_none(build_info::sanitizers));
  text += host_text();
  text += fmt::format("hdf5       {}\n", hdf5_version());
  text += fmt::format("cuda       {}: {}\n", build_info::has_cuda ? "yes" : "no",
                      build_info::cuda_reason);
  text += fmt::format("nccl       {}: {}\n", build_info::has_nccl ? "yes" : "no",
                      build_info::nccl_reason);
  text += fmt::format("mpi        {}: {}\n", build_info::has_mpi ? "yes" : "no",
                      build_info::mpi_reason);
  for (const PartitionEngine& engine : partition_engines()) {
    text += fmt::format("{:10} {}\n", engine.name,
                        engine.reason.empty() ? "yes" : "no: " + engine.reason);
  }
  for (const BackendInfo& info : backends()) {
    text += fmt::format("backend    {}: {}\n", info.name,
                        info.available ? "yes, " + info.description : "no, " + info.reason);
  }
  text += "events    ";
  for (const EventCodec& codec : event_codecs()) text += fmt::format(" {}", codec.name);
  return text +
         fmt::format("\nself-test  {}: {}\n", test.passed ? "passed" : "FAILED", test.message);
}

Result<int> doctor(const CommonOptions& common, Console& console) {
  const SelfTest test = self_test();
  SPIKELOOM_CHECK(
      printed(common.json ? console.print_json(report(test)) : console.print(report_text(test))));
  return test.passed ? kExitOk : kExitNo;
}

}  // namespace

void add_doctor(CLI::App& app, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  CLI::App* sub = app.add_subcommand("doctor", "Check this build and this machine");
  add_common_flags(*sub, *common);
  sub->callback([common, &chosen] {
    chosen.common = *common;
    chosen.action = [common](Console& console) { return doctor(*common, console); };
  });
}

}  // namespace spikeloom::cli
