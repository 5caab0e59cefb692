#include "base/io/file.hpp"

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace spikeloom::io {
namespace {

Error system_error(const std::string& path, std::string what) {
  const int code = errno;
  return Error{.code = code == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
               .what = code == ENOENT ? "no such file or folder" : std::move(what),
               .where = path,
               .got = code == ENOENT ? "" : std::strerror(code)};
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }
  int get() const { return fd_; }
  bool close() {
    const int fd = std::exchange(fd_, -1);
    return fd < 0 || ::close(fd) == 0;
  }

 private:
  int fd_;
};

/// Reads into a container of bytes or characters that has resize() and data().
template <typename Container>
Result<Container> read_into(const std::string& path, std::uint64_t max_bytes) {
  // O_NONBLOCK: opening a pipe must not wait for its other end.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return system_error(path, "the file cannot be opened");
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) return system_error(path, "the file cannot be read");
  if (!S_ISREG(status.st_mode)) {
    return Error{
        .code = ErrorCode::kIo,
        .what = S_ISDIR(status.st_mode) ? "is a folder, not a file" : "is not a regular file",
        .where = path};
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > max_bytes) {
    return Error{.code = ErrorCode::kResource,
                 .what = "the file is larger than the limit",
                 .where = path,
                 .expected = fmt::format("at most {} bytes", max_bytes),
                 .got = fmt::format("{}", size)};
  }
  try {
    Container content;
    content.resize(static_cast<std::size_t>(size));
    std::size_t done = 0;
    while (done < content.size()) {
      const ssize_t step = ::read(file.get(), content.data() + done, content.size() - done);
      if (step < 0 && errno == EINTR) continue;
      if (step < 0) return system_error(path, "the file cannot be read");
      if (step == 0) break;
      done += static_cast<std::size_t>(step);
    }
    content.resize(done);
    return content;
  } catch (const std::bad_alloc&) {
    return Error{.code = ErrorCode::kResource,
                 .what = "not enough memory for the file",
                 .where = path,
                 .got = fmt::format("{} bytes", size)};
  }
}

}  // namespace

Result<std::vector<std::byte>> read_file(const std::string& path, std::uint64_t max_bytes) {
  return read_into<std::vector<std::byte>>(path, max_bytes);
}

Result<std::string> read_text_file(const std::string& path, std::uint64_t max_bytes) {
  return read_into<std::string>(path, max_bytes);
}

Status write_file_atomic(const std::string& path, std::span<const std::byte> bytes) {
  static std::atomic<unsigned> serial = 0;
  const std::string temporary = fmt::format("{}.part-{}-{}", path, ::getpid(), serial++);
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0) return system_error(path, "the file cannot be created");
  const auto give_up = [&](const char* what) {
    Error error = system_error(path, what);
    std::remove(temporary.c_str());
    return error;
  };
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t step = ::write(file.get(), bytes.data() + done, bytes.size() - done);
    if (step < 0 && errno == EINTR) continue;
    if (step < 0) return give_up("the file cannot be written");
    done += static_cast<std::size_t>(step);
  }
  if (!file.close()) return give_up("the file cannot be written");
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    return give_up("the finished file cannot be given its name");
  }
  return {};
}

Status write_file_atomic(const std::string& path, std::string_view text) {
  return write_file_atomic(path, std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace spikeloom::io
