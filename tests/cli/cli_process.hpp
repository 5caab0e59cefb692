#pragma once
/// Runs the built `spikeloom` as a process, in a folder of its own that goes away with the test.

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "base/io/json.hpp"
#include "base/value.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {

/// What a process left: its exit code (-1 when a signal ended it) and its two streams.
struct ProcessResult {
  int code = -1;
  std::string out, err;

  /// stdout as JSON; null, and a failed test, when it is none.
  Value json() const {
    auto parsed = io::parse_json(out);
    EXPECT_TRUE(parsed.ok()) << (parsed.ok() ? "" : parsed.error().message()) << "\n"
                             << out << "\n"
                             << err;
    return parsed.ok() ? *std::move(parsed) : Value();
  }
};

inline std::string read_whole(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_whole(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// A test with a folder; `run({"info", "x.nir"})` starts the binary there.
class CliTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "spikeloom-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    ASSERT_TRUE(std::filesystem::exists(spikeloom_binary())) << "no binary: " << spikeloom_binary();
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  /// What tests/cli/page.py says of a page; `beside`: files with the numbers it has to show.
  std::string check_page(const std::string& page, const std::string& beside = "") {
    const std::string script = (source_dir() / "tests" / "cli" / "page.py").string();
    const std::string command = "cd '" + folder().string() + "' && /usr/bin/python3 '" + script +
                                "' " + page + " " + beside + " > said 2>&1";
    EXPECT_NE(std::system(command.c_str()), -1);
    return read_whole(folder_ / "said");
  }

  const std::filesystem::path& folder() const { return folder_; }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  /// Starts the binary without waiting; the streams go to files.
  pid_t start(const std::vector<std::string>& arguments) {
    const pid_t child = fork();
    if (child != 0) return child;
    std::vector<std::string> copy = arguments;
    std::vector<char*> argv = {const_cast<char*>(spikeloom_binary().c_str())};
    for (std::string& argument : copy) argv.push_back(argument.data());
    argv.push_back(nullptr);
    if (chdir(folder_.c_str()) != 0) _exit(127);
    const int out = open(".stdout", O_CREAT | O_TRUNC | O_WRONLY, 0600);
    const int err = open(".stderr", O_CREAT | O_TRUNC | O_WRONLY, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execv(spikeloom_binary().c_str(), argv.data());
    _exit(127);
  }

  ProcessResult finish(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    ProcessResult result;
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    result.out = read_whole(folder_ / ".stdout");
    result.err = read_whole(folder_ / ".stderr");
    std::filesystem::remove(folder_ / ".stdout");
    std::filesystem::remove(folder_ / ".stderr");
    return result;
  }

  ProcessResult run(const std::vector<std::string>& arguments) { return finish(start(arguments)); }

  /// Names in the folder, to see that nothing half-written is left.
  std::vector<std::string> entries() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

 private:
  std::filesystem::path folder_;
};

/// The entry of a path of keys; null, and a failed test, when it is missing.
inline const Value& at(const Value& value, const std::vector<std::string>& keys) {
  static const Value kNull;
  const Value* here = &value;
  for (const std::string& key : keys) {
    here = here->find(key);
    if (here == nullptr) {
      ADD_FAILURE() << "no key " << key;
      return kNull;
    }
  }
  return *here;
}

inline double number_at(const Value& value, const std::vector<std::string>& keys) {
  const Value& found = at(value, keys);
  EXPECT_TRUE(found.is_number()) << keys.back();
  return found.number();
}

inline std::string text_at(const Value& value, const std::vector<std::string>& keys) {
  const Value& found = at(value, keys);
  EXPECT_NE(found.as_string(), nullptr) << keys.back();
  return found.as_string() == nullptr ? "" : *found.as_string();
}

inline const Value::List& list_at(const Value& value, const std::vector<std::string>& keys) {
  static const Value::List kEmpty;
  const Value& found = at(value, keys);
  EXPECT_NE(found.as_list(), nullptr) << keys.back();
  return found.as_list() == nullptr ? kEmpty : *found.as_list();
}

inline std::vector<double> numbers_at(const Value& value, const std::vector<std::string>& keys) {
  std::vector<double> numbers;
  for (const Value& item : list_at(value, keys)) numbers.push_back(item.number());
  return numbers;
}

/// The entry of a list of maps whose `name` is `name`.
inline const Value& named(const Value& document, const std::string& list, const std::string& name) {
  static const Value kNull;
  for (const Value& item : list_at(document, {list})) {
    const Value* found = item.find("name");
    if (found != nullptr && found->as_string() != nullptr && *found->as_string() == name) {
      return item;
    }
  }
  ADD_FAILURE() << "no " << name << " in " << list;
  return kNull;
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace spikeloom::test
