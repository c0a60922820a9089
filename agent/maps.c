/* Maps of libebb in the same process: they go into the agent's record, so that there is one.
 *
 * libebb looks the function up by its name; see runtime/containers/inventory.c. */
#include "agent/agent.h"

/* Shows how a map stands, or that it is gone (`entry` NULL). The version of the record's format is in
 * the name, because what is handed over is laid out by it. */
EBB_EXPORT bool ebb_agent_map_2(struct ebb_map_handle *handle, const struct ebb_map_entry *entry,
                                uint64_t site);

static_assert(EBB_CHANNEL_VERSION == 2, "the name of ebb_agent_map_2 has the version");

bool ebb_agent_map_2(struct ebb_map_handle *handle, const struct ebb_map_entry *entry,
                     uint64_t site)
{
    struct ebb_writer *writer = ebb_agent_enter_to_record();
    if (!writer)
        return false;
    bool shown = entry && ebb_writer_map(writer, handle, entry, site);
    if (!entry)
        ebb_writer_map_gone(writer, handle);
    ebb_agent_leave();
    return shown;
}
