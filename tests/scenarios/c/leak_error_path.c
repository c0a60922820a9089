/* A decoder allocates a frame per packet and returns early, without freeing it, when the checksum is
 * wrong: one packet in twenty.
 *
 * expect: leak
 * quick: 10 */
#include "load.h"

struct frame {
    uint32_t checksum;
    size_t length;
    unsigned char payload[1500];
};

static unsigned long decoded;

static int decode(const unsigned char *packet, size_t length)
{
    struct frame *frame = malloc(sizeof *frame); /* <- keeps */
    if (!frame)
        return -1;
    frame->length = length;
    memcpy(frame->payload, packet, length);
    frame->checksum = 0;
    for (size_t i = 0; i < length; i++)
        frame->checksum += packet[i];
    if (frame->checksum % 20 == 0)
        return -2; /* wrong checksum: the frame is forgotten */
    decoded += frame->length;
    free(frame);
    return 0;
}

static void packet(unsigned long number)
{
    unsigned char bytes[1400];
    uint64_t noise = load_random(number);
    memset(bytes, (int)(noise & 0x7f), sizeof bytes);
    memcpy(bytes, &noise, sizeof noise);
    decode(bytes, sizeof bytes);
}

int main(void)
{
    load_run(8000, packet);
}
