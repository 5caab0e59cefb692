#include "sensors/digest.hpp"

#include <algorithm>
#include <bit>
#include <vector>

#include <fmt/format.h>

namespace spikeloom {
namespace {

/// First 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4).
constexpr std::array<std::uint32_t, 64> kRound = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

constexpr std::size_t kBlock = 64;
constexpr std::size_t kEventBytes = 13;

void put_little(std::byte*& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) *out++ = static_cast<std::byte>(value >> (8 * i) & 0xFF);
}

}  // namespace

void Sha256::block(const std::byte* bytes) {
  std::array<std::uint32_t, 64> w;
  for (std::size_t i = 0; i < 16; ++i) {
    const auto at = [&](std::size_t k) { return std::to_integer<std::uint32_t>(bytes[4 * i + k]); };
    w[i] = at(0) << 24 | at(1) << 16 | at(2) << 8 | at(3);
  }
  for (std::size_t i = 16; i < 64; ++i) {
    const std::uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
    const std::uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state_;
  for (std::size_t i = 0; i < 64; ++i) {
    const std::uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const std::uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kRound[i] + w[i];
    const std::uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const std::uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  const std::array<std::uint32_t, 8> added = {a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < 8; ++i) state_[i] += added[i];
}

void Sha256::update(std::span<const std::byte> bytes) {
  const std::size_t held = length_ % kBlock;
  length_ += bytes.size();
  if (held > 0) {
    const std::size_t taken = std::min(kBlock - held, bytes.size());
    std::copy_n(bytes.begin(), taken, held_.begin() + static_cast<std::ptrdiff_t>(held));
    bytes = bytes.subspan(taken);
    if (held + taken < kBlock) return;
    block(held_.data());
  }
  for (; bytes.size() >= kBlock; bytes = bytes.subspan(kBlock)) block(bytes.data());
  std::copy(bytes.begin(), bytes.end(), held_.begin());
}

std::string Sha256::hex() const {
  Sha256 last = *this;
  // A one bit, zeros up to the last eight bytes of a block, and the length in bits.
  std::vector<std::byte> padding((119 - length_ % kBlock) % kBlock + 1);
  padding[0] = std::byte{0x80};
  for (int i = 7; i >= 0; --i) {
    padding.push_back(static_cast<std::byte>((length_ * 8) >> (8 * i) & 0xFF));
  }
  last.update(padding);
  std::string text;
  for (const std::uint32_t word : last.state_) text += fmt::format("{:08x}", word);
  return text;
}

double RecordingInfo::on_fraction() const {
  return events == 0 ? 0.0 : static_cast<double>(on) / static_cast<double>(events);
}

double RecordingInfo::rate() const {
  if (events == 0 || *last <= *first) return 0.0;
  return static_cast<double>(events) / (to_seconds(*last) - to_seconds(*first));
}

void RecordingSurvey::add(const EventPacket& events) {
  if (events.empty()) return;
  if (!info_.first) info_.first = events.time.front();
  info_.last = events.time.back();
  info_.events += events.size();
  std::array<std::byte, kEventBytes * 256> bytes;
  std::byte* end = bytes.data();
  for (std::size_t i = 0; i < events.size(); ++i) {
    info_.on += events.polarity[i];
    info_.max_x = std::max<std::uint32_t>(info_.max_x, events.x[i]);
    info_.max_y = std::max<std::uint32_t>(info_.max_y, events.y[i]);
    put_little(end, static_cast<std::uint64_t>(floor_div(events.time[i], kMicrosecond)), 8);
    put_little(end, events.x[i], 2);
    put_little(end, events.y[i], 2);
    put_little(end, events.polarity[i], 1);
    if (end == bytes.data() + bytes.size()) {
      digest_.update(bytes);
      end = bytes.data();
    }
  }
  digest_.update(std::span<const std::byte>(bytes.data(), end));
}

RecordingInfo RecordingSurvey::info(std::uint32_t width, std::uint32_t height) const {
  RecordingInfo info = info_;
  info.width = width;
  info.height = height;
  info.digest = digest_.hex();
  return info;
}

RecordingInfo recording_info(const Recording& recording) {
  RecordingSurvey survey;
  survey.add(recording.events);
  return survey.info(recording.width, recording.height);
}

}  // namespace spikeloom
