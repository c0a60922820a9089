/* The reader of what goroutines wait for, given anything; what it makes of it is a sound profile. */
#include "fuzz/profile_check.h"
#include "tool/collect/go_waits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ebb_profile *profile;
    struct ebb_error error = {""};
    int code = ebb__go_waits_read((const char *)data, size, "text", &profile, &error);
    if (code < 0) {
        check(profile == NULL && *error.text);
        return 0;
    }
    check_tables(profile);
    check_samples(profile);
    check_round_trip(profile);
    ebb_profile_free(profile);
    return 0;
}
