#pragma once

// With FERRY_SEPARATE_COMPILATION, what is not in the headers' classes is compiled by the one
// source file that includes ferry/src.hpp: for the others it is `extern`.
#if !defined(FERRY_SEPARATE_COMPILATION)
// Each compiles what it uses.
#elif defined(FERRY_SOURCE)
#define FERRY_EXTERN
#else
#define FERRY_EXTERN extern
#endif
