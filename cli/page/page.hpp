#pragma once
/// One self-contained HTML page about a run: network, raster, rates, activity, energy, sources.
///
/// No script runs and nothing is loaded. Charts are HTML boxes and inline SVG; every number is also
/// text. Counts carry `data-layer` and `data-count`, so that programs can read the page.

#include <optional>
#include <string>
#include <vector>

#include "cli/energy_source.hpp"
#include "cli/page/html.hpp"
#include "cli/run_directory.hpp"
#include "energy/comparison.hpp"
#include "energy/in_sensor.hpp"

namespace spikeloom::cli {

struct PageInput {
  EnergySource source;
  std::vector<EnergyReport> reports;         ///< one per cost table, the first in full
  std::optional<StoredRecording> recording;  ///< for raster and rates
};

std::string run_page(const PageInput& input);

/// The in-sensor study: ranges on a logarithmic axis, the published ratio marked. `studies` must
/// not be empty.
std::string in_sensor_page(const std::vector<InSensorStudy>& studies, const CostTable& table);

// The parts, each the body of a section.
std::string network_part(const EnergySource& source);
std::string raster_part(const StoredRecording& recording);
std::string activity_part(const EnergySource& source);
std::string energy_part(const EnergyReport& report, Footnotes& footnotes);
std::string break_even_part(const EnergyReport& report);
std::string sensitivity_part(const EnergyReport& report, Footnotes& footnotes);

/// A whole document; `body` ends inside <main>.
std::string whole_page(const std::string& title, const std::string& body);

/// The page's style sheet.
std::string_view page_style();

}  // namespace spikeloom::cli
