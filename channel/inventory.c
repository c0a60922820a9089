/* The inventory of Ebb maps: one entry a map, written over in place. */
#include "base/clock.h"
#include "channel/modules.h"
#include "channel/writer_private.h"

#include <string.h>

static bool has_map(struct ebb_writer *writer, const struct ebb_map_handle *handle)
{
    if (!handle->sequence || handle->index >= writer->table[EBB_TABLE_MAPS].used)
        return false;
    const struct ebb_map_entry *entry = ebb__entry(writer, EBB_TABLE_MAPS, handle->index);
    return __atomic_load_n(&entry->sequence, __ATOMIC_RELAXED) == handle->sequence;
}

/* A free entry; EBB_NONE without room. */
static uint32_t take_entry(struct ebb_writer *writer)
{
    ebb_spin_lock(&writer->map_lock);
    uint32_t index = writer->free_map;
    if (index > 0) {
        index--;
        writer->free_map = *ebb__link(writer, EBB_TABLE_MAPS, index);
    } else {
        index = writer->table[EBB_TABLE_MAPS].used;
        if (ebb__reserve(writer, EBB_TABLE_MAPS, (uint64_t)index + 1))
            ebb__set_used(writer, EBB_TABLE_MAPS, index + 1);
        else
            index = EBB_NONE;
    }
    ebb_spin_unlock(&writer->map_lock);
    return index;
}

/* The stack of one frame that `site` is. */
static uint32_t stack_of(struct ebb_writer *writer, uint64_t site)
{
    bool is_new = false;
    uint32_t stack = site ? ebb_writer_stack(writer, &site, 1, true, &is_new) : EBB_NONE;
    if (stack != EBB_NONE)
        ebb_modules_check(writer, is_new);
    return stack;
}

bool ebb_writer_map(struct ebb_writer *writer, struct ebb_map_handle *handle,
                    const struct ebb_map_entry *entry, uint64_t site)
{
    if (!writer->published)
        return false;
    uint64_t now_ns = ebb_clock_coarse_ns(), sequence = handle->sequence;
    bool is_new = !has_map(writer, handle);
    if (is_new) {
        uint32_t index = take_entry(writer);
        if (index == EBB_NONE)
            return false;
        sequence = __atomic_add_fetch(&writer->map_sequence, 1, __ATOMIC_RELAXED);
        *handle = (struct ebb_map_handle){sequence, index};
    }
    struct ebb_map_entry *to = ebb__entry(writer, EBB_TABLE_MAPS, handle->index);
    uint64_t born_ns = is_new ? now_ns : to->born_ns;
    uint32_t stack = is_new ? stack_of(writer, site) : to->stack;
    __atomic_store_n(&to->sequence, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    size_t behind = offsetof(struct ebb_map_entry, updated_ns);
    to->born_ns = born_ns;
    memcpy((char *)to + behind, (const char *)entry + behind, sizeof *to - behind);
    to->updated_ns = now_ns;
    to->stack = stack;
    __atomic_store_n(&to->sequence, sequence, __ATOMIC_RELEASE);
    return true;
}

void ebb_writer_map_gone(struct ebb_writer *writer, struct ebb_map_handle *handle)
{
    if (writer->published && has_map(writer, handle)) {
        struct ebb_map_entry *entry = ebb__entry(writer, EBB_TABLE_MAPS, handle->index);
        ebb_spin_lock(&writer->map_lock);
        __atomic_store_n(&entry->sequence, 0, __ATOMIC_RELEASE);
        *ebb__link(writer, EBB_TABLE_MAPS, handle->index) = writer->free_map;
        writer->free_map = handle->index + 1;
        ebb_spin_unlock(&writer->map_lock);
    }
    *handle = (struct ebb_map_handle){0};
}
