#pragma once

// Whether a source file has ferry's definitions: each, as a rule; with FERRY_SEPARATE_COMPILATION,
// the one that includes ferry/src.hpp, so that the others need not wait for them.
#if !defined(FERRY_SEPARATE_COMPILATION)
#define FERRY_HAS_DEFINITIONS 1
#define FERRY_DECL inline
#elif defined(FERRY_SOURCE)
#define FERRY_HAS_DEFINITIONS 1
#define FERRY_DECL
#define FERRY_EXTERN
#else
#define FERRY_HAS_DEFINITIONS 0
#define FERRY_EXTERN extern
#endif
