/// Every command that README.md and docs/ show is run.
///
/// A command is a line of a fenced block marked `sh` (with \ at its end it goes on). Lines that
/// start with `spikeloom` run here, in a folder that has the files of the examples: motion.nir,
/// right.bs2, up.csv, ... made below, and every file of acceptance/nir under its own name. Other
/// lines must start with a program of the list, which ./dev or the install test runs.

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>
#include <sstream>

#include <glob.h>

#include "cli/exit_codes.hpp"
#include "models/motion/motion_network.hpp"
#include "models/vision/labelled_pictures.hpp"
#include "sensors/scene.hpp"
#include "snn/discretisation.hpp"
#include "tests/cli/cli_models.hpp"
#include "tests/cli/cli_process.hpp"
#include "tests/support/made_up_pictures.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

struct Command {
  std::string file;
  int line = 0;
  std::string text;
};

/// Commands of one document; `comment` is everything from " #" on.
std::vector<Command> commands_in(const std::string& file, const std::string& text) {
  std::vector<Command> commands;
  std::istringstream lines(text);
  bool inside = false;
  int number = 0;
  std::string pending;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::size_t start = line.find_first_not_of(' ');
    const std::string trimmed = start == std::string::npos ? "" : line.substr(start);
    if (trimmed.starts_with("```")) {
      inside = !inside && trimmed.substr(3) == "sh";
      continue;
    }
    if (!inside || (trimmed.empty() && pending.empty())) continue;
    pending += trimmed;
    if (pending.ends_with("\\")) {
      pending.back() = ' ';
      continue;
    }
    if (const std::size_t comment = pending.find(" #"); comment != std::string::npos) {
      pending.resize(comment);
    }
    if (!pending.empty() && pending[0] != '#') commands.push_back({file, number, pending});
    pending.clear();
  }
  return commands;
}

/// Words of a command line; single and double quotes hold a word together.
std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  bool open = false;
  char quote = '\0';
  for (const char c : text) {
    if (quote != '\0') {
      if (c == quote) {
        quote = '\0';
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      open = true;
    } else if (c == ' ') {
      if (open) words.push_back(word);
      word.clear();
      open = false;
    } else {
      word += c;
      open = true;
    }
  }
  if (open) words.push_back(word);
  return words;
}

std::vector<Command> documented_commands() {
  std::vector<std::filesystem::path> files = {source_dir() / "README.md"};
  for (const auto& entry : std::filesystem::recursive_directory_iterator(source_dir() / "docs")) {
    // docs/acceptance is written by ./dev accept and shows what it ran itself.
    const bool generated = entry.path().string().find("/docs/acceptance/") != std::string::npos;
    if (entry.path().extension() == ".md" && !generated) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<Command> all;
  for (const auto& file : files) {
    const auto found =
        commands_in(file.lexically_relative(source_dir()).string(), read_whole(file));
    all.insert(all.end(), found.begin(), found.end());
  }
  return all;
}

/// Names of acceptance/nir that make a command need the shared data.
bool needs_shared_data(const std::string& command) {
  constexpr std::array<std::string_view, 11> kNames = {
      "cnn_sinabs",     "cnn.plan", "nmnist_test100", "braille_", "lif_norse", "ds_val_0",
      "pretrained_ann", "gesture/", "pilotnet_",      "mnist",    "dvs.yaml"};
  return std::any_of(kNames.begin(), kNames.end(), [&](std::string_view name) {
    return command.find(name) != std::string::npos;
  });
}

/// Commands that look at Debian's dataset-fashion-mnist.
bool needs_pictures(const std::string& command) {
  return command.find("demo vision") != std::string::npos ||
         command.find("front-end-robustness") != std::string::npos;
}

class CliDocs : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    const auto network = make_motion_network();
    ASSERT_TRUE(network.ok());
    save(*network, path("motion.nir"));
    const std::vector<std::pair<std::string, double>> scenes = {
        {"right.bs2", 0.0}, {"up.bs2", 90.0}, {"left.bs2", 180.0}, {"down.bs2", 270.0}};
    for (const auto& [name, degrees] : scenes) {
      MovingBarOptions options;
      options.direction_degrees = degrees;
      options.duration = 200 * kMillisecond;
      const auto scene = moving_bar(options);
      ASSERT_TRUE(scene.ok());
      save_recording(*scene, path(name));
    }
    for (const std::string ending : {".safetensors", ".vocabulary.txt"}) {
      const auto file =
          source_dir() / "models/language/weights/demo-small" / ("demo-small" + ending);
      std::filesystem::create_symlink(std::filesystem::absolute(file),
                                      folder() / ("demo-small" + ending));
    }
    for (const std::string file :
         {"gesture/weights/gesture-lif.sloom", "vision/weights/cifar8/cifar8.sloom",
          "vision/weights/cifar-dense/cifar-dense.sloom"}) {
      const auto from = std::filesystem::absolute(source_dir() / "models" / file);
      std::filesystem::create_symlink(from, folder() / from.filename());
    }
    // Two pictures in the place of 10,000, which may not be passed on.
    ASSERT_TRUE(write_made_up_pictures(path("cifar10-jpeg.test.npz"), 2).ok());
    write_whole(path("words.txt"), "my dear , said she , you must know that i am very happy .\n");
    write_whole(path("bar.toml"), "kind = 'bar'\nwidth = 64\nheight = 48\nspeed = 300\nsize = 6\n");
    std::filesystem::create_directory(folder() / "walk");
    for (int i = 0; i < 3; ++i) {
      write_whole(folder() / "walk" / (std::to_string(i) + ".pgm"),
                  "P2 4 2 255 40 40 40 40 " + std::to_string(40 + 80 * i) + " 40 40 40");
    }
    write_whole(path("directions.txt"), "# name label\nright 0\nup 2\nleft 4\ndown 6\n");
    std::string entries;
    for (int key = 0; key < 32; ++key) {
      entries += std::to_string(key) + ",0xFFFFFFFF," + (key % 4 == 0 ? "1" : "6") + "\n";
    }
    write_whole(path("tables.csv"), entries);
    std::string chains = "58 60\n";
    for (int v = 1; v <= 58; ++v) {
      chains += std::to_string(v) + " " + std::to_string(v + 2) + "\n";
    }
    write_whole(path("chains.hgr"), chains);
    write_whole(path("ring.json"), R"({"populations": [{"neurons": 1000}, {"neurons": 1000}],
        "projections": [{"source": 0, "target": 1}, {"source": 1, "target": 0}]})");
    if (shared_missing_reason("acceptance/nir/02_cnn").empty()) link_shared_data();
  }

  /// Every file of acceptance/nir, every folder with networks of SLAYER and Lava, and MNIST, under
  /// its own name.
  void link_shared_data() {
    for (const std::string part : {"01_lif", "02_cnn", "03_rnn"}) {
      for (const auto& entry :
           std::filesystem::directory_iterator(shared_path("acceptance/nir/" + part))) {
        const auto name = entry.path().filename();
        std::filesystem::create_symlink(std::filesystem::absolute(entry.path()), folder() / name);
      }
    }
    for (const std::string name : {"dvs.yaml", "loihi.yaml"}) {
      std::filesystem::create_symlink(
          std::filesystem::absolute(shared_path("acceptance/emulator/" + name)), folder() / name);
    }
    for (const std::string part :
         {"acceptance/gesture", "acceptance/lava/pilotnet_lif", "acceptance/lava/pilotnet_sdnn",
          "acceptance/lava/mnist_bootstrap", "data/mnist"}) {
      const auto from = std::filesystem::absolute(shared_path(part));
      std::filesystem::create_symlink(from, folder() / from.filename());
    }
  }

  /// Words with * become the names they stand for, in order.
  std::vector<std::string> expanded(const std::vector<std::string>& words) const {
    std::vector<std::string> all;
    for (const std::string& word : words) {
      glob_t found{};
      const bool pattern = word.find('*') != std::string::npos;
      if (pattern && glob((folder() / word).c_str(), 0, nullptr, &found) == 0) {
        for (std::size_t i = 0; i < found.gl_pathc; ++i) {
          all.push_back(std::filesystem::path(found.gl_pathv[i]).lexically_relative(folder()));
        }
      } else {
        all.push_back(word);
      }
      if (pattern) globfree(&found);
    }
    return all;
  }
};

TEST_F(CliDocs, EveryShownCommandRuns) {
  const bool has_data = shared_missing_reason("acceptance/nir/02_cnn").empty();
  const bool has_pictures = std::filesystem::exists(kFashionMnistFolder);
  int ran = 0;
  for (const Command& command : documented_commands()) {
    if (!command.text.starts_with("spikeloom ")) continue;
    const std::string where = command.file + ":" + std::to_string(command.line);
    if (!has_pictures && needs_pictures(command.text)) {
      EXPECT_FALSE(running_in_ci()) << where << ": needs dataset-fashion-mnist";
      printf("not run, it needs dataset-fashion-mnist: %s\n", where.c_str());
      continue;
    }
    if (!has_data && needs_shared_data(command.text)) {
      EXPECT_FALSE(running_in_ci()) << where << ": needs the acceptance data";
      printf("not run, it needs the acceptance data: %s: %s\n", where.c_str(),
             command.text.c_str());
      continue;
    }
    std::vector<std::string> words = expanded(words_of(command.text));
    words.erase(words.begin());
    const auto result = run(words);
    // compare says with 1 that it found a difference; both are answers.
    const bool fine = result.code == 0 || (words[0] == "compare" && result.code == 1);
    EXPECT_TRUE(fine) << where << ": " << command.text << "\nexit " << result.code << "\n"
                      << result.err;
    EXPECT_NE(result.out, "") << where << ": " << command.text;
    ++ran;
  }
  EXPECT_GE(ran, 10) << "the documents show fewer commands than that";
}

TEST_F(CliDocs, EveryOtherShownCommandIsOneThatOtherTestsRun) {
  // ./dev by .ci/run, cmake and ctest by ./dev and the install test.
  constexpr std::array<std::string_view, 5> kKnown = {"spikeloom", "./dev", "cmake", "ctest",
                                                      "git"};
  for (const Command& command : documented_commands()) {
    const std::string program = command.text.substr(0, command.text.find(' '));
    EXPECT_NE(std::find(kKnown.begin(), kKnown.end(), program), kKnown.end())
        << command.file << ":" << command.line << ": " << command.text;
  }
}

TEST_F(CliDocs, TheExtractorReadsFencesContinuationsAndQuotes) {
  const auto found = commands_in("x.md",
                                 "text\n```\nnot sh\n```\n```sh\n# comment\nspikeloom run a \\\n"
                                 "    --b 'c d'   # why\n\nspikeloom info x\n```\nspikeloom no\n");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(words_of(found[0].text),
            (std::vector<std::string>{"spikeloom", "run", "a", "--b", "c d"}));
  EXPECT_EQ(found[1].line, 10);
  EXPECT_EQ(words_of("a '' b"), (std::vector<std::string>{"a", "", "b"}));
}

TEST_F(CliDocs, TheManualHasEveryExitCodeCommandAndOption) {
  const std::string manual = read_whole(source_dir() / "docs" / "cli.md");
  for (const cli::ExitCodeInfo& info : cli::exit_codes()) {
    EXPECT_TRUE(contains(manual, "| " + std::to_string(info.code) + " |")) << info.code;
  }
  for (const std::string command :
       {"run", "info", "convert", "quantize", "compare", "map", "fit", "map tables", "energy",
        "report", "bench", "plot raster", "plot rate", "simulate", "devices", "doctor",
        "demo motion", "demo gesture", "demo vision"}) {
    EXPECT_TRUE(contains(manual, "## " + command)) << command;
  }
  const auto help = run({"run", "--help"});
  ASSERT_EQ(help.code, 0);
  // Discretisation options have their own page; every other flag of run is in the manual.
  std::set<std::string> own;
  for (const OptionInfo& info : discretisation_options()) own.insert("--" + std::string(info.name));
  std::istringstream words(help.out);
  for (std::string word; words >> word;) {
    if (!word.starts_with("--") || word == "--help" || own.contains(word)) continue;
    EXPECT_TRUE(contains(manual, word)) << word;
  }
}

}  // namespace
}  // namespace spikeloom::test
