/* Live blocks of a known mixture under named functions, then silence: mixture. Says "ready". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *keep[200000];
static size_t kept;

/* `count` blocks of `size` bytes, at a stack of its own. */
#define HOLDER(name, count, size)                                                                  \
    __attribute__((noinline)) static void name(void)                                               \
    {                                                                                              \
        for (int i = 0; i < (count); i++) {                                                        \
            void *block = malloc(size);                                                            \
            if (!block)                                                                            \
                exit(1);                                                                           \
            keep[kept++] = memset(block, 1, (size));                                               \
        }                                                                                          \
    }

HOLDER(hold_images, 40, 1 << 20)
HOLDER(hold_pages, 6000, 4096)
HOLDER(hold_names, 120000, 64)
HOLDER(hold_rows, 20000, 600)
HOLDER(hold_buffers, 60, 70000)
HOLDER(hold_little, 1000, 16)

int main(void)
{
    hold_images();
    hold_pages();
    hold_names();
    hold_rows();
    hold_buffers();
    hold_little();
    puts("ready");
    fflush(stdout);
    for (;;)
        pause();
}
