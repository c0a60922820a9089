// Worker: boost::unordered_flat_map. See worker.h.
#include <boost/unordered/unordered_flat_map.hpp>
#define MAP boost::unordered_flat_map
#include "cxx.h"
