#pragma once

/*
 * Shared by the fuzz targets. Each is a program of libFuzzer: one input is one run, and any sanitizer report is a
 * finding.
 */

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Write the input to a file of this process, whose name stays the same. @return the name */
const char *fuzz_file(const char *suffix, const uint8_t *data, size_t size);
