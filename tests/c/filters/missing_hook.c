/* Without process(). */
#define PROCESS NULL
#include "good.h"
GOOD_REST
