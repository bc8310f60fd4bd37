// The definitions of a program that is compiled with FERRY_SEPARATE_COMPILATION: two_units again.
#include <ferry/src.hpp>
