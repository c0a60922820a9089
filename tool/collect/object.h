/* One ELF file with whatever debugging information belongs to it: from an address in the file to
 * the chain of functions there.
 *
 * Opening reads headers only. DWARF and symbol tables are looked for when the first address is
 * asked, and a compilation unit is indexed when the first address in it is asked, so a large
 * program costs what is looked at. Internal to the collect room. */
#ifndef EBB_TOOL_COLLECT_OBJECT_H
#define EBB_TOOL_COLLECT_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ebb_object;

enum { EBB_OBJECT_MAX_CHAIN = 64, EBB_OBJECT_MAX_CALLS = 12 };

/* One function of a chain. Strings belong to the object and stay where they are; NULL where
 * unknown. */
struct ebb_object_frame {
    const char *linkage_name; /* mangled, where the language mangles */
    const char *name;         /* as the source has it, or the symbol's name */
    const char *file;         /* as the compiler recorded it */
    const char *directory;    /* what a relative `file` is relative to, NULL unknown */
    int64_t line, start_line; /* 0 unknown */
    /* Linkage names of what this function calls by name or has inlined itself, anywhere in it. */
    const char *calls[EBB_OBJECT_MAX_CALLS];
    unsigned call_count;
};

/* `build_id_size` 0 trusts the file. `debug_path` is a search path as dwfl_standard_find_debuginfo
 * takes it; it must outlive the object. NULL: no regular ELF file there, another build-id, or out
 * of memory. The path may come from an untrusted record: nothing but regular files is opened. */
struct ebb_object *ebb__object_open(const char *path, const uint8_t *build_id, size_t build_id_size,
                                    char **debug_path);
void ebb__object_close(struct ebb_object *object); /* NULL is fine */

/* Fills `chain` with the functions at `address` (as linked), the innermost inlined one first, and
 * returns how many; 0 when nothing is known about it. */
size_t ebb__object_chain(struct ebb_object *object, uint64_t address,
                         struct ebb_object_frame chain[static EBB_OBJECT_MAX_CHAIN]);

#endif
