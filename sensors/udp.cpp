#include "sensors/udp.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>

#include "sensors/detail/load.hpp"

namespace spikeloom {
namespace {

using detail::load_little;

/// Datagrams of one system call.
constexpr std::size_t kBatch = 64;
/// The end of a stream goes out so often: the queue of a receiver that is behind may be full.
constexpr int kEnds = 10;
constexpr timespec kBetweenEnds = {0, 50'000'000};
/// Of one receive(), so that a consumer gets its turn.
constexpr std::size_t kMostBatches = 8;

Error system_error(std::string what) {
  return {.code = ErrorCode::kIo, .what = std::move(what), .got = std::strerror(errno)};
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

class Socket {
 public:
  Socket() : descriptor_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

/// Asks for a queue, beyond the system's limit where we may; what was granted.
std::size_t set_queue(int descriptor, int force, int plain, std::size_t bytes) {
  const int wanted = static_cast<int>(std::min<std::size_t>(bytes, 1U << 30));
  if (setsockopt(descriptor, SOL_SOCKET, force, &wanted, sizeof wanted) != 0) {
    setsockopt(descriptor, SOL_SOCKET, plain, &wanted, sizeof wanted);
  }
  int granted = 0;
  socklen_t size = sizeof granted;
  getsockopt(descriptor, SOL_SOCKET, plain, &granted, &size);
  return static_cast<std::size_t>(granted);
}

/// `kBatch` buffers and the vectors that recvmmsg and sendmmsg want.
struct Batch {
  std::vector<std::byte> bytes;
  std::array<iovec, kBatch> part{};
  std::array<mmsghdr, kBatch> message{};

  explicit Batch(std::size_t datagram) : bytes(kBatch * datagram) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      part[i] = {bytes.data() + i * datagram, datagram};
      message[i].msg_hdr.msg_iov = &part[i];
      message[i].msg_hdr.msg_iovlen = 1;
    }
  }
};

}  // namespace

bool UdpEventDecoder::take(std::span<const std::byte> datagram, EventPacket& out) {
  ++stats.datagrams;
  if (datagram.size() < kUdpRecordBytes || datagram.size() % kUdpRecordBytes != 0 ||
      load_little<std::uint32_t>(datagram.data()) != kUdpMagic) {
    ++stats.malformed;
    return true;
  }
  const auto number = load_little<std::uint32_t>(datagram.data() + 4);
  const std::size_t count = datagram.size() / kUdpRecordBytes - 1;
  if (next_) {
    const std::uint32_t ahead = number - *next_;
    if (ahead > 0x8000'0000U) {
      ++stats.late;
      return true;
    }
    stats.lost += ahead;
  } else {
    stats.lost += number;
  }
  next_ = number + static_cast<std::uint32_t>(count);
  if (count == 0) return false;
  const std::size_t before = out.size();
  out.time.resize(before + count);
  out.x.resize(before + count);
  out.y.resize(before + count);
  out.polarity.resize(before + count);
  const std::byte* record = datagram.data() + kUdpRecordBytes;
  if (!has_time_) {
    ticks_ = load_little<std::uint32_t>(record);
    time_us_ = ticks_;
    has_time_ = true;
  }
  for (std::size_t i = before; i < before + count; ++i, record += kUdpRecordBytes) {
    const auto ticks = load_little<std::uint32_t>(record);
    const auto place = load_little<std::uint32_t>(record + 4);
    time_us_ += static_cast<std::int32_t>(ticks - ticks_);
    ticks_ = ticks;
    out.time[i] = time_us_ * kMicrosecond;
    out.x[i] = static_cast<std::uint16_t>(place);
    out.y[i] = static_cast<std::uint16_t>(place >> 16 & 0x7FFFU);
    out.polarity[i] = static_cast<std::uint8_t>(place >> 31);
  }
  stats.events += count;
  return true;
}

UdpEventEncoder::UdpEventEncoder(std::size_t datagram_bytes)
    : most_(std::clamp(datagram_bytes, 2 * kUdpRecordBytes, kUdpLongestDatagram) / kUdpRecordBytes -
            1) {}

Status UdpEventEncoder::put(const EventPacket& events, std::size_t begin, std::size_t end,
                            std::vector<std::byte>& out) {
  const std::size_t start = out.size();
  detail::put_little(out, kUdpMagic);
  detail::put_little(out, number_);
  for (std::size_t i = begin; i < end; ++i) {
    if (events.y[i] > 0x7FFF || events.polarity[i] > 1) {
      out.resize(start);
      return Error{.code = ErrorCode::kUnsupported,
                   .what = "a datagram cannot hold this event",
                   .expected = "y up to 32767, polarity 0 or 1",
                   .got = fmt::format("y {}, polarity {}", events.y[i], events.polarity[i])};
    }
    const auto us = static_cast<std::uint64_t>(floor_div(events.time[i], kMicrosecond));
    detail::put_little(out, static_cast<std::uint32_t>(us));
    detail::put_little(out, static_cast<std::uint32_t>(events.polarity[i]) << 31 |
                                static_cast<std::uint32_t>(events.y[i]) << 16 | events.x[i]);
  }
  number_ += static_cast<std::uint32_t>(end - begin);
  return {};
}

void UdpEventEncoder::put_end(std::vector<std::byte>& out) const {
  detail::put_little(out, kUdpMagic);
  detail::put_little(out, number_);
}

struct UdpEventReceiver::State {
  Socket socket;
  Batch batch{65536};
  UdpEventDecoder decoder;
  std::uint16_t port = 0;
};

UdpEventReceiver::UdpEventReceiver(std::unique_ptr<State> state) : state_(std::move(state)) {}
UdpEventReceiver::~UdpEventReceiver() = default;
UdpEventReceiver::UdpEventReceiver(UdpEventReceiver&&) noexcept = default;
UdpEventReceiver& UdpEventReceiver::operator=(UdpEventReceiver&&) noexcept = default;

Result<UdpEventReceiver> UdpEventReceiver::open(std::uint16_t port, std::size_t queue_bytes) {
  auto state = std::make_unique<State>();
  const int descriptor = state->socket.get();
  if (descriptor < 0) return system_error("no socket");
  state->decoder.stats.queue_bytes = set_queue(descriptor, SO_RCVBUFFORCE, SO_RCVBUF, queue_bytes);
  sockaddr_in address = loopback(port);
  socklen_t size = sizeof address;
  if (bind(descriptor, reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    Error error = system_error("cannot listen on this UDP port");
    error.where = fmt::format("127.0.0.1:{}", port);
    return error;
  }
  state->port = ntohs(address.sin_port);
  return UdpEventReceiver(std::move(state));
}

std::uint16_t UdpEventReceiver::port() const { return state_->port; }
const UdpStats& UdpEventReceiver::stats() const { return state_->decoder.stats; }

Result<bool> UdpEventReceiver::receive(EventPacket& out, Time wait) {
  out.time.clear();
  out.x.clear();
  out.y.clear();
  out.polarity.clear();
  State& state = *state_;
  const timespec timeout = {static_cast<time_t>(wait / kSecond), static_cast<long>(wait % kSecond)};
  pollfd input = {state.socket.get(), POLLIN, 0};
  const int ready = ppoll(&input, 1, &timeout, nullptr);
  if (ready < 0 && errno != EINTR) return system_error("cannot wait for datagrams");
  if (ready <= 0) return true;
  for (std::size_t batch = 0; batch < kMostBatches; ++batch) {
    const int count =
        recvmmsg(state.socket.get(), state.batch.message.data(), kBatch, MSG_DONTWAIT, nullptr);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (count < 0) return system_error("cannot receive datagrams");
    for (int i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const std::span<const std::byte> datagram(
          static_cast<const std::byte*>(state.batch.part[at].iov_base),
          state.batch.message[at].msg_len);
      if (!state.decoder.take(datagram, out)) return false;
    }
    if (static_cast<std::size_t>(count) < kBatch) return true;
  }
  return true;
}

struct UdpEventSender::State {
  Socket socket;
  UdpEventEncoder encoder;
  std::vector<std::byte> bytes;   ///< datagrams, one behind the other
  std::vector<std::size_t> ends;  ///< where each ends in `bytes`
  std::array<iovec, kBatch> part{};
  std::array<mmsghdr, kBatch> message{};

  explicit State(std::size_t datagram) : encoder(datagram) {}

  Status flush() {
    std::size_t start = 0;
    for (std::size_t i = 0; i < ends.size(); ++i) {
      part[i] = {bytes.data() + start, ends[i] - start};
      message[i].msg_hdr.msg_iov = &part[i];
      message[i].msg_hdr.msg_iovlen = 1;
      start = ends[i];
    }
    for (std::size_t sent = 0; sent < ends.size();) {
      const int count = sendmmsg(socket.get(), message.data() + sent,
                                 static_cast<unsigned>(ends.size() - sent), 0);
      if (count < 0 && errno == EINTR) continue;
      // Nobody listens (yet): what is sent is lost, as everywhere on the way.
      if (count < 0 && errno == ECONNREFUSED) continue;
      if (count < 0) return system_error("cannot send datagrams");
      sent += static_cast<std::size_t>(count);
    }
    bytes.clear();
    ends.clear();
    return {};
  }
};

UdpEventSender::UdpEventSender(std::unique_ptr<State> state) : state_(std::move(state)) {}
UdpEventSender::~UdpEventSender() = default;
UdpEventSender::UdpEventSender(UdpEventSender&&) noexcept = default;
UdpEventSender& UdpEventSender::operator=(UdpEventSender&&) noexcept = default;

Result<UdpEventSender> UdpEventSender::open(std::uint16_t port, std::size_t datagram_bytes) {
  auto state = std::make_unique<State>(datagram_bytes);
  if (state->socket.get() < 0) return system_error("no socket");
  const sockaddr_in address = loopback(port);
  if (connect(state->socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
      0) {
    return system_error("cannot send to this UDP port");
  }
  return UdpEventSender(std::move(state));
}

Status UdpEventSender::send(const EventPacket& events) {
  State& state = *state_;
  const std::size_t most = state.encoder.events_per_datagram();
  for (std::size_t begin = 0; begin < events.size(); begin += most) {
    const std::size_t end = std::min(events.size(), begin + most);
    SPIKELOOM_CHECK(state.encoder.put(events, begin, end, state.bytes));
    state.ends.push_back(state.bytes.size());
    if (state.ends.size() == kBatch) SPIKELOOM_CHECK(state.flush());
  }
  return state.flush();
}

Status UdpEventSender::finish() {
  State& state = *state_;
  for (int i = 0; i < kEnds; ++i) {
    state.bytes.clear();
    state.encoder.put_end(state.bytes);
    const auto sent = ::send(state.socket.get(), state.bytes.data(), state.bytes.size(), 0);
    if (sent < 0 && errno == ECONNREFUSED) break;
    if (sent < 0 && errno != EINTR) return system_error("cannot send datagrams");
    // Woken at once where the system says that nobody listens any more.
    pollfd socket = {state.socket.get(), 0, 0};
    if (ppoll(&socket, 1, &kBetweenEnds, nullptr) > 0) break;
  }
  state.bytes.clear();
  return {};
}

}  // namespace spikeloom
