/* A source that serves made-up processes, for the tests of the endpoints and of the server. */
#ifndef EBB_TESTS_SERVE_FAKE_SOURCE_H
#define EBB_TESTS_SERVE_FAKE_SOURCE_H

#include "tool/serve/answer.h"

enum { FAKE_PID = 41, FAKE_CHILD = 42, FAKE_PERIOD = 524288 };

struct fake {
    size_t process_count; /* 0 to 2: FAKE_PID, FAKE_CHILD */
    _Atomic int taken;    /* profiles so far: each one holds one more live block */
    int fail;             /* the error to answer with, or 0 */
};

struct ebb_source fake_source(struct fake *fake);

#endif
