/* libFuzzer target: the unwinder's .eh_frame reader on arbitrary tables. The first bytes of an
 * input say where its .eh_frame_hdr lies and which address is looked up; the rest is the segment.
 */
#include "channel/unwind_cfi.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint16_t header;
    int32_t distance;
    bool is_signal;
    const size_t used = sizeof header + sizeof distance;
    if (size < used + 1)
        return 0;
    memcpy(&header, data, sizeof header);
    memcpy(&distance, data + sizeof header, sizeof distance);
    uint8_t *segment = malloc(size - used); /* exactly as large, for the address sanitizer */
    if (!segment)
        return 0;
    memcpy(segment, data + used, size - used);
    const struct ebb_cfi_tables tables = {segment, segment + size - used, segment + header};
    if (header < size - used) {
        uint64_t pc = (uint64_t)(uintptr_t)tables.eh_frame_hdr + (uint64_t)(int64_t)distance;
        struct ebb_cfi_rule rule = ebb_cfi_find(&tables, pc, &is_signal);
        if (rule.kind > EBB_CFI_END || rule.from > EBB_CFI_FROM_BASE)
            abort();
    }
    free(segment);
    return 0;
}
