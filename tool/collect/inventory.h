/* The inventory of a process: the Ebb maps that show themselves in its record.
 *
 * Not thread-safe. */
#ifndef EBB_TOOL_COLLECT_INVENTORY_H
#define EBB_TOOL_COLLECT_INVENTORY_H

#include "base/error.h"
#include "base/vec.h"
#include "channel/reader.h"
#include "tool/collect/symbols.h"

struct ebb_listed_map {
    struct ebb_map_entry entry;
    double age_s;          /* since it was first shown */
    double stale_s;        /* since its numbers were written */
    struct ebb_frame site; /* where it was created; `function` "" unknown */
};

struct ebb_inventory {
    struct ebb_identity identity;
    bool alive;
    uint64_t dropped; /* maps that found no room in the record */
    struct ebb_listed_maps EBB_VEC(struct ebb_listed_map) maps;
    struct ebb_symbolizer *symbolizer; /* owns the sites' strings */
};

/* Reads the record of a process that lives, or that left one. Zero-initialise; read it again and
 * again; let go with ebb_inventory_free. 0; -ENOENT (does not publish), -EBADMSG, -ENOMEM, and the
 * line. */
int ebb_inventory_read(pid_t pid, struct ebb_inventory *inventory, struct ebb_error *error);
void ebb_inventory_free(struct ebb_inventory *inventory);

/* A module of the record as a symbolizer takes it; strings are the module's. */
struct ebb_symbol_module ebb_symbol_module_of(const struct ebb_module *module);

/* Makes modules [*known, module_count) of a snapshot known to a symbolizer, in their order: a later
 * one takes the addresses of an earlier one that was unloaded. 0 or -ENOMEM. */
int ebb__learn_modules(struct ebb_symbolizer *symbolizer, const struct ebb_snapshot *snapshot,
                       size_t *known);

/* Where a map of the snapshot was created; strings are the symbolizer's. */
struct ebb_frame ebb__site_of_map(struct ebb_symbolizer *symbolizer,
                                  const struct ebb_snapshot *snapshot,
                                  const struct ebb_map_entry *map);

#endif
