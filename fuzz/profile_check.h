/* What must hold of every profile that a reader lets through, whatever the file said. */
#ifndef EBB_FUZZ_PROFILE_CHECK_H
#define EBB_FUZZ_PROFILE_CHECK_H

#include "tool/profile/profile.h"

#include <stdlib.h>
#include <string.h>

static inline void check(bool holds)
{
    if (!holds)
        abort();
}

static inline void check_tables(const struct ebb_profile *profile)
{
    check(profile->string_count > 0 && *profile->strings[0] == '\0');
    for (size_t i = 0; i < profile->type_count; i++)
        check(profile->types[i].type < profile->string_count &&
              profile->types[i].unit < profile->string_count);
    for (size_t i = 0; i < profile->mapping_count; i++)
        check(profile->mappings[i].file < profile->string_count &&
              profile->mappings[i].build_id < profile->string_count);
    for (size_t i = 0; i < profile->function_count; i++)
        check(profile->functions[i].name < profile->string_count &&
              profile->functions[i].system_name < profile->string_count &&
              profile->functions[i].file < profile->string_count);
    for (size_t i = 0; i < profile->line_count; i++)
        check(profile->lines[i].function < profile->function_count);
    for (size_t i = 0; i < profile->location_count; i++) {
        const struct ebb_location *location = &profile->locations[i];
        check(location->mapping == EBB_NONE || location->mapping < profile->mapping_count);
        check((size_t)location->first_line + location->line_count <= profile->line_count);
    }
    for (size_t i = 0; i < profile->comment_count; i++)
        check(profile->comments[i] < profile->string_count);
    check(profile->default_type < profile->string_count &&
          profile->period_type.type < profile->string_count &&
          profile->period_type.unit < profile->string_count &&
          profile->drop_frames < profile->string_count &&
          profile->keep_frames < profile->string_count && profile->doc_url < profile->string_count);
}

static inline void check_samples(const struct ebb_profile *profile)
{
    check(profile->type_count > 0 || profile->sample_count == 0);
    for (size_t i = 0; i < profile->sample_count; i++)
        check(profile->stack_start[i] <= profile->stack_start[i + 1]);
    for (uint64_t i = 0; i < profile->stack_start[profile->sample_count]; i++)
        check(profile->stack[i] < profile->location_count);
    if (!profile->label_start)
        return;
    for (size_t i = 0; i < profile->sample_count; i++)
        check(profile->label_start[i] <= profile->label_start[i + 1]);
    for (uint64_t i = 0; i < profile->label_start[profile->sample_count]; i++)
        check(profile->labels[i].key < profile->string_count &&
              profile->labels[i].text < profile->string_count &&
              profile->labels[i].unit < profile->string_count);
}

/* Writes it, reads that, and compares. */
static inline void check_round_trip(const struct ebb_profile *profile)
{
    void *data;
    size_t size;
    struct ebb_profile *again;
    check(ebb_profile_encode(profile, &data, &size, NULL) == 0);
    check(ebb_profile_read_memory(data, size, "again", &again, NULL) == 0);
    free(data);
    size_t frames = profile->stack_start[profile->sample_count];
    check(again->sample_count == profile->sample_count &&
          again->location_count == profile->location_count);
    check(memcmp(again->stack_start, profile->stack_start,
                 (profile->sample_count + 1) * sizeof *profile->stack_start) == 0);
    check(memcmp(again->stack, profile->stack, frames * sizeof *profile->stack) == 0);
    check(memcmp(again->values, profile->values,
                 profile->sample_count * profile->type_count * sizeof *profile->values) == 0);
    ebb_profile_free(again);
}

/* Takes it from itself: nothing is left. Drops its frames: it stays sound. */
static inline void check_transformations(struct ebb_profile *profile)
{
    const struct ebb_profile *both[] = {profile, profile};
    const int scale[] = {1, -1};
    struct ebb_profile *nothing;
    check(ebb_profile_merge(both, scale, 2, &nothing, NULL) == 0);
    check(nothing->sample_count == 0);
    ebb_profile_free(nothing);
    ebb_profile_prune(profile, NULL);
    check_tables(profile);
    check_samples(profile);
}

static inline void check_reading(const void *data, size_t size)
{
    struct ebb_profile *profile;
    struct ebb_error error = {""};
    if (ebb_profile_read_memory(data, size, "input", &profile, &error) < 0) {
        check(profile == NULL && *error.text);
        return;
    }
    check_tables(profile);
    check_samples(profile);
    check_round_trip(profile);
    check_transformations(profile);
    ebb_profile_free(profile);
}

#endif
