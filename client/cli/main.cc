#include <unistd.h>

#include <iostream>

#include "client/cli/app.h"

int main(int argc, char** argv) {
  return nestor::RunNestor(argc, argv, std::cout, std::cerr, isatty(STDERR_FILENO) != 0);
}
