/* A descriptor that is too small. */
#define DESCRIPTOR_SIZE 16
#include "good.h"
GOOD_REST
