/// Every failure the issue names: its exit code, a message that says what to do, and no leftovers.

#include <algorithm>
#include <sys/resource.h>

#include "base/io/hdf5.hpp"
#include "cli/exit_codes.hpp"
#include "tests/cli/cli_models.hpp"
#include "tests/cli/cli_process.hpp"

// A sanitizer's shadow is larger than any limit of memory.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SPIKELOOM_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SPIKELOOM_TEST_SANITIZED
#endif
#endif

namespace spikeloom::test {
namespace {

class CliErrors : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    save(two_if_network(), path("net.nir"));
    save(polarity_network(), path("polarity.nir"));
    save(lif_network(), path("lif.nir"));
    save_array(path("ones.npy"), {8, 2}, std::vector<float>(16, 1.0F));
  }

  /// Runs, and expects this exit code, all of `parts` on stderr, nothing on stdout, no new file.
  void expect(const std::vector<std::string>& arguments, int code,
              const std::vector<std::string>& parts) {
    const auto count = entries().size();
    const auto result = run(arguments);
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_EQ(result.out, "");
    for (const std::string& part : parts) {
      EXPECT_TRUE(contains(result.err, part)) << "no '" << part << "' in: " << result.err;
    }
    EXPECT_EQ(entries().size(), count) << "something was left behind";
  }
};

TEST_F(CliErrors, MissingFiles) {
  expect({"run", "nowhere.nir", "--steps", "1"}, 3, {"nowhere.nir", "no such file"});
  expect({"run", "net.nir", "--input", "nowhere.npy", "--out", "r"}, 3, {"nowhere.npy"});
  expect({"info", "nowhere"}, 3, {"nowhere"});
  expect({"run", "net.nir", "--input", "ones.npy", "--labels", "nowhere.txt"}, 3, {"nowhere.txt"});
}

TEST_F(CliErrors, TruncatedFiles) {
  const std::string whole = read_whole(path("net.nir"));
  for (const std::size_t part : {whole.size() / 4, whole.size() / 2, whole.size() - 100}) {
    write_whole(path("cut.nir"), whole.substr(0, part));
    expect({"run", "cut.nir", "--steps", "1", "--out", "r"}, 4, {"cut.nir"});
    expect({"convert", "cut.nir", "out.sloom"}, 4, {"cut.nir"});
  }
  const std::string array = read_whole(path("ones.npy"));
  write_whole(path("cut.npy"), array.substr(0, array.size() - 3));
  expect({"run", "net.nir", "--input", "cut.npy", "--out", "r"}, 4, {"cut.npy"});
  save_recording(one_event_per_ms(6, true), path("cut.bs2"));
  write_whole(path("cut.bs2"), read_whole(path("cut.bs2")) + "xy");
  expect({"run", "polarity.nir", "--dt", "1e-3", "--input", "cut.bs2", "--out", "r"}, 4,
         {"cut.bs2", "byte"});
  expect({"convert", "cut.bs2", "out.csv"}, 4, {"cut.bs2"});
}

TEST_F(CliErrors, NotHdf5) {
  write_whole(path("junk.nir"), std::string("\x01\x02\x03\x04 junk \x7f\x00", 12));
  expect({"run", "junk.nir", "--steps", "1"}, 4, {"junk.nir", "not a network", "NIR"});
  expect({"run", "ones.npy", "--steps", "1"}, 4, {"ones.npy", ".npy"});
  write_whole(path("empty.nir"), "");
  expect({"run", "empty.nir", "--steps", "1"}, 4, {"empty.nir"});
}

TEST_F(CliErrors, InputsThatHoldNothing) {
  save_array(path("none.npy"), {0, 2}, {});
  save_array(path("narrow.npy"), {3, 0}, {});
  write_whole(path("zero"), "");
  write_whole(path("zero.npy"), "");
  write_whole(path("zero.bs2"), "");
  write_whole(path("lines.txt"), "\n\n");
  expect({"run", "net.nir", "--input", "none.npy"}, 4, {"none.npy", "no values", "--steps"});
  expect({"run", "net.nir", "--input", "narrow.npy"}, 4, {"narrow.npy", "no values"});
  expect({"run", "net.nir", "--input", "none.npy", "--samples"}, 4, {"no samples", "(0, 2)"});
  expect({"run", "net.nir", "--input", "zero"}, 4, {"zero", "an empty file"});
  expect({"run", "net.nir", "--input", "zero.npy"}, 4, {"zero.npy"});
  for (const char* events : {"zero.bs2", "lines.txt"}) {
    expect({"run", "polarity.nir", "--dt", "1e-3", "--input", events}, 4, {events, "no events"});
  }
  const auto silent = run({"run", "net.nir", "--input", "none.npy", "--steps", "3", "--json"});
  EXPECT_EQ(silent.code, 0) << silent.err;
  EXPECT_EQ(number_at(silent.json(), {"steps"}), 3);
}

TEST_F(CliErrors, WhatIsBehindAnHdf5Signature) {
  write_whole(path("junk.h5"), "\x89HDF\r\n\x1a\n" + std::string(80, 'j'));
  expect({"run", "junk.h5", "--steps", "1"}, 4, {"junk.h5", "damaged", "superblock"});
  expect({"run", "net.nir", "--input", "junk.h5"}, 4, {"junk.h5", "damaged", "superblock"});
  expect({"info", "junk.h5"}, 4, {"junk.h5"});
  expect({"run", "net.nir", "--input", "net.nir"}, 7, {"net.nir", "HDF5"});
}

TEST_F(CliErrors, FoldersAreNoFiles) {
  expect({"run", "net.nir", "--input", "."}, 3, {".: this is a folder"});
  expect({"run", ".", "--steps", "1"}, 3, {".: this is a folder"});
}

TEST_F(CliErrors, EdgesToNowhere) {
  {
    auto file = io::Hdf5Writer::create(path("dangling.nir"));
    ASSERT_TRUE(file.ok());
    auto node = file->root().create_group("node");
    ASSERT_TRUE(node.ok());
    ASSERT_TRUE(node->write_string("type", "NIRGraph").ok());
    auto nodes = node->create_group("nodes");
    ASSERT_TRUE(nodes.ok());
    auto input = nodes->create_group("input");
    ASSERT_TRUE(input.ok());
    ASSERT_TRUE(input->write_string("type", "Input").ok());
    ASSERT_TRUE(input->write_tensor("shape", shape_tensor({2})).ok());
    const std::vector<std::string> ends = {"input", "hidden"};
    ASSERT_TRUE(node->write_strings("edges", {1, 2}, ends).ok());
    ASSERT_TRUE(file->commit().ok());
  }
  expect({"run", "dangling.nir", "--steps", "1", "--out", "r"}, 4,
         {"dangling.nir", "\"hidden\"", "correct the edge list"});
}

TEST_F(CliErrors, TextModelsAreNamedByTheirKeys) {
  write_whole(path("chip.yaml"), "# a chip\narchitecture:\n  name: mesh\n");
  write_whole(path("net.yaml"), "network:\n  name: x\nmappings:\n- a\n");
  write_whole(path("net.json"), R"({"populations": ["E", "I"], "sizes": [80, 20]})");
  expect({"run", "chip.yaml", "--steps", "1"}, 7, {"YAML", "chip description", "architecture"});
  expect({"info", "net.yaml"}, 7, {"mapped to a chip", "network, mappings"});
  expect({"info", "net.json"}, 7, {"JSON", "populations"});
}

TEST_F(CliErrors, UnknownNodeKind) {
  {
    auto file = io::Hdf5Writer::create(path("odd.nir"));
    ASSERT_TRUE(file.ok());
    auto node = file->root().create_group("node");
    ASSERT_TRUE(node.ok());
    ASSERT_TRUE(node->write_string("type", "NIRGraph").ok());
    auto nodes = node->create_group("nodes");
    ASSERT_TRUE(nodes.ok());
    auto odd = nodes->create_group("strange");
    ASSERT_TRUE(odd.ok());
    ASSERT_TRUE(odd->write_string("type", "Hodgkin").ok());
    ASSERT_TRUE(node->write_strings("edges", {0, 2}, {}).ok());
    ASSERT_TRUE(file->commit().ok());
  }
  expect({"run", "odd.nir", "--steps", "1", "--out", "r"}, 7, {"odd.nir", "strange", "Hodgkin"});
  expect({"convert", "odd.nir", "out.sloom"}, 7, {"Hodgkin"});
}

TEST_F(CliErrors, MismatchedShapes) {
  NetworkBuilder builder;
  builder.add("in", node::Input{shape_tensor({3})});
  node::Linear weights;
  weights.weight = floats({2, 2}, {1, 0, 0, 2});
  builder.add("weights", weights);
  builder.add("out", node::Output{shape_tensor({2})});
  builder.connect("in", "weights");
  builder.connect("weights", "out");
  auto network = std::move(builder).build();
  ASSERT_TRUE(network.ok());
  save(*network, path("bad.nir"));
  expect({"run", "bad.nir", "--steps", "1", "--out", "r"}, 5, {"bad.nir", "weights"});
  save_array(path("wide.npy"), {8, 3}, std::vector<float>(24, 1.0F));
  expect({"run", "net.nir", "--input", "wide.npy", "--out", "r"}, 5, {"wide.npy", "(8, 3)"});
}

TEST_F(CliErrors, RecordingOfTheWrongSize) {
  Recording recording = one_event_per_ms(6, true);
  recording.events.x[3] = 200;
  save_recording(recording, path("large.bs2"));
  expect({"run", "polarity.nir", "--dt", "1e-3", "--input", "large.bs2", "--out", "r"}, 5,
         {"large.bs2", "200", "(2, 4, 4)"});
  Recording sized = one_event_per_ms(6, true);
  sized.width = 240;
  sized.height = 180;
  save_recording(sized, path("sized.txt"));
  expect({"run", "polarity.nir", "--dt", "1e-3", "--input", "sized.txt", "--out", "r"}, 5,
         {"sized.txt", "240 x 180"});
}

TEST_F(CliErrors, TimeStepMissing) {
  expect({"run", "lif.nir", "--steps", "5", "--out", "r"}, 6, {"lif.nir", "--dt"});
  save_recording(one_event_per_ms(6, true), path("clip.bs2"));
  expect({"run", "polarity.nir", "--input", "clip.bs2", "--out", "r"}, 6, {"clip.bs2", "--dt"});
  expect({"run", "net.nir", "--duration", "1"}, 6, {"--dt"});
}

TEST_F(CliErrors, WrongCommandLines) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"frobnicate"},
                                             {"run"},
                                             {"run", "net.nir", "--reset", "maybe"},
                                             {"run", "net.nir", "--preset", "nobody"},
                                             {"run", "net.nir", "--no-such-flag"},
                                             {"run", "net.nir", "--steps", "-4"},
                                             {"compare", "net.nir", "--left", ""}}) {
    const auto result = run(arguments);
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err, "");
  }
  expect({"run", "net.nir"}, 2, {"nothing to run", "--input"});
  const char* commands =
      "run, info, convert, quantize, compare, map, fit, energy, report, bench, plot, sensors, "
      "devices, doctor, demo";
  expect({}, 2, {"a command is missing", commands});
  expect({"--quiet"}, 2, {"a command is missing", commands});
  expect({"foo"}, 2, {"no command 'foo'", commands});
  expect({"plot", "bars", "x"}, 2, {"no command 'bars'", "raster"});
  expect({"demo"}, 2, {"a command is missing", "motion"});
  const auto reset = run({"run", "net.nir", "--reset", "maybe"});
  EXPECT_TRUE(contains(reset.err, "zero|subtract|once|none")) << reset.err;
}

TEST_F(CliErrors, NumbersOutOfRange) {
  const auto refuses = [&](const char* flag, const char* value, const char* expected) {
    SCOPED_TRACE(std::string(flag) + " " + value);
    const auto result = run({"run", "lif.nir", "--dt", "1e-3", flag, value});
    EXPECT_EQ(result.code, 2) << result.err;
    for (const char* part : {flag, expected, value}) {
      EXPECT_TRUE(contains(result.err, part)) << "no '" << part << "' in: " << result.err;
    }
    EXPECT_LT(result.err.size(), 200U) << result.err;
  };
  for (const char* value : {"-1", "1.5", "many"}) {
    refuses("--steps", value, "a whole number, 0 or more");
    refuses("--seed", value, "a whole number, 0 or more");
  }
  for (const char* value : {"-1", "nan", "inf", "1e999", "long"}) {
    refuses("--duration", value, "a number, 0 or more");
    refuses("--clip", value, "a number, 0 or more");
  }
  expect({"demo", "motion", "--speed", "0"}, 2, {"--speed", "a number above 0"});
  expect({"plot", "raster", "net.nir", "--number", "-1"}, 2, {"--number", "a whole number"});
}

/// NaN is in no range, though no comparison says that it is outside.
TEST_F(CliErrors, FlagsWithARangeRefuseNumbersThatAreNone) {
  for (const char* value : {"nan", "-nan", "inf", "-2", "1e9x"}) {
    SCOPED_TRACE(value);
    expect({"run", "net.nir", "--steps", "1", "--backend", "emulator", "--tick", value}, 2,
           {"--tick", "from 1e-09 to 1000", value});
    expect({"demo", "language", "--tokens", "1", "--temperature", value}, 2, {"--temperature"});
    expect({"demo", "language", "--tokens", "1", "--sharpen", value}, 2, {"from -1 to 1", value});
    expect({"demo", "motion", "--noise", value}, 2, {"--noise", value});
    expect({"plot", "events", "x.csv", "--from", value}, 2, {"--from", value});
    expect({"plot", "events", "x.csv", "--length", value}, 2, {"--length", "above 0", value});
    expect({"sensors", "send", "x.csv", "--udp", "40404", "--rate", value}, 2, {"--rate", value});
  }
}

TEST_F(CliErrors, RunsOfMoreSteps) {
  const std::string most = "at most 4294967296 steps";
  expect({"run", "lif.nir", "--dt", "1e-3", "--steps", "4294967297"}, 8, {"too long", most});
  expect({"run", "lif.nir", "--dt", "1e-3", "--steps", "99999999999999999999"}, 8, {most});
  expect({"run", "lif.nir", "--dt", "1e-3", "--duration", "4294967.297"}, 8, {"too long", most});
  expect({"run", "lif.nir", "--dt", "1e-3", "--duration", "1e300"}, 8, {"1e+303", most});
  expect({"compare", "net.nir", "--left", "--steps 4294967297", "--right", "--steps 1"}, 8, {most});
}

TEST_F(CliErrors, VariablesThatANodeDoesNotHave) {
  expect({"run", "net.nir", "--steps", "1", "--record", "weights:v", "--json"}, 2,
         {"--record", "node 'weights' (Linear) has no v", "one of neurons"});
  expect({"run", "net.nir", "--steps", "1", "--record", "neurons:u", "--json"}, 2,
         {"node 'neurons' (IF) has no u", "no node of this network has u"});
  expect({"plot", "raster", "net.nir", "--steps", "1", "--node", "in:v"}, 2, {"'in' (Input)"});
}

TEST_F(CliErrors, BackendsAndArithmeticsThatAreNotThere) {
  expect({"run", "net.nir", "--steps", "1", "--backend", "cuda"}, 7, {"cuda"});
  expect({"run", "net.nir", "--steps", "1", "--backend", "abacus"}, 3, {"abacus", "reference"});
  expect({"run", "net.nir", "--steps", "1", "--arithmetic", "ring16"}, 7, {"quantize"});
  expect({"run", "net.nir", "--steps", "1", "--record", "nobody", "--json"}, 3,
         {"nobody", "neurons"});
}

#ifndef SPIKELOOM_TEST_SANITIZED
/// What a process started meanwhile may take.
class Limit {
 public:
  Limit(decltype(RLIMIT_AS) what, rlim_t most) : what_(what) {
    getrlimit(what_, &before_);
    const rlimit now = {std::min(most, before_.rlim_max), before_.rlim_max};
    setrlimit(what_, &now);
  }
  ~Limit() { setrlimit(what_, &before_); }
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;

 private:
  decltype(RLIMIT_AS) what_;
  rlimit before_ = {};
};

/// With room for the stacks of a few threads only.
TEST_F(CliErrors, ThreadsThatTheSystemDoesNotStart) {
  save_array(path("many.npy"), {16, 8, 2}, std::vector<float>(256, 1.0F));
  const Limit stack(RLIMIT_STACK, rlim_t{64} << 20), memory(RLIMIT_AS, rlim_t{512} << 20);
  const std::string says = "the system starts no more threads";
  expect({"run", "net.nir", "--input", "many.npy", "--samples", "--threads", "16"}, 8, {says});
  for (const char* synapses : {"--procedural", "--double"}) {  // made at each spike, or held
    expect({"simulate", "brunel", "--neurons", "1000", "--degree", "100", "--time", "10",
            "--threads", "16", synapses},
           8, {says, "16"});
  }
}
#endif

TEST_F(CliErrors, FoldersThatCannotBeMade) {
  expect({"run", "net.nir", "--steps", "1", "--out", "no/such/parent"}, 3, {"no/such/parent"});
  expect({"convert", "net.nir", "no/such/parent.sloom"}, 3, {"no/such"});
  expect({"convert", "net.nir", "net.xyz"}, 6, {"--to"});
}

/// Several formats share .raw and .aedat.
TEST_F(CliErrors, EveryEndingIsNamedOnce) {
  const std::string text = run({"convert", "net.nir", "net.xyz"}).err;
  for (const std::string ending : {" raw,", " aedat,", " npy,"}) {
    const std::size_t first = text.find(ending);
    ASSERT_NE(first, std::string::npos) << text;
    EXPECT_EQ(text.find(ending, first + 1), std::string::npos) << text;
  }
}

TEST_F(CliErrors, HelpThatCannotBeWritten) {
  const std::string to_full = spikeloom_binary() + " --help > /dev/full 2> " + path("said");
  EXPECT_EQ(WEXITSTATUS(std::system(to_full.c_str())), cli::kExitFile);
  EXPECT_TRUE(contains(read_whole(path("said")), "stdout does not take")) << to_full;
}

TEST(CliExitCodes, EveryErrorHasOneAndTheTableIsWhole) {
  using cli::exit_code;
  EXPECT_EQ(exit_code(ErrorCode::kInvalidArgument), 2);
  EXPECT_EQ(exit_code(ErrorCode::kNotFound), 3);
  EXPECT_EQ(exit_code(ErrorCode::kIo), 3);
  EXPECT_EQ(exit_code(ErrorCode::kFormat), 4);
  EXPECT_EQ(exit_code(ErrorCode::kShape), 5);
  EXPECT_EQ(exit_code(ErrorCode::kAmbiguous), 6);
  EXPECT_EQ(exit_code(ErrorCode::kUnsupported), 7);
  EXPECT_EQ(exit_code(ErrorCode::kResource), 8);
  EXPECT_EQ(exit_code(ErrorCode::kCancelled), 130);
  int last = -1;
  for (const cli::ExitCodeInfo& info : cli::exit_codes()) {
    EXPECT_GT(info.code, last);
    last = info.code;
  }
}

}  // namespace
}  // namespace spikeloom::test
