/* The same with double elements: vectors are arrays there, as where a processor has none. */
#include "nn/test_infer.c"
