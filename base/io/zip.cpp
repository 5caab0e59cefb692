#include "base/io/zip.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include <fmt/format.h>
#include <zlib.h>

namespace spikeloom::io {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50;
constexpr std::uint32_t kCentralHeader = 0x02014b50;
constexpr std::uint32_t kEndRecord = 0x06054b50;
constexpr std::uint32_t kEndRecord64 = 0x06064b50;
constexpr std::uint32_t kLocator64 = 0x07064b50;
constexpr std::uint64_t kDeflateRatio = 1032;

/// Little-endian fields; the caller has checked that they lie inside.
std::uint64_t field(std::span<const std::byte> bytes, std::uint64_t at, int size) {
  std::uint64_t value = 0;
  for (int i = size; i-- > 0;) {
    value = value << 8 | std::to_integer<std::uint64_t>(bytes[at + static_cast<unsigned>(i)]);
  }
  return value;
}

Error damaged(const std::string& name, std::string what) {
  return Error{.code = ErrorCode::kFormat,
               .what = "the ZIP archive is damaged: " + std::move(what),
               .where = name,
               .next = "get the file again"};
}

struct Directory {
  std::uint64_t offset = 0, size = 0, count = 0;
};

/// The end record is the last one of its signature whose comment reaches the end of the file.
Result<Directory> find_directory(std::span<const std::byte> bytes, const std::string& name) {
  constexpr std::uint64_t kSize = 22;
  if (bytes.size() < kSize) return damaged(name, "it is too short");
  const std::uint64_t lowest = bytes.size() > kSize + 65535 ? bytes.size() - kSize - 65535 : 0;
  std::uint64_t end = bytes.size() - kSize;
  while (field(bytes, end, 4) != kEndRecord ||
         end + kSize + field(bytes, end + 20, 2) != bytes.size()) {
    if (end == lowest) return damaged(name, "no end record; it may be truncated");
    --end;
  }
  Directory directory{field(bytes, end + 16, 4), field(bytes, end + 12, 4),
                      field(bytes, end + 10, 2)};
  if (field(bytes, end + 4, 2) != 0 && field(bytes, end + 4, 2) != 0xffff) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "the ZIP archive is split over several files",
                 .where = name};
  }
  const bool wide =
      directory.offset == 0xffffffff || directory.size == 0xffffffff || directory.count == 0xffff;
  if (wide && end >= 20 && field(bytes, end - 20, 4) == kLocator64) {
    const std::uint64_t at = field(bytes, end - 12, 8);
    if (at > end || end - at < 56 || field(bytes, at, 4) != kEndRecord64) {
      return damaged(name, "the ZIP64 end record is missing");
    }
    directory = {field(bytes, at + 48, 8), field(bytes, at + 40, 8), field(bytes, at + 32, 8)};
  }
  if (directory.offset > end || directory.size > end - directory.offset) {
    return damaged(name, "the directory lies outside the file");
  }
  if (directory.count > directory.size / 46) {
    return damaged(name, "more entries than the directory can hold");
  }
  return directory;
}

/// Replaces 32-bit fields that say "see ZIP64" by those of the extra field.
bool apply_zip64(std::span<const std::byte> extra, ZipEntry& entry, std::uint64_t& local) {
  std::uint64_t at = 0;
  while (extra.size() - at >= 4) {
    const std::uint64_t id = field(extra, at, 2);
    const std::uint64_t size = field(extra, at + 2, 2);
    at += 4;
    if (size > extra.size() - at) return false;
    if (id == 1) {
      std::uint64_t inside = at;
      for (std::uint64_t* value : {&entry.bytes, &entry.packed_bytes, &local}) {
        if (*value != 0xffffffff) continue;
        if (inside + 8 > at + size) return false;
        *value = field(extra, inside, 8);
        inside += 8;
      }
      return true;
    }
    at += size;
  }
  return true;
}

/// Fills `out` exactly from a raw DEFLATE stream. zlib counts in 32 bits, so both sides are fed in
/// pieces.
Status inflate_raw(std::span<const std::byte> packed, std::span<std::byte> out,
                   const std::string& where) {
  constexpr std::size_t kPiece = std::size_t{1} << 30;
  z_stream stream = {};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
    return Error{.code = ErrorCode::kResource, .what = "zlib cannot start", .where = where};
  }
  std::size_t in_at = 0, out_at = 0;
  int state = Z_OK;
  // zlib wants a place to write even when there is nothing left to write.
  Bytef spare = 0;
  while (state == Z_OK) {
    const std::size_t in_piece = std::min(kPiece, packed.size() - in_at);
    const std::size_t out_piece = std::min(kPiece, out.size() - out_at);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data() + in_at));
    stream.avail_in = static_cast<uInt>(in_piece);
    stream.next_out = out_piece == 0 ? &spare : reinterpret_cast<Bytef*>(out.data() + out_at);
    stream.avail_out = static_cast<uInt>(out_piece);
    state = inflate(&stream, Z_NO_FLUSH);
    in_at += in_piece - stream.avail_in;
    out_at += out_piece - stream.avail_out;
  }
  inflateEnd(&stream);
  if (state != Z_STREAM_END || out_at != out.size() || in_at != packed.size()) {
    return damaged(where, "the packed data are not what the directory says");
  }
  return {};
}

Status check_entry(const ZipEntry& entry, std::uint64_t flags, const std::string& name) {
  const std::string where = name + ": " + entry.name;
  if ((flags & 1) != 0) {
    return Error{.code = ErrorCode::kUnsupported, .what = "the entry is encrypted", .where = where};
  }
  if (entry.method != 0 && entry.method != 8) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = fmt::format("ZIP compression method {} is not read", entry.method),
                 .where = where,
                 .expected = "stored or deflate",
                 .next = "pack the archive again with deflate"};
  }
  if (entry.method == 0 && entry.bytes != entry.packed_bytes) {
    return damaged(where, "a stored entry has two different sizes");
  }
  if (entry.method == 8 && entry.bytes / kDeflateRatio > entry.packed_bytes) {
    return damaged(where, "an entry claims to expand more than deflate can");
  }
  return {};
}

}  // namespace

bool looks_like_zip(std::span<const std::byte> bytes) {
  return bytes.size() >= 4 &&
         (field(bytes, 0, 4) == kLocalHeader || field(bytes, 0, 4) == kEndRecord);
}

Result<ZipArchive> ZipArchive::open(const std::string& path, std::uint64_t max_bytes) {
  SPIKELOOM_TRY(auto bytes, read_file(path, max_bytes));
  const auto owned = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  SPIKELOOM_TRY(ZipArchive archive, view(*owned, path, max_bytes));
  archive.owned_ = owned;
  return archive;
}

Result<ZipArchive> ZipArchive::view(std::span<const std::byte> bytes, const std::string& name,
                                    std::uint64_t max_bytes) {
  if (!looks_like_zip(bytes)) {
    return Error{.code = ErrorCode::kFormat, .what = "not a ZIP archive", .where = name};
  }
  SPIKELOOM_TRY(const Directory directory, find_directory(bytes, name));
  ZipArchive archive;
  archive.name_ = name;
  archive.bytes_ = bytes;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> extents;
  std::unordered_set<std::string> names;
  std::uint64_t total = 0;
  std::uint64_t at = directory.offset;
  const std::uint64_t end = directory.offset + directory.size;
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    if (end - at < 46 || field(bytes, at, 4) != kCentralHeader) {
      return damaged(name, "a directory entry is cut off");
    }
    const std::uint64_t flags = field(bytes, at + 8, 2);
    const std::uint64_t name_size = field(bytes, at + 28, 2);
    const std::uint64_t extra_size = field(bytes, at + 30, 2);
    const std::uint64_t comment_size = field(bytes, at + 32, 2);
    if (end - at - 46 < name_size + extra_size + comment_size) {
      return damaged(name, "a directory entry is cut off");
    }
    ZipEntry entry;
    entry.method = static_cast<std::uint16_t>(field(bytes, at + 10, 2));
    entry.crc = static_cast<std::uint32_t>(field(bytes, at + 16, 4));
    entry.packed_bytes = field(bytes, at + 20, 4);
    entry.bytes = field(bytes, at + 24, 4);
    entry.name.assign(reinterpret_cast<const char*>(bytes.data()) + at + 46, name_size);
    std::uint64_t local = field(bytes, at + 42, 4);
    if (!apply_zip64(bytes.subspan(at + 46 + name_size, extra_size), entry, local)) {
      return damaged(name, "a ZIP64 field is cut off");
    }
    SPIKELOOM_CHECK(check_entry(entry, flags, name));
    if (local > bytes.size() || bytes.size() - local < 30 ||
        field(bytes, local, 4) != kLocalHeader) {
      return damaged(name + ": " + entry.name, "the entry's header is missing");
    }
    entry.offset = local + 30 + field(bytes, local + 26, 2) + field(bytes, local + 28, 2);
    if (entry.offset > bytes.size() || entry.packed_bytes > bytes.size() - entry.offset) {
      return damaged(name + ": " + entry.name, "the entry lies beyond the end of the file");
    }
    if (!names.insert(entry.name).second) {
      return damaged(name + ": " + entry.name, "two entries have one name");
    }
    extents.emplace_back(local, entry.offset + entry.packed_bytes);
    if (__builtin_add_overflow(total, entry.bytes, &total) || total > max_bytes) {
      return Error{.code = ErrorCode::kResource,
                   .what = "the unpacked archive is larger than the limit",
                   .where = name,
                   .expected = fmt::format("at most {} bytes", max_bytes)};
    }
    archive.entries_.push_back(std::move(entry));
    at += 46 + name_size + extra_size + comment_size;
  }
  std::sort(extents.begin(), extents.end());
  for (std::size_t i = 1; i < extents.size(); ++i) {
    if (extents[i].first < extents[i - 1].second) return damaged(name, "entries overlap");
  }
  return archive;
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto same = [&](const ZipEntry& entry) { return entry.name == name; };
  const auto found = std::find_if(entries_.begin(), entries_.end(), same);
  return found == entries_.end() ? nullptr : &*found;
}

Result<std::vector<std::byte>> ZipArchive::read(const ZipEntry& entry) const {
  const std::string where = name_ + ": " + entry.name;
  try {
    const auto packed = bytes_.subspan(entry.offset, entry.packed_bytes);
    std::vector<std::byte> data(static_cast<std::size_t>(entry.bytes));
    if (entry.method == 0) {
      std::copy(packed.begin(), packed.end(), data.begin());
    } else {
      SPIKELOOM_CHECK(inflate_raw(packed, data, where));
    }
    if (crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size()) != entry.crc) {
      return damaged(where, "the checksum does not match");
    }
    return data;
  } catch (const std::bad_alloc&) {
    return Error{
        .code = ErrorCode::kResource, .what = "not enough memory for the entry", .where = where};
  }
}

}  // namespace spikeloom::io
