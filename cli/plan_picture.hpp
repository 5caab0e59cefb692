#pragma once
/// Pictures of a Plan: where populations lie, how full cores are, how busy links and tables.

#include <string>

#include "mapping/plan.hpp"

namespace spikeloom::cli {

/// Rows of text: the machine with a character a chip (the population that has most of its cores),
/// cores used, table entries and packets over its busiest link by chip, and a bar of each
/// resource for the fullest core of each population.
std::string plan_picture_text(const mapping::Plan& plan, bool ascii);

/// SVG: chips with their cores, coloured by population and filled to their share of memory, links
/// as wide as their load, a bar at each chip for its table; a legend.
std::string plan_picture_svg(const mapping::Plan& plan);

}  // namespace spikeloom::cli
