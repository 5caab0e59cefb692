/// `sensors simulate` and `sensors front-end` on the command line.

#include <cmath>

#include "tests/cli/cli_process.hpp"

namespace spikeloom::test {
namespace {

class CliSensorsSimulate : public CliTest {};

TEST_F(CliSensorsSimulate, ARampInEveryFormatHasItsClosedForm) {
  // ln 4 / 0.3 = 4.6: 4 ON events a pixel, crossing k at 10 ms + 100 ms (0.3 k / ln 4).
  write_whole(path("ramp.toml"), "kind = 'ramp'\nwidth = 5\nheight = 4\n");
  for (const char* name : {"a.csv", "a.aedat4", "a.dat", "a.h5", "a.npy", "a.es"}) {
    const auto result = run({"sensors", "simulate", "ramp.toml", "-o", name, "--preset", "ideal",
                             "--threshold", "0.3", "--interpolate", "--json"});
    ASSERT_EQ(result.code, 0) << name << result.err;
    const Value counts = result.json();
    EXPECT_EQ(*counts.find("on")->as_integer(), 80);
    EXPECT_EQ(*counts.find("off")->as_integer(), 0);
    EXPECT_EQ(*counts.find("frames")->as_integer(), 201);
    const Value info = run({"info", name, "--as", "recording", "--json"}).json();
    EXPECT_EQ(*info.find("events")->as_integer(), 80) << name;
    EXPECT_NEAR(info.find("first_us")->number(), 1e4 + 1e5 * 0.3 / std::log(4.0), 1.0);
    EXPECT_NEAR(info.find("last_us")->number(), 1e4 + 1e5 * 1.2 / std::log(4.0), 1.0);
  }
}

TEST_F(CliSensorsSimulate, ThreadsAndSeedsDecideNothingAndEverything) {
  write_whole(path("bar.toml"), "kind = 'bar'\nwidth = 200\nheight = 200\nduration_ms = 30\n");
  const auto simulate = [&](const char* out, const char* threads, const char* seed) {
    const auto result = run({"sensors", "simulate", "bar.toml", "-o", out, "--preset", "noisy",
                             "--threads", threads, "--seed", seed});
    EXPECT_EQ(result.code, 0) << result.err;
    return read_whole(path(out));
  };
  const std::string one = simulate("1.csv", "1", "5");
  EXPECT_GT(one.size(), 10000U);
  EXPECT_EQ(simulate("2.csv", "2", "5"), one);
  EXPECT_NE(simulate("3.csv", "1", "6"), one);
}

TEST_F(CliSensorsSimulate, ImagesAreFrames) {
  std::filesystem::create_directory(folder() / "f");
  write_whole(folder() / "f/a.pgm", "P2 2 1 255 50 50");
  write_whole(folder() / "f/b.pgm", "P2 2 1 255 50 100");
  const auto result = run({"sensors", "simulate", "f", "-o", "f.csv", "--frame-rate", "100",
                           "--preset", "ideal", "--threshold", "0.5"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(read_whole(path("f.csv")), "t_us,x,y,p\n10000,1,0,1\n");
  EXPECT_EQ(run({"sensors", "simulate", "f", "-o", "f.csv"}).code, 2) << "no frame rate";
  write_whole(folder() / "f/c.pgm", "P2 1 1 255 50");
  const auto mixed = run({"sensors", "simulate", "f", "-o", "g.csv", "--frame-rate", "100"});
  EXPECT_NE(mixed.code, 0);
  EXPECT_NE(mixed.err.find("c.pgm"), std::string::npos) << mixed.err;
  EXPECT_FALSE(std::filesystem::exists(path("g.csv"))) << "no half recording";
}

TEST_F(CliSensorsSimulate, WarnsOfFramesThatAreTooFarApart) {
  write_whole(path("s.toml"), "kind = 'step'\nwidth = 2\nheight = 2\nframe_rate = 100\n");
  const auto result = run({"sensors", "simulate", "s.toml", "-o", "s.csv"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("more frames"), std::string::npos) << result.err;
  EXPECT_EQ(run({"sensors", "simulate", "none.toml", "-o", "s.csv"}).code, 3);
}

/// A colour picture of `side` x `side`, all of its bytes different from their neighbours'.
std::string ppm(int side) {
  std::string bytes = "P6 " + std::to_string(side) + " " + std::to_string(side) + " 255\n";
  for (int i = 0; i < 3 * side * side; ++i) bytes += static_cast<char>(i * 2654435761U >> 24);
  return bytes;
}

TEST_F(CliSensorsSimulate, TheFrontEndSendsTheFormulasBytes) {
  write_whole(path("a.ppm"), ppm(224));
  write_whole(path("b.ppm"), ppm(32));
  const auto large = run({"sensors", "front-end", "a.ppm", "--stem", "imagenet", "--channels", "8",
                          "--weight-bits", "6", "--mismatch", "0.05", "--json"});
  ASSERT_EQ(large.code, 0) << large.err;
  const Value sent = large.json();
  EXPECT_EQ(*sent.find("raw_bytes")->as_integer(), 224 * 224 * 6);
  EXPECT_EQ(*sent.find("bitmap_bytes")->as_integer(), 56 * 56);
  EXPECT_EQ(sent.find("bitmap_ratio")->number(), 96.0);
  EXPECT_EQ(sent.find("formula_ratio")->number(), 96.0);
  EXPECT_GT(sent.find("activity")->number(), 0.0);
  const auto small = run({"sensors", "front-end", "b.ppm", "b.ppm", "--channels", "4"});
  ASSERT_EQ(small.code, 0) << small.err;
  EXPECT_NE(small.out.find("12.00"), std::string::npos) << small.out;
  EXPECT_NE(run({"sensors", "front-end", "a.ppm", "b.ppm"}).code, 0) << "of two sizes";
}

}  // namespace
}  // namespace spikeloom::test
