#include "cli/app.hpp"
#include "cli/interrupt.hpp"

int main(int argc, char** argv) {
  spikeloom::cli::install_interrupt_handler();
  return spikeloom::cli::run_app(argc, argv);
}
