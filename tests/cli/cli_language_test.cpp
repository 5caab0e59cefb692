/// `demo language`, `run --text`, `run --prompt`, as processes.

#include <array>
#include <cmath>
#include <filesystem>
#include <map>
#include <sstream>

#include "base/io/npy.hpp"
#include "cli/exit_codes.hpp"
#include "models/language/vocabulary.hpp"
#include "tests/cli/cli_process.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

class CliLanguage : public CliTest {
 protected:
  static std::string model() {
    return (source_dir() / "models/language/weights/demo-small/demo-small.safetensors").string();
  }
  std::vector<std::string> words_of(const Value& report) {
    std::vector<std::string> words;
    for (const Value& word : *report.find("words")->as_list()) {
      const Value* text = word.find("word");
      words.push_back(text != nullptr ? *text->as_string() : *word.as_string());
    }
    return words;
  }
};

TEST_F(CliLanguage, TheDemoWritesTheSameWordsOnEveryBackend) {
  const auto cpu = run({"demo", "language", "--tokens", "12", "--json", "--backend", "cpu"});
  ASSERT_EQ(cpu.code, cli::kExitOk) << cpu.err;
  const auto reference =
      run({"demo", "language", "--tokens", "12", "--json", "--backend", "reference"});
  ASSERT_EQ(reference.code, cli::kExitOk) << reference.err;
  EXPECT_EQ(*cpu.json().find("arithmetic"), Value("integer"));
  EXPECT_EQ(words_of(cpu.json()).size(), 12U);
  EXPECT_EQ(words_of(cpu.json()), words_of(reference.json()));
  const auto other =
      run({"demo", "language", "--tokens", "12", "--json", "--backend", "cpu", "--seed", "1"});
  EXPECT_NE(words_of(cpu.json()), words_of(other.json()));
}

/// Lines "name: text" of models/language/weights/perplexity.txt.
std::map<std::string, std::string> perplexity_lines() {
  std::map<std::string, std::string> lines;
  std::istringstream text(read_whole(source_dir() / "models/language/weights/perplexity.txt"));
  for (std::string line; std::getline(text, line);) {
    const std::size_t colon = line.find(": ");
    EXPECT_NE(colon, std::string::npos) << line;
    if (colon != std::string::npos) lines[line.substr(0, colon)] = line.substr(colon + 2);
  }
  return lines;
}

TEST_F(CliLanguage, TheDemoShowsALinePerWord) {
  const auto shown = run({"demo", "language", "--tokens", "3", "--ascii"});
  ASSERT_EQ(shown.code, cli::kExitOk) << shown.err;
  for (const std::string& piece :
       {std::string("EGRU"), perplexity_lines().at("demo-small"), std::string("times fewer"),
        std::string(" us "), std::string(" uJ"), std::string("modelled"),
        std::string("[the people")}) {
    EXPECT_NE(shown.out.find(piece), std::string::npos) << piece << "\n" << shown.out;
  }
  const auto plain = run({"demo", "language", "--tokens", "3", "--plain", "--prompt", "my dear"});
  EXPECT_EQ(plain.out.find("[my dear] "), 0U) << plain.out;
}

/// Whoever reads a perplexity of ours reads that of the dense LSTM in the same line.
TEST_F(CliLanguage, EveryPerplexityStandsBesideThatOfTheLstm) {
  const auto lines = perplexity_lines();
  const std::string page = read_whole(source_dir() / "docs/language.md");
  for (const auto& entry :
       std::filesystem::directory_iterator(source_dir() / "models/language/weights")) {
    if (!entry.is_directory()) continue;
    const std::string name = entry.path().filename().string();
    ASSERT_TRUE(lines.contains(name)) << name;
    EXPECT_NE(lines.at(name).find("; dense LSTM of equal parameters: "), std::string::npos);
    EXPECT_NE(page.find(lines.at(name)), std::string::npos) << name << " in docs/language.md";
  }
}

TEST_F(CliLanguage, AWordCostsJoulesOfTheTable) {
  const auto shown = run({"demo", "language", "--tokens", "3", "--json"});
  ASSERT_EQ(shown.code, cli::kExitOk) << shown.err;
  const Value report = shown.json();
  for (const Value& word : *report.find("words")->as_list()) {
    // Nothing costs less than its operations: an int32 addition at 45 nm takes 0.1 pJ (Horowitz),
    // a read of 32 bits from DRAM at most 2.6 nJ.
    const double operations = word.find("operations")->number();
    EXPECT_GT(word.find("joules")->number(), 0.1e-12 * operations);
    EXPECT_LT(word.find("joules")->number(), 3e-9 * operations);
  }
}

TEST_F(CliLanguage, ATextIsScoredInBothProtocols) {
  write_whole(folder() / "t.txt",
              "it is a truth universally acknowledged , that a single man in possession of a good "
              "fortune , must be in want of a wife .\ncall me zyzzyva .\n");
  const auto scored = run({"run", model(), "--text", "t.txt", "--reset-window", "5", "--json"});
  ASSERT_EQ(scored.code, cli::kExitOk) << scored.err;
  const Value report = scored.json();
  EXPECT_EQ(report.find("unknown")->number(), 1);
  const auto& scores = *report.find("scores")->as_list();
  ASSERT_EQ(scores.size(), 2U);
  EXPECT_EQ(*scores[0].find("protocol"), Value("carried"));
  EXPECT_EQ(scores[1].find("reset_every")->number(), 5);
  EXPECT_NE(scores[0].find("loss")->number(), scores[1].find("loss")->number());
  EXPECT_LT(scores[0].find("stack_operations_per_token")->number(),
            scores[0].find("stack_dense_macs_per_token")->number());
  const auto said = run({"run", model(), "--text", "t.txt", "--protocol", "carried"});
  EXPECT_NE(said.out.find("perplexity"), std::string::npos) << said.out;
  EXPECT_NE(said.err.find("zyzzyva"), std::string::npos) << said.err;
}

TEST_F(CliLanguage, LogitsOfATextAreKept) {
  write_whole(folder() / "t.txt", "it is a truth\n");
  const std::vector<std::string> command = {"run",      model(),   "--text", "t.txt",
                                            "--logits", "out.npy", "--json"};
  EXPECT_EQ(run(command).code, cli::kExitUsage);  // of which protocol?
  std::vector<std::string> one = command;
  one.insert(one.end(), {"--protocol", "carried"});
  const auto scored = run(one);
  ASSERT_EQ(scored.code, cli::kExitOk) << scored.err;
  const auto logits = io::read_npy((folder() / "out.npy").string());
  ASSERT_TRUE(logits.ok()) << logits.error().message();
  ASSERT_EQ(logits->shape(), (Shape{4, 6000}));  // five words, <eos> among them
  // The loss is that of the softmax over them.
  const auto words = Vocabulary::parse(
      read_whole(source_dir() / "models/language/weights/demo-small/demo-small.vocabulary.txt"),
      "words");
  ASSERT_TRUE(words.ok());
  double loss = 0.0;
  const std::array<const char*, 4> next = {"is", "a", "truth", "<eos>"};
  for (std::int64_t t = 0; t < 4; ++t) {
    double sum = 0.0;
    for (std::int64_t w = 0; w < 6000; ++w) sum += std::exp(logits->at(t * 6000 + w));
    const auto word = words->find(next[static_cast<std::size_t>(t)]);
    ASSERT_TRUE(word.has_value());
    loss += std::log(sum) - logits->at(t * 6000 + *word);
  }
  const Value report = scored.json();
  EXPECT_NEAR((*report.find("scores")->as_list())[0].find("loss")->number(), loss / 4.0, 1e-5);
}

TEST_F(CliLanguage, APromptGoesOnAndASeedRepeatsIt) {
  const std::vector<std::string> command = {"run", model(),  "--prompt", "my dear", "--tokens",
                                            "5",   "--json", "--seed",   "3"};
  const auto first = run(command);
  ASSERT_EQ(first.code, cli::kExitOk) << first.err;
  EXPECT_EQ(words_of(first.json()).size(), 5U);
  EXPECT_EQ(words_of(first.json()), words_of(run(command).json()));
}

TEST_F(CliLanguage, WhatCannotBeReadIsRefused) {
  write_whole(folder() / "empty.txt", "\n\n");
  EXPECT_EQ(run({"run", model(), "--text", "empty.txt"}).code, cli::kExitUsage);
  EXPECT_EQ(run({"run", model(), "--text", "missing.txt"}).code, cli::kExitFile);
  write_whole(folder() / "line.txt", "it is\n" + std::string(100'000'000, 'a'));
  const auto line = run({"run", model(), "--text", "line.txt"});
  EXPECT_EQ(line.code, cli::kExitResource) << line.err;
  EXPECT_NE(line.err.find("line 2"), std::string::npos) << line.err;
  const std::string weights = read_whole(model());
  write_whole(folder() / "cut.safetensors", weights.substr(0, weights.size() / 2));
  write_whole(folder() / "cut.vocabulary.txt", "the\n");
  const auto cut = run({"run", "cut.safetensors", "--prompt", "x"});
  EXPECT_EQ(cut.code, cli::kExitFormat) << cut.err;
  // float16 infinity in the place of the last weights.
  std::string broken = weights;
  broken.replace(broken.size() - 4, 4, std::string("\x00\x7c\x00\x7e", 4));
  write_whole(folder() / "broken.safetensors", broken);
  std::filesystem::copy_file(
      source_dir() / "models/language/weights/demo-small/demo-small.vocabulary.txt",
      folder() / "broken.vocabulary.txt");
  const auto infinite = run({"run", "broken.safetensors", "--prompt", "x"});
  EXPECT_EQ(infinite.code, cli::kExitUsage) << infinite.err;
  EXPECT_NE(infinite.err.find("not a number"), std::string::npos) << infinite.err;
  write_whole(folder() / "other.safetensors", weights);
  write_whole(folder() / "other.vocabulary.txt", "the\ncat\n");
  const auto other = run({"run", "other.safetensors", "--prompt", "x"});
  EXPECT_EQ(other.code, cli::kExitShape) << other.err;
  EXPECT_NE(other.err.find("vocabulary"), std::string::npos) << other.err;
}

}  // namespace
}  // namespace spikeloom::test
