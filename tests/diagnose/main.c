/* Tests of the diagnosis: the parts, and reports on evidence with a known answer. */
#include "tests/diagnose/tests.h"

int main(void)
{
    int failed = test_trend();
    failed += test_containers();
    failed += test_forecast();
    failed += test_report();
    failed += test_go();
    return failed;
}
