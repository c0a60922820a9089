/* The reader of pprof protobuf, given anything: it refuses with a line, or makes a sound profile.
 */
#include "fuzz/profile_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_reading(data, size);
    return 0;
}
