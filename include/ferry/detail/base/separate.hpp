#pragma once

// Two ways to use the library: header-only, the default, and compiled.
//
// Public headers declare; the definitions that are no templates are in `ferry/impl/*.ipp`. By
// default each header includes its own definitions, which are then inline. With
// FERRY_SEPARATE_COMPILATION, in all source files of a program, it does not: `ferry/src.hpp` and
// its like compile the definitions once.
#if defined(FERRY_SEPARATE_COMPILATION)
#define FERRY_DEFINITION
#else
#define FERRY_DEFINITION inline
#endif
