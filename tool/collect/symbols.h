/* Symbols: from an address in a module to the chain of functions that were inlined there.
 *
 * Runs in the command, never in the program that is watched. Symbols come from, in this order: the
 * module's own DWARF, the separate debug file by build-id or .gnu_debuglink below /usr/lib/debug,
 * debuginfod (only when DEBUGINFOD_URLS is set), .symtab, .dynsym. Names are demangled. A module
 * whose file was replaced since (build-ids differ) is not used.
 *
 * Results are cached and live as long as the symbolizer. Not thread-safe. */
#ifndef EBB_TOOL_COLLECT_SYMBOLS_H
#define EBB_TOOL_COLLECT_SYMBOLS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One function at an address. Strings are never NULL; unknown ones are "". */
struct ebb_frame {
    const char *function;    /* demangled, without parameters: "cache_insert", "Cache::insert" */
    const char *system_name; /* as the linker knows it */
    const char *file;        /* path as the compiler recorded it, made absolute where possible */
    int64_t line;            /* 0 unknown */
    int64_t start_line;      /* of the function, 0 unknown */
    const char *module;      /* path of the ELF file */
    bool inlined;            /* into the next frame of the same address */
    /* C++ functions that this one calls or has inlined anywhere in it, demangled, as far as the
     * debugging information tells; NULL-terminated, or NULL. */
    const char *const *calls;
};

struct ebb_symbol_module {
    uint64_t start, end; /* addresses covered, [start, end) */
    uint64_t base;       /* load bias */
    uint64_t offset;     /* file offset of start */
    const char *path;
    const uint8_t *build_id;
    size_t build_id_size; /* 0: unknown, then the file is trusted */
};

struct ebb_symbolizer;

struct ebb_symbolizer *ebb_symbolizer_new(void); /* NULL: out of memory */
void ebb_symbolizer_free(struct ebb_symbolizer *symbolizer);

/* Makes a module known; its strings are copied. Adding the same one again is cheap. */
int ebb_symbolizer_add(struct ebb_symbolizer *symbolizer, const struct ebb_symbol_module *module);

/* The frames at `address`, the innermost inlined one first; at least one (an unknown address gives
 * a frame whose function is "0x..."). `is_return_address`: look up address - 1. The array belongs to
 * the symbolizer. O(1) after the first time. */
const struct ebb_frame *ebb_symbolize(struct ebb_symbolizer *symbolizer, uint64_t address,
                                      bool is_return_address, size_t *count);

/* The module an address lies in, or NULL. */
const struct ebb_symbol_module *ebb_symbolizer_module(const struct ebb_symbolizer *symbolizer,
                                                      uint64_t address);

#endif
