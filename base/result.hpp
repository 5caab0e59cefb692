#pragma once
/// Failures as values: `Result<T>` and `Status`.
///
/// Everything that depends on input, files, devices or fit returns a Result. The Error says what
/// failed, where, what was expected and what was found, and what to do next; a command-line tool
/// can print it as it is. Programming errors are asserts, not Results.
///
///     Result<Network> load(...);
///     SPIKELOOM_TRY(auto network, load(path));   // returns the error to our caller
///     SPIKELOOM_CHECK(validate(network));        // the same for a Status

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace spikeloom {

/// What kind of failure; the CLI maps each to an exit code (docs/cli.md).
enum class ErrorCode {
  kInvalidArgument,  ///< a value the caller gave is out of range or contradicts another
  kNotFound,         ///< a file, node, field or backend does not exist
  kIo,               ///< the operating system refused a read or a write
  kFormat,           ///< a file's bytes are not what its format demands
  kUnsupported,      ///< understood, but this part of spikeloom does not do it
  kShape,            ///< shapes or sizes do not fit each other
  kAmbiguous,        ///< more than one meaning; an option has to decide
  kResource,         ///< memory, cores, table entries: it does not fit
  kCancelled,        ///< stopped on request
};

/// Lower-case name of a code, as in `invalid-argument`; stable, used in JSON output.
const char* to_string(ErrorCode code);

/// One failure. `what` is required; the other parts are empty when they would say nothing new.
struct Error {
  ErrorCode code = ErrorCode::kInvalidArgument;
  std::string what = {};      ///< what went wrong, one clause
  std::string where = {};     ///< file, node, byte or line
  std::string expected = {};  ///< what would have been right
  std::string got = {};       ///< what was there
  std::string next = {};      ///< the next step for whoever reads this

  /// `where: what (expected ..., got ...); next`, with absent parts left out.
  std::string message() const;

  /// The same error seen from a caller: `place` is put before `where`.
  Error in(const std::string& place) &&;
};

/// A value or an Error.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(implicit)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(implicit)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  const T& value() const& { return assert(ok()), *std::get_if<0>(&state_); }
  T& value() & { return assert(ok()), *std::get_if<0>(&state_); }
  T&& value() && { return assert(ok()), std::move(*std::get_if<0>(&state_)); }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }

  const Error& error() const& { return assert(!ok()), *std::get_if<1>(&state_); }
  Error&& error() && { return assert(!ok()), std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT(implicit)

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  const Error& error() const& { return assert(!ok_), error_; }
  Error&& error() && { return assert(!ok_), std::move(error_); }

 private:
  Error error_;
  bool ok_ = true;
};

using Status = Result<void>;

}  // namespace spikeloom

#define SPIKELOOM_CONCAT_(a, b) a##b
#define SPIKELOOM_CONCAT(a, b) SPIKELOOM_CONCAT_(a, b)

/// `SPIKELOOM_TRY(auto x, expression)`: binds x to the value, or returns the error.
#define SPIKELOOM_TRY(declaration, expression) \
  SPIKELOOM_TRY_(SPIKELOOM_CONCAT(spikeloom_result_, __LINE__), declaration, expression)
#define SPIKELOOM_TRY_(result, declaration, expression) \
  auto result = (expression);                           \
  if (!result.ok()) return std::move(result).error();   \
  declaration = *std::move(result)

/// Returns the error of a Status (or of a Result whose value is not needed).
#define SPIKELOOM_CHECK(expression)                                   \
  do {                                                                \
    if (auto spikeloom_status = (expression); !spikeloom_status.ok()) \
      return std::move(spikeloom_status).error();                     \
  } while (false)
