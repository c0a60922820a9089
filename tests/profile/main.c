/* tool/profile/: all suites of the room in one binary. */
#include "support.h"

int main(void)
{
    return !!(test_pprof() + test_transform() + test_legacy() + test_memory() + test_go());
}
