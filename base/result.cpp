#include "base/result.hpp"

namespace spikeloom {

const char* to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid-argument";
    case ErrorCode::kNotFound:
      return "not-found";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kFormat:
      return "format";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kShape:
      return "shape";
    case ErrorCode::kAmbiguous:
      return "ambiguous";
    case ErrorCode::kResource:
      return "resource";
    case ErrorCode::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

std::string Error::message() const {
  std::string text;
  if (!where.empty()) text += where + ": ";
  text += what;
  if (!expected.empty() && !got.empty()) {
    text += " (expected " + expected + ", got " + got + ")";
  } else if (!expected.empty()) {
    text += " (expected " + expected + ")";
  } else if (!got.empty()) {
    text += " (got " + got + ")";
  }
  if (!next.empty()) text += "; " + next;
  return text;
}

Error Error::in(const std::string& place) && {
  where = where.empty() ? place : place + ": " + where;
  return std::move(*this);
}

}  // namespace spikeloom
