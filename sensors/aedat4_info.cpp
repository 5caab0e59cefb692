#include "sensors/detail/aedat4_info.hpp"

#include <charconv>
#include <vector>

#include <fmt/format.h>

namespace spikeloom::detail {
namespace {

constexpr std::size_t kDeepest = 64;

Error not_this(std::string what) {
  return {.code = ErrorCode::kFormat,
          .what = std::move(what),
          .where = "the description of streams in the header"};
}

/// The value of `key="..."` within a tag.
std::string_view attribute(std::string_view tag, std::string_view key) {
  const std::string start = std::string(key) + "=\"";
  const std::size_t at = tag.find(start);
  if (at == tag.npos) return {};
  const std::string_view rest = tag.substr(at + start.size());
  return rest.substr(0, rest.find('"'));
}

template <typename T>
bool to_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Result<std::map<std::int32_t, Aedat4Stream>> parse_aedat4_info(std::string_view xml) {
  std::map<std::int32_t, Aedat4Stream> streams;
  std::vector<std::string_view> path;  // names of the open nodes
  while (true) {
    const std::size_t open = xml.find('<');
    if (open == xml.npos) break;
    const std::size_t close = xml.find('>', open);
    if (close == xml.npos) return not_this("a tag does not end");
    const std::string_view tag = xml.substr(open + 1, close - open - 1);
    xml.remove_prefix(close + 1);
    const bool is_whole = !tag.empty() && tag.back() == '/';
    if (tag.starts_with("node")) {
      if (path.size() >= kDeepest) return not_this("nodes are nested too deep");
      if (!is_whole) path.push_back(attribute(tag, "name"));
    } else if (tag == "/node") {
      if (path.empty()) return not_this("a node ends that did not begin");
      path.pop_back();
    } else if (tag.starts_with("attr") && !is_whole) {
      const bool of_stream = path.size() == 2 && path[0] == "outInfo";
      const bool of_info = path.size() == 3 && path[0] == "outInfo" && path[2] == "info";
      std::int32_t number = 0;
      if ((!of_stream && !of_info) || !to_number(path[1], number)) continue;
      const std::string_view key = attribute(tag, "key");
      const std::string_view value = xml.substr(0, xml.find('<'));
      Aedat4Stream& stream = streams[number];
      if (of_stream && key == "typeIdentifier") stream.type = value;
      if (of_info && (key == "sizeX" || key == "sizeY")) {
        std::uint32_t side = 0;
        if (!to_number(value, side) || side == 0 || side > 32768) {
          return not_this(fmt::format("{} of stream {} is no size", key, number));
        }
        (key == "sizeX" ? stream.width : stream.height) = side;
      }
    }
  }
  if (streams.empty()) return not_this("no stream is described");
  for (auto& [number, stream] : streams) {
    if ((stream.width == 0) != (stream.height == 0)) {
      return not_this(fmt::format("stream {} has half a size", number));
    }
  }
  return streams;
}

std::string aedat4_info_text(std::uint32_t width, std::uint32_t height) {
  std::string size;
  const auto attr = [](std::string_view key, std::string_view type, std::string_view value) {
    return fmt::format("<attr key=\"{}\" type=\"{}\">{}</attr>\n", key, type, value);
  };
  if (width != 0) {
    size =
        attr("sizeX", "int", std::to_string(width)) + attr("sizeY", "int", std::to_string(height));
  }
  return "<dv version=\"2.0\">\n<node name=\"outInfo\" path=\"/mainloop/Recorder/outInfo/\">\n"
         "<node name=\"0\" path=\"/mainloop/Recorder/outInfo/0/\">\n" +
         attr("compression", "string", "LZ4") + attr("originalModuleName", "string", "spikeloom") +
         attr("originalOutputName", "string", "events") +
         attr("typeDescription", "string", "Array of events (polarity ON/OFF).") +
         attr("typeIdentifier", "string", "EVTS") +
         "<node name=\"info\" path=\"/mainloop/Recorder/outInfo/0/info/\">\n" + size +
         attr("source", "string", "spikeloom") + attr("tsOffset", "long", "0") +
         "</node>\n</node>\n</node>\n</dv>\n";
}

}  // namespace spikeloom::detail
