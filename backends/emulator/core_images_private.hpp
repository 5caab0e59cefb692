#pragma once
/// Synapses as they lie in the memory of cores and chips: images (mapping/images.hpp has the
/// formats) read byte by byte, and held against the network that they are said to be of.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "backends/emulator/linear_path_private.hpp"
#include "base/result.hpp"
#include "mapping/plan.hpp"
#include "snn/program.hpp"
#include "snn/receptive_field.hpp"

namespace spikeloom::emulator {

class CoreImages {
 public:
  /// All three have to stay alive. kShape: images of other cores than the Plan's, or too short for
  /// its blocks.
  static Result<CoreImages> of(const Program& program, const mapping::Plan& plan,
                               const mapping::PlanImages& images);

  /// What the blocks of a projection hold, its weights and their delays; nothing where the images
  /// lack one of the blocks, or there is nothing in it. kShape, with core and layer: bytes
  /// that are no block, or another one's than the network's.
  Result<StoredWeights> read(std::uint32_t projection) const;

 private:
  struct Entry {
    std::uint32_t row = 0, gate = 0, target = 0;
    double weight = 0.0;
    std::uint32_t delay = 0;  ///< 0: the block does not hold it
  };
  /// Of what a block is of, by the network.
  struct Shape {
    std::uint32_t node = 0;  ///< whose weights they are
    bool has_weights = false;
    bool direct = true;  ///< rows are positions of the source, not elements of the weights' input
    std::uint32_t rows = 0, targets = 0, gates = 1, weight_bytes = 0;
  };

  CoreImages(const Program& program, const mapping::Plan& plan, const mapping::PlanImages& images)
      : program_(&program), plan_(&plan), images_(&images) {}

  std::size_t population_size(std::uint32_t population) const;
  Status check_sizes(std::uint32_t block, const Shape& shape) const;
  std::span<const std::byte> bytes(std::uint32_t block) const;
  Error wrong(std::uint32_t block, const char* what) const;
  Shape shape(std::uint32_t block) const;
  const op::SourceMatrix& matrix(std::uint32_t block, const Shape& shape) const;
  std::uint32_t neuron(std::uint32_t population, std::uint32_t position) const;
  Result<std::vector<Entry>> entries(std::uint32_t block, const Shape& shape) const;
  Result<std::vector<Entry>> dense(std::uint32_t block, const Shape& shape) const;
  Result<std::vector<Entry>> sparse(std::uint32_t block, const Shape& shape) const;
  Result<std::vector<Entry>> rows(std::uint32_t block, const Shape& shape) const;
  Result<std::vector<Entry>> matching(std::uint32_t block, Shape shape) const;
  /// What the network has there.
  std::vector<Entry> expected(std::uint32_t block, const Shape& shape) const;
  Status read_kernel(std::uint32_t block, const Shape& shape, std::vector<double>& kernel) const;
  /// Whether the header of a kernel says `value` in this field, as far as it reaches.
  Status check_field(std::uint32_t block, std::size_t field, std::int64_t value) const;
  /// What a neuron of the projection's target listens to.
  ReceptiveField window(const mapping::PlanProjection& projection) const;

  const Program* program_;
  const mapping::Plan* plan_;
  const mapping::PlanImages* images_;
  std::vector<std::vector<std::uint32_t>> blocks_;  ///< by projection
  std::vector<char> is_missing_;                    ///< by block
};

}  // namespace spikeloom::emulator
