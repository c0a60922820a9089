/* See object.h.
 *
 * libdwfl finds the files: the ELF file's own DWARF, the separate debug file, its dwz companion,
 * the compressed symbol table of .gnu_debugdata. Finding addresses is done here, because libdw
 * answers by walking a whole unit (dwarf_getscopes) or all symbols (dwfl_module_addrinfo) each
 * time, and because not every compiler writes .debug_aranges. Three indexes, each an array of
 * address ranges sorted by their low end:
 *
 *     units      one range per contiguous piece of a compilation unit, from the unit's DIE
 *     functions  per unit, on the first question: every DW_TAG_subprogram that has code
 *     symbols    the symbol table's functions, for what DWARF does not cover
 *
 * Inlined calls are found by descending from the function's DIE through the scopes that contain the
 * address. Ranges outside the file's executable segments belong to code that the linker dropped. */
#include "tool/collect/object.h"

#include "base/clock.h"
#include "base/vec.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct range {
    uint64_t low, high; /* [low, high) */
    uint32_t item;
};
struct ranges EBB_VEC(struct range);

struct unit {
    Dwarf_Die die; /* carries the line table */
    bool indexed;
    struct functions EBB_VEC(Dwarf_Die) functions;
    struct ranges ranges; /* items are functions */
    Dwarf_Lines *lines;
    size_t line_count;
    const char *directory; /* where the compiler ran */
};

struct symbol {
    const char *name;
    uint8_t rank; /* the better of two names for one address has the lower rank */
};

struct ebb_object {
    Dwfl_Callbacks callbacks;
    Dwfl *dwfl;
    Dwfl_Module *module;
    bool loaded;
    Dwarf_Addr dwarf_bias; /* debug file's address + bias = the ELF file's address */
    struct segments EBB_VEC(struct range) segments; /* executable ones */
    struct units EBB_VEC(struct unit) units;
    struct ranges unit_ranges;
    struct symbols EBB_VEC(struct symbol) symbols;
    struct ranges symbol_ranges;
};

/* ---- ranges ---- */

static int range_order(const void *left, const void *right)
{
    const struct range *a = left, *b = right;
    if (a->low != b->low)
        return a->low < b->low ? -1 : 1;
    /* The narrower range last: a search from the right finds it first. */
    if (a->high != b->high)
        return a->high > b->high ? -1 : 1;
    return a->item < b->item ? -1 : a->item > b->item;
}

static void ranges_sort(struct ranges *ranges)
{
    if (ranges->len > 1)
        qsort(ranges->items, ranges->len, sizeof *ranges->items, range_order);
}

/* The narrowest range around `address`, nearly: the one that begins last. NULL when there is none
 * among the few that begin before it. */
static const struct range *ranges_find(const struct ranges *ranges, uint64_t address)
{
    enum { LOOK_BACK = 16 };
    size_t low = 0, high = ranges->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges->items[middle].low <= address)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t tried = 0; low > 0 && tried < LOOK_BACK; tried++) {
        const struct range *range = &ranges->items[--low];
        if (address < range->high)
            return range;
    }
    return NULL;
}

static bool is_executable(const struct ebb_object *object, uint64_t address)
{
    for (size_t i = 0; i < object->segments.len; i++)
        if (address >= object->segments.items[i].low && address < object->segments.items[i].high)
            return true;
    return false;
}

/* Adds every piece of code of a DIE that survived linking. */
static int add_die_ranges(struct ebb_object *object, Dwarf_Die *die, uint32_t item,
                          struct ranges *ranges)
{
    Dwarf_Addr base, low, high;
    ptrdiff_t at = 0;
    while ((at = dwarf_ranges(die, at, &base, &low, &high)) > 0) {
        low += object->dwarf_bias;
        high += object->dwarf_bias;
        if (low < high && is_executable(object, low) && is_executable(object, high - 1) &&
            ebb_vec_push(ranges, (struct range){low, high, item}) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* ---- opening ---- */

/* Looks for the debug file. A debuginfod server that does not answer must not hold up a diagnosis:
 * the client's limits are set when the environment has none, and after some seconds spent without
 * a result no server is asked any more. */
static int find_debuginfo(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
                          const char *file, const char *link, GElf_Word checksum, char **found)
{
    enum { PATIENCE_S = 8 };
    static uint64_t wasted_ns;
    const char *servers = getenv("DEBUGINFOD_URLS");
    bool asks = servers && *servers;
    if (asks) {
        setenv("DEBUGINFOD_TIMEOUT", "5", 0);
        setenv("DEBUGINFOD_MAXTIME", "60", 0);
        setenv("DEBUGINFOD_RETRY_LIMIT", "0", 0);
    }
    uint64_t began = ebb_clock_ns();
    int fd =
        dwfl_standard_find_debuginfo(module, userdata, name, base, file, link, checksum, found);
    if (asks && fd < 0) {
        wasted_ns += ebb_clock_ns() - began;
        if (wasted_ns > PATIENCE_S * UINT64_C(1000000000))
            setenv("DEBUGINFOD_URLS", "", 1);
    }
    return fd;
}

/* An fd of a regular file; never blocks on pipes or devices that a path may name. */
static int open_regular(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;
    if (fd >= 0 && (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool build_id_agrees(Elf *elf, const uint8_t *wanted, size_t size)
{
    const void *found;
    ssize_t found_size = dwelf_elf_gnu_build_id(elf, &found);
    return size == 0 || (found_size == (ssize_t)size && memcmp(found, wanted, size) == 0);
}

static int find_segments(struct ebb_object *object, Elf *elf)
{
    size_t count;
    if (elf_getphdrnum(elf, &count) < 0)
        return 0;
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr header;
        if (gelf_getphdr(elf, (int)i, &header) && header.p_type == PT_LOAD &&
            (header.p_flags & PF_X) && header.p_vaddr + header.p_memsz > header.p_vaddr &&
            ebb_vec_push(&object->segments,
                         (struct range){header.p_vaddr, header.p_vaddr + header.p_memsz, 0}) < 0)
            return -ENOMEM;
    }
    return 0;
}

struct ebb_object *ebb__object_open(const char *path, const uint8_t *build_id, size_t build_id_size,
                                    char **debug_path)
{
    if (path[0] != '/')
        return NULL;
    int fd = open_regular(path);
    if (fd < 0)
        return NULL;
    struct ebb_object *object = calloc(1, sizeof *object);
    if (!object)
        goto failed;
    object->callbacks = (Dwfl_Callbacks){
        .find_elf = dwfl_build_id_find_elf,
        .find_debuginfo = find_debuginfo,
        .section_address = dwfl_offline_section_address,
        .debuginfo_path = debug_path,
    };
    if (!(object->dwfl = dwfl_begin(&object->callbacks)))
        goto failed;
    dwfl_report_begin(object->dwfl);
    /* At base 0, relative to the file's own addresses: so module addresses are file addresses. */
    object->module = dwfl_report_elf(object->dwfl, path, path, fd, 0, true);
    if (object->module)
        fd = -1; /* libdwfl's now */
    if (dwfl_report_end(object->dwfl, NULL, NULL) != 0 || !object->module)
        goto failed;
    GElf_Addr bias;
    Elf *elf = dwfl_module_getelf(object->module, &bias);
    if (!elf || !build_id_agrees(elf, build_id, build_id_size) || find_segments(object, elf) < 0)
        goto failed;
    return object;
failed:
    if (fd >= 0)
        close(fd);
    ebb__object_close(object);
    return NULL;
}

void ebb__object_close(struct ebb_object *object)
{
    if (!object)
        return;
    for (size_t i = 0; i < object->units.len; i++) {
        ebb_vec_free(&object->units.items[i].functions);
        ebb_vec_free(&object->units.items[i].ranges);
    }
    ebb_vec_free(&object->units);
    ebb_vec_free(&object->unit_ranges);
    ebb_vec_free(&object->symbols);
    ebb_vec_free(&object->symbol_ranges);
    ebb_vec_free(&object->segments);
    if (object->dwfl)
        dwfl_end(object->dwfl);
    free(object);
}

/* ---- loading ---- */

static int load_units(struct ebb_object *object)
{
    Dwarf *dwarf = dwfl_module_getdwarf(object->module, &object->dwarf_bias);
    if (!dwarf)
        return 0;
    Dwarf_CU *cu = NULL;
    Dwarf_Die die;
    uint8_t type;
    while (dwarf_get_units(dwarf, cu, &cu, NULL, &type, &die, NULL) == 0) {
        if (type != DW_UT_compile && type != DW_UT_skeleton)
            continue;
        uint32_t index = (uint32_t)object->units.len;
        if (ebb_vec_push(&object->units, (struct unit){.die = die}) < 0 ||
            add_die_ranges(object, &die, index, &object->unit_ranges) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* How good a name is for its address: functions before labels, global before weak before local,
 * few leading underscores before many. */
static uint8_t symbol_rank(const GElf_Sym *symbol, const char *name)
{
    unsigned type = GELF_ST_TYPE(symbol->st_info), binding = GELF_ST_BIND(symbol->st_info);
    unsigned underscores = (unsigned)strspn(name, "_");
    unsigned rank = (type == STT_NOTYPE ? 64u : 0u) +
                    (binding == STB_GLOBAL ? 0u
                     : binding == STB_WEAK ? 16u
                                           : 32u) +
                    (underscores > 15 ? 15u : underscores);
    return (uint8_t)rank;
}

static bool names_code(const GElf_Sym *symbol, const char *name)
{
    unsigned type = GELF_ST_TYPE(symbol->st_info);
    if (!name || !*name || symbol->st_shndx == SHN_UNDEF)
        return false;
    if (type == STT_NOTYPE) /* assembly labels, but not those that mark data in code */
        return name[0] != '$' && name[0] != '.';
    return type == STT_FUNC || type == STT_GNU_IFUNC;
}

/* Of several symbols at one address keeps the best name and the largest size; gives symbols without
 * a size the room up to the next one. */
static void tidy_symbols(struct ebb_object *object)
{
    struct range *ranges = object->symbol_ranges.items;
    size_t kept = 0;
    for (size_t i = 0; i < object->symbol_ranges.len; i++) {
        struct symbol *symbol = &object->symbols.items[ranges[i].item];
        if (kept > 0 && ranges[kept - 1].low == ranges[i].low) {
            struct range *before = &ranges[kept - 1];
            if (symbol->rank < object->symbols.items[before->item].rank)
                before->item = ranges[i].item;
            if (ranges[i].high > before->high)
                before->high = ranges[i].high;
        } else {
            ranges[kept++] = ranges[i];
        }
    }
    object->symbol_ranges.len = kept;
    for (size_t i = 0; i < kept; i++) {
        if (ranges[i].high != ranges[i].low)
            continue;
        for (size_t k = 0; k < object->segments.len; k++)
            if (ranges[i].low >= object->segments.items[k].low &&
                ranges[i].low < object->segments.items[k].high)
                ranges[i].high = object->segments.items[k].high;
        if (i + 1 < kept && ranges[i + 1].low < ranges[i].high)
            ranges[i].high = ranges[i + 1].low;
    }
}

static int load_symbols(struct ebb_object *object)
{
    int count = dwfl_module_getsymtab(object->module);
    for (int i = 1; i < count; i++) {
        GElf_Sym symbol;
        GElf_Addr address;
        const char *name =
            dwfl_module_getsym_info(object->module, i, &symbol, &address, NULL, NULL, NULL);
        if (!names_code(&symbol, name) || !is_executable(object, address))
            continue;
        uint64_t end = address + symbol.st_size;
        if (end < address)
            end = address;
        struct symbol kept = {name, symbol_rank(&symbol, name)};
        struct range range = {address, end, (uint32_t)object->symbols.len};
        if (ebb_vec_push(&object->symbols, kept) < 0 ||
            ebb_vec_push(&object->symbol_ranges, range) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* What does not fit in memory is missing, as if the file did not have it. */
static void load(struct ebb_object *object)
{
    object->loaded = true;
    (void)load_units(object);
    ranges_sort(&object->unit_ranges);
    (void)load_symbols(object);
    ranges_sort(&object->symbol_ranges);
    tidy_symbols(object);
}

/* ---- one unit ---- */

/* Whether code may be defined below a DIE of this tag. Types are included because some languages
 * define methods inside them. */
static bool may_hold_functions(int tag)
{
    switch (tag) {
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
    case DW_TAG_subprogram:
    case DW_TAG_lexical_block:
        return true;
    default:
        return false;
    }
}

static int index_functions(struct ebb_object *object, struct unit *unit, Dwarf_Die *parent,
                           unsigned depth)
{
    enum { MAX_DEPTH = 64 };
    Dwarf_Die die;
    if (depth > MAX_DEPTH || dwarf_child(parent, &die) != 0)
        return 0;
    do {
        int tag = dwarf_tag(&die);
        if (!may_hold_functions(tag))
            continue;
        if (tag == DW_TAG_subprogram) {
            /* The function before its ranges: what is found always exists. */
            size_t before = unit->ranges.len;
            if (ebb_vec_push(&unit->functions, die) < 0 ||
                add_die_ranges(object, &die, (uint32_t)unit->functions.len - 1, &unit->ranges) < 0)
                return -ENOMEM;
            if (unit->ranges.len == before) {
                unit->functions.len--;
                continue; /* a declaration, an abstract instance or dropped code */
            }
        }
        if (index_functions(object, unit, &die, depth + 1) < 0)
            return -ENOMEM;
    } while (dwarf_siblingof(&die, &die) == 0);
    return 0;
}

static void index_unit(struct ebb_object *object, struct unit *unit)
{
    unit->indexed = true;
    Dwarf_Die root = unit->die, split = {0};
    /* With split DWARF the functions are in the .dwo file, the line table is here. */
    if (dwarf_cu_info(unit->die.cu, NULL, NULL, NULL, &split, NULL, NULL, NULL) == 0 && split.addr)
        root = split;
    (void)index_functions(object, unit, &root, 0);
    Dwarf_Attribute directory;
    if (dwarf_attr(&unit->die, DW_AT_comp_dir, &directory))
        unit->directory = dwarf_formstring(&directory);
    ranges_sort(&unit->ranges);
    if (dwarf_getsrclines(&unit->die, &unit->lines, &unit->line_count) != 0)
        unit->line_count = 0;
}

/* The line table's row for an address; rows without a line (code the compiler made up) give way to
 * the row before them. */
static Dwarf_Line *find_line(const struct unit *unit, Dwarf_Addr address)
{
    size_t low = 0, high = unit->line_count;
    Dwarf_Addr at;
    bool ends;
    int number;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        Dwarf_Line *row = dwarf_onesrcline(unit->lines, middle);
        if (!row || dwarf_lineaddr(row, &at) != 0)
            return NULL;
        if (at <= address)
            low = middle + 1;
        else
            high = middle;
    }
    while (low > 0) {
        Dwarf_Line *row = dwarf_onesrcline(unit->lines, --low);
        if (!row || dwarf_lineendsequence(row, &ends) != 0 || ends)
            return NULL;
        if (dwarf_lineno(row, &number) == 0 && number > 0)
            return row;
    }
    return NULL;
}

static void locate(const struct unit *unit, Dwarf_Addr address, struct ebb_object_frame *frame)
{
    Dwarf_Line *row = find_line(unit, address);
    int number = 0;
    if (row && dwarf_lineno(row, &number) == 0) {
        frame->line = number;
        frame->file = dwarf_linesrc(row, NULL, NULL);
        frame->directory = unit->directory;
    }
}

static int64_t number_of(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value;
    return dwarf_attr(die, name, &attribute) && dwarf_formudata(&attribute, &value) == 0 &&
                   value <= INT32_MAX
               ? (int64_t)value
               : 0;
}

static void name_function(Dwarf_Die *die, struct ebb_object_frame *frame)
{
    Dwarf_Attribute attribute;
    if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
        dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
        frame->linkage_name = dwarf_formstring(&attribute);
    frame->name = dwarf_diename(die);
    int start;
    if (dwarf_decl_line(die, &start) == 0)
        frame->start_line = start;
}

static const char *linkage_name_of(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    return dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ? dwarf_formstring(&attribute)
                                                                     : NULL;
}

static void note_call(struct ebb_object_frame *frame, const char *name)
{
    for (unsigned i = 0; name && i < frame->call_count; i++)
        if (strcmp(frame->calls[i], name) == 0)
            return;
    if (name && frame->call_count < EBB_OBJECT_MAX_CALLS)
        frame->calls[frame->call_count++] = name;
}

/* What the scope calls or has inlined, in its blocks too, but not what these call in turn. */
static void note_calls(Dwarf_Die *scope, struct ebb_object_frame *frame, int depth)
{
    enum { MAX_BLOCKS = 8 };
    Dwarf_Die die, callee;
    Dwarf_Attribute origin;
    if (depth > MAX_BLOCKS || dwarf_child(scope, &die) != 0)
        return;
    do {
        switch (dwarf_tag(&die)) {
        case DW_TAG_inlined_subroutine:
            note_call(frame, linkage_name_of(&die));
            break;
        case DW_TAG_call_site:
            if (dwarf_attr(&die, DW_AT_call_origin, &origin) && dwarf_formref_die(&origin, &callee))
                note_call(frame, linkage_name_of(&callee));
            break;
        case DW_TAG_lexical_block:
        case DW_TAG_try_block:
        case DW_TAG_catch_block:
            note_calls(&die, frame, depth + 1);
            break;
        }
    } while (frame->call_count < EBB_OBJECT_MAX_CALLS && dwarf_siblingof(&die, &die) == 0);
}

/* The scope below `die` that contains the address, or false. */
static bool inner_scope(Dwarf_Die *die, Dwarf_Addr address, Dwarf_Die *inner)
{
    if (dwarf_child(die, inner) != 0)
        return false;
    do {
        switch (dwarf_tag(inner)) {
        case DW_TAG_inlined_subroutine:
        case DW_TAG_lexical_block:
        case DW_TAG_try_block:
        case DW_TAG_catch_block:
            if (dwarf_haspc(inner, address) > 0)
                return true;
        }
    } while (dwarf_siblingof(inner, inner) == 0);
    return false;
}

/* Fills the chain from the function's DIE inwards, then turns it round. */
static size_t chain_from_function(const struct unit *unit, Dwarf_Die *function, Dwarf_Addr address,
                                  struct ebb_object_frame *chain)
{
    enum { MAX_SCOPES = 256 };
    Dwarf_Files *files = NULL;
    Dwarf_Die scope = *function, inner;
    size_t count = 0;
    memset(&chain[count], 0, sizeof *chain);
    note_calls(function, &chain[count], 0);
    name_function(function, &chain[count++]);
    for (int depth = 0;
         depth < MAX_SCOPES && count < EBB_OBJECT_MAX_CHAIN && inner_scope(&scope, address, &inner);
         depth++, scope = inner) {
        if (dwarf_tag(&inner) != DW_TAG_inlined_subroutine)
            continue;
        struct ebb_object_frame *caller = &chain[count - 1];
        caller->line = number_of(&inner, DW_AT_call_line);
        Dwarf_Die root;
        if (!files && (!dwarf_diecu(&inner, &root, NULL, NULL) ||
                       dwarf_getsrcfiles(&root, &files, NULL) != 0))
            files = NULL;
        if (files)
            caller->file =
                dwarf_filesrc(files, (size_t)number_of(&inner, DW_AT_call_file), NULL, NULL);
        caller->directory = unit->directory;
        memset(&chain[count], 0, sizeof *chain);
        note_calls(&inner, &chain[count], 0);
        name_function(&inner, &chain[count++]);
    }
    locate(unit, address, &chain[count - 1]);
    for (size_t i = 0; i < count / 2; i++) {
        struct ebb_object_frame swap = chain[i];
        chain[i] = chain[count - 1 - i];
        chain[count - 1 - i] = swap;
    }
    return count;
}

/* ---- the question ---- */

size_t ebb__object_chain(struct ebb_object *object, uint64_t address,
                         struct ebb_object_frame chain[static EBB_OBJECT_MAX_CHAIN])
{
    if (!object->loaded)
        load(object);
    const struct range *symbol = ranges_find(&object->symbol_ranges, address);
    const char *symbol_name = symbol ? object->symbols.items[symbol->item].name : NULL;
    const struct range *piece = ranges_find(&object->unit_ranges, address);
    memset(&chain[0], 0, sizeof chain[0]);
    size_t count = 0;
    if (piece) {
        struct unit *unit = &object->units.items[piece->item];
        if (!unit->indexed)
            index_unit(object, unit);
        const struct range *function = ranges_find(&unit->ranges, address);
        Dwarf_Addr inside = address - object->dwarf_bias;
        if (function)
            count =
                chain_from_function(unit, &unit->functions.items[function->item], inside, chain);
        else if (symbol_name)
            locate(unit, inside, &chain[0]);
    }
    if (count == 0 && symbol_name)
        count = 1;
    /* The outermost function has a symbol of its own; it helps where DWARF leaves the name out. */
    if (count > 0 && !chain[count - 1].linkage_name && !chain[count - 1].name)
        chain[count - 1].name = symbol_name;
    return count;
}
