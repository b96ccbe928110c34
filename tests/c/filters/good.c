/* Without fault. */
#include "good.h"
GOOD_REST
