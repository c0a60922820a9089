/* An upload handler reads each body whole into a buffer that realloc doubles (up to some MB),
 * computes a checksum and frees it.
 *
 * expect: large-temporaries */
#include "load.h"

struct body {
    unsigned char *bytes;
    size_t length, capacity;
};

static void body_reserve(struct body *body, size_t more)
{
    size_t capacity = body->capacity ? body->capacity : 4096;
    while (capacity < body->length + more)
        capacity *= 2;
    if (capacity == body->capacity)
        return;
    body->bytes = realloc(body->bytes, capacity); /* <- keeps */
    if (!body->bytes)
        abort();
    body->capacity = capacity;
}

static void read_body(struct body *body, size_t length)
{
    static const unsigned char chunk[16384] = {1, 2, 3};
    while (body->length < length) {
        body_reserve(body, sizeof chunk); /* <- keeps */
        memcpy(body->bytes + body->length, chunk, sizeof chunk);
        body->length += sizeof chunk;
    }
}

static void upload(unsigned long number)
{
    struct body body = {0};
    read_body(&body, (2u << 20) + load_random(number) % (2u << 20));
    uint64_t checksum = 0;
    for (size_t i = 0; i < body.length; i += 64)
        checksum += body.bytes[i];
    if (checksum == 0)
        fputs("empty\n", stderr);
    free(body.bytes);
}

int main(void)
{
    load_run(30, upload);
}
