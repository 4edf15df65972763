/* The same with double elements: closer to PyTorch's float64, and by differences. */
#include "plugins/test_hardening_clamp.c"
