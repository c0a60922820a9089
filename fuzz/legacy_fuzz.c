/* The readers of Go's, tcmalloc's, gperftools' and jemalloc's texts, given anything. The first byte
 * chooses a heading, so that the fuzzer need not find one by chance; above them, the text brings
 * its own. */
#include "fuzz/profile_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const headings[] = {
        "heap profile: 1: 2 [3: 4] @ heap/1048576\n",
        "heap profile: 1: 2 [1: 2] @ heap_v2/524288\n",
        "heap profile: 1: 2 [3: 4] @ heapprofile\n",
        "heap profile: 1: 2 [3: 4] @ growthz\n",
        "heap_v2/524288\n  t*: 1: 2 [3: 4]\n",
        "--- contentionz 1 ---\n",
        "goroutine profile: total 3\n",
    };
    size_t choice = size ? data[0] : SIZE_MAX;
    if (choice >= sizeof headings / sizeof *headings) {
        check_reading(data, size);
        return 0;
    }
    size_t length = strlen(headings[choice]);
    char *text = malloc(length + size - 1);
    if (!text)
        return 0;
    memcpy(text, headings[choice], length);
    memcpy(text + length, data + 1, size - 1);
    check_reading(text, length + size - 1);
    free(text);
    return 0;
}
