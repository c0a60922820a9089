/* One symbolizer for the profile's mappings, then the profile is made again with what it says. See
 * symbolize_profile.h.
 *
 * A profile gives a mapping's place in memory and in its file; symbols want the load bias, the
 * difference between addresses at run time and as linked. It follows from the program header that
 * covers the mapping's place in the file. */
#include "tool/collect/symbolize_profile.h"

#include "tool/collect/symbols.h"
#include "tool/profile/rewrite.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUILD_ID_MAX = 64 };

struct symbolizing {
    struct ebb_symbolizer *symbolizer;
    bool *mapping_known; /* its file is there */
    bool added;          /* at least one location got symbols */
};

/* Bytes of a build-id in hexadecimal digits; 0 when it is not one. */
static size_t parse_build_id(const char *hex, uint8_t bytes[static BUILD_ID_MAX])
{
    size_t length = strlen(hex) / 2;
    if (strlen(hex) % 2 || length > BUILD_ID_MAX)
        return 0;
    for (size_t i = 0; i < length; i++) {
        unsigned byte;
        if (strspn(hex + 2 * i, "0123456789abcdefABCDEF") < 2 ||
            sscanf(hex + 2 * i, "%2x", &byte) != 1)
            return 0;
        bytes[i] = (uint8_t)byte;
    }
    return length;
}

/* Opens a regular file and nothing that could block or act: the path comes from the profile. */
static int open_regular(const char *path)
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file >= 0 && (fstat(file, &status) < 0 || !S_ISREG(status.st_mode))) {
        close(file);
        file = -1;
    }
    return file;
}

static bool find_bias(Elf *elf, const struct ebb_mapping *mapping, uint64_t *bias)
{
    size_t count;
    if (elf_kind(elf) != ELF_K_ELF || elf_getphdrnum(elf, &count) != 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(elf, (int)i, &header) || header.p_type != PT_LOAD)
            continue;
        uint64_t page = header.p_align > 1 ? header.p_align : 4096;
        uint64_t first = header.p_offset - header.p_offset % page;
        if (mapping->offset >= first && mapping->offset < header.p_offset + header.p_filesz) {
            *bias = mapping->start - (mapping->offset - header.p_offset + header.p_vaddr);
            return true;
        }
    }
    return false;
}

static bool bias_of(const char *path, const struct ebb_mapping *mapping, uint64_t *bias)
{
    bool found = false;
    int file = open_regular(path);
    if (file < 0)
        return false;
    if (elf_version(EV_CURRENT) != EV_NONE) {
        Elf *elf = elf_begin(file, ELF_C_READ_MMAP, NULL);
        found = elf && find_bias(elf, mapping, bias);
        elf_end(elf);
    }
    close(file);
    return found;
}

static bool lacks_symbols(const struct ebb_profile *in, const struct ebb_location *location)
{
    return location->line_count == 0 && location->mapping != EBB_NONE &&
           !in->mappings[location->mapping].has_functions;
}

/* Makes the mappings known that hold locations without symbols. */
static int add_modules(struct symbolizing *symbolizing, const struct ebb_profile *in)
{
    bool *wanted = calloc(in->mapping_count + 1, sizeof *wanted);
    if (!wanted)
        return -ENOMEM;
    int failed = 0;
    for (size_t i = 0; i < in->location_count; i++)
        if (lacks_symbols(in, &in->locations[i]))
            wanted[in->locations[i].mapping] = true;
    for (size_t i = 0; i < in->mapping_count && !failed; i++) {
        const struct ebb_mapping *mapping = &in->mappings[i];
        const char *path = ebb_profile_string(in, mapping->file);
        uint8_t build_id[BUILD_ID_MAX];
        struct ebb_symbol_module module = {
            .start = mapping->start,
            .end = mapping->limit,
            .offset = mapping->offset,
            .path = path,
            .build_id = build_id,
            .build_id_size = parse_build_id(ebb_profile_string(in, mapping->build_id), build_id),
        };
        if (!wanted[i] || *path != '/' || mapping->start >= mapping->limit ||
            !bias_of(path, mapping, &module.base))
            continue;
        failed = ebb_symbolizer_add(symbolizing->symbolizer, &module);
        symbolizing->mapping_known[i] = !failed;
    }
    free(wanted);
    return failed;
}

/* An address that has no name comes back as "libc.so.6+0x1234" or "0x1234": no symbol. */
static bool is_named(const struct ebb_frame *frame)
{
    if (*frame->file)
        return true;
    const char *base = strrchr(frame->module, '/');
    base = base && base[1] ? base + 1 : frame->module;
    const char *rest = frame->function;
    if (*base && strncmp(rest, base, strlen(base)) == 0 && rest[strlen(base)] == '+')
        rest += strlen(base) + 1;
    return strncmp(rest, "0x", 2) != 0;
}

static int add_frames(struct symbolizing *symbolizing, const struct ebb_location *location,
                      struct ebb_profile_builder *to, struct ebb_line_list *lines)
{
    size_t count;
    const struct ebb_frame *frames =
        ebb_symbolize(symbolizing->symbolizer, location->address, false, &count);
    if (count == 1 && !is_named(frames))
        return 0;
    for (size_t i = 0; i < count; i++) {
        struct ebb_line line = {
            .function = ebb_profile_builder_function(to, frames[i].function, frames[i].system_name,
                                                     frames[i].file, frames[i].start_line),
            .line = frames[i].line,
        };
        if (ebb_vec_push(lines, line) < 0)
            return -ENOMEM;
    }
    symbolizing->added = true;
    return 0;
}

static int choose_lines(void *context, const struct ebb_profile *from, size_t index,
                        struct ebb_profile_builder *to, struct ebb_line_list *lines)
{
    struct symbolizing *symbolizing = context;
    const struct ebb_location *location = &from->locations[index];
    if (lacks_symbols(from, location) && symbolizing->mapping_known[location->mapping])
        return add_frames(symbolizing, location, to, lines) < 0 ? -ENOMEM : 1;
    for (uint32_t i = 0; i < location->line_count; i++)
        if (ebb_rewrite_add_line(lines, to, from, &from->lines[location->first_line + i]) < 0)
            return -ENOMEM;
    return 1;
}

static int symbolize(struct symbolizing *symbolizing, const struct ebb_profile *in,
                     struct ebb_profile **out, struct ebb_error *error)
{
    bool any = false;
    symbolizing->symbolizer = ebb_symbolizer_new();
    symbolizing->mapping_known = calloc(in->mapping_count + 1, sizeof(bool));
    if (!symbolizing->symbolizer || !symbolizing->mapping_known || add_modules(symbolizing, in) < 0)
        return ebb_error_set(error, -ENOMEM, "out of memory");
    for (size_t i = 0; i < in->mapping_count; i++)
        any = any || symbolizing->mapping_known[i];
    if (!any)
        return 0;
    int failed = ebb_profile_rewrite(in, in->stack_start, in->stack_start + 1, choose_lines,
                                     symbolizing, out, error);
    if (!failed && !symbolizing->added) {
        ebb_profile_free(*out);
        *out = NULL;
    }
    return failed;
}

int ebb_profile_symbolize(const struct ebb_profile *in, struct ebb_profile **out,
                          struct ebb_error *error)
{
    struct symbolizing symbolizing = {0};
    *out = NULL;
    bool lacking = false;
    for (size_t i = 0; i < in->location_count && !lacking; i++)
        lacking = lacks_symbols(in, &in->locations[i]);
    if (!lacking)
        return 0;
    int failed = symbolize(&symbolizing, in, out, error);
    free(symbolizing.mapping_known);
    ebb_symbolizer_free(symbolizing.symbolizer);
    return failed;
}
