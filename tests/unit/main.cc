#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 with -fsanitize=address misjudges <regex>, which Catch includes.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
