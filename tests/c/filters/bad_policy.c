/* A policy that there is not. */
#define POLICY 4
#include "good.h"
GOOD_REST
