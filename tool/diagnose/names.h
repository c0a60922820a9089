/* Names that Ebb knows: containers and the functions that belong to them, allocation wrappers,
 * modules that are not the user's code.
 *
 * A container a library or an interpreter brings along is known with what its users do about
 * growth, so that advice can be concrete. Adding one means adding it and its functions to the
 * tables of names.c. */
#ifndef EBB_TOOL_DIAGNOSE_NAMES_H
#define EBB_TOOL_DIAGNOSE_NAMES_H

#include "tool/collect/symbols.h"

enum ebb_container_kind { EBB_CONTAINER_MAP, EBB_CONTAINER_SEQUENCE, EBB_CONTAINER_TEXT };

struct ebb_container {
    const char *name;
    enum ebb_container_kind kind;
    bool runtime; /* of an interpreter or a server: its values are allocated all over the program */
    const char *forget; /* how an entry goes, so that its memory goes */
    const char *bound;  /* how its size is limited */
    const char *shrink; /* how an emptied one gives back its table */
};

enum ebb_role {
    EBB_ROLE_NONE,
    EBB_ROLE_NODE,   /* an entry or what it holds */
    EBB_ROLE_TABLE,  /* the table or buffer itself, which is replaced by a larger one */
    EBB_ROLE_CREATE, /* a new, empty container */
};

struct ebb_recognised {
    const struct ebb_container *container; /* NULL: none */
    enum ebb_role role;
};

/* The container that a frame's function belongs to; `base` is its name without template arguments
 * and return type. */
struct ebb_recognised ebb_recognise(const struct ebb_frame *frame, const char *base,
                                    const char *executable);

/* A function that allocates on behalf of whoever calls it. */
bool ebb_name_is_wrapper(const char *base);

/* Never the user's code: libc, the C++ library, GLib, allocators, the agent. */
bool ebb_module_is_runtime(const char *module);
bool ebb_module_is_allocator(const char *module);
/* Installed by the distribution: another library that the user calls. */
bool ebb_module_is_system(const char *module);

/* The program or library of an interpreter: the user's code is a script. */
bool ebb_module_is_interpreter(const char *module);
/* The function in which it runs the script. */
bool ebb_name_is_interpreter_loop(const char *base);
/* Whether it is an Ebb map, plain or nested. */
bool ebb_container_is_ebb(const struct ebb_container *container);

/* What grows in an interpreter without symbols when a table does; NULL: no interpreter. */
const struct ebb_container *ebb_interpreter_container(const char *module, bool by_realloc);

const char *ebb_file_name(const char *path); /* behind the last slash */

#endif
