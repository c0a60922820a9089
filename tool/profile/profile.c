/* What every profile has whatever it was made from: its memory and the choice of a value. See
 * profile.h. */
#include "tool/profile/profile.h"

#include "tool/profile/room.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ebb_profile *ebb__profile_new(void)
{
    struct ebb_profile *profile = calloc(1, sizeof *profile);
    return profile;
}

void ebb_profile_free(struct ebb_profile *profile)
{
    if (!profile)
        return;
    free(profile->strings);
    free(profile->types);
    free(profile->mappings);
    free(profile->functions);
    free(profile->lines);
    free(profile->locations);
    free(profile->stack_start);
    free(profile->stack);
    free(profile->values);
    free(profile->label_start);
    free(profile->labels);
    ebb_arena_free(&profile->arena);
    free(profile);
}

int ebb_profile_add_comment(struct ebb_profile *profile, const char *text)
{
    char *kept = ebb_arena_strdup(&profile->arena, text);
    size_t count = profile->comment_count;
    uint32_t *comments = ebb_arena_zalloc(&profile->arena, count + 1, sizeof *comments);
    char **strings = realloc(profile->strings, (profile->string_count + 1) * sizeof *strings);
    if (strings)
        profile->strings = strings;
    if (!kept || !comments || !strings || profile->string_count >= EBB_NONE)
        return -ENOMEM;
    if (count > 0)
        memcpy(comments, profile->comments, count * sizeof *comments);
    comments[count] = (uint32_t)profile->string_count;
    strings[profile->string_count++] = kept;
    profile->comments = comments;
    profile->comment_count++;
    return 0;
}

static const char *type_name(const struct ebb_profile *profile, size_t index)
{
    return ebb_profile_string(profile, profile->types[index].type);
}

int ebb_profile_find_type(const struct ebb_profile *profile, const char *name)
{
    for (size_t i = 0; i < profile->type_count; i++)
        if (strcmp(ebb_profile_string(profile, profile->types[i].type), name) == 0)
            return (int)i;
    return -1;
}

/* The only type whose name begins with `wanted`, or -1. */
static int index_by_prefix(const struct ebb_profile *profile, const char *wanted)
{
    int found = -1;
    for (size_t i = 0; i < profile->type_count; i++) {
        if (strncmp(type_name(profile, i), wanted, strlen(wanted)) != 0)
            continue;
        if (found >= 0)
            return -1;
        found = (int)i;
    }
    return found;
}

static int no_such_type(const struct ebb_profile *profile, const char *wanted,
                        struct ebb_error *error)
{
    char choices[400] = "";
    size_t used = 0;
    for (size_t i = 0; i < profile->type_count && used < sizeof choices; i++)
        used += (size_t)snprintf(choices + used, sizeof choices - used, "%s%s", i ? ", " : "",
                                 type_name(profile, i));
    return ebb_error_set(error, -ENOENT,
                         "the profile has no sample type \"%.60s\"; choose from: %s", wanted,
                         choices);
}

int ebb_profile_value_index(const struct ebb_profile *profile, const char *wanted,
                            struct ebb_error *error)
{
    if (profile->type_count == 0)
        return ebb_error_set(error, -ENOENT, "the profile has no sample types: it is empty");
    int found;
    if (!wanted || !*wanted) {
        found = ebb_profile_find_type(profile, ebb_profile_string(profile, profile->default_type));
        return found >= 0 ? found : (int)profile->type_count - 1;
    }
    if ((found = ebb_profile_find_type(profile, wanted)) >= 0)
        return found;
    /* Old texts that count live memory only call it "space": pprof answers to both names. */
    if (strncmp(wanted, "inuse_", 6) == 0 &&
        (found = ebb_profile_find_type(profile, wanted + 6)) >= 0)
        return found;
    if ((found = index_by_prefix(profile, wanted)) >= 0)
        return found;
    return no_such_type(profile, wanted, error);
}

/* What the locations of one mapping have in common. */
struct coverage {
    size_t locations, functions, filenames, line_numbers, inlined;
};

static void cover(struct coverage *coverage, const struct ebb_profile *profile,
                  const struct ebb_location *location)
{
    bool function = location->line_count > 0, filename = function, line_number = function;
    for (size_t i = 0; i < location->line_count; i++) {
        const struct ebb_line *line = &profile->lines[location->first_line + i];
        const struct ebb_function *called = &profile->functions[line->function];
        function &= called->name != 0;
        filename &= called->file != 0;
        line_number &= line->line != 0;
    }
    coverage->locations++;
    coverage->functions += function;
    coverage->filenames += filename;
    coverage->line_numbers += line_number;
    coverage->inlined += location->line_count > 1;
}

int ebb__profile_set_flags(struct ebb_profile *profile)
{
    struct coverage *coverages = calloc(profile->mapping_count + 1, sizeof *coverages);
    if (!coverages)
        return -ENOMEM;
    for (size_t i = 0; i < profile->location_count; i++)
        if (profile->locations[i].mapping != EBB_NONE)
            cover(&coverages[profile->locations[i].mapping], profile, &profile->locations[i]);
    for (size_t i = 0; i < profile->mapping_count; i++) {
        struct ebb_mapping *mapping = &profile->mappings[i];
        const struct coverage *coverage = &coverages[i];
        if (coverage->locations == 0)
            continue;
        mapping->has_functions |= coverage->functions == coverage->locations;
        mapping->has_filenames |= coverage->filenames == coverage->locations;
        mapping->has_line_numbers |= coverage->line_numbers == coverage->locations;
        mapping->has_inline_frames |= coverage->inlined > 0;
    }
    free(coverages);
    return 0;
}
