#pragma once

// With FERRY_SEPARATE_COMPILATION, only the source file that includes ferry/src.hpp instantiates
// the templates declared with FERRY_EXTERN; in the other files they are `extern`.
#if !defined(FERRY_SEPARATE_COMPILATION)
// Each file compiles the templates that it uses.
#elif defined(FERRY_SOURCE)
#define FERRY_EXTERN
#else
#define FERRY_EXTERN extern
#endif
