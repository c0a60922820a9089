/* Reads a fuzzer's input as a program: bytes, numbers, until there are no more. */
#ifndef EBB_FUZZ_INPUT_H
#define EBB_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct input {
    const uint8_t *at, *end;
};

/* The next byte; zeros behind the end. */
static inline unsigned next_byte(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

static inline unsigned next_number(struct input *input, unsigned below)
{
    unsigned low = next_byte(input);
    return (low | next_byte(input) << 8) % below;
}

/* A promise of the code under test; the fuzzer reports the abort. */
#define PROMISE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition);        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
