#include "base/io/detail/hdf5_source.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace spikeloom::io::detail {
namespace {

constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";

}  // namespace

Error hdf5_damaged(std::string what) {
  return Error{.code = ErrorCode::kFormat,
               .what = "the HDF5 file is damaged: " + std::move(what),
               .next = "get the file again"};
}

std::string Cursor::c_string() {
  const auto rest = bytes_.subspan(at_);
  const auto end = std::find(rest.begin(), rest.end(), std::byte{0});
  if (!ok_ || end == rest.end()) {
    ok_ = false;
    return {};
  }
  const auto size = static_cast<std::size_t>(end - rest.begin());
  at_ += size + 1;
  return {reinterpret_cast<const char*>(rest.data()), size};
}

bool Cursor::signature(std::string_view text) {
  const auto field = take(text.size());
  return ok_ && std::memcmp(field.data(), text.data(), text.size()) == 0;
}

Source::~Source() {
  if (fd_ >= 0) ::close(fd_);
}

Result<std::shared_ptr<const Source>> Source::open(const std::string& path) {
  auto source = std::make_shared<Source>();
  source->fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (source->fd_ < 0) {
    const bool missing = errno == ENOENT;
    return Error{.code = missing ? ErrorCode::kNotFound : ErrorCode::kIo,
                 .what = missing ? "no such file" : "the file cannot be opened",
                 .got = missing ? "" : std::strerror(errno)};
  }
  struct stat status = {};
  if (::fstat(source->fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
    return Error{
        .code = ErrorCode::kIo,
        .what = S_ISDIR(status.st_mode) ? "is a folder, not a file" : "is not a regular file"};
  }
  source->size_ = static_cast<std::uint64_t>(status.st_size);
  SPIKELOOM_CHECK(source->read_superblock());
  return std::shared_ptr<const Source>(std::move(source));
}

Result<std::shared_ptr<const Source>> Source::view(std::span<const std::byte> bytes) {
  auto source = std::make_shared<Source>();
  source->image_ = bytes;
  source->size_ = bytes.size();
  SPIKELOOM_CHECK(source->read_superblock());
  return std::shared_ptr<const Source>(std::move(source));
}

Status Source::raw(std::uint64_t position, std::span<std::byte> out) const {
  if (position > size_ || out.size() > size_ - position) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "the HDF5 file points beyond its end",
                 .expected = fmt::format("at most {} bytes", size_),
                 .got = fmt::format("{} bytes at {}", out.size(), position),
                 .next = "the file is damaged or truncated; get it again"};
  }
  if (fd_ < 0) {
    std::copy_n(image_.begin() + static_cast<std::ptrdiff_t>(position), out.size(), out.begin());
    return {};
  }
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t step =
        ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(position + done));
    if (step < 0 && errno == EINTR) continue;
    if (step <= 0) {
      return Error{.code = ErrorCode::kIo,
                   .what = "the file cannot be read",
                   .got = step < 0 ? std::strerror(errno) : "it became shorter"};
    }
    done += static_cast<std::size_t>(step);
  }
  return {};
}

Status Source::read(std::uint64_t address, std::span<std::byte> out) const {
  std::uint64_t position = 0;
  if (address == kUndefined || __builtin_add_overflow(address, base_, &position)) {
    return hdf5_damaged("an address is missing");
  }
  return raw(position, out);
}

Result<Bytes> Source::fetch(std::uint64_t address, std::uint64_t size) const {
  if (size > size_ || address > size_ - size) {  // before the bytes are allocated
    return Error{
        .code = ErrorCode::kFormat,
        .what = "the HDF5 file points beyond its end",
        .expected = fmt::format("at most {} bytes", size_),
        .got = address == kUndefined ? "no address" : fmt::format("{} bytes at {}", size, address),
        .next = "the file is damaged or truncated; get it again"};
  }
  Bytes bytes(static_cast<std::size_t>(size));
  SPIKELOOM_CHECK(read(address, bytes));
  return bytes;
}

Result<Bytes> Source::fetch_up_to(std::uint64_t address, std::uint64_t size) const {
  if (address > size_ || base_ > size_ - address) {
    return hdf5_damaged("an address lies beyond the end");
  }
  return fetch(address, std::min(size, size_ - base_ - address));
}

Status Source::read_superblock() {
  std::array<std::byte, 8> head = {};
  std::uint64_t position = 0;
  bool found = false;
  for (; !found && position <= size_ && size_ - position >= head.size();
       position = position == 0 ? 512 : position * 2) {
    SPIKELOOM_CHECK(raw(position, head));
    found = std::memcmp(head.data(), kSignature.data(), head.size()) == 0;
    if (found) break;
  }
  if (!found) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "not an HDF5 file",
                 .expected = "the HDF5 signature at byte 0, 512, 1024, ..."};
  }
  base_ = position;  // where addresses start, until the superblock says otherwise
  SPIKELOOM_TRY(const Bytes bytes, fetch_up_to(0, 128));
  Cursor cursor(bytes);
  cursor.skip(8);
  const unsigned version = cursor.u8();
  if (version > 3) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "the file is damaged behind its HDF5 signature",
                 .expected = "superblock version 0 to 3",
                 .got = fmt::format("{}", version),
                 .next = "get the file again; if a later HDF5 wrote it, rewrite it with h5repack"};
  }
  const bool old = version < 2;
  if (old) cursor.skip(4);  // versions of parts that have one version, and a reserved byte
  offset_size_ = cursor.u8();
  length_size_ = cursor.u8();
  const auto possible = [](std::size_t size) { return size == 2 || size == 4 || size == 8; };
  if (!cursor.ok() || !possible(offset_size_) || !possible(length_size_)) {
    return hdf5_damaged("the superblock is cut off or wrong");
  }
  // Reserved byte, B-tree sizes and flags; version 1 adds one B-tree size and padding.
  cursor.skip(old ? 1 + 4 + 4 + (version == 1 ? 4 : 0) : 1);
  const std::uint64_t base = cursor.address(offset_size_);
  cursor.skip(offset_size_);  // free space, or the superblock extension
  const std::uint64_t end = cursor.address(offset_size_);
  if (old) cursor.skip(offset_size_ * 2);  // driver information; the root entry's name
  root_ = cursor.address(offset_size_);
  const std::size_t covered = cursor.at();
  const bool checked = old || cursor.u32() == hdf5_checksum(std::span(bytes).first(covered));
  if (!cursor.ok() || !checked) return hdf5_damaged("the superblock is cut off or wrong");
  if (end == kUndefined || end > size_) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "the HDF5 file is truncated",
                 .expected = fmt::format("{} bytes", end),
                 .got = fmt::format("{}", size_),
                 .next = "get the file again"};
  }
  if (base != position && base != 0) return hdf5_damaged("the base address is wrong");
  base_ = base;
  return {};
}

std::uint32_t hdf5_checksum(std::span<const std::byte> bytes) {
  std::uint32_t a = 0xdeadbeef + static_cast<std::uint32_t>(bytes.size());
  std::uint32_t b = a;
  std::uint32_t c = a;
  const auto word = [&](std::size_t at, std::size_t end) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4 && at + i < end; ++i) {
      value |= std::to_integer<std::uint32_t>(bytes[at + i]) << (8 * i);
    }
    return value;
  };
  std::size_t at = 0;
  for (; bytes.size() - at > 12; at += 12) {
    a += word(at, bytes.size());
    b += word(at + 4, bytes.size());
    c += word(at + 8, bytes.size());
    a = (a - c) ^ std::rotl(c, 4), c += b;
    b = (b - a) ^ std::rotl(a, 6), a += c;
    c = (c - b) ^ std::rotl(b, 8), b += a;
    a = (a - c) ^ std::rotl(c, 16), c += b;
    b = (b - a) ^ std::rotl(a, 19), a += c;
    c = (c - b) ^ std::rotl(b, 4), b += a;
  }
  if (at == bytes.size()) return c;
  a += word(at, bytes.size());
  b += word(at + 4, bytes.size());
  c += word(at + 8, bytes.size());
  c = (c ^ b) - std::rotl(b, 14);
  a = (a ^ c) - std::rotl(c, 11);
  b = (b ^ a) - std::rotl(a, 25);
  c = (c ^ b) - std::rotl(b, 16);
  a = (a ^ c) - std::rotl(c, 4);
  b = (b ^ a) - std::rotl(a, 14);
  c = (c ^ b) - std::rotl(b, 24);
  return c;
}

}  // namespace spikeloom::io::detail
