/* A name that is no name. */
#define ID "Good Filter"
#include "good.h"
GOOD_REST
