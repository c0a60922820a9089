// Worker: absl::flat_hash_map. See worker.h.
#include <absl/container/flat_hash_map.h>
#define MAP absl::flat_hash_map
#include "cxx.h"
