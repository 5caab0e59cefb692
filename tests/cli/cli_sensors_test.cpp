/// Recordings on the command line: info, convert, plot events, and a network fed over UDP.

#include <csignal>
#include <thread>

#include "tests/cli/cli_models.hpp"
#include "tests/cli/cli_process.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

class CliSensors : public CliTest {};

TEST_F(CliSensors, InfoCountsWords) {
  REQUIRE_SHARED("acceptance/events/prophesee/evt3_sample.raw");
  const std::string file = shared_path("acceptance/events/prophesee/evt3_sample.raw").string();
  const ProcessResult result = run({"info", file, "--words", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Value info = result.json();
  EXPECT_EQ(*info.find("events")->as_integer(), 219596);
  EXPECT_EQ(*info.find("first_us")->as_integer(), 11718656);
  EXPECT_EQ(*info.find("last_us")->as_integer(), 11727457);
  EXPECT_EQ(*info.find("width")->as_integer(), 1280);
  EXPECT_EQ(*info.find("counts")->find("x")->as_integer(), 197550);
  EXPECT_EQ(*info.find("counts")->find("time_low")->as_integer(), 8812);
  const ProcessResult text = run({"info", file});
  EXPECT_NE(text.out.find("polarity  52.61 % ON"), std::string::npos) << text.out;
}

TEST_F(CliSensors, ConvertSaysWhatIsNotKept) {
  write_whole(path("a.csv"), "t_us,x,y,p\n10.5,1,2,1\n20,3,4,0\n");
  const ProcessResult ambiguous = run({"convert", "a.csv", "a.raw"});
  EXPECT_EQ(ambiguous.code, 6) << ambiguous.err;
  EXPECT_NE(ambiguous.err.find("--to"), std::string::npos);
  const ProcessResult result = run({"convert", "a.csv", "a.raw", "--to", "evt3", "--size", "8x6"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("1 times cut to whole microseconds"), std::string::npos) << result.err;
  const Value info = run({"info", "a.raw", "--json"}).json();
  EXPECT_EQ(*info.find("events")->as_integer(), 2);
  EXPECT_EQ(*info.find("width")->as_integer(), 8);
  for (const char* name : {"a.npy", "a.h5", "a.aedat4", "a.es", "a.dat"}) {
    ASSERT_EQ(run({"convert", "a.raw", name}).code, 0) << name;
    const ProcessResult again = run({"info", name, "--as", "recording", "--json"});
    ASSERT_EQ(again.code, 0) << name << again.err;
    EXPECT_EQ(*again.json().find("digest")->as_string(), *info.find("digest")->as_string()) << name;
  }
}

TEST_F(CliSensors, ConvertSorts) {
  write_whole(path("a.csv"), "t_us,x,y,p\n20,1,2,1\n10,3,4,0\n");
  EXPECT_EQ(run({"convert", "a.csv", "b.csv"}).code, 4);
  const ProcessResult result = run({"convert", "a.csv", "b.csv", "--sort"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(read_whole(path("b.csv")), "t_us,x,y,p\n10,3,4,0\n20,1,2,1\n");
}

TEST_F(CliSensors, PlotsAFrame) {
  write_whole(path("a.csv"), "t_us,x,y,p\n0,0,0,1\n10,3,1,0\n");
  const ProcessResult text = run({"plot", "events", "a.csv", "--size", "4x2", "--ascii"});
  ASSERT_EQ(text.code, 0) << text.err;
  // Characters are twice as high as wide: two rows of pixels on one line.
  EXPECT_EQ(text.out.substr(0, 5), "+  -\n") << text.out;
  ASSERT_EQ(run({"plot", "events", "a.csv", "--size", "4x2", "-o", "a.png"}).code, 0);
  EXPECT_EQ(read_whole(path("a.png")).substr(1, 3), "PNG");
}

TEST_F(CliSensors, ConvertFilters) {
  // Two events a pixel and time, on a sensor of 4 x 2; (3, 1) fires all the time.
  std::string text = "t_us,x,y,p\n";
  for (int i = 0; i < 8; ++i) {
    const std::string time = std::to_string(5000 + 1000 * i) + ",";
    text += time + std::to_string(i % 4) + "," + std::to_string(i / 4) + ",1\n";
    for (int k = 0; k < 3; ++k) text += time + "3,1," + (k == 0 ? "0" : "1") + "\n";
  }
  write_whole(path("a.csv"), text);
  const auto filtered = [&](std::vector<std::string> flags) {
    std::vector<std::string> words = {"convert", "a.csv", "b.csv", "--size", "4x2"};
    words.insert(words.end(), flags.begin(), flags.end());
    const ProcessResult result = run(words);
    EXPECT_EQ(result.code, 0) << result.err;
    const std::string csv = read_whole(path("b.csv"));
    return csv.substr(csv.find('\n') + 1);
  };
  EXPECT_EQ(filtered({"--hot-pixels", "10"}),
            "5000,0,0,1\n6000,1,0,1\n7000,2,0,1\n8000,3,0,1\n9000,0,1,1\n10000,1,1,1\n"
            "11000,2,1,1\n");
  EXPECT_EQ(filtered({"--from", "1", "--length", "2", "--polarity", "on", "--region", "0,0,4,1"}),
            "6000,1,0,1\n7000,2,0,1\n");
  EXPECT_EQ(filtered({"--hot-pixels", "10", "--region", "1,1,2,1"}), "10000,0,0,1\n11000,1,0,1\n");
  EXPECT_EQ(filtered({"--polarity", "off", "--refractory", "3"}),
            "5000,3,1,0\n8000,3,1,0\n11000,3,1,0\n");
  EXPECT_EQ(filtered({"--hot-pixels", "10", "--background", "1.5"}),
            "6000,1,0,1\n7000,2,0,1\n8000,3,0,1\n10000,1,1,1\n11000,2,1,1\n");
  EXPECT_EQ(filtered({"--hot-pixels", "10", "--length", "3", "--downsample", "2"}),
            "5000,0,0,1\n6000,0,0,1\n7000,1,0,1\n");
  EXPECT_EQ(filtered({"--hot-pixels", "10", "--length", "2", "--mirror", "xy"}),
            "5000,3,1,1\n6000,2,1,1\n");
  const ProcessResult counted = run({"convert", "a.csv", "b.csv", "--polarity", "off"});
  EXPECT_NE(counted.out.find("8 of 32 events"), std::string::npos) << counted.out;
  // Sizes: what is cut out, and divided, is what the file says.
  ASSERT_EQ(run({"convert", "a.csv", "b.aedat4", "--size", "4x2", "--region", "1,0,3,2",
                 "--downsample", "2"})
                .code,
            0);
  const ProcessResult info = run({"info", "b.aedat4", "--json"});
  EXPECT_EQ(*info.json().find("width")->as_integer(), 2) << info.out;
  EXPECT_EQ(*info.json().find("height")->as_integer(), 1) << info.out;
}

TEST_F(CliSensors, FiltersThatMakeNoSenseAreRefused) {
  write_whole(path("a.csv"), "t_us,x,y,p\n1,2,1,1\n");
  const auto refused = [&](std::vector<std::string> flags) {
    std::vector<std::string> words = {"convert", "a.csv", "b.csv"};
    words.insert(words.end(), flags.begin(), flags.end());
    const ProcessResult result = run(words);
    EXPECT_EQ(result.code, 2) << result.err;
    return result.err;
  };
  EXPECT_NE(refused({"--refractory", "1"}).find("--size"), std::string::npos);
  EXPECT_NE(refused({"--mirror", "x"}).find("--size"), std::string::npos);
  EXPECT_NE(refused({"--hot-pixels", "10"}).find("--size"), std::string::npos);
  EXPECT_NE(refused({"--region", "1,2,3"}).find("X,Y,WIDTH,HEIGHT"), std::string::npos);
  EXPECT_NE(refused({"--size", "4x2", "--region", "2,0,3,2"}).find("4x2"), std::string::npos);
  refused({"--polarity", "maybe"});
  refused({"--refractory", "-1"});
}

TEST_F(CliSensors, RunFiltersItsRecordings) {
  save(polarity_network(), path("polarity.nir"));
  std::string text = "t_us,x,y,p\n";
  for (int i = 0; i < 2000; ++i)
    text += std::to_string(10 * i) + ",0,0," + (i % 3 == 0 ? "0" : "1") + "\n";
  write_whole(path("a.csv"), text);
  ASSERT_EQ(run({"convert", "a.csv", "off.csv", "--polarity", "off"}).code, 0);
  const ProcessResult expected =
      run({"run", "polarity.nir", "--dt", "1e-3", "--json", "--input", "off.csv"});
  const ProcessResult filtered = run(
      {"run", "polarity.nir", "--dt", "1e-3", "--json", "--input", "a.csv", "--polarity", "off"});
  ASSERT_EQ(filtered.code, 0) << filtered.err;
  EXPECT_EQ(io::to_json(*filtered.json().find("output_counts")),
            io::to_json(*expected.json().find("output_counts")));
  const ProcessResult all =
      run({"run", "polarity.nir", "--dt", "1e-3", "--json", "--input", "a.csv"});
  EXPECT_NE(io::to_json(*all.json().find("output_counts")),
            io::to_json(*expected.json().find("output_counts")));
}

TEST_F(CliSensors, StructuredArraysAreRecordings) {
  write_whole(path("a.csv"), "t_us,x,y,p\n5,1,2,1\n7,3,0,0\n");
  ASSERT_EQ(run({"convert", "a.csv", "a.npy"}).code, 0);
  const ProcessResult info = run({"info", "a.npy", "--json"});
  EXPECT_EQ(*info.json().find("kind")->as_string(), "recording") << info.err;
  EXPECT_EQ(*info.json().find("events")->as_integer(), 2);
  ASSERT_EQ(run({"convert", "a.npy", "b.npy"}).code, 0);
  ASSERT_EQ(run({"convert", "b.npy", "b.csv"}).code, 0);
  EXPECT_EQ(read_whole(path("b.csv")), read_whole(path("a.csv")));
  save(polarity_network(), path("polarity.nir"));
  write_whole(path("c.csv"), "t_us,x,y,p\n5,0,0,1\n2000,0,0,0\n");
  ASSERT_EQ(run({"convert", "c.csv", "c.npy"}).code, 0);
  EXPECT_EQ(run({"run", "polarity.nir", "--dt", "1e-3", "--input", "c.npy"}).code, 0);
}

TEST_F(CliSensors, FormatsAreListed) {
  const ProcessResult result = run({"sensors", "formats"});
  EXPECT_EQ(result.code, 0);
  EXPECT_NE(result.out.find("aedat4"), std::string::npos);
}

TEST_F(CliSensors, SentEventsDecideAsAFileDoes) {
  save(polarity_network(), path("polarity.nir"));
  std::string text = "t_us,x,y,p\n";
  for (int i = 0; i < 2000; ++i)
    text += std::to_string(10 * i) + ",0,0," + (i % 3 == 0 ? "0" : "1") + "\n";
  write_whole(path("a.csv"), text);
  const std::vector<std::string> common = {"run", "polarity.nir", "--dt", "1e-3", "--json"};
  std::vector<std::string> from_file = common;
  from_file.insert(from_file.end(), {"--input", "a.csv"});
  const ProcessResult expected = run(from_file);
  ASSERT_EQ(expected.code, 0) << expected.err;
  // A port of our own process number, so that tests beside this one have others.
  const std::string port = std::to_string(20000 + getpid() % 20000);
  std::vector<std::string> live = common;
  live.insert(live.end(), {"--live", "--udp", port});
  const pid_t child = start(live);
  for (int i = 0; i < 100 && read_whole(path(".stderr")).find("listening") == std::string::npos;
       ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  // The listener has the files .stdout and .stderr: the sender works elsewhere.
  const std::string sender = std::string(spikeloom_binary()) + " sensors send '" + path("a.csv") +
                             "' --udp " + port + " --rate 1e6 >/dev/null 2>&1";
  EXPECT_EQ(std::system(sender.c_str()), 0);
  const ProcessResult heard = finish(child);
  ASSERT_EQ(heard.code, 0) << heard.err;
  const Value value = heard.json();
  EXPECT_EQ(*value.find("udp")->find("events")->as_integer(), 2000);
  EXPECT_EQ(*value.find("udp")->find("lost")->as_integer(), 0);
  EXPECT_EQ(io::to_json(*value.find("output_counts")),
            io::to_json(*expected.json().find("output_counts")));
}

}  // namespace
}  // namespace spikeloom::test
